"""What a picture of a dressed figure shows: the vocabulary shared by captions, renderer, judge and looks.

Every attribute is a closed list of values, because the judge classifies them and croquis knows no others.
"""

from __future__ import annotations

from typing import Literal, get_args

from studio.records.base import Record

AgeGroup = Literal["20s", "30s", "40s", "50s", "60s"]
"""Decade of age; `60s` stands for sixty and over. Figures are always adults."""
Gender = Literal["woman", "man"]
Body = Literal["slim", "average", "full"]
Skin = Literal["fair", "tan", "brown", "dark"]
Hair = Literal["short", "long"]
HairColour = Literal["black", "brown", "blonde", "grey", "red"]
Garment = Literal["trousers", "skirt", "dress"]
"""The outfit: top with trousers, top with skirt, or a dress."""
Sleeve = Literal["sleeveless", "short", "elbow", "long"]
Neckline = Literal["crew", "v-neck", "high"]
Hem = Literal["mini", "knee", "midi", "ankle"]
"""Length of skirt or dress; for trousers: `mini` shorts, `knee`, `midi` cropped, `ankle` full length."""
Fabric = Literal["plain", "stripe", "check", "dots", "knit", "denim", "floral", "jacquard"]
Colour = Literal[
    "white",
    "black",
    "grey",
    "red",
    "orange",
    "yellow",
    "green",
    "teal",
    "blue",
    "navy",
    "purple",
    "pink",
    "beige",
    "brown",
]
View = Literal["front", "three-quarter", "side", "back"]
Action = Literal["standing", "walking", "hand-on-hip", "arms-crossed", "sitting"]
Background = Literal["white", "grey", "beige", "blue", "street", "park", "room"]


class FigureAttributes(Record):
    """The truth, or the judge's reading, of one picture.

    `colour` and `fabric` are those of the top (or the dress); `lower_colour` of skirt or trousers
    (equal to `colour` for a dress).
    """

    age_group: AgeGroup
    gender: Gender
    body: Body
    skin: Skin
    hair: Hair
    hair_colour: HairColour
    garment: Garment
    sleeve: Sleeve
    neckline: Neckline
    hem: Hem
    fabric: Fabric
    colour: Colour
    lower_colour: Colour
    view: View
    action: Action
    background: Background


ATTRIBUTE_VALUES: dict[str, tuple[str, ...]] = {
    name: get_args(field.annotation) for name, field in FigureAttributes.model_fields.items()
}
"""Attribute name -> its values in their fixed order (the judge's class indices)."""
