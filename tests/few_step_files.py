"""Few-step weights for tests: real files, random weights."""

from __future__ import annotations

import json
from pathlib import Path

from studio.models.few_step import CARD, FEW_STEP, LORA

STEPS = 3


def write_few_step(base: Path) -> None:
    """`few_step/` in a base's folder, with a scheduler that differs from the base's own."""
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    folder = base / FEW_STEP
    torch.manual_seed(7)
    unet = UNet2DConditionModel.from_pretrained(base / "unet", torch_dtype=torch.float32)
    config = LoraConfig(r=2, lora_alpha=2, target_modules=["to_q", "conv1", "proj_in"], init_lora_weights=False)
    unet.add_adapter(config)
    StableDiffusionPipeline.save_lora_weights(folder, get_peft_model_state_dict(unet), weight_name=LORA)
    own = DDIMScheduler.from_pretrained(base / "scheduler").config
    DDIMScheduler.from_config(own, beta_end=0.02).save_pretrained(folder / "scheduler")
    (folder / CARD).write_text(json.dumps({"num_inference_steps": STEPS}), encoding="utf-8")
