"""Alternative text for a picture, from what was asked for: the product, who wears it, how and where."""

from __future__ import annotations

from studio.records.generation import GenerationRequest
from studio.records.look import Look
from studio.records.product import Product

MAX_CHARACTERS = 125
"""Screen readers commonly pause or cut after about this many characters."""

_VIEWS = {
    "front": "seen from the front",
    "three-quarter": "three-quarter view",
    "side": "side view",
    "back": "seen from behind",
}
_PLACES = {"street": "in a street", "park": "in a park", "room": "in a room"}


def alt_text(product: Product, request: GenerationRequest) -> str:
    """One line such as `Linen dress in navy, worn by a woman in her 30s, walking, side view, in a park`.

    Parts are left out from the end when the line grows beyond `MAX_CHARACTERS`.
    """
    name = " ".join(product.name.split())
    colour = product.colourway.strip()
    parts = [f"{name} in {colour}" if colour and colour.lower() not in name.lower() else name]
    parts.append(f"worn by {_wearer(request.look)}")
    if request.pose:
        parts += [request.pose.action.replace("-", " "), _VIEWS[request.pose.view]]
    if request.look and request.look.background in _PLACES:
        parts.append(_PLACES[request.look.background])
    while len(parts) > 1 and len(", ".join(parts)) > MAX_CHARACTERS:
        parts.pop()
    line = ", ".join(parts)
    return line if len(line) <= MAX_CHARACTERS else line[: MAX_CHARACTERS - 1].rstrip() + "…"


def _wearer(look: Look | None) -> str:
    if look is None or look.gender is None:
        return "a person" if look is None or look.age_group is None else f"a person in their {look.age_group}"
    owner = "her" if look.gender == "woman" else "his"
    return f"a {look.gender}" if look.age_group is None else f"a {look.gender} in {owner} {look.age_group}"
