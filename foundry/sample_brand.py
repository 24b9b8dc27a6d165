"""Builds the sample brand: thirty photos of one dress on one house model, and the true pictures that a demo is held to.

`python -m foundry.sample_brand` rewrites everything in `presets/sample_brand/` but README.md and demo.yaml, which names
the poses and looks. The same seeds give the same bytes on one machine with `OMP_NUM_THREADS=1`; with another number of
threads single pixels may differ by a level, and with another Pillow the bytes of the JPEG files, not what they show.

Training of the base never contains this fabric (seigaiha is not in `FABRICS`), this cut (a slanted hem, a contrast
band) or this body (`SPLITS["sample-brand"]`).
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image

from foundry.body import BodyPack
from foundry.dataset import sample_framing
from foundry.garments import Lengths, map_body
from foundry.pose_presets import PRESETS
from foundry.render import render
from foundry.scene import Cloth, Scene, sample_scene
from studio.presets import Presets, read_mapping
from studio.records.attributes import Background, FigureAttributes
from studio.records.photo import Rights
from studio.records.pose import Framing
from studio.records.product import Product

Array = npt.NDArray[Any]
PRESETS_ROOT = Path("presets")
FOLDER = "sample_brand"
PHOTOS, FIRST_SEED = 30, 900
"""Photo n has the seed FIRST_SEED + n; with these no hand or foot leaves its picture."""
PHOTO_SCALE = 4
"""Photos are 768x1024: four times the base's picture."""
JPEG_QUALITY = 88

MODEL = FigureAttributes(
    age_group="30s", gender="woman", body="slim", skin="tan", hair="short", hair_colour="brown",
    garment="dress", sleeve="elbow", neckline="v-neck", hem="midi", fabric="plain", colour="teal", lower_colour="teal",
    view="front", action="standing", background="white",
)  # fmt: skip
"""The house model in the dress. No attribute word stands for the fabric; `plain` is never written anywhere."""
HEIGHT_M = 1.70
SKIN, HAIR, SHOES = (208, 162, 126), (92, 58, 38), (60, 40, 34)
TEAL, CREAM, PERSIMMON = (18, 112, 118), (244, 228, 196), (232, 92, 40)
WAVE_SCALE = 1.5
"""Waves of 138 mm: their rings are 3.5 px apart on a picture of 192x256, the least that still reads as rings."""
LENGTHS = Lengths(sleeve_mm=290, hem_mm=660, neckline_mm=50, v_neck=True, slant=0.25, flare=1.35)

VIEWS = ("front", "three-quarter", "back", "front", "side", "three-quarter")
ACTIONS = (
    "standing", "walking", "standing", "hand-on-hip", "walking", "arms-crossed", "standing", "hand-on-hip", "sitting",
    "standing", "walking",
)  # fmt: skip
"""Views, actions and the seven backgrounds take turns; their counts share no factor, so combinations hardly repeat."""

HINTS = ("age_group", "gender", "body", "skin", "hair", "hair_colour", "view", "action", "background")
"""What a caption may be told of a photo; the garment is the product's own name."""
GRADING_MM = {"chest": 40, "waist": 40, "length": 20, "sleeve": 10, "skirt": 10}
"""What a size adds to the one below; the usual steps of Japanese women's sizes."""
RIGHTS = Rights(
    source="Rendered by the project (python -m foundry.sample_brand)",
    owner="The Sasage Studio authors",
    licence="Apache-2.0",
    model_release="not-needed",
)


def dressed(pack: BodyPack, seed: int, **changes: str) -> Scene:
    """The house model in the dress; pose, turn and light are the seed's.

    Args:
        changes: attributes that differ from `MODEL`. The body stays the house model's whatever its age group says.
    """
    scene = sample_scene(pack, seed, "sample-brand", MODEL.model_copy(update=changes))
    cloth = Cloth("seigaiha", np.array(TEAL, float), np.array(CREAM, float), WAVE_SCALE)
    return replace(
        scene,
        body_index=house_body(pack),
        height_m=HEIGHT_M,
        lengths=LENGTHS,
        upper=cloth,
        lower=cloth,
        skin=np.array(SKIN, float),
        hair=np.array(HAIR, float),
        shoes=np.array(SHOES, float),
        contrast_band=np.array(PERSIMMON, float),
    )


def house_body(pack: BodyPack) -> int:
    """The pack's body that nothing but the sample brand may use."""
    return sample_scene(pack, 0, "sample-brand", MODEL).body_index


def photo_scenes(pack: BodyPack) -> list[tuple[Scene, Framing]]:
    """Scene and camera of every photo."""
    backgrounds = get_args(Background)
    scenes = []
    for number in range(PHOTOS):
        view, action = VIEWS[number % len(VIEWS)], ACTIONS[number % len(ACTIONS)]
        if (view, action) == ("back", "arms-crossed"):
            action = "standing"  # crossed arms cannot be seen from behind
        seed, background = FIRST_SEED + number, backgrounds[number % len(backgrounds)]
        scene = dressed(pack, seed, view=view, action=action, background=background)
        scenes.append((scene, sample_framing(seed).scaled(PHOTO_SCALE)))
    return scenes


def product_scene(pack: BodyPack) -> Scene:
    """The product photo: standing, from the front, before white."""
    return posed(dressed(pack, FIRST_SEED - 1), "standing-front")


def posed(scene: Scene, name: str) -> Scene:
    """The scene in exactly the pose of a preset."""
    body_pose, yaw_degrees = PRESETS[name].body_pose()
    return replace(scene, pose=body_pose, yaw_degrees=yaw_degrees)


