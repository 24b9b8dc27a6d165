"""The face of the compose stage: poses to choose from, poses of one's own, and control maps in the file store, drawn
from poses or taken from photos.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from pydantic import ValidationError

from studio.compose.openpose import COLOURS, LIMB_BRIGHTNESS, LIMBS, draw_openpose
from studio.compose.photos import POSE, PhotoReader
from studio.compose.skeleton import LIMB_ENDS, PARENT, check_on_canvas, off_canvas
from studio.errors import ConflictError, FaultsError, InputError, StudioError
from studio.measure.pictures import RGB, encode_png, open_picture
from studio.presets import Presets, faults_of, pick, read_mapping
from studio.records.annotator import AnnotatorCard, MapKind, PhotoMap, PhotoPose
from studio.records.pose import JOINT_NAMES, ControlMap, Framing, Pose
from studio.store import Store, write_atomic


class ComposeService:
    """Poses and their control maps."""

    def __init__(self, store: Store, presets: Presets) -> None:
        self._store = store
        self._presets = presets
        self._folder = store.settings.home / "poses"
        # The same reader serves the home folder, whose poses/ has the layout of presets/poses/.
        self._own = Presets(store.settings.home, store.settings.brand_models)
        self._photos = PhotoReader(store.settings, presets)

    def poses(self) -> dict[str, Pose]:
        """All poses by name: the presets, then those saved here. Raises FaultsError."""
        return self._presets.poses() | self._own.poses()

    def pose(self, name: str) -> Pose:
        """The pose of that name. Raises NotFoundError that lists the names there are."""
        return pick(self.poses(), name, "pose")

    def save_pose(self, pose: Pose, *, overwrite: bool = False) -> Path:
        """Keep a pose as YAML in the home folder.

        Raises:
            ConflictError: a preset has this name, or a saved pose has it and `overwrite` is false.
        """
        path = self._folder / f"{pose.name}.yaml"
        if pose.name in self._presets.poses():
            raise ConflictError(f"'{pose.name}' is a pose preset.", "Save under another name.")
        if path.exists() and not overwrite:
            raise ConflictError(f"A pose '{pose.name}' is already saved.", "Choose another name or overwrite it.")
        self._folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(pose.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        write_atomic(path, text.encode())
        return path

    def load_pose(self, path: Path) -> Pose:
        """Read a pose from a YAML or JSON file anywhere.

        Raises:
            InputError: the file cannot be read as a mapping.
            FaultsError: it holds no valid pose; names every wrong field.
        """
        if not path.is_file():
            raise InputError(f"There is no file {path}.", "Give the path of a pose file (YAML or JSON).")
        try:
            return Pose.model_validate(read_mapping(path))
        except ValidationError as error:
            raise FaultsError(f"Pose file {path}", faults_of(path.name, error)) from error
        except StudioError as error:
            raise InputError(f"{path} {error.message}", error.next_step) from error

    def check(self, pose: Pose, framing: Framing) -> None:
        """Whether the picture shows the whole pose. Raises FaultsError that names every joint off the canvas."""
        check_on_canvas(pose, framing)

    def off_canvas(self, pose: Pose, framing: Framing) -> dict[str, str]:
        """Joint -> where it lies, in words, for every joint off the canvas."""
        return {fault.where: fault.what for fault in off_canvas(pose, framing)}

    def figure(self) -> dict[str, Any]:
        """What an editor needs to know of the skeleton: joints, their parents, limbs, and the colours of the map."""
        return {
            "joints": JOINT_NAMES, "parents": PARENT, "limb_ends": LIMB_ENDS, "limbs": LIMBS, "colours": COLOURS,
            "limb_brightness": LIMB_BRIGHTNESS,
        }  # fmt: skip

    def own_names(self) -> set[str]:
        """Names of the poses that were saved here."""
        return set(self._own.poses())

    def control_map(self, pose: Pose | str, framing: Framing) -> tuple[Image.Image, ControlMap]:
        """Draw a pose and keep the drawing in the file store.

        Returns:
            The RGB picture of the framing's size, and its record.

        Raises:
            FaultsError: a joint lies off the canvas.
            NotFoundError: there is no pose of that name.
        """
        chosen = self.pose(pose) if isinstance(pose, str) else pose
        check_on_canvas(chosen, framing)
        image = Image.fromarray(draw_openpose(chosen, framing))
        return image, ControlMap(image_sha256=self._keep(image), framing=framing, pose=chosen)

    # From photos

    def annotators(self) -> list[AnnotatorCard]:
        """What reads photos, each with its licence and whether it is ready. Raises FaultsError."""
        return self._photos.annotators()

    def annotators_used(self) -> dict[str, AnnotatorCard]:
        """What is made of a photo (a kind of map, or `pose`) -> the annotator that makes it. Raises FaultsError."""
        return self._photos.used()

    def photo(self, path: Path) -> RGB:
        """The pixels of a photo, (H, W, 3), upright and in sRGB. Raises InputError, ResourceError."""
        limits = self._store.settings
        return open_picture(path, max_pixels=limits.max_image_pixels, max_bytes=limits.max_upload_bytes).rgb

    def photo_map(self, kind: MapKind, photo: RGB) -> tuple[Image.Image, PhotoMap]:
        """The control map of a photo (H, W, 3), kept in the file store.

        Returns:
            An RGB picture of the photo's size, and its record.

        Raises:
            InputError: there is no such kind of map.
            CapabilityError: the model for it has yet to be pulled; the next step names the command.
            GateError: the model was refused.
        """
        drawn, annotator = self._photos.draw(kind, photo)
        image = Image.fromarray(drawn)
        record = PhotoMap(
            kind=kind, picture_sha256=self._keep(image), width_px=image.width, height_px=image.height,
            annotator=annotator, licence=self._photos.licence(annotator),
        )  # fmt: skip
        return image, record

    def pose_from_photo(self, photo: RGB, name: str, *, action: str = "standing", annotator: str = POSE) -> PhotoPose:
        """The pose of the largest person in a photo (H, W, 3). It is not saved; `save_pose` does that.

        Raises:
            InputError: no person is found, or too little of one.
            FaultsError: the pose cannot be called so.
            NotFoundError: there is no such annotator.
            CapabilityError: the pose model has yet to be pulled; the next step names the command.
            GateError: the model was refused.
        """
        try:
            return self._photos.pose(photo, name, action, annotator)
        except ValidationError as error:
            raise FaultsError(f"Pose {name!r}", faults_of("pose", error)) from error

    def _keep(self, image: Image.Image) -> str:
        """Puts a picture into the file store as PNG; its content address."""
        return self._store.files.put_bytes(encode_png(image), ".png")
