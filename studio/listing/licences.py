"""Which licences stand behind a picture, and which of them block its commercial use.

A base says it by its card. A brand model is a derivative of its base and of its training photos: it is commercial only
where both are. What is unknown blocks like what is forbidden, until a named person takes the responsibility.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from studio.records.brand_model import BrandModel, ImportedLora
from studio.records.capabilities import BaseCard
from studio.records.generation import GenerationRequest, Variant

_NON_COMMERCIAL = re.compile(
    r"\bnon[\s_-]?commercial|\bby-nc\b|\bresearch[\s-]only|\bpersonal use|\beditorial use|商用不可|非営利",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class LicenceUse:
    """A licence that one picture depends on. `commercial_use` is None where nobody knows."""

    subject: str
    licence: str
    commercial_use: bool | None

    @property
    def blocks(self) -> bool:
        """Whether export needs a named person's override."""
        return self.commercial_use is not True

    @property
    def words(self) -> str:
        """The obstacle in words."""
        state = "non-commercial" if self.commercial_use is False else "not known to allow commercial use"
        return f"the licence of {self.subject} ({self.licence or 'no licence given'}) is {state}"


def variant_licences(
    variant: Variant, bases: Mapping[str, BaseCard], brand_models: Mapping[str, BrandModel]
) -> tuple[LicenceUse, ...]:
    """The licences of everything that a picture was made with, the models of its tools included."""
    tools = {
        use.method: LicenceUse(f"tool {use.method}", use.licence, use.commercial_use)
        for use in variant.made_by
        if use.weights_sha256
    }
    return (*licence_uses(variant.request, bases, brand_models), *tools.values())


def licence_uses(
    request: GenerationRequest, bases: Mapping[str, BaseCard], brand_models: Mapping[str, BrandModel]
) -> tuple[LicenceUse, ...]:
    """The licences of the base and of every brand model that a picture was made with."""
    uses = [_of_base(request.base, bases)]
    # A weight of 0 leaves no trace of the brand model in the picture.
    names = dict.fromkeys(adapter.brand_model for adapter in request.adapters if adapter.adapter_weight)
    return (*uses, *(_of_brand_model(name, bases, brand_models) for name in names))


def blocking(uses: Iterable[LicenceUse], overridden: Iterable[str]) -> list[LicenceUse]:
    """Those that block and that nobody has overridden, each subject once."""
    allowed = set(overridden)
    found = {use.subject: use for use in uses if use.blocks and use.subject not in allowed}
    return list(found.values())


def _of_base(name: str, bases: Mapping[str, BaseCard]) -> LicenceUse:
    card = bases.get(name)
    if card is None:
        return LicenceUse(f"base {name}", "unknown", None)
    return LicenceUse(f"base {name}", card.licence, card.commercial_use)


def _of_brand_model(name: str, bases: Mapping[str, BaseCard], brand_models: Mapping[str, BrandModel]) -> LicenceUse:
    subject, model = f"brand model {name}", brand_models.get(name)
    if model is None:
        return LicenceUse(subject, "unknown", None)
    base = _of_base(model.base, bases)
    if model.imported is not None:
        return _of_imported(subject, model.base_licence, base, model.imported)
    photos = [licence for licence, count in model.rights_summary.items() if count]
    text = f"base {model.base_licence}; photos {', '.join(photos) or 'unknown'}"
    if base.commercial_use is False or any(
        _NON_COMMERCIAL.search(licence) for licence in (*photos, model.base_licence)
    ):
        return LicenceUse(subject, text, False)
    known = base.commercial_use and photos and all(licence.strip() for licence in photos)
    return LicenceUse(subject, text, True if known else None)


def _of_imported(subject: str, base_licence: str, base: LicenceUse, lora: ImportedLora) -> LicenceUse:
    """A LoRA from elsewhere: what the person who brought it in has read in its licence counts."""
    text = f"base {base_licence}; LoRA {lora.licence}"
    flags = (base.commercial_use, lora.commercial_use)
    if False in flags or any(_NON_COMMERCIAL.search(licence) for licence in (base_licence, lora.licence)):
        return LicenceUse(subject, text, False)
    return LicenceUse(subject, text, True if all(flags) else None)
