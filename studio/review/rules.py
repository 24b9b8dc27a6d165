"""Limits as data, and the verdict that follows from them, with its reasons in words.

A measure that does not apply to a picture (no pose asked, no brand model used) is absent and keeps every limit. A
measure that applies but could not be taken has no value; where its limit is required, a rule decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, ValidationError, model_validator

from studio.errors import Fault, FaultsError, StudioError
from studio.presets import faults_of, read_mapping
from studio.records.base import Record, Slug
from studio.records.review import Measure, Measurement, Reason

NOT_MEASURED = "not measured: "
"""How the note of a measure without a value begins."""


class Limit(Record):
    """One limit on one measure, with where the number comes from. Exactly one side is bounded.

    Raises:
        pydantic.ValidationError: both or neither of `at_most` and `at_least` are given.
    """

    measure: str
    at_most: float | None = None
    at_least: float | None = None
    reason: Reason
    required: bool = True
    """Whether a rule may only approve where this was measured."""
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_side(self) -> Limit:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("a limit has either at_most or at_least")
        return self

    def keeps(self, value: float) -> bool:
        """Whether a value lies within."""
        return value <= self.at_most if self.at_most is not None else value >= (self.at_least or 0.0)

    @property
    def value(self) -> float:
        """The bound itself."""
        return self.at_most if self.at_most is not None else self.at_least or 0.0


class ReviewRules(Record):
    """`presets/review/<name>.yaml`: a set of limits."""

    name: Slug
    title: str
    purpose: str = ""
    limits: tuple[Limit, ...]


class RuleVerdict(NamedTuple):
    """What a rule decides about one picture; `note` names every limit that was missed or could not be tested."""

    verdict: Literal["approved", "rejected", "undecided"]
    reasons: tuple[Reason, ...]
    note: str


def read_rules(folder: Path) -> dict[str, ReviewRules]:
    """All sets of limits in a folder by name.

    Raises:
        FaultsError: naming every fault of every file.
    """
    found: dict[str, ReviewRules] = {}
    faults: list[Fault] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            rules = ReviewRules.model_validate(read_mapping(path))
        except ValidationError as error:
            faults += faults_of(str(path), error)
        except StudioError as error:
            faults.append(Fault(str(path), error.message, error.next_step))
        else:
            if rules.name != path.stem:
                faults.append(Fault(str(path), f"name is '{rules.name}', the file is called otherwise.", "Rename one."))
            found[rules.name] = rules
    if faults:
        raise FaultsError("Review rules", faults)
    return found


def with_limits(measures: Iterable[Measure], rules: ReviewRules) -> tuple[Measure, ...]:
    """The measures with their limits beside them, and whether they are kept."""
    limits = {limit.measure: limit for limit in rules.limits}
    judged = []
    for measure in measures:
        limit = limits.get(measure.name)
        if limit is not None:
            within = None if measure.value is None else limit.keeps(measure.value)
            measure = measure.model_copy(update={"limit": limit.value, "within": within})
        judged.append(measure)
    return tuple(judged)


def verdict(measurement: Measurement, rules: ReviewRules) -> RuleVerdict:
    """Rejected when any limit is missed; undecided when a required one could not be tested; else approved."""
    missed, untested = list[tuple[Limit, str]](), list[str]()
    for limit in rules.limits:
        measure = measurement.measure(limit.measure)
        if measure is None:
            continue
        words = limit.measure.replace("_", " ")
        if measure.value is None:
            if limit.required:
                untested.append(f"{words} {measure.note}")
        elif not limit.keeps(measure.value):
            side = "at most" if limit.at_most is not None else "at least"
            missed.append((limit, f"{words} {measure.value:.3g} {measure.unit}, {side} {limit.value:.3g} asked"))
    if missed:
        reasons = tuple(dict.fromkeys(limit.reason for limit, _ in missed))
        return RuleVerdict("rejected", reasons, "; ".join(note for _, note in missed))
    if untested:
        return RuleVerdict("undecided", (), "; ".join(untested))
    return RuleVerdict("approved", (), f"all limits of '{rules.name}' are kept")
