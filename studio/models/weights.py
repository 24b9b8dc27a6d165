"""Loads a small weights file (a LoRA, the judge) from the very bytes that passed the gate."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import GateError
from studio.models.gate import WeightsHeader, check_weights

if TYPE_CHECKING:
    from torch import Tensor

MAX_SMALL_BYTES = 2 * 2**30


def load_weights(
    path: Path, *, max_bytes: int = MAX_SMALL_BYTES, allow: Collection[str] | None = None
) -> tuple[WeightsHeader, dict[str, Tensor]]:
    """The file's header and its tensors on the CPU, in the file's dtype.

    Raises:
        NotFoundError, GateError: as `check_weights`; also when the file changed between check and reading.
    """
    header = check_weights(path, max_bytes=max_bytes, allow=allow)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != header.sha256:
        raise GateError(f"{path.name} changed while it was read.", "Wait until it is written, then try again.")
    from safetensors.torch import load

    return header, load(data)
