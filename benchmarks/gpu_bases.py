"""Bases of the published shapes with random weights, in folders as a pull leaves them, and LoRAs for them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.plan import Plan
from studio.models.families import FAMILIES
from studio.presets import Presets
from studio.records.base import now
from studio.records.brand_model import BrandModel
from studio.records.pullable import Manifest, PulledFile
from studio.records.training import TrainingConfig
from studio.settings import Settings
from studio.shelf import MANIFEST

if TYPE_CHECKING:
    from torch import Tensor

FACTS = Path(__file__).with_name("gpu_bases.yaml")
BRANDS = 10
SPREAD = 0.02
MAX_TOKENS = 77
TINY_CARD = {"width_px": 64, "height_px": 64, "num_inference_steps": 2}
WEIGHTS = {"diffusers": "diffusion_pytorch_model.safetensors", "transformers": "model.safetensors"}
CHAT = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""What Qwen3's template does with one message of a user while it is asked to think."""


def facts_of(family: str) -> dict[str, Any]:
    """What is published of a family's base."""
    found: dict[str, Any] = yaml.safe_load(FACTS.read_text(encoding="utf-8"))[family]
    return found


def presets_with(plan: Plan, family: str) -> Presets:
    """Presets with that base, its ControlNet and ten brand models; built where they are not there yet."""
    root = (plan.gpu_folder or Settings().home / "benchmark_bases") / plan.gpu_size / family
    if not (root / "built").is_file():
        shutil.rmtree(root, ignore_errors=True)
        for name in ("poses", "controlnets"):
            shutil.copytree(plan.presets / name, root / "presets" / name)
        _build(root, family, tiny=plan.gpu_size == "tiny", rank=plan.lora_rank)
        (root / "built").touch()
    return Presets(root / "presets", root / "brand_models", root / "models")


def _build(root: Path, family: str, *, tiny: bool, rank: int) -> None:
    import diffusers
    import transformers

    facts, folder = facts_of(family), root / "presets" / "bases" / family
    index: dict[str, Any] = {"_class_name": facts["pipeline"], "_diffusers_version": diffusers.__version__}
    for name, kind in facts["tokenizers"].items():
        tokenizer = _clip_tokenizer() if kind == "clip" else _qwen_tokenizer()
        tokenizer.save_pretrained(folder / name)
        if kind == "qwen":
            _template_into_config(folder / name)
        index[name] = ["transformers", type(tokenizer).__name__]
    scheduler = getattr(diffusers, facts["scheduler"]["class"])(**facts["scheduler"]["config"])
    scheduler.save_pretrained(folder / "scheduler")
    index["scheduler"] = ["diffusers", facts["scheduler"]["class"]]
    models = {}
    for name, said in facts["components"].items():
        library = diffusers if hasattr(diffusers, said["class"]) else transformers
        config = said["config"] | (said["tiny"] if tiny else {})
        if said["class"].startswith("CLIP"):
            config = config | _marks(_clip_tokenizer())
        models[name] = _save(library, said["class"], config, folder / name, tiny=tiny)
        index[name] = [library.__name__, said["class"]]
    if family == "sdxl":
        index["force_zeros_for_empty_prompt"] = True
    (folder / "model_index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    card = {
        "name": family, "title": f"{family}, random weights", "family": family, "licence": "Apache-2.0",
        "commercial_use": True, "licence_source": "made for a measurement", "training_preset": "brand-model",
        **facts["card"], **(TINY_CARD if tiny else {}),
    }  # fmt: skip
    (folder / "card.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")
    denoiser = models[facts["denoiser"]]
    if "controlnet" in facts:
        _shelve(root / "models", facts["controlnet"], denoiser, tiny=tiny)
    for number in range(BRANDS):
        _brand(root / "brand_models", f"brand-{number}", family, facts["denoiser"], denoiser, number, rank)


def _save(library: Any, kind: str, config: Mapping[str, Any], folder: Path, *, tiny: bool) -> Any:
    """One component in its folder. Returns it without its weights."""
    import torch

    with torch.device("meta"):
        cls = getattr(library, kind)
        model = cls(**config) if library.__name__ == "diffusers" else cls(cls.config_class(**config))
    _write(model, library.__name__, folder, tiny=tiny)
    return model


