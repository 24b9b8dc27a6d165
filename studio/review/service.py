"""The face of the review stage: measures, decisions of several people and of rules, and the rows of a board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from studio.errors import InputError
from studio.measure.pictures import RGB
from studio.presets import Presets, pick
from studio.records.base import new_id, now
from studio.records.generation import Variant
from studio.records.review import Decision, Measure, Measurement, Reason, decide, standing
from studio.review.decisions import RULE_PREFIX, by_author, made_by_a_person, undo
from studio.review.measured import PictureJudge, measure_picture
from studio.review.references import References
from studio.review.rules import ReviewRules, read_rules, verdict, with_limits
from studio.settings import Settings
from studio.store import Store

Verdict = Literal["approved", "rejected", "undecided"]
Progress = Callable[[int, int], None]

JUDGE_BATCH = 16
"""Pictures that the judge reads at once."""


@dataclass(frozen=True)
class BoardRow:
    """One variant on the board. `verdict` is that of the newest decision; `by_author` each person's own."""

    variant: Variant
    picture: Path
    verdict: Verdict
    decision: Decision | None
    by_author: dict[str, Decision]
    measurement: Measurement | None


class ReviewService:
    """Measures and decisions."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        presets: Presets,
        load_judge: Callable[[], PictureJudge | None] | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._presets = presets
        self._load_judge = load_judge or self._bundled_judge

    def rules(self) -> dict[str, ReviewRules]:
        """All sets of limits by name. Raises FaultsError."""
        return read_rules(self._settings.presets / "review")

    def measure(
        self,
        variant_ids: Sequence[str],
        *,
        product_photo: str | None = None,
        rules: str = "default",
        progress: Progress | None = None,
    ) -> list[Measurement]:
        """Measure variants and keep the measurements.

        Args:
            product_photo: content address of the photo to hold garment colours against; without it, the main photo
                of each variant's product.
            rules: the set of limits written beside the measures.
            progress: called with (done, all) after every batch.

        Raises:
            NotFoundError: no such variant, photo or set of limits; nothing is measured then.
        """
        limits = pick(self.rules(), rules, "set of review rules")
        variants = [self._store.variants.get(variant_id) for variant_id in variant_ids]
        references = References(self._store, self._settings, self._presets, self._judge, product_photo)
        done: list[Measurement] = []
        for start in range(0, len(variants), JUDGE_BATCH):
            batch = variants[start : start + JUDGE_BATCH]
            pictures = [self._pixels(variant) for variant in batch]
            readings = self._judge.read(pictures) if self._judge else [None] * len(batch)
            for variant, rgb, reading in zip(batch, pictures, readings, strict=True):
                measures = measure_picture(
                    rgb, variant.request, reading, references.garment(variant), references.training_photos(variant)
                )
                done.append(self._keep(variant, with_limits(measures, limits)))
            if progress:
                progress(len(done), len(variants))
        return done

    def latest(self, variant_id: str) -> Measurement | None:
        """The newest measurement of a variant, or None."""
        found = self._store.measurements.find(variant_id=variant_id)
        return found[-1] if found else None

    def decide(
        self,
        variant_id: str,
        verdict: Verdict,
        *,
        author: str,
        reasons: tuple[Reason, ...] = (),
        rating: int | None = None,
        note: str = "",
    ) -> Decision:
        """Add one person's decision.

        Raises:
            NotFoundError: no such variant.
            InputError: no author, one that poses as a rule, a rejection without any reason, a rating outside 1 to 5.
        """
        self._store.variants.get(variant_id)
        if not author.strip() or author.startswith(RULE_PREFIX):
            raise InputError(f"'{author}' cannot decide.", "Give the name of the person who decides.")
        if verdict == "rejected" and not reasons and not note.strip():
            raise InputError(
                "A rejection needs a reason.", f"Choose one of {', '.join(get_args(Reason))}, or write a note."
            )
        if rating is not None and not 1 <= rating <= 5:
            raise InputError(f"{rating} is no rating.", "Rate from 1 to 5.")
        decision = decide(variant_id, verdict, author=author.strip(), reasons=reasons, rating=rating, note=note)
        self._store.decisions.add(decision)
        return decision

    def undo(self, variant_id: str, *, author: str) -> Decision:
        """Take the author's newest decision back by adding one that restores what stood before it.

        Raises:
            ConflictError: nothing stands, or the newest standing decision is somebody else's.
        """
        with self._store.transaction():
            decision = undo(variant_id, self.history(variant_id), author)
            self._store.decisions.add(decision)
        return decision

    def history(self, variant_id: str) -> list[Decision]:
        """All decisions about a variant, oldest first, undone ones too."""
        return self._store.decisions.find(variant_id=variant_id)

    def state(self, variant_id: str) -> Decision | None:
        """The newest decision, which is the one that counts; None when nobody has decided."""
        found = self.history(variant_id)
        return found[-1] if found else None

    def rule_review(self, variant_ids: Sequence[str], rules: str = "default") -> list[Decision]:
        """Decide by limits what no person has decided; measures first what the present judge has not measured.

        A picture that misses a limit is rejected, one with a required measure not taken stays undecided, both with the
        reasons in words.

        Returns:
            The decisions added; variants that a person approved or rejected are left alone and not among them.
        """
        limits = pick(self.rules(), rules, "set of review rules")
        open_ids = [variant_id for variant_id in variant_ids if not self._decided_by_a_person(variant_id)]
        known = {variant_id: self.latest(variant_id) for variant_id in open_ids}
        measured = {key: found for key, found in known.items() if found and found.judge == self._judge_version}
        measured |= {m.variant_id: m for m in self.measure([i for i in open_ids if i not in measured], rules=rules)}
        decisions = []
        for variant_id in open_ids:
            ruled = verdict(measured[variant_id], limits)
            author = f"{RULE_PREFIX}{rules}"
            decision = decide(variant_id, ruled.verdict, author=author, reasons=ruled.reasons, note=ruled.note)
            self._store.decisions.add(decision)
            decisions.append(decision)
        return decisions

    def board(self, *, batch_id: str | None = None, sku: str | None = None) -> list[BoardRow]:
        """Rows for a grid of variants, oldest first."""
        rows = []
        for variant in self._store.variants.find(batch_id=batch_id, sku=sku):
            decisions = self.history(variant.id)
            newest = decisions[-1] if decisions else None
            rows.append(
                BoardRow(
                    variant=variant,
                    picture=self._store.files.path(variant.image_sha256),
                    verdict=newest.verdict if newest else "undecided",
                    decision=newest,
                    by_author=by_author(decisions),
                    measurement=self.latest(variant.id),
                )
            )
        return rows

    @cached_property
    def _judge(self) -> PictureJudge | None:
        return self._load_judge()

    @property
    def _judge_version(self) -> str:
        return "none" if self._judge is None else str(getattr(self._judge, "version", "unversioned"))

    def _bundled_judge(self) -> PictureJudge | None:
        """The judge that ships with the presets; None where it is not there."""
        folder = self._settings.presets / "judge"
        if not folder.is_dir():
            return None
        # Imported here because it brings torch, which takes seconds.
        from studio.measure.judge import Judge

        return Judge.load(folder)

    def _decided_by_a_person(self, variant_id: str) -> bool:
        left = standing(self.history(variant_id))
        return bool(left) and left[-1].verdict != "undecided" and made_by_a_person(left[-1])

    def _keep(self, variant: Variant, measures: tuple[Measure, ...]) -> Measurement:
        measurement = Measurement(
            id=new_id("mea"),
            variant_id=variant.id,
            measures=measures,
            judge=self._judge_version,
            created_at=now(),
        )
        self._store.measurements.put(measurement)
        return measurement

    def _pixels(self, variant: Variant) -> RGB:
        with Image.open(self._store.files.path(variant.image_sha256)) as image:
            return np.asarray(image.convert("RGB"))
