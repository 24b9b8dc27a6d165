"""Stable Diffusion 1.5: bases of 512 px with one text encoder and ControlNets for every kind of map."""

from __future__ import annotations

from types import MappingProxyType

from studio.models.families.stable_diffusion import COMPONENTS, LORA_TARGETS, StableDiffusion
from studio.models.family import YES, AddOn, Family
from studio.records.capabilities import Capabilities

KINDS = ("openpose", "canny", "lineart", "depth")

SD15 = Family(
    name="sd15",
    capabilities=Capabilities(
        text_to_image=YES,
        lora_load=YES,
        lora_train=YES,
        controlnet=dict.fromkeys(KINDS, YES),
        reference_image=YES,
        inpaint=YES,
    ),
    components=COMPONENTS,
    lora_targets=LORA_TARGETS,
    architecture=StableDiffusion(),
    controlnets=MappingProxyType({kind: (AddOn(f"sd15-controlnet-{kind}", "controlnet"),) for kind in KINDS}),
    ip_adapters=(AddOn("sd15-ip-adapter", "ip_adapter"),),
    previewers=(AddOn("sd15-taesd", "tiny_autoencoder"),),
)
