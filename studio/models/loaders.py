"""Loaders: one component from its own folder, frozen, in eval mode, from local files only.

Libraries are imported when something is loaded, never before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.errors import GateError
from studio.models.family import Loader, close_the_door, torch_dtype


def diffusers_model(class_name: str) -> Loader:
    """A loader of a diffusers model class; weights that do not fit the class are an error, not a warning."""

    def load(folder: Path, *, dtype: str, device: str) -> Any:
        close_the_door()
        import diffusers

        with _quiet(diffusers.utils.logging):
            model: Any = getattr(diffusers, class_name).from_pretrained(
                folder,
                torch_dtype=torch_dtype(dtype),
                local_files_only=True,
                use_safetensors=True,
                low_cpu_mem_usage=True,
            )
        if dtype == "fp8":
            import torch

            model.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=torch.bfloat16)
        return model.requires_grad_(False).eval().to(device)

    return load


def transformers_model(class_name: str) -> Loader:
    """A loader of a transformers model class."""

    def load(folder: Path, *, dtype: str, device: str) -> Any:
        close_the_door()
        import transformers

        with _quiet(transformers.utils.logging):
            model: Any = getattr(transformers, class_name).from_pretrained(
                folder, dtype=torch_dtype(dtype), local_files_only=True, use_safetensors=True, trust_remote_code=False
            )
        return model.requires_grad_(False).eval().to(device)

    return load


def transformers_processor(class_name: str) -> Loader:
    """A loader of a tokenizer or an image processor: no weights, no device."""

    def load(folder: Path, *, dtype: str, device: str) -> Any:
        close_the_door()
        import transformers

        kind: Any = getattr(transformers, class_name)
        return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)

    return load


def scheduler(folder: Path, *, dtype: str, device: str) -> Any:
    """The scheduler class that the base's own config names, if diffusers has it. Copy it before a run: it has state."""
    close_the_door()
    import diffusers

    name = json.loads((folder / "scheduler_config.json").read_text(encoding="utf-8")).get("_class_name", "")
    kind = getattr(diffusers, name, None) if name.endswith("Scheduler") else None
    base: Any = diffusers.SchedulerMixin
    if not isinstance(kind, type) or not issubclass(kind, base):
        raise GateError(f"{folder}: {name!r:.80} is no scheduler that is known here.", "Mend scheduler_config.json.")
    known: Any = kind
    return known.from_pretrained(folder, local_files_only=True)


def ip_adapter(folder: Path, *, dtype: str, device: str) -> Any:
    """The `IPAdapter` in a folder."""
    close_the_door()
    from studio.models.ip_adapter import read_ip_adapter

    return read_ip_adapter(folder, dtype=torch_dtype(dtype), device=device)


def few_step(folder: Path, *, dtype: str, device: str) -> Any:
    """The `FewStep` in a folder."""
    close_the_door()
    from studio.models.few_step import few_steps_of, read_few_step

    few_steps_of(folder)
    return read_few_step(folder, scheduler(folder / "scheduler", dtype=dtype, device=device))


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Silences a library's progress bars while a component loads; the studio shows its own."""
    was_on = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            logging.enable_progress_bar()
