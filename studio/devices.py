"""Which device and number format to compute with, and why: the page and the command line show the reason."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from studio.errors import InputError, ResourceError
from studio.settings import Settings

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Where Linux tells a container how much memory it may take; a number, or `max`."""
MEMINFO = Path("/proc/meminfo")
CACHE_SHARE = 2 / 3
"""Share of a device's memory that the model cache may hold; the rest is for what is computed on the way."""


class Device(NamedTuple):
    """`device` is `cpu` or `cuda`; `dtype` is `fp32`, `bf16` or `fp16`."""

    device: str
    dtype: str
    reason: str


def choose_device(settings: Settings) -> Device:
    """The device that the settings ask for, or the best there is. Imports torch only when it has to look.

    Raises:
        ResourceError: CUDA is asked for and there is none.
        InputError: fp16 on a CPU.
    """
    if settings.device == "cpu":
        return Device("cpu", _cpu_dtype(settings), "the settings ask for the CPU")
    import torch

    if torch.cuda.is_available():
        dtype = settings.dtype
        if dtype == "auto":
            dtype = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        return Device("cuda", dtype, f"{torch.cuda.get_device_name()} is at hand")
    if settings.device == "cuda":
        raise ResourceError(
            "The settings ask for CUDA, but torch finds no CUDA device.",
            "Check the driver with nvidia-smi, or set STUDIO_DEVICE=cpu.",
        )
    return Device("cpu", _cpu_dtype(settings), "no CUDA device was found")


def device_memory(device: str, limit: Path = CGROUP_LIMIT) -> int:
    """Bytes of memory that a device has in all: a GPU's own, or what this process may take of the machine's."""
    if device == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(0).total_memory)
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    allowed = limit.read_text().strip() if limit.is_file() else ""
    return min(installed, int(allowed)) if allowed.isdecimal() else installed


def room_bytes(device: str) -> int:
    """Bytes of memory that are free on a device now."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    found = re.search(r"MemAvailable:\s+(\d+) kB", MEMINFO.read_text(encoding="utf-8")) if MEMINFO.is_file() else None
    whole = device_memory(device)
    return whole // 2 if found is None else min(whole, int(found[1]) * 1024)


def cache_budget(settings: Settings, device: str) -> int:
    """Bytes that the model cache may hold: as the settings say, or a share of the device's memory."""
    return int(device_memory(device) * CACHE_SHARE) if settings.cache_bytes is None else settings.cache_bytes


def apply_threads(settings: Settings) -> None:
    """Tell torch how many CPU threads to use, where the settings say so. Imports torch only then."""
    if settings.threads is not None:
        import torch

        torch.set_num_threads(settings.threads)


def _cpu_dtype(settings: Settings) -> str:
    if settings.dtype == "fp16":
        raise InputError("A CPU computes fp16 slower and worse than fp32.", "Set STUDIO_DTYPE to fp32 or bf16.")
    # fp32 unless asked: a picture alone and in a batch then agree to 1e-5; in bf16 they differ by up to 8 of 255.
    return "fp32" if settings.dtype == "auto" else settings.dtype
