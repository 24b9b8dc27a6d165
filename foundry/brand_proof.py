"""Does a brand model prove itself? `python -m foundry.brand_proof` asks that of the brands in `presets/sample_brands/`.

Each brand's LoRA is trained as a shop would train it: by the studio's own services, at the shipped preset. Then the
true pictures, in poses, places and clothes that no photo shows, are asked for twice with the same seeds: of croquis
with the brand model, and of croquis alone in the words that come nearest. Writes
`presets/bases/croquis/brand_proof.json`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from foundry.assemble import TARGET
from foundry.brand_measures import Differences, compared, copies, differences, met, shown
from foundry.brand_truth import ProofBrand, TruePicture
from foundry.judge import SHIPPED
from foundry.measures import median
from foundry.sheet import write_sheet
from studio.measure.judge import Judge
from studio.records.attributes import ATTRIBUTE_VALUES, FigureAttributes
from studio.records.generation import AdapterWeight, GenerationRequest, Variant
from studio.records.training import TrainingConfig
from studio.settings import Settings
from studio.studio import Studio

Array = npt.NDArray[Any]
BASE = "croquis"
PRESETS = Path("presets")
BRANDS = PRESETS / "sample_brands"
HOME = Path("artefacts/brand_proof")
SEED = 11
COLOURS = ("white", "black", "red", "yellow", "green", "blue", "pink")
PLAIN_DRESS = {"garment": "dress", "sleeve": "short", "neckline": "crew", "hem": "knee", "fabric": "plain"}


@dataclass(frozen=True)
class Drawing:
    """One picture of the studio's, (H, W, 3), with what its review measured."""

    image: Array
    joint_mm: float | None
    copy_similarity: float | None


