"""Models: the gate that checks files, families as data, the component cache, the LoRA slot.

Nothing here imports torch before a component is loaded, so capabilities can be read by a page that stays light.
"""

from studio.models.cache import BusyError, CacheStats, ComponentKey, ModelCache
from studio.models.family import Family
from studio.models.gate import WeightsHeader, check_model_folder, check_weights
from studio.models.registry import Registry

__all__ = [
    "BusyError",
    "CacheStats",
    "ComponentKey",
    "Family",
    "ModelCache",
    "Registry",
    "WeightsHeader",
    "check_model_folder",
    "check_weights",
]
