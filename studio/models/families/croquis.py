"""Croquis: latent diffusion of the same classes as Stable Diffusion 1.5, with a ControlNet for OpenPose maps."""

from __future__ import annotations

from types import MappingProxyType

from studio.models.families.stable_diffusion import StableDiffusion
from studio.models.family import YES, AddOn, Family, no
from studio.models.loaders import diffusers_model, ip_adapter, scheduler, transformers_model, transformers_processor
from studio.records.capabilities import Capabilities

CROQUIS = Family(
    name="croquis",
    capabilities=Capabilities(
        text_to_image=YES,
        lora_load=YES,
        lora_train=YES,
        controlnet={
            "openpose": YES,
            "canny": no("Croquis has a ControlNet for poses only."),
            "lineart": no("Croquis has a ControlNet for poses only."),
            "depth": no("Croquis has a ControlNet for poses only."),
        },
        reference_image=YES,
        inpaint=YES,
    ),
    components=MappingProxyType(
        {
            "unet": diffusers_model("UNet2DConditionModel"),
            "controlnet": diffusers_model("ControlNetModel"),
            "vae": diffusers_model("AutoencoderKL"),
            "text_encoder": transformers_model("CLIPTextModel"),
            "tokenizer": transformers_processor("CLIPTokenizer"),
            "image_encoder": transformers_model("CLIPVisionModelWithProjection"),
            "ip_adapter": ip_adapter,
            "scheduler": scheduler,
        }
    ),
    lora_targets=("to_q", "to_k", "to_v", "to_out.0"),
    architecture=StableDiffusion(),
    controlnets=MappingProxyType({"openpose": (AddOn("", "controlnet"),)}),
    ip_adapters=(AddOn("", "ip_adapter"),),
)