class Proof:
    """One brand in a home of its own. `step`: the checkpoint that is published, None: the one that the verdict names;
    `pictures` caps the length of every list of pictures, for a quick look.
    """

    def __init__(
        self, studio: Studio, brand: ProofBrand, judge: Judge, preset: str, step: int | None, pictures: int | None
    ) -> None:
        self._studio, self._brand, self._judge, self._preset = studio, brand, judge, preset
        self._step, self._pictures = step, pictures

    def run(self, changes: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[Array, Array, Array]]]:
        """Trains, draws and measures.

        Args:
            changes: fields of TrainingConfig that replace those of preset and brand.

        Returns:
            the card, and rows of true picture, with the brand model, without it.
        """
        training = self._train(changes)
        truths, plan = self._truths, self._brand.plan
        asked = [truth.attributes for truth in truths]
        poses = [truth.pose() for truth in truths]
        mine, plain = (
            self._draw([(words(a), pose) for a, pose in zip(asked, poses, strict=True)], with_model)
            for words, with_model in ((self._brand.asked, True), (self._brand.plain_words, False))
        )
        arms = [self._against_truth([one.image for one in arm]) for arm in (mine, plain)]
        floor = self._against_truth([truth.shown.image for truth in truths])
        background = self._steered("background", ATTRIBUTE_VALUES["background"])
        colour = self._steered("colour", COLOURS)
        joints = {
            name: median((one.joint_mm for one in arm), 1) for name, arm in (("with_model", mine), ("without", plain))
        }
        drawn = [*mine, *background.pop("drawings"), *colour.pop("drawings")]
        card = {
            "training": training,
            "pictures": len(truths),
            "difference": compared(arms[0], arms[1], floor, plan.regions, plan.beside),
            "copies": copies([one.copy_similarity for one in drawn]),
            "background": background,
            "colour": colour,
            "joint_mm": joints,
        }
        rows = [(t.shown.image, a.image, b.image) for t, a, b in zip(truths, mine, plain, strict=True)]
        return card | {"met": met(card)}, rows

    @property
    def _truths(self) -> tuple[TruePicture, ...]:
        return self._brand.truths[: self._pictures]

    def _train(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        studio, brand, plan = self._studio, self._brand, self._brand.plan
        sku = ""
        if brand.product is not None:
            studio.store.products.put(brand.product)
            sku = brand.product.sku
        report = studio.label.ingest(
            [brand.folder / "photos"], dataset=plan.dataset, rights=brand.rights, trigger_token=plan.trigger_token,
            sku=sku, base=BASE,
        )  # fmt: skip
        studio.label.split(report.dataset.id, held_out=plan.held_out)
        values = studio.presets.training(self._preset, BASE) | plan.training | dict(changes)
        config = TrainingConfig(name=plan.dataset, dataset_id=report.dataset.id, base=BASE, **values)
        run = studio.train.prepare(config)
        began = time.perf_counter()
        done = self._job("train", {"run_id": run.id})
        seconds = time.perf_counter() - began
        model = studio.train.publish(run.id, self._step, replace=True)
        return {
            "preset": self._preset, "steps": config.max_train_steps, "rank": config.lora_rank,
            "photos": model.photo_count, "seconds": round(seconds, 1), "threads": torch.get_num_threads(),
            "published_step": int(model.scorecard["step"]), "verdict": done["verdict"],
        }  # fmt: skip

    def _draw(self, asked: Sequence[tuple[str, Any]], with_model: bool) -> list[Drawing]:
        """A picture for every prompt and pose; seed = SEED + number, so that both arms start from the same noise."""
        studio, card = self._studio, self._studio.presets.base(BASE)
        adapters = (AdapterWeight(brand_model=self._brand.plan.dataset),) if with_model else ()
        requests = [
            GenerationRequest(
                base=BASE, prompt=prompt, seed=SEED + number, pose=pose, adapters=adapters,
                num_inference_steps=card.num_inference_steps, guidance_scale=card.guidance_scale,
            )
            for number, (prompt, pose) in enumerate(asked)
        ]  # fmt: skip
        done = self._job("generate", studio.generate.payload(requests))
        variants = [studio.store.variants.get(variant_id) for variant_id in done["variant_ids"]]
        return [self._drawing(*pair) for pair in zip(variants, studio.review.measure(done["variant_ids"]), strict=True)]

    def _drawing(self, variant: Variant, measured: Any) -> Drawing:
        with Image.open(self._studio.store.files.path(variant.image_sha256)) as image:
            rgb = np.asarray(image.convert("RGB"))
        found = {name: one.value for name in ("pose_mm_median", "copy_similarity") if (one := measured.measure(name))}
        return Drawing(rgb, found.get("pose_mm_median"), found.get("copy_similarity"))

    def _against_truth(self, images: list[Array]) -> list[Differences]:
        regions = (*self._brand.plan.regions, *self._brand.plan.beside)
        return [
            differences(truth, shown(image, reading), regions)
            for truth, image, reading in zip(self._truths, images, self._judge.read(images), strict=True)
        ]

    def _steered(self, name: str, values: Sequence[str]) -> dict[str, Any]:
        """Share of an attribute's asked values that the judge reads, with the brand model and without."""
        truth, values = self._truths[0], values[: self._pictures]
        asked = [self._changed(truth.attributes, name, value) for value in values]
        other_clothes = name == "colour"
        words = self._brand.asked_in_other_clothes if other_clothes else self._brand.asked
        card: dict[str, Any] = {"asked": len(values)}
        for arm, worded, with_model in (("with_model", words, True), ("without", self._brand.plain_words, False)):
            drawings = self._draw([(worded(one), truth.pose()) for one in asked], with_model)
            readings = self._judge.read([one.image for one in drawings])
            read = [reading.attributes[name][0] for reading in readings]
            card[arm] = round(float(np.mean([a == b for a, b in zip(read, values, strict=True)])), 3)
            card |= {"drawings": drawings} if with_model else {}
        return card

    @staticmethod
    def _changed(attributes: FigureAttributes, name: str, value: str) -> FigureAttributes:
        """Another value of one attribute; another colour is asked of a plain dress, which shows most of it."""
        changes = PLAIN_DRESS | {"colour": value, "lower_colour": value} if name == "colour" else {name: value}
        return FigureAttributes.model_validate(attributes.model_dump() | changes)

    def _job(self, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        ended = self._studio.lane.run_job(self._studio.jobs.submit(kind, payload).id)
        if ended.status != "done":
            raise RuntimeError(f"The {kind} job of {self._brand.plan.dataset} is {ended.status}: {ended.error}")
        return ended.result


def prove(
    folder: Path,
    home: Path,
    changes: Mapping[str, Any],
    *,
    brand_models: Path | None = None,
    preset: str = "",
    step: int | None = None,
    pictures: int | None = None,
    judge: Judge | None = None,
    presets: Path = PRESETS,
) -> tuple[dict[str, Any], list[tuple[Array, Array, Array]]]:
    """One brand's card and pictures; see `Proof.run`. What is drawn and trained lies in a fresh folder below `home`.

    Args:
        brand_models: where the trained model goes; None: below the home.
        preset: another training preset than the brand's own.
        step: the checkpoint that is published; None: the one that the verdict names, as a shop would.
        pictures: at most so many in every list, for a quick look; None: all.
        judge: None: the bundled one.
    """
    brand = ProofBrand.read(folder)
    own = home / f"{brand.plan.dataset}-{time.strftime('%Y%m%d-%H%M%S')}"
    models = brand_models or own / "brand_models"
    models.mkdir(parents=True, exist_ok=True)
    with Studio(Settings(home=own, brand_models=models, presets=presets)) as studio:
        proof = Proof(studio, brand, judge or Judge.load(SHIPPED), preset or brand.plan.training_preset, step, pictures)
        return proof.run(changes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brand", action="append", help="name of a folder; may be given more than once. Default: all")
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--brand-models", type=Path, help="where the trained models go; default: below the home")
    parser.add_argument("--preset", default="", help="another training preset than the brand's own")
    parser.add_argument("--set", default="{}", help='fields of TrainingConfig as JSON, such as {"lora_rank": 32}')
    parser.add_argument("--step", type=int, help="publish this checkpoint instead of the verdict's")
    parser.add_argument("--pictures", type=int, help="at most so many in every list, for a quick look")
    parser.add_argument("--out", type=Path, default=TARGET / "brand_proof.json")
    parser.add_argument("--sheets", type=Path, default=HOME, help="folder for the pictures: true, with, without")
    arguments = parser.parse_args()
    names = arguments.brand or sorted(path.parent.name for path in BRANDS.glob("*/brand.yaml"))
    out = arguments.out
    cards: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    for name in names:
        cards[name], rows = prove(
            BRANDS / name, arguments.home, json.loads(arguments.set), brand_models=arguments.brand_models,
            preset=arguments.preset, step=arguments.step, pictures=arguments.pictures,
        )  # fmt: skip
        print(name, json.dumps(cards[name]["met"]), json.dumps(cards[name]["difference"]["fidelity"]), flush=True)
        write_sheet(arguments.sheets / f"{name}.webp", rows)
        out.write_text(json.dumps(cards, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
