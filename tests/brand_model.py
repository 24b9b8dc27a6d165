"""Brand models for tests: real files, random weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from studio.records.base import now
from studio.records.brand_model import BrandModel
from studio.records.training import TrainingConfig


def write_brand_model(
    brand_models: Path,
    tiny_base: Path,
    name: str,
    *,
    seed: int = 0,
    rank: int = 4,
    alpha: float = 8.0,
    base: str = "croquis",
) -> BrandModel:
    """A brand model with random weights for the tiny base: folder, LoRA, card."""
    import torch
    from diffusers import UNet2DConditionModel
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict
    from safetensors.torch import save

    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(tiny_base / "unet")
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=["to_q", "to_k", "to_v", "to_out.0"])
    config.init_lora_weights = False
    unet.add_adapter(config, "brand")
    state = get_peft_model_state_dict(unet, adapter_name="brand")
    tensors = {f"unet.{key}": value.contiguous() for key, value in state.items()}
    metadata = {"unet.r": rank, "unet.lora_alpha": alpha, "unet.target_modules": sorted(config.target_modules)}
    data = save(tensors, {"format": "pt", "lora_adapter_metadata": json.dumps(metadata)})
    card = BrandModel(
        name=name, base=base, base_licence="Apache-2.0", trigger_token=f"{name}x", lora_rank=rank, lora_alpha=alpha,
        weights_sha256=hashlib.sha256(data).hexdigest(), data_sha256="0" * 64, photo_count=30,
        rights_summary={"own": 30}, training=TrainingConfig(name=name, dataset_id="d"), created_at=now(),
    )  # fmt: skip
    folder = brand_models / name
    folder.mkdir()
    (folder / card.weights_file).write_bytes(data)
    (folder / "card.json").write_text(card.model_dump_json(), encoding="utf-8")
    return card