def truth_scenes(pack: BodyPack, presets: Path) -> dict[tuple[str, str], Scene]:
    """(pose, look) of the demo's plan -> the scene that a perfect answer would show."""
    plan = read_mapping(presets / FOLDER / "demo.yaml")
    looks = Presets(presets, Path("brand_models")).looks()
    scenes = {}
    for pose in plan["poses"]:
        for number, name in enumerate(plan["looks"]):
            changes = {"view": PRESETS[pose].view, "action": PRESETS[pose].action}
            stated = {key: value for key in HINTS if (value := getattr(looks[name], key, None)) is not None}
            scenes[pose, name] = posed(dressed(pack, number, **changes, **stated), pose)
    return scenes


def product(pack: BodyPack) -> Product:
    """The dress, with a size table measured on the house model, who wears M."""
    medium = measures_mm(pack)
    sizes = {
        size: {name: value + step * GRADING_MM[name] for name, value in medium.items()}
        for size, step in (("S", -1), ("M", 0), ("L", 1))
    }
    return Product(
        sku="NAMI-DRESS-TEAL",
        name="Nami Dress",
        brand="Atelier Uroko",
        colourway="Teal",
        size_table_mm=sizes,
        price=18000,
    )


def measures_mm(pack: BodyPack) -> dict[str, float]:
    """The dress as cut: girths over the cloth to 10 mm, `length` from the nape to the middle of the hem to 5 mm."""
    m = map_body(pack, pack.body(house_body(pack), HEIGHT_M))
    rest = m.rest.vertices
    cloth = np.zeros(len(rest), bool)
    cloth[np.unique(pack.faces["helper-tights"])] = True
    trunk = rest[cloth & (m.arm < 0.3)]

    def girth(z: float) -> float:
        ring = trunk[np.abs(trunk[:, 2] - z) < 0.015][:, :2].astype(np.float32)
        hull_m = cv2.arcLength(cv2.convexHull(ring), closed=True)
        return round((hull_m * 1000 + 2 * np.pi * 10) / 10) * 10  # the cloth lies 10 mm over the body

    shoulder_z = float(m.shoulder["L"][2])
    nape_to_waist = (m.neck_z - m.waist_z) * 1000
    return {
        "chest": max(girth(z) for z in np.linspace(m.waist_z + 0.10, shoulder_z - 0.08, 8)),
        "waist": girth(m.waist_z),
        "length": round((nape_to_waist + LENGTHS.hem_mm) / 5) * 5.0,
        "sleeve": LENGTHS.sleeve_mm,
        "skirt": LENGTHS.hem_mm,
    }


def build(pack: BodyPack, presets: Path) -> None:
    """Writes photos, hints, product, rights and true pictures below `presets`/sample_brand."""
    folder = presets / FOLDER
    for part in ("photos", "truth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _write_photos(pack, folder / "photos")
    product_photo = render(pack, product_scene(pack), Framing().scaled(PHOTO_SCALE)).image
    save_jpeg(product_photo, folder / "product.jpg")
    _write_truth(pack, presets, folder / "truth")
    for name, record in (("product.yaml", product(pack)), ("rights.yaml", RIGHTS)):
        given = record.model_dump(mode="json", exclude_defaults=True)
        (folder / name).write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")


def _write_photos(pack: BodyPack, folder: Path) -> None:
    shown = []
    for number, (scene, framing) in enumerate(photo_scenes(pack), 1):
        save_jpeg(render(pack, scene, framing).image, folder / f"{number:03d}.jpg")
        shown.append(scene.attributes)
    write_hints(shown, HINTS, folder)


def write_hints(shown: Sequence[FigureAttributes], hints: Sequence[str], folder: Path) -> None:
    """`hints.csv` of photos 001.jpg, 002.jpg, ... in their order."""
    with (folder / "hints.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ("file_name", *hints), lineterminator="\n")
        table.writeheader()
        for number, attributes in enumerate(shown, 1):
            table.writerow({"file_name": f"{number:03d}.jpg"} | {name: getattr(attributes, name) for name in hints})


def _write_truth(pack: BodyPack, presets: Path, folder: Path) -> None:
    """`<pose>_<look>.png`, its garment mask, and truth.json with joints in OpenPose order."""
    rows: dict[str, object] = {}
    for (pose, look), scene in truth_scenes(pack, presets).items():
        picture, name = render(pack, scene), f"{pose}_{look}"
        Image.fromarray(picture.image).save(folder / f"{name}.png", optimize=True)
        write_mask(picture.garment_mask, folder / f"{name}.garment.png")
        rows[name] = {
            "pose": pose,
            "look": look,
            "image": f"{name}.png",
            "garment_mask": f"{name}.garment.png",
            "joints_px": [[round(float(x), 1), round(float(y), 1)] for x, y in picture.joints_px],
            "visible": [bool(seen) for seen in picture.visible],
        }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    (folder / "truth.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def write_mask(mask: Array, path: Path) -> None:
    """A mask (H, W) in 0..255 as a black and white PNG."""
    Image.fromarray(np.where(mask > 127, 255, 0).astype(np.uint8)).convert("1").save(path, optimize=True)


def save_jpeg(image: Array, path: Path) -> None:
    """A photo (H, W, 3)."""
    Image.fromarray(image).save(path, quality=JPEG_QUALITY, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", type=Path, default=PRESETS_ROOT)
    presets = parser.parse_args().presets
    build(BodyPack(), presets)
    size = sum(path.stat().st_size for path in (presets / FOLDER).rglob("*") if path.is_file())
    print(f"{presets / FOLDER}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
