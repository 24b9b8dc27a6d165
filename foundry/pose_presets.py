"""Writes the fashion poses of `presets/poses/`: fixed seeds of the catalogue, on an average body of 1,700 mm.

`python -m foundry.pose_presets` writes the files; `--sheet sheet.png` also draws every pose with its control map.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from foundry.body import BodyPack, BodyPose
from foundry.poses import sample_pose, sample_yaw
from foundry.render import FACE_JOINTS, render
from foundry.scene import Scene, sample_scene
from studio.compose.openpose import draw_openpose
from studio.records.attributes import Action, FigureAttributes, View
from studio.records.pose import JOINT_NAMES, Framing, Joint, Pose

FOLDER = Path("presets/poses")
HEIGHT_MM = 1700.0
LABEL_PX, COLUMNS = 14, 6


@dataclass(frozen=True)
class PosePreset:
    """A pose of the catalogue: an action and a view, and the seed that looks good."""

    name: str
    action: Action
    view: View
    seed: int

    def body_pose(self) -> tuple[BodyPose, float]:
        """Limb directions, and the figure's turn in degrees."""
        rng = np.random.default_rng(self.seed)
        return sample_pose(rng, self.action), sample_yaw(rng, self.view)


PRESETS = {
    preset.name: preset
    for preset in (
        PosePreset("standing-front", "standing", "front", 26),
        PosePreset("standing-three-quarter", "standing", "three-quarter", 39),
        PosePreset("standing-side", "standing", "side", 2),
        PosePreset("standing-back", "standing", "back", 2),
        PosePreset("relaxed-front", "standing", "front", 2),
        PosePreset("relaxed-three-quarter", "standing", "three-quarter", 2),
        PosePreset("walking-front", "walking", "front", 2),
        PosePreset("walking-three-quarter", "walking", "three-quarter", 2),
        PosePreset("walking-side", "walking", "side", 2),
        PosePreset("walking-back", "walking", "back", 1),
        PosePreset("hand-on-hip-front", "hand-on-hip", "front", 2),
        PosePreset("hand-on-hip-three-quarter", "hand-on-hip", "three-quarter", 1),
        PosePreset("hands-on-hips-front", "hand-on-hip", "front", 8),
        PosePreset("hands-on-hips-three-quarter", "hand-on-hip", "three-quarter", 0),
        PosePreset("arms-crossed-front", "arms-crossed", "front", 3),
        PosePreset("sitting-front", "sitting", "front", 5),
        PosePreset("sitting-three-quarter", "sitting", "three-quarter", 0),
        PosePreset("arm-raised-front", "standing", "front", 2178),
    )
}
"""Name -> preset. The seeds were chosen by eye, among the first that fit the name."""


def average_scene(pack: BodyPack, preset: PosePreset) -> Scene:
    """A woman of average build, 1,700 mm tall, in a plain dress, in the preset's pose before a grey wall."""
    attributes = FigureAttributes(
        age_group="30s", gender="woman", body="average", skin="tan", hair="short", hair_colour="brown",
        garment="dress", sleeve="short", neckline="crew", hem="knee", fabric="plain", colour="beige",
        lower_colour="beige", view=preset.view, action=preset.action, background="grey",
    )  # fmt: skip
    body_pose, yaw_degrees = preset.body_pose()
    scene = sample_scene(pack, 0, "croquis", attributes)
    kind = (attributes.gender, attributes.age_group, attributes.body)
    return replace(
        scene, body_index=pack.kinds.index(kind), height_m=HEIGHT_MM / 1000, pose=body_pose, yaw_degrees=yaw_degrees
    )


def pose_of(pack: BodyPack, preset: PosePreset) -> Pose:
    """The preset's joints, rounded to a millimetre; face joints that the camera cannot see are not present."""
    picture = render(pack, average_scene(pack, preset))
    joints = tuple(
        Joint(x_mm=round(float(x)), y_mm=round(float(y)), present=bool(seen or index not in FACE_JOINTS))
        for index, ((x, y), seen) in enumerate(zip(picture.joints_mm, picture.visible, strict=True))
    )
    return Pose(name=preset.name, joints=joints, figure_height_mm=HEIGHT_MM, view=preset.view, action=preset.action)


def to_yaml(pose: Pose) -> str:
    """The pose as a file that a person can edit: one line a joint, with its name."""
    lines = [
        f"name: {pose.name}",
        f"view: {pose.view}",
        f"action: {pose.action}",
        f"figure_height_mm: {pose.figure_height_mm:g}",
        "# x to the viewer's right, y up from the floor; 0 under the figure. Right and left are the figure's own.",
        "joints:",
    ]
    for name, joint in zip(JOINT_NAMES, pose.joints, strict=True):
        hidden = "" if joint.present else ", present: false"
        lines.append(f"  - {{x_mm: {joint.x_mm:g}, y_mm: {joint.y_mm:g}{hidden}}}  # {name}")
    return "\n".join(lines) + "\n"


def write(pack: BodyPack, folder: Path) -> list[Path]:
    """Writes all presets into `folder`; returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.yaml" for name in PRESETS]
    for path, preset in zip(paths, PRESETS.values(), strict=True):
        path.write_text(to_yaml(pose_of(pack, preset)), encoding="utf-8")
    return paths


def draw_sheet(pack: BodyPack) -> Image.Image:
    """Every preset as a picture beside its control map."""
    framing = Framing()
    width, height = 2 * framing.width_px, framing.height_px + LABEL_PX
    rows = -(-len(PRESETS) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (name, preset) in enumerate(PRESETS.items()):
        left, top = number % COLUMNS * width, number // COLUMNS * height
        draw.text((left + 2, top), name, "black")
        picture, pose = render(pack, average_scene(pack, preset)).image, pose_of(pack, preset)
        both = np.hstack([picture, draw_openpose(pose, framing)])
        sheet.paste(Image.fromarray(both), (left, top + LABEL_PX))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--sheet", type=Path, help="also draw all poses into this picture")
    arguments = parser.parse_args()
    pack = BodyPack()
    print(f"{len(write(pack, arguments.folder))} poses in {arguments.folder}")
    if arguments.sheet is not None:
        draw_sheet(pack).save(arguments.sheet)


if __name__ == "__main__":
    main()
