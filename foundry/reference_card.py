"""Fabrics that croquis never saw: does a reference picture bring their colours and pattern, and more than words do?

Held-out figures wear cloth of reserved fabrics in free colours. Two arms draw them with the same seed and control: by
text alone, with the nearest colour word and the named fabric that comes nearest; by reference, whose caption says
neither. Half of the references are swatches, half product photos. Both arms are held to the true render.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from skimage.color import rgb2lab

from foundry.body import BodyPack
from foundry.dataset import sample_framing
from foundry.drawing import Ask, Sampling, answers
from foundry.fabrics import COLOURS, FABRICS, second_colour
from foundry.free_fabrics import RESERVED, free_colours
from foundry.items import Items
from foundry.measures import colour_away, median, pattern_or_zero
from foundry.render import Render, render
from foundry.scene import Cloth, Scene, sample_scene
from foundry.swatch import product_photo, swatch
from studio.measure.colour import ciede2000
from studio.measure.judge import Judge
from studio.records.attributes import ATTRIBUTE_VALUES, Colour, Fabric, FigureAttributes
from studio.wording import caption

Array = npt.NDArray[Any]
Rng = np.random.Generator
FIRST_SEED = 20_000
"""Beyond every held-out render on the disk."""
APART = 500
"""Seeds between an item and the other figure that wears its cloth."""
MAKERS: Mapping[str, Callable[[Cloth, Rng], Array]] = {"swatch": swatch, "product_photo": product_photo}
UNSAID = frozenset({"fabric", "colour"})


class Seen(NamedTuple):
    """A picture (H, W, 3) and where it shows the top or dress, (H, W) bool."""

    image: Array
    upper: Array

    def like(self, other: Seen) -> float:
        """Pattern similarity."""
        return pattern_or_zero(*self, *other)

    def colour_away(self, other: Seen) -> float | None:
        """CIEDE2000 of the median colours."""
        return colour_away(*self, *other)


@dataclass(frozen=True)
class Worn:
    """One item.

    Attributes:
        scene: the figure in the reserved cloth; `true` is its render.
        elsewhere: the same cloth on another figure.
        named: the figure in each named fabric, with the ground in the cloth's colour; `nearest` is the one whose
            true render is most like the cloth.
        kind: of the reference `picture`, a key of MAKERS.
    """

    scene: Scene
    true: Render
    elsewhere: Seen
    named: dict[str, Seen]
    nearest: Fabric
    kind: str
    picture: Array

    def text(self) -> str:
        """The caption with the words that come nearest to the cloth."""
        said: dict[str, str] = {"fabric": self.nearest, "colour": nearest_colour(self.scene.upper.colour)}
        if self.scene.attributes.garment == "dress":
            said["lower_colour"] = said["colour"]
        return caption(FigureAttributes.model_validate(self.scene.attributes.model_dump() | said))

    def silent_text(self) -> str:
        """The caption without a word for the cloth."""
        return caption(self.scene.attributes, keep=frozenset(ATTRIBUTE_VALUES) - UNSAID)


def seen(picture: Render) -> Seen:
    """A render's picture and true mask."""
    return Seen(picture.image, picture.upper_mask > 127)


def nearest_colour(rgb: Array) -> Colour:
    """The colour word nearest to an sRGB colour (3,) in 0..255, by CIEDE2000."""
    known, own = (rgb2lab(np.array(values, float)[None] / 255)[0] for values in (list(COLOURS.values()), [rgb]))
    return cast(Colour, list(COLOURS)[int(np.argmin(ciede2000(known, own)))])


