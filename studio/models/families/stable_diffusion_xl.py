"""How SDXL is called: two text encoders, the size as a condition, and ControlNets that follow several maps in one run.

Everything else is as in Stable Diffusion. Text: `hidden` (1, T, D) of both encoders' last layer but one, side by side;
`pooled` (1, P) of the second; `absent` (1,), what an absent negative prompt is multiplied by.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.models.architecture import ControlCall, Inputs, Residuals, Scales, Text, Unread
from studio.models.families.stable_diffusion import StableDiffusion, embedded_once
from studio.models.loaders import transformers_model
from studio.models.placement import device_of, dtype_of

if TYPE_CHECKING:
    from torch import Tensor

    from studio.records.pose import Framing

UNION_MODES: Mapping[str, int] = {"openpose": 0, "depth": 1, "canny": 3, "lineart": 3}
"""Kind of map -> its number in the Union ControlNet. Source: the card of xinsir/controlnet-union-sdxl-1.0."""

ZEROS = "force_zeros_for_empty_prompt"
"""The stock pipeline's own entry of model_index.json: whether an absent negative prompt is zeros."""


class StableDiffusionXL(StableDiffusion):
    """Two CLIP text encoders; the second also gives one vector for the whole text."""

    text_parts: tuple[str, ...] = ("tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2")

    def unread(self, parts: Mapping[str, Any], text: str) -> Unread | None:
        """What either encoder would not read."""
        first = super().unread(parts, text)
        return first or super().unread({"tokenizer": parts["tokenizer_2"]}, text)

    def encode(self, parts: Mapping[str, Any], text: str) -> Text:
        """Each tokenizer pads to its full length; no mask, as in the stock pipeline."""
        import torch

        hidden = []
        for suffix in ("", "_2"):
            tokenizer, encoder = parts[f"tokenizer{suffix}"], parts[f"text_encoder{suffix}"]
            tokens = tokenizer(text, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
            output = encoder(tokens.input_ids.to(encoder.device), output_hidden_states=True)
            hidden.append(output.hidden_states[-2])
        absent = 0.0 if getattr(encoder.config, ZEROS, True) else 1.0  # as the stock pipeline where nobody says
        pooled = output.text_embeds
        return {"hidden": torch.cat(hidden, dim=-1), "pooled": pooled, "absent": pooled.new_full((1,), absent)}

    def blank_text(self, denoiser: Any) -> Text:
        """Both encoders' states, and the second's pooled embedding: what its projection takes beside six numbers."""
        import torch

        config = denoiser.config
        pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
        return {**super().blank_text(denoiser), "pooled": torch.zeros(1, pooled)}

    def unprompted(self, empty: Text) -> Text:
        """Zeros where the base was trained so, else the empty text."""
        return {name: value * empty["absent"] for name, value in empty.items()}

    def inputs(self, denoiser: Any, texts: Sequence[Text], framings: Sequence[Framing]) -> Inputs:
        """The texts, and each picture's size as that of an original that was not cropped."""
        import torch

        pooled = torch.cat([text["pooled"] for text in texts]).to(device_of(denoiser), dtype_of(denoiser))
        sizes = [(framing.height_px, framing.width_px) for framing in framings]
        time_ids = torch.tensor(
            [[*size, 0, 0, *size] for size in sizes], device=device_of(denoiser), dtype=dtype_of(denoiser)
        )
        conditions = {"text_embeds": pooled, "time_ids": time_ids}
        return super().inputs(denoiser, texts, framings) | {"added_cond_kwargs": conditions}

    @contextmanager
    def controlling(
        self, controlnet: Any, kinds: Sequence[str], pictures: Sequence[Tensor], denoiser: Any, vae: Any
    ) -> Iterator[ControlCall]:
        """The Union ControlNet follows all maps of a picture in one run, others one map a run."""
        from diffusers import ControlNetUnionModel

        if not isinstance(controlnet, ControlNetUnionModel):
            with super().controlling(controlnet, kinds, pictures, denoiser, vae) as call:
                yield call
            return
        modes = [UNION_MODES[kind] for kind in kinds]
        with embedded_once(controlnet, pictures) as maps:
            yield lambda sample, timestep, inputs, pictures, scales: self._union(
                controlnet, modes, maps, sample, timestep, inputs, pictures, scales
            )

    def _union(
        self, controlnet: Any, modes: list[int], maps: list[Tensor], sample: Tensor, timestep: Tensor, inputs: Inputs,
        pictures: Tensor, scales: Scales,
    ) -> Residuals:  # fmt: skip
        """Scales act inside the network, where it takes one number a map: rows of the same scales run together."""
        import torch

        chosen = torch.zeros(1, controlnet.config.num_control_type, device=sample.device, dtype=dtype_of(controlnet))
        chosen[:, modes] = 1
        groups: dict[tuple[float, ...], list[int]] = {}
        for row, of_row in enumerate(scales):
            groups.setdefault(tuple(of_row), []).append(row)
        total: Residuals = {}
        for of_maps, places in groups.items():
            rows = torch.tensor(places, device=sample.device)
            down, mid = controlnet(
                sample[rows].to(dtype_of(controlnet)),
                timestep,
                controlnet_cond=[embedded[pictures[rows]] for embedded in maps],
                control_type=chosen.expand(len(rows), -1),
                control_type_idx=modes,
                conditioning_scale=list(of_maps),
                return_dict=False,
                **self.pick(inputs, rows),
            )
            for block, value in enumerate((*down, mid)):
                if block not in total:
                    total[block] = value.new_empty((len(sample), *value.shape[1:]))
                total[block][rows] = value
        return total


def second_encoder(folder: Path, *, dtype: str, device: str) -> Any:
    """Loads the second text encoder; its config then says what the base's model_index.json says of absent prompts."""
    encoder = transformers_model("CLIPTextModelWithProjection")(folder, dtype=dtype, device=device)
    index = folder.parent / "model_index.json"
    known = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    if ZEROS in known:
        setattr(encoder.config, ZEROS, bool(known[ZEROS]))
    return encoder
