"""SDXL: bases of 1024 px with two text encoders; one Union ControlNet for every kind of map, or one for each."""

from __future__ import annotations

from types import MappingProxyType

from studio.models.families.stable_diffusion import COMPONENTS, LORA_TARGETS
from studio.models.families.stable_diffusion_xl import StableDiffusionXL, second_encoder
from studio.models.family import YES, AddOn, Family
from studio.models.loaders import diffusers_model, transformers_processor
from studio.records.capabilities import Capabilities

UNION = AddOn("sdxl-controlnet-union", "controlnet_union")
"""Preferred: one pull for all kinds, and one run for all maps of a picture."""
SINGLE = ("openpose", "canny", "depth")
"""Kinds that have a ControlNet of their own too."""

SDXL = Family(
    name="sdxl",
    capabilities=Capabilities(
        text_to_image=YES,
        lora_load=YES,
        lora_train=YES,
        controlnet=dict.fromkeys((*SINGLE, "lineart"), YES),
        reference_image=YES,
        inpaint=YES,
    ),
    components=MappingProxyType(
        {
            **COMPONENTS,
            "controlnet_union": diffusers_model("ControlNetUnionModel"),
            "text_encoder_2": second_encoder,
            "tokenizer_2": transformers_processor("CLIPTokenizer"),
        }
    ),
    lora_targets=LORA_TARGETS,
    architecture=StableDiffusionXL(),
    controlnets=MappingProxyType(
        {kind: (UNION, AddOn(f"sdxl-controlnet-{kind}", "controlnet")) for kind in SINGLE} | {"lineart": (UNION,)}
    ),
    ip_adapters=(AddOn("sdxl-ip-adapter", "ip_adapter"),),
    previewers=(AddOn("sdxl-taesdxl", "tiny_autoencoder"),),
)
