"""The families that the studio knows, one file each."""

from collections.abc import Mapping
from types import MappingProxyType

from studio.models.families.croquis import CROQUIS
from studio.models.families.sd15 import SD15
from studio.models.families.sdxl import SDXL
from studio.models.families.z_image import Z_IMAGE
from studio.models.family import Family

FAMILIES: Mapping[str, Family] = MappingProxyType({family.name: family for family in (CROQUIS, SD15, SDXL, Z_IMAGE)})

__all__ = ["FAMILIES"]
