"""Control maps and poses from photos: which annotators there are, with their licences, and what they make.

Models are opened for one call and let go after it, so that they never stand in memory beside a base.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from studio.compose.figure import pose_of
from studio.devices import choose_device
from studio.errors import CapabilityError, GateError, InputError
from studio.measure.annotators import MapAnnotator
from studio.measure.annotators.edges import Canny, LineArt
from studio.measure.annotators.joints import JointFinder
from studio.measure.annotators.people import Box, PeopleFinder
from studio.measure.faces import SFACE, YUNET
from studio.measure.pictures import RGB
from studio.models.installed import Installed
from studio.models.onnx_gate import PICKLES
from studio.models.onnx_model import installed_onnx
from studio.presets import Presets, pick
from studio.records.annotator import AnnotatorCard, MapKind, PhotoPose
from studio.records.pose import JOINT_NAMES
from studio.records.pullable import Licence, Pullable
from studio.settings import Settings

DEPTH, POSE, OPENPOSE, PEOPLE = "depth-anything-v2-small", "rtmpose-m", "openpose-body", "yolox-s"
MAKES: dict[str, Literal["depth", "pose", "people", "faces"]] = {
    DEPTH: "depth", POSE: "pose", OPENPOSE: "pose", PEOPLE: "people", YUNET: "faces", SFACE: "faces",
}  # fmt: skip
"""What each file under `presets/annotators/` is for."""
USED = {"canny": "canny", "lineart": "lineart", "depth": DEPTH, "pose": POSE}
"""What is made of a photo -> the annotator that makes it unless another is asked for."""
_OPENCV = Licence(name="Apache-2.0", commercial_use=True, source="OpenCV 5, LICENSE; computed without weights")
_LINEART = Licence(
    name="Apache-2.0", commercial_use=True,
    source="controlnet_aux 0.0.10, lineart_standard, LICENSE.txt; computed without weights",
)  # fmt: skip


class PhotoReader:
    """Reads photos with what needs no weights and with what is installed."""

    def __init__(self, settings: Settings, presets: Presets) -> None:
        self._settings = settings
        self._presets = presets
        self._installed = Installed(settings, presets)

    def annotators(self) -> list[AnnotatorCard]:
        """Every annotator, those without weights first. Raises FaultsError: a preset cannot be read."""
        own = [
            AnnotatorCard(name="canny", title="Canny edges", makes="canny", licence=_OPENCV, ready=True),
            AnnotatorCard(name="lineart", title="Line art", makes="lineart", licence=_LINEART, ready=True),
        ]
        return own + [self._card(item) for item in self._presets.pullables().values() if item.name in MAKES]

    def used(self) -> dict[str, AnnotatorCard]:
        """What is made of a photo (a kind of map, or `pose`) -> the annotator that makes it here."""
        cards = {card.name: card for card in self.annotators()}
        return {makes: cards[name] for makes, name in USED.items() if name in cards}

    def licence(self, name: str) -> Licence:
        """The licence of an annotator. Raises NotFoundError."""
        return pick({card.name: card for card in self.annotators()}, name, "annotator").licence

    def draw(self, kind: MapKind, rgb: RGB) -> tuple[RGB, str]:
        """The map of a picture (H, W, 3), of the same size, and the annotator's name.

        Raises:
            InputError: there is no such kind of map.
            CapabilityError: the model has yet to be pulled.
            GateError: the model was refused.
        """
        if kind not in get_args(MapKind):
            raise InputError(f"There is no map of kind {kind!r}.", f"Use one of: {', '.join(get_args(MapKind))}.")
        own: dict[str, MapAnnotator] = {"canny": Canny(), "lineart": LineArt()}
        if kind in own:
            return own[kind].annotate(rgb), kind
        from studio.measure.annotators.depth import Depth

        folder, manifest = self._installed.folder(DEPTH), self._installed.manifest(DEPTH)
        allow = {file.sha256 for file in manifest.files} if manifest else None
        device = choose_device(self._settings).device
        return Depth(folder, allow=allow, device=device).annotate(rgb), DEPTH

    def pose(self, rgb: RGB, name: str, action: str = "standing", annotator: str = POSE) -> PhotoPose:
        """The pose of the largest person in a picture (H, W, 3).

        Raises:
            InputError: no person is found, or too little of one.
            CapabilityError: the pose model has yet to be pulled.
            GateError: the model was refused, as OpenPose's own always is.
        """
        self._refuse_pickles(pick(self._presets.pullables(), annotator, "annotator"))
        if MAKES.get(annotator) != "pose":
            raise InputError(f"{annotator} reads no poses.", f"Use {POSE}.")
        finder = JointFinder(installed_onnx(self._installed, annotator))
        people = self._people(rgb)
        nobody = InputError(
            "No person was found in the photo.", "Choose a photo in which one person is seen large, without others."
        )
        if people == []:
            raise nobody
        joints = finder.find(rgb, people[0] if people else None)
        if not joints.is_person:
            raise nobody
        pose, framing = pose_of(joints, (rgb.shape[0], rgb.shape[1]), name, action)
        unseen = [joint.replace("_", " ") for joint, seen in zip(JOINT_NAMES, joints.seen, strict=True) if not seen]
        notes = [f"Not seen and therefore left out: {', '.join(unseen)}."] if unseen else []
        if people and len(people) > 1:
            notes.append(f"{len(people)} persons were found; the largest was read.")
        return PhotoPose(
            pose=pose, framing=framing, confidence=tuple(min(1.0, max(0.0, float(c))) for c in joints.confidence),
            people=None if people is None else len(people), annotator=annotator, licence=self.licence(annotator),
            notes=tuple(notes),
        )  # fmt: skip

    def _people(self, rgb: RGB) -> list[Box] | None:
        """Every person, the largest first; None without a detector: the whole picture is looked at then."""
        if PEOPLE not in self._presets.pullables() or self._installed.state(PEOPLE) != "installed":
            return None
        return PeopleFinder(installed_onnx(self._installed, PEOPLE)).find(rgb)

    def _card(self, item: Pullable) -> AnnotatorCard:
        why = ""
        try:
            self._refuse_pickles(item)
            self._installed.folder(item.name)
        except (CapabilityError, GateError) as error:
            why = str(error)
        return AnnotatorCard(
            name=item.name, title=item.title, makes=MAKES[item.name], licence=item.licence, ready=not why,
            why_not=why, notes=item.notes,
        )  # fmt: skip

    @staticmethod
    def _refuse_pickles(item: Pullable) -> None:
        """Raises GateError: the weights of this thing exist as pickles alone."""
        names = [file.path for source in item.sources for file in source.files if Path(file.path).suffix in PICKLES]
        if names:
            raise GateError(
                f"{item.title} is refused: its weights ({', '.join(names)}) are pickles, which can run code when they "
                "are opened.",
                f"Use {POSE}, whose licence also permits commercial use.",
            )
