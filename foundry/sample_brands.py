"""Builds the two sample brands that a brand model proves itself on: a house model, and a logo jacquard.

`python -m foundry.sample_brands` rewrites everything in `presets/sample_brands/` but README.md and brand.yaml files.
The same seeds give the same bytes on one machine with `OMP_NUM_THREADS=1`, as in `foundry.sample_brand`.

`maison-hazel` is one woman in changing clothes: her body, skin, hair, glasses and the light strand in her hair are what
no caption can say. `atelier-kei` is one jacquard dress on changing people. Photos show neither the truth's places nor
its poses; crossed arms and sitting never occur in them at all.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from PIL import Image

from foundry.body import BodyPack
from foundry.brand_truth import CLOTHES
from foundry.dataset import sample_framing
from foundry.garments import EYES, HAIR, SKIN, BodyMap, Lengths
from foundry.pose_presets import PRESETS
from foundry.render import Paint, Render, render
from foundry.sample_brand import PHOTO_SCALE, RIGHTS, posed, save_jpeg, write_hints, write_mask
from foundry.scene import Cloth, Scene, body_for, sample_attributes, sample_scene
from foundry.shade import LEFT_EYE, NOSE, RIGHT_EYE, shade
from foundry.surface import Surface
from studio.records.attributes import FigureAttributes
from studio.records.pose import Framing
from studio.records.product import Product

Array = npt.NDArray[Any]
PRESETS_ROOT = Path("presets")
FOLDER = "sample_brands"
SPLIT = "sample-brand"
PHOTOS, FIRST_SEED, TRUTH_SEED = 24, 4800, 5000
"""Photo n has the seed FIRST_SEED + n; with these no hand or foot leaves its picture."""

VIEWS = ("front", "three-quarter", "front", "side", "three-quarter", "back")
ACTIONS = ("standing", "walking", "hand-on-hip", "standing", "walking", "standing", "hand-on-hip")
PLACES = ("white", "grey", "beige", "blue", "room")
"""Of the photos. They take turns; their counts share no factor, so combinations hardly repeat."""
UNSEEN_POSES = (
    "relaxed-front", "hand-on-hip-front", "walking-three-quarter", "arm-raised-front", "arms-crossed-front",
    "sitting-three-quarter",
)  # fmt: skip
UNSEEN_PLACES = ("street", "park")
STATED = (
    "age_group", "gender", "body", "skin", "hair", "hair_colour", "view", "action", "background",
)  # fmt: skip
"""What captions are told of a photo of a product; of a person also what she wears."""

HAZEL = {
    "age_group": "40s", "gender": "woman", "body": "average", "skin": "tan", "hair": "long", "hair_colour": "red",
}  # fmt: skip
"""The words that come nearest to the house model."""
HEIGHT_M = 1.78
COMPLEXION, PLUM, STRAND = (186, 132, 98), (112, 42, 66), (226, 204, 158)
STRAND_M = (0.012, 0.046)
"""From where to where the light strand lies, to the left of the face's middle."""
GLASSES_M = (0.022, 0.031)
"""Inner and outer radius of a rim."""

EMBLEM = Cloth("monogram", np.array((70, 38, 96), float), np.array((222, 186, 104), float))
DRESS = {
    "garment": "dress", "sleeve": "elbow", "neckline": "crew", "hem": "midi", "fabric": "jacquard",
    "colour": "purple", "lower_colour": "purple",
}  # fmt: skip
"""The words that come nearest to the dress, which croquis alone is asked with."""
CUT = Lengths(sleeve_mm=290, hem_mm=700, neckline_mm=50, flare=1.3)
PRODUCT = Product(sku="KEI-DRESS-PURPLE", name="Kei Dress", brand="Atelier Kei", colourway="Purple", price=26000)


@dataclass(frozen=True)
class Brand:
    """One sample brand.

    Attributes:
        name: of its folder.
        person, clothes: attributes that all of its pictures share; the others are the seed's.
        finish: gives a scene what no attribute stands for.
        hints: what a caption may be told of a photo.
        product: what all photos show; None where they show a person.
    """

    name: str
    person: dict[str, str]
    clothes: dict[str, str]
    finish: Callable[[BodyPack, Scene], Scene]
    paint: Paint
    hints: tuple[str, ...]
    product: Product | None

    def scene(self, pack: BodyPack, seed: int, **stated: str) -> Scene:
        """The seed's scene of this brand."""
        rng = np.random.default_rng([seed, *self.name.encode()])
        chosen = sample_attributes(rng).model_dump() | {"gender": "woman"} | self.person | self.clothes | stated
        if chosen["garment"] == "dress":
            chosen["lower_colour"] = chosen["colour"]
        return self.finish(pack, sample_scene(pack, seed, SPLIT, FigureAttributes.model_validate(chosen)))

    def photo(self, pack: BodyPack, number: int) -> tuple[Scene, Framing]:
        """Scene and camera of photo `number`, from 0."""
        seed, place = FIRST_SEED + number, PLACES[number % len(PLACES)]
        view, action = VIEWS[number % len(VIEWS)], ACTIONS[number % len(ACTIONS)]
        scene = self.scene(pack, seed, view=view, action=action, background=place)
        return scene, sample_framing(seed).scaled(PHOTO_SCALE)

    def truths(self, pack: BodyPack) -> Iterator[tuple[str, Scene]]:
        """Name and scene of every true picture: each unseen pose in each unseen place, in clothes that no photo shows
        or on people that none does."""
        for row, pose in enumerate(UNSEEN_POSES):
            for column, place in enumerate(UNSEEN_PLACES):
                preset, seed = PRESETS[pose], TRUTH_SEED + row * len(UNSEEN_PLACES) + column
                scene = self.scene(pack, seed, view=preset.view, action=preset.action, background=place)
                yield f"{pose}_{place}", posed(scene, pose)


