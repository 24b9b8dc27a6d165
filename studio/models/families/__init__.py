"""The families that the studio knows, one file each."""

from collections.abc import Mapping
from types import MappingProxyType

from studio.models.families.croquis import CROQUIS
from studio.models.families.sd15 import SD15
from studio.models.family import Family

FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in (CROQUIS, SD15)})

__all__ = ["FAMILIES"]
