"""Z-Image: bases of 1024 px, one transformer for text and picture, flow matching, a ControlNet of its own."""

from __future__ import annotations

from types import MappingProxyType

from studio.models.families.z_image_calls import FRAME, ZImage
from studio.models.family import YES, AddOn, Family, no
from studio.models.loaders import diffusers_model, scheduler, transformers_model, transformers_processor
from studio.records.capabilities import Capabilities

KINDS = ("openpose", "canny", "depth")
"""Of those that its ControlNet was trained on; the others are HED and MLSD, which nothing here draws."""

UNIONS = (
    AddOn("z-image-controlnet-union", "controlnet", base="z-image"),
    AddOn("z-image-turbo-controlnet-union", "controlnet", base="z-image-turbo"),
)

Z_IMAGE = Family(
    name="z-image",
    capabilities=Capabilities(
        text_to_image=YES,
        lora_load=YES,
        lora_train=YES,
        controlnet={
            **dict.fromkeys(KINDS, YES),
            "lineart": no("Z-Image's ControlNet was not trained on line drawings."),
        },
        reference_image=no("Z-Image reads text alone: there is no IP-Adapter for it."),
        inpaint=YES,
    ),
    components=MappingProxyType(
        {
            "transformer": diffusers_model("ZImageTransformer2DModel"),
            "controlnet": diffusers_model("ZImageControlNetModel"),
            "vae": diffusers_model("AutoencoderKL"),
            "tiny_autoencoder": diffusers_model("AutoencoderTiny"),
            "text_encoder": transformers_model("Qwen3Model"),
            "tokenizer": transformers_processor("Qwen2Tokenizer"),
            "scheduler": scheduler,
        }
    ),
    lora_targets=("to_q", "to_k", "to_v", "to_out.0"),
    architecture=ZImage(),
    controlnets=MappingProxyType(dict.fromkeys(KINDS, UNIONS)),
    previewers=(AddOn("z-image-taef1", "tiny_autoencoder"),),  # its autoencoder is FLUX.1's
    frame=FRAME,
)
