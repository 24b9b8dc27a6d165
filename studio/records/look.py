"""Look: what the figure wears and where it stands, apart from its pose."""

from __future__ import annotations

from studio.records.attributes import AgeGroup, Background, Body, Gender, Hair, HairColour, Skin
from studio.records.base import Record, Slug


class Look(Record):
    """Part of a prompt that a designer picks by hand; None leaves the word out.

    `garment` is free text in the caption grammar's words, e.g. "a knee-length navy dots dress with short sleeves",
    or the trigger token of a brand model.
    """

    name: Slug
    garment: str = ""
    age_group: AgeGroup | None = None
    gender: Gender | None = None
    body: Body | None = None
    skin: Skin | None = None
    hair: Hair | None = None
    hair_colour: HairColour | None = None
    background: Background | None = None