def _write(model: Any, library: str, folder: Path, *, tiny: bool) -> None:
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    if library == "diffusers":
        model.save_config(folder)
    else:
        model.config.architectures = [type(model).__name__]
        model.config.dtype = torch.float32 if tiny else torch.bfloat16
        model.config.save_pretrained(folder)
    rng, dtype = torch.Generator().manual_seed(0), torch.float32 if tiny else torch.bfloat16
    # A pattern that repeats: to draw billions of numbers would take longer than the measurement.
    pattern = torch.randn(2**16 + 1, generator=rng).mul(SPREAD).to(dtype)
    weights = {name: _filled(name, tensor, pattern) for name, tensor in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS[library], {"format": "pt"})


def _filled(name: str, like: Tensor, pattern: Tensor) -> Tensor:
    """Scales of norms are one and biases zero, so that no number grows from layer to layer."""
    import torch

    if like.dim() == 1 and name.endswith("weight"):
        return torch.ones(like.shape, dtype=pattern.dtype)
    if like.dim() == 1 and name.endswith("bias"):
        return torch.zeros(like.shape, dtype=pattern.dtype)
    repeats = -(-like.numel() // pattern.numel())
    return pattern.repeat(repeats)[: like.numel()].reshape(like.shape).clone()


def _shelve(models: Path, name: str, unet: Any, *, tiny: bool) -> None:
    """A ControlNet of the UNet's shape, as a pull leaves it."""
    import torch
    from diffusers import ControlNetModel

    with torch.device("meta"):
        small: dict[str, Any] = {"conditioning_embedding_out_channels": (4, 8, 8, 16)} if tiny else {}
        controlnet = ControlNetModel.from_unet(unet, load_weights_from_unet=False, **small)
    folder = models / "controlnet" / name
    _write(controlnet, "diffusers", folder, tiny=tiny)
    files = [
        PulledFile(
            path=path.name, size_bytes=path.stat().st_size, sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            repo="made/here", commit="", source_path=path.name,
        )
        for path in sorted(folder.iterdir())
    ]  # fmt: skip
    manifest = Manifest(
        name=name, kind="controlnet", source="random weights", pulled_at=datetime.now(UTC), files=tuple(files)
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")


def _brand(folder: Path, name: str, family: str, part: str, denoiser: Any, seed: int, rank: int) -> None:
    """A brand model of random weights on the layers that the family trains."""
    import torch
    from safetensors.torch import save

    targets, rng = FAMILIES[family].lora_targets, torch.Generator().manual_seed(seed)
    matrices: dict[str, Tensor] = {}
    for module_name, module in denoiser.named_modules():
        if isinstance(module, torch.nn.Linear) and module_name.endswith(targets):
            prefix = f"{part}.{module_name}"
            matrices[f"{prefix}.lora_A.weight"] = torch.randn(rank, module.in_features, generator=rng) * SPREAD
            matrices[f"{prefix}.lora_B.weight"] = torch.randn(module.out_features, rank, generator=rng) * SPREAD
    about = {f"{part}.r": rank, f"{part}.lora_alpha": rank, f"{part}.target_modules": list(targets)}
    data = save(matrices, {"format": "pt", "lora_adapter_metadata": json.dumps(about)})
    card = BrandModel(
        name=name, base=family, base_licence="Apache-2.0", trigger_token="zq", lora_rank=rank, lora_alpha=float(rank),
        weights_sha256=hashlib.sha256(data).hexdigest(), data_sha256="0" * 64, photo_count=30,
        rights_summary={"own": 30}, training=TrainingConfig(name=name, dataset_id="d"), created_at=now(),
    )  # fmt: skip
    (folder / name).mkdir(parents=True)
    (folder / name / card.weights_file).write_bytes(data)
    (folder / name / "card.json").write_text(card.model_dump_json(), encoding="utf-8")


def _clip_tokenizer() -> Any:
    """Every byte is a token, at the end of a word another one."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={w: n for n, w in enumerate(words)}, merges=[], model_max_length=MAX_TOKENS)


def _marks(tokenizer: Any) -> dict[str, Any]:
    return {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")} | {
        "max_position_embeddings": MAX_TOKENS
    }


def _qwen_tokenizer() -> Any:
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    vocab = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    marks = ["<|im_start|>", "<|im_end|>"]
    made = Qwen2Tokenizer(vocab=vocab, merges=[], model_max_length=131072, additional_special_tokens=marks)
    made.chat_template = CHAT
    return made


def _template_into_config(folder: Path) -> None:
    """Where Z-Image's own files have it; newer versions of transformers write a file of its own."""
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"chat_template": CHAT}
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
