"""Architecture: how the networks of one family are called. Engine and training know no other way to them.

A family's file holds one. It imports torch inside its methods only, so that a page may read a family's capabilities
and stay light. B is the number of pictures; with guidance a call sees 2B rows, those without the prompt first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from studio.records.pose import Framing

Text = Mapping[str, "Tensor"]
"""One text's embeddings by the family's own names, each (1, ...)."""
Inputs = dict[str, Any]
"""Keyword arguments of the denoiser beside sample and timestep, for all rows of a call."""
REFERENCE = "reference"
"""Entry of `Inputs` for the denoiser alone, where an IP-Adapter is on it: `tokens` (rows, T, D) of a picture, and
`scale` (rows, 1, 1)."""
Scales = Sequence[Sequence[float]]
Residuals = dict[int, "Tensor"]
"""What control adds to the denoiser: place -> (rows, ...). Those of several ControlNets are added up."""


def added(several: Iterable[Residuals]) -> Residuals:
    """The residuals of several ControlNets, or of several maps, together."""
    total: Residuals = {}
    for residuals in several:
        for place, value in residuals.items():
            total[place] = total[place] + value if place in total else value
    return total


class Unread(NamedTuple):
    """A text of more tokens than the base reads; `text` is the end that would be lost."""

    tokens: int
    limit: int
    text: str


class ControlCall(Protocol):
    """A ControlNet with the maps of B pictures, M of each, embedded once."""

    def __call__(self, sample: Tensor, timestep: Tensor, inputs: Inputs, pictures: Tensor, scales: Scales) -> Residuals:
        """Args:
        sample: (rows, C, h, w), scaled for the model.
        inputs: of these rows, as `Architecture.pick` gives them.
        pictures: (rows,), which of the B maps each row has.
        scales: controlnet_conditioning_scale of the M maps of each row; 0 outside its range.
        """


class Architecture(Protocol):
    """The calls of one family."""

    @property
    def denoiser(self) -> str:
        """The component that denoises, carries LoRAs and takes ControlNets: `unet` or `transformer`."""

    @property
    def text_parts(self) -> tuple[str, ...]:
        """The components that `encode` needs."""

    @property
    def multiple_px(self) -> int:
        """Width and height are multiples of it."""

    def unread(self, parts: Mapping[str, Any], text: str) -> Unread | None:
        """What of a text its encoders would not read; None when they read all."""

    def encode(self, parts: Mapping[str, Any], text: str) -> Text:
        """The embeddings of a text that is short enough. `parts`: the components of `text_parts` by name."""

    def blank_text(self, denoiser: Any) -> Text:
        """Zeros in the shapes that the longest text has, for measuring without encoders."""

    def unprompted(self, empty: Text) -> Text:
        """What stands for an absent negative prompt, given the embeddings of the empty text."""

    def latent_shape(self, denoiser: Any, vae: Any, framing: Framing) -> tuple[int, int, int]:
        """(C, h, w) of one picture's latents."""

    def timesteps(self, scheduler: Any, steps: int, shape: tuple[int, int, int], device: Any) -> Tensor:
        """Sets the scheduler up for a run of that many steps; its timesteps."""

    def noised(self, scheduler: Any, latents: Tensor | None, noise: Tensor, timestep: Tensor) -> Tensor:
        """Latents at a timestep of a run that is set up: pure noise scaled for its start where `latents` is None."""

    def model_input(self, scheduler: Any, latents: Tensor, timestep: Tensor) -> Tensor:
        """Latents as the denoiser takes them, in fp32."""

    def inputs(self, denoiser: Any, texts: Sequence[Text], framings: Sequence[Framing]) -> Inputs:
        """The denoiser's arguments for these rows, on its device and in its dtype."""

    def pick(self, inputs: Inputs, rows: Tensor) -> Inputs:
        """The arguments of some rows."""

    def predict(self, denoiser: Any, sample: Tensor, timestep: Tensor, inputs: Inputs, residuals: Residuals) -> Tensor:
        """The denoiser's output in fp32 as the scheduler's `step` takes it, (rows, C, h, w).

        Args:
            timestep: one for all rows, or (rows,).
        """

    def guided(self, without: Tensor, given: Tensor, scale: Tensor) -> Tensor:
        """Guidance: (B, C, h, w) of outputs without and with the prompt; scale (B, 1, 1, 1)."""

    def controlling(
        self, controlnet: Any, kinds: Sequence[str], pictures: Sequence[Tensor], denoiser: Any, vae: Any
    ) -> AbstractContextManager[ControlCall]:
        """A ControlNet that is to follow all maps that are its own. It is as before afterwards.

        Args:
            kinds: of the M maps, `openpose`, `canny` ...
            pictures: M times (B, 3, H, W) in [0, 1].
        """

    def to_latents(self, vae: Any, encoded: Tensor) -> Tensor:
        """The autoencoder's latents as the denoiser knows them."""

    def from_latents(self, vae: Any, latents: Tensor) -> Tensor:
        """The denoiser's latents as the autoencoder decodes them."""

    def objective(self, scheduler: Any, snr_gamma: float | None) -> Objective:
        """What a training step asks of the denoiser. Raises CapabilityError."""


class Objective(Protocol):
    """The denoising loss of one base. `times` are (B,), as `times_of` makes them of numbers in [0, 1)."""

    def times_of(self, places: Tensor, pixels: int) -> Tensor:
        """Numbers in [0, 1) as timesteps of this base; `pixels` of the picture, for those that shift with size."""

    def noised(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Latents at their times. All (B, C, h, w)."""

    def errors(self, prediction: Tensor, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Mean squared error of each picture, unweighted, in fp32: (B,)."""

    def weights(self, times: Tensor) -> Tensor:
        """Weight of each time in the loss: (B,)."""
