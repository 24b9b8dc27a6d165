"""What was set out to be reached, held against the results, and where the studio is slower than stock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import lora_step, lora_switch, model_switch, preview, variants
from benchmarks.results import Arm, Comparison, Results

OURS = ("studio", "app.py")
"""Beginnings of the names of the studio's own arms."""


@dataclass(frozen=True)
class Target:
    """One row: an arm that is to be so many times as fast as another one, or to take so many seconds at most."""

    words: str
    subject: str
    case: str
    arm: str
    over: str = ""
    at_least: float = 0.0
    at_most_s: float = 0.0


TARGETS = (
    Target("variants, exact, against the plain loop", "variants", "fp32", variants.EXACT, variants.PLAIN, 1.1),
    Target("variants, draft, against the plain fp32 loop", "variants", "fp32", variants.DRAFT, variants.PLAIN, 2.0),
    Target(
        "LoRA training against diffusers' script", "lora_step", "script", lora_step.STUDIO, lora_step.SCRIPT, 2.0
    ),
    Target("live preview, from a pose to its picture", "preview", "pose", preview.FEW, at_most_s=0.4),
    Target("LoRA switch, the slot", "lora_switch", "switch", lora_switch.STUDIO, at_most_s=0.002),
    Target("base switch, both in memory", "model_switch", "warm", model_switch.STUDIO, at_most_s=0.05),
)  # fmt: skip


def measured(target: Target, results: Results) -> tuple[float, bool] | None:
    """The ratio, or the seconds, that a target's arm came to, and whether that is enough; None: not measured."""
    found = [
        (comparison, arm)
        for comparison in (results.subjects[target.subject].comparisons if target.subject in results.subjects else ())
        for arm in comparison.arms
        if (comparison.key, arm.name) == (target.case, target.arm)
    ]
    if not found:
        return None
    comparison, arm = found[0]
    if target.at_most_s:
        took = comparison.median_s(arm)
        return took, comparison.told(arm) and took <= target.at_most_s
    ratio = comparison.ratio(arm, target.over)
    return None if ratio is None else (ratio, ratio >= target.at_least)


def slower(results: Results) -> Iterator[tuple[str, Comparison, Arm, Arm]]:
    """Subject, comparison, and every pair of an arm of the studio's and a stock arm that took less time."""
    for subject, result in results.subjects.items():
        for comparison in result.comparisons:
            told = [arm for arm in comparison.arms if comparison.told(arm)]
            ours = [arm for arm in told if arm.name.startswith(OURS)]
            for arm in ours:
                for stock in told:
                    if stock not in ours and comparison.median_s(stock) < comparison.median_s(arm):
                        yield subject, comparison, arm, stock
