"""Stable Diffusion 1.5: bases of 512 px with one text encoder and ControlNets for every kind of map."""

from __future__ import annotations

from types import MappingProxyType

from studio.models.families.stable_diffusion import StableDiffusion
from studio.models.family import YES, AddOn, Family, no
from studio.models.loaders import diffusers_model, scheduler, transformers_model, transformers_processor
from studio.records.capabilities import Capabilities

KINDS = ("openpose", "canny", "lineart", "depth")

SD15 = Family(
    name="sd15",
    capabilities=Capabilities(
        text_to_image=YES,
        lora_load=YES,
        lora_train=YES,
        controlnet=dict.fromkeys(KINDS, YES),
        reference_image=no("The IP-Adapter is not built yet."),
        inpaint=no("Inpainting is not built yet."),
    ),
    components=MappingProxyType(
        {
            "unet": diffusers_model("UNet2DConditionModel"),
            "controlnet": diffusers_model("ControlNetModel"),
            "vae": diffusers_model("AutoencoderKL"),
            "text_encoder": transformers_model("CLIPTextModel"),
            "tokenizer": transformers_processor("CLIPTokenizer"),
            "scheduler": scheduler,
        }
    ),
    lora_targets=("to_q", "to_k", "to_v", "to_out.0"),
    architecture=StableDiffusion(),
    controlnets=MappingProxyType({kind: (AddOn(f"sd15-controlnet-{kind}", "controlnet"),) for kind in KINDS}),
)