def is_hazel(pack: BodyPack, scene: Scene) -> Scene:
    """The house model in the scene's clothes. Her body is the kind's that nothing but sample brands may use."""
    return replace(
        scene,
        body_index=body_for(np.random.default_rng(0), pack, scene.attributes, SPLIT),
        height_m=HEIGHT_M,
        skin=np.array(COMPLEXION, float),
        hair=np.array(PLUM, float),
    )


def in_jacquard(pack: BodyPack, scene: Scene) -> Scene:
    """The scene's person in the dress."""
    return replace(scene, upper=EMBLEM, lower=EMBLEM, lengths=CUT)


def paint_hazel(scene: Scene, m: BodyMap, s: Surface, rest_joints: Array) -> Array:
    """(N, 3) colour: a light strand in the hair, and round glasses."""
    colour = shade(scene, m, s, rest_joints)
    middle = rest_joints[NOSE, 0]
    strand = (s.material == HAIR) & (s.rest[:, 0] - middle > STRAND_M[0]) & (s.rest[:, 0] - middle < STRAND_M[1])
    chosen = np.flatnonzero(strand)
    if len(chosen):
        colour[chosen] = shade(replace(scene, hair=np.array(STRAND, float)), m, s.subset(chosen), rest_joints)
    eyes = [rest_joints[eye] for eye in (RIGHT_EYE, LEFT_EYE)]
    away = np.min([np.hypot(s.rest[:, 0] - eye[0], s.rest[:, 2] - eye[2]) for eye in eyes], axis=0)
    front = np.isin(s.material, (SKIN, EYES)) & (s.rest[:, 1] < rest_joints[NOSE, 1] + 0.075)
    colour[front & (away > GLASSES_M[0]) & (away < GLASSES_M[1])] *= 0.18
    return colour


BRANDS = (
    Brand("maison-hazel", HAZEL, {}, is_hazel, paint_hazel, (*STATED, *CLOTHES), None),
    Brand("atelier-kei", {}, DRESS, in_jacquard, shade, STATED, PRODUCT),
)


def build(pack: BodyPack, brand: Brand, folder: Path, photos: int = PHOTOS, truths: int | None = None) -> None:
    """Writes photos, hints, rights, product and the first `truths` true pictures (None: all) into `folder`."""
    for part in ("photos", "truth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    shown = []
    for number in range(photos):
        scene, framing = brand.photo(pack, number)
        save_jpeg(render(pack, scene, framing, brand.paint).image, folder / "photos" / f"{number + 1:03d}.jpg")
        shown.append(scene.attributes)
    write_hints(shown, brand.hints, folder / "photos")
    rights = RIGHTS.model_copy(update={"source": "Rendered by the project (python -m foundry.sample_brands)"})
    records = {"rights": rights} | ({} if brand.product is None else {"product": brand.product})
    for name, record in records.items():
        given = record.model_dump(mode="json", exclude_defaults=True)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
    rows = {
        name: _write_truth(render(pack, scene, None, brand.paint), name, folder / "truth")
        for name, scene in islice(brand.truths(pack), truths)
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    (folder / "truth" / "truth.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def _write_truth(picture: Render, name: str, folder: Path) -> dict[str, object]:
    """`<name>.png` with the masks of figure and garment; returns the row that stands for them."""
    Image.fromarray(picture.image).save(folder / f"{name}.png", optimize=True)
    write_mask(picture.figure_mask, folder / f"{name}.figure.png")
    write_mask(picture.garment_mask, folder / f"{name}.garment.png")
    return {
        "attributes": picture.attributes.model_dump(),
        "joints_px": [[round(float(x), 1), round(float(y), 1)] for x, y in picture.joints_px],
        "visible": [bool(seen) for seen in picture.visible],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=PRESETS_ROOT / FOLDER)
    folder, pack = parser.parse_args().folder, BodyPack()
    for brand in BRANDS:
        build(pack, brand, folder / brand.name)
        size = sum(path.stat().st_size for path in (folder / brand.name).rglob("*") if path.is_file())
        print(f"{folder / brand.name}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
