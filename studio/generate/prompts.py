"""Prompts: from a look and a pose to the words that the base was captioned with, and the brand's trigger tokens."""

from __future__ import annotations

from collections.abc import Sequence

from studio import wording
from studio.records.look import Look
from studio.records.pose import Pose


def positive(look: Look, pose: Pose | None = None, triggers: Sequence[str] = ()) -> str:
    """The prompt of a look in a pose.

    Args:
        triggers: trigger tokens of the brand models that are applied; those that the look's garment names already
            are not said twice.
    """
    said = look.garment.lower().replace(",", " ").split()
    missing = [token for token in dict.fromkeys(triggers) if token and token.lower() not in said]
    action, view = (pose.action, pose.view) if pose is not None else ("", "")
    return wording.prompt(look, action=action, view=view, trigger=" ".join(missing))
