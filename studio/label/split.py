"""The held-out split: decided by each photo's own hash, so it stays as it is when photos are added."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Literal

from studio.errors import InputError
from studio.records.photo import Photo

Side = Literal["train", "held-out"]


def split(photos: Sequence[Photo], groups: Sequence[Sequence[str]], held_out: float) -> dict[str, Side]:
    """Photo id -> side.

    A group of near duplicates goes where its oldest photo goes: what is held out must not be seen in training under
    another name. Of the first `1 / held_out` groups the one with the lowest hash is always held out, so that a small
    dataset has something to be judged on.

    Args:
        photos: oldest first.
        groups: ids of photos that show nearly the same; photos in no group stand alone.
        held_out: share to hold out, 0 to 0.5.

    Raises:
        InputError: a share outside that range.
    """
    if not 0.0 <= held_out <= 0.5:
        raise InputError(f"The held-out share is {held_out}, it must lie between 0 and 0.5.", "0.1 is usual.")
    leader = {photo.id: photo.id for photo in photos}
    for group in groups:
        members = [photo.id for photo in photos if photo.id in group]
        leader.update(dict.fromkeys(members, members[0]))
    place = {photo.id: _place(photo.sha256) for photo in photos}
    leaders = [photo.id for photo in photos if leader[photo.id] == photo.id]
    chosen = {leader_id for leader_id in leaders if place[leader_id] < held_out}
    if held_out and len(leaders) > 1:
        chosen.add(min(leaders[: math.ceil(1 / held_out)], key=place.__getitem__))
    return {photo.id: "held-out" if leader[photo.id] in chosen else "train" for photo in photos}


def _place(sha256: str) -> float:
    """A photo's fixed place in [0, 1)."""
    return int.from_bytes(hashlib.sha256(f"split {sha256}".encode()).digest()[:6]) / 2**48
