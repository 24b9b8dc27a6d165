"""Croquis: latent diffusion of the same classes as Stable Diffusion 1.5, with a ControlNet for OpenPose maps."""

from __future__ import annotations

from types import MappingProxyType

from studio.models.families.stable_diffusion import COMPONENTS, LORA_TARGETS, StableDiffusion
from studio.models.family import YES, AddOn, Family, no
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
    components=COMPONENTS,
    lora_targets=LORA_TARGETS,
    architecture=StableDiffusion(),
    controlnets=MappingProxyType({"openpose": (AddOn("", "controlnet"),)}),
    ip_adapters=(AddOn("", "ip_adapter"),),
)