def worn(pack: BodyPack, number: int, fabrics: Sequence[str]) -> Worn:
    """Item `number`. Fabrics take turns, and so do kinds of reference, offset so that all meet all."""
    seed = FIRST_SEED + number
    rng = np.random.default_rng([seed, 43])
    cloth = Cloth(fabrics[number % len(fabrics)], *free_colours(rng))
    scene = dressed(sample_scene(pack, seed, "held-out"), cloth)
    other = dressed(sample_scene(pack, seed + APART, "held-out"), cloth)
    in_named = {
        name: dressed(scene, replace(cloth, fabric=name, second=second_colour(rng, name, cloth.colour)))
        for name in FABRICS
    }
    true, other_true = render(pack, scene, sample_framing(seed)), render(pack, other, sample_framing(seed + APART))
    named = {name: seen(render(pack, own, sample_framing(seed))) for name, own in in_named.items()}
    kind = list(MAKERS)[(number // len(fabrics) + number) % len(MAKERS)]
    return Worn(
        scene=scene,
        true=true,
        elsewhere=seen(other_true),
        named=named,
        nearest=cast(Fabric, max(named, key=lambda name: named[name].like(seen(true)))),
        kind=kind,
        picture=MAKERS[kind](cloth, rng),
    )


def dressed(scene: Scene, cloth: Cloth) -> Scene:
    """The scene with its top or dress of another cloth."""
    return replace(scene, upper=cloth, lower=cloth if scene.attributes.garment == "dress" else scene.lower)


def reference_card(
    count: int, sampling: Sampling, judge: Judge, fabrics: Sequence[str] = tuple(RESERVED)
) -> dict[str, Any]:
    """The card of `count` items; renders 10 `count` pictures and draws `count` for each arm.

    Returns:
        medians for `text` and, where the base takes one, for `reference`. `ceiling` compares the true render with the
        same cloth on another figure, `floor` with a named fabric taken at random, `best_word` with the true render of
        the fabric that the text arm names, which is the most that words can do.
    """
    pack = BodyPack()
    outfits = [worn(pack, number, fabrics) for number in range(count)]
    card: dict[str, Any] = {"items": count, "fabrics": list(fabrics), **limits(outfits)}
    seeds, controls = list(range(count)), Items.of([outfit.true for outfit in outfits]).controls()
    arms = {"text": Ask([outfit.text() for outfit in outfits], seeds, controls)}
    if sampling.has_adapter:
        silent, pictures = ([o.silent_text() for o in outfits], [o.picture for o in outfits])
        arms["reference"] = Ask(silent, seeds, controls, pictures)
    for name, ask in arms.items():
        drawn = answers(ask, sampling)
        uppers = [reading.upper_mask > 0.5 for reading in judge.read(drawn)]
        card[name] = against_truth([Seen(*pair) for pair in zip(drawn, uppers, strict=True)], outfits)
    return card


def against_truth(drawn: Sequence[Seen], outfits: Sequence[Worn]) -> dict[str, Any]:
    """One arm beside the true renders: all items, then by fabric and by kind of reference."""
    pairs = [(seen(outfit.true), own) for outfit, own in zip(outfits, drawn, strict=True)]
    groups: dict[str, Any] = {
        "by_fabric": [o.scene.upper.fabric for o in outfits],
        "by_kind": [o.kind for o in outfits],
    }
    card: dict[str, Any] = dict(alike(pairs))
    for group, labels in groups.items():
        card[group] = {
            label: alike([pair for pair, own in zip(pairs, labels, strict=True) if own == label])
            for label in dict.fromkeys(labels)
        }
    return card


def limits(outfits: Sequence[Worn]) -> dict[str, dict[str, float | None]]:
    """Ceiling, best word and floor, on true renders alone."""
    rng = np.random.default_rng(53)
    chance = [list(o.named)[int(rng.integers(len(o.named)))] for o in outfits]
    return {
        "ceiling": alike([(seen(o.true), o.elsewhere) for o in outfits]),
        "best_word": alike([(seen(o.true), o.named[o.nearest]) for o in outfits]),
        "floor": alike([(seen(o.true), o.named[name]) for o, name in zip(outfits, chance, strict=True)]),
    }


def alike(pairs: Sequence[tuple[Seen, Seen]]) -> dict[str, float | None]:
    """Medians over pairs; a picture that shows no such garment counts as similarity 0 and tells no colour."""
    return {
        "delta_e": median((a.colour_away(b) for a, b in pairs), 2),
        "pattern_similarity": median((a.like(b) for a, b in pairs), 3),
    }
