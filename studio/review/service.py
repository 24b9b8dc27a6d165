"""The face of the review stage: measures, decisions of several people and of rules, and the rows of a board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, get_args

import numpy as np
from PIL import Image

from studio.errors import ConflictError, InputError
from studio.jobs import JobContext
from studio.measure.pictures import RGB
from studio.presets import Presets, pick
from studio.records.base import new_id, now
from studio.records.generation import Variant
from studio.records.review import Decision, Measure, Measurement, Reason, decide, standing
from studio.review.board import BoardRow, board_rows
from studio.review.decisions import RULE_PREFIX, Verdict, made_by_a_person, undo, upon
from studio.review.measured import PictureJudge, measure_picture
from studio.review.references import References
from studio.review.rules import ReviewRules, read_rules, verdict, with_limits
from studio.settings import Settings
from studio.store import Store

Progress = Callable[[int, int], None]

JUDGE_BATCH = 16
"""Pictures that the judge reads at once."""


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
        decision = decide(variant_id, verdict, author=author.strip(), reasons=reasons, rating=rating, note=note)
        self._add(decision)
        return decision

    def decide_many(
        self,
        variant_ids: Sequence[str],
        verdict: Verdict | None,
        *,
        author: str,
        reasons: tuple[Reason, ...] = (),
        rating: int | None = None,
        note: str = "",
    ) -> list[Decision]:
        """Add one person's decision about several variants: all of them, or none when an error is raised.

        Args:
            verdict: None keeps what stands, with its reasons: for a rating alone.
            rating: None keeps the author's own.

        Raises:
            NotFoundError, InputError: as `decide` does.
        """
        with self._store.transaction():
            decisions = [
                upon(
                    self.history(variant_id), variant_id, verdict,
                    author=author.strip(), reasons=reasons, rating=rating, note=note,
                )
                for variant_id in variant_ids
            ]  # fmt: skip
            for decision in decisions:
                self._add(decision)
        return decisions

    def undo(self, variant_id: str, *, author: str) -> Decision:
        """Take the author's newest decision back by adding one that restores what stood before it.

        Raises:
            ConflictError: nothing stands, or the newest standing decision is somebody else's.
        """
        with self._store.transaction():
            decision = undo(variant_id, self.history(variant_id), author)
            self._store.decisions.add(decision)
        return decision

    def undo_many(self, variant_ids: Sequence[str], *, author: str) -> tuple[list[Decision], list[ConflictError]]:
        """Take the author's newest decision about each variant back, where it is still the newest of all.

        Returns:
            What was added, and why the others stay as they are.

        Raises:
            ConflictError: not one could be taken back.
        """
        undone, kept = list[Decision](), list[ConflictError]()
        with self._store.transaction():
            for variant_id in variant_ids:
                try:
                    undone.append(self.undo(variant_id, author=author))
                except ConflictError as error:
                    kept.append(error)
        if kept and not undone:
            raise kept[0]
        return undone, kept

    def history(self, variant_id: str) -> list[Decision]:
        """All decisions about a variant, oldest first, undone ones too."""
        return self._store.decisions.find(variant_id=variant_id)

    def state(self, variant_id: str) -> Decision | None:
        """The newest decision, which is the one that counts; None when nobody has decided."""
        found = self.history(variant_id)
        return found[-1] if found else None

    def rule_review(
        self, variant_ids: Sequence[str], rules: str = "default", progress: Progress | None = None
    ) -> list[Decision]:
        """Decide by limits what no person has decided; measures first what the present judge has not measured.

        A picture that misses a limit is rejected, one with a required measure not taken stays undecided, both with the
        reasons in words.

        Args:
            progress: called with (done, all) while what is missing is measured.

        Returns:
            The decisions added; variants that a person approved or rejected are left alone and not among them.
        """
        limits = pick(self.rules(), rules, "set of review rules")
        open_ids = [variant_id for variant_id in variant_ids if not self._decided_by_a_person(variant_id)]
        known = {variant_id: self.latest(variant_id) for variant_id in open_ids}
        measured = {key: found for key, found in known.items() if found and found.judge == self._judge_version}
        missing = [variant_id for variant_id in open_ids if variant_id not in measured]
        measured |= {found.variant_id: found for found in self.measure(missing, rules=rules, progress=progress)}
        decisions = []
        for variant_id in open_ids:
            ruled = verdict(measured[variant_id], limits)
            author = f"{RULE_PREFIX}{rules}"
            decision = decide(variant_id, ruled.verdict, author=author, reasons=ruled.reasons, note=ruled.note)
            self._store.decisions.add(decision)
            decisions.append(decision)
        return decisions

    def board(
        self,
        *,
        batch_id: str | None = None,
        sku: str | None = None,
        variant_ids: Sequence[str] | None = None,
        newest: int | None = None,
    ) -> list[BoardRow]:
        """Rows for a grid of variants, oldest first. A few queries, however many variants there are.

        Args:
            newest: at most so many, the newest ones.
        """
        return board_rows(
            self._store, self._store.variants.find(newest=newest, batch_id=batch_id, sku=sku, key=variant_ids)
        )

    def mark(self) -> str:
        """A short text that changes whenever a picture, a decision or a measurement is added: cheap to ask for."""
        store = self._store
        return f"{store.variants.last()}-{store.decisions.last()}-{store.measurements.last()}"

    def handle_measure(self, context: JobContext) -> dict[str, Any]:
        """Job handler of kind `measure`: `{"variant_ids", "rules"}` -> `{"measured"}`."""
        variant_ids, rules = _asked(context)
        found = self.measure(variant_ids, rules=rules, progress=_telling(context))
        return {"measured": len(found)}

    def handle_rule_review(self, context: JobContext) -> dict[str, Any]:
        """Job handler of kind `rule-review`: `{"variant_ids", "rules"}` -> `{"decided"}`."""
        variant_ids, rules = _asked(context)
        found = self.rule_review(variant_ids, rules, _telling(context))
        return {"decided": len(found)}

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

    def _add(self, decision: Decision) -> None:
        self._store.variants.get(decision.variant_id)
        if not decision.author or decision.author.startswith(RULE_PREFIX):
            raise InputError(f"'{decision.author}' cannot decide.", "Give the name of the person who decides.")
        if decision.verdict == "rejected" and not decision.reasons and not decision.note.strip():
            raise InputError(
                "A rejection needs a reason.", f"Choose one of {', '.join(get_args(Reason))}, or write a note."
            )
        if decision.rating is not None and not 1 <= decision.rating <= 5:
            raise InputError(f"{decision.rating} is no rating.", "Rate from 1 to 5.")
        self._store.decisions.add(decision)

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


def _asked(context: JobContext) -> tuple[list[str], str]:
    """What a job is about: ids of variants, and the set of limits."""
    return [str(variant_id) for variant_id in context.payload["variant_ids"]], str(context.payload["rules"])


def _telling(context: JobContext) -> Progress:
    """Tells the job how far it is, and stops it where a person asked for that. Measured pictures stay measured."""

    def tell(done: int, total: int) -> None:
        context.progress(done, total)
        context.check()

    return tell
