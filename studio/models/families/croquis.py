"""Croquis: latent diffusion of the same classes as Stable Diffusion 1.5, with a ControlNet for OpenPose maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from studio.errors import GateError
from studio.models.family import Family, Loader, close_the_door, torch_dtype
from studio.records.capabilities import Capabilities, Capability

YES = Capability(supported=True)


def _no(reason: str) -> Capability:
    return Capability(supported=False, reason=reason)


def _diffusers_model(class_name: str) -> Loader:
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
        return model.requires_grad_(False).eval().to(device)

    return load


def _text_encoder(folder: Path, *, dtype: str, device: str) -> Any:
    close_the_door()
    import transformers

    with _quiet(transformers.utils.logging):
        model: Any = transformers.CLIPTextModel.from_pretrained(
            folder, dtype=torch_dtype(dtype), local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    return model.requires_grad_(False).eval().to(device)


def _tokenizer(folder: Path, *, dtype: str, device: str) -> Any:
    close_the_door()
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _scheduler(folder: Path, *, dtype: str, device: str) -> Any:
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


CROQUIS = Family(
    name="croquis",
    capabilities=Capabilities(
        text_to_image=YES,
        lora_load=YES,
        lora_train=YES,
        controlnet={
            "openpose": YES,
            "canny": _no("Croquis has a ControlNet for poses only."),
            "depth": _no("Croquis has a ControlNet for poses only."),
        },
        reference_image=_no("Croquis has no IP-Adapter yet."),
        inpaint=_no("Inpainting is not built yet."),
    ),
    components=MappingProxyType(
        {
            "unet": _diffusers_model("UNet2DConditionModel"),
            "controlnet": _diffusers_model("ControlNetModel"),
            "vae": _diffusers_model("AutoencoderKL"),
            "text_encoder": _text_encoder,
            "tokenizer": _tokenizer,
            "scheduler": _scheduler,
        }
    ),
    lora_targets=("to_q", "to_k", "to_v", "to_out.0"),
)
