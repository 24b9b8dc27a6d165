"""Which ways there are to upscale and to cut out: always one without a model, and whatever has been pulled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from studio.errors import CapabilityError, GateError, NotFoundError
from studio.models.installed import Installed
from studio.models.onnx_model import OnnxModel, installed_onnx
from studio.presets import Presets
from studio.records.pullable import Pullable
from studio.records.tool import ToolMethod, ToolName
from studio.tools.tiles import Enlarger

READERS: dict[str, ToolName] = {"esrgan": "upscale", "birefnet": "cut-out"}
"""What reads a tool's weights -> the tool that they serve."""
ALWAYS = (
    ToolMethod(tool="upscale", name="lanczos", title="Lanczos", ready=True),
    ToolMethod(tool="cut-out", name="grabcut", title="GrabCut", ready=True),
)
NOT_OFFERED = (
    ToolMethod(
        tool="upscale", name="diffusion", title="Diffusion upscaler", ready=False,
        reason="A diffusion upscaler draws garment and face anew from words: what was approved would not be kept.",
    ),
)  # fmt: skip


class Weights(NamedTuple):
    """The model behind a method, for the record of what was done."""

    sha256: str = ""
    licence: str = ""
    commercial_use: bool | None = True


class Methods:
    """The methods of both tools.

    Args:
        device: names the torch device to compute on; asked when a model is loaded.
    """

    def __init__(self, presets: Presets, installed: Installed, device: Callable[[], str]) -> None:
        self._presets, self._installed, self._device = presets, installed, device

    def all(self) -> list[ToolMethod]:
        """Every method with whether it can be used now, those without a model first. Raises FaultsError."""
        return [*ALWAYS, *(self._pulled(item) for item in self._pullables().values()), *NOT_OFFERED]

    def check(self, tool: ToolName, name: str) -> None:
        """Refuses what cannot be used now.

        Raises:
            NotFoundError: the tool has no such method.
            CapabilityError: it has yet to be pulled, or is not offered, with the reason.
        """
        known = {method.name: method for method in self.all() if method.tool == tool}
        if name not in known:
            raise NotFoundError(f"There is no way to {tool} called {name!r}.", f"There are: {', '.join(known)}.")
        if known[name].ready:
            return
        if name in self._pullables():
            self._installed.folder(name)
        raise CapabilityError(known[name].reason, f"Use {next(m.name for m in ALWAYS if m.tool == tool)}.")

    def enlarger(self, name: str) -> tuple[Enlarger | None, Weights]:
        """The network of that name; None for Lanczos. Raises as `check`, and GateError."""
        self.check("upscale", name)
        if name == "lanczos":
            return None, Weights()
        from studio.models.esrgan import load_esrgan

        path, sha256 = self._file(name)
        return load_esrgan(path, allow={sha256}, device=self._device()), self._weights(name, sha256)

    def matting(self, name: str) -> tuple[OnnxModel | None, Weights]:
        """The model of that name; None for GrabCut. Raises as `check`, and GateError."""
        self.check("cut-out", name)
        if name == "grabcut":
            return None, Weights()
        header = installed_onnx(self._installed, name)
        return OnnxModel(header), self._weights(name, header.sha256)

    def _pulled(self, item: Pullable) -> ToolMethod:
        ready = self._installed.state(item.name) == "installed"
        reason = ""
        if not ready:
            try:
                self._installed.folder(item.name)
            except CapabilityError as error:
                reason = str(error)
        return ToolMethod(
            tool=READERS[item.family], name=item.name, title=item.title, ready=ready, reason=reason,
            licence=item.licence.name,
        )  # fmt: skip

    def _pullables(self) -> dict[str, Pullable]:
        found = self._presets.pullables().items()
        return {name: item for name, item in found if item.kind == "tool" and item.family in READERS}

    def _file(self, name: str) -> tuple[Path, str]:
        """The one weights file of what was pulled, and the digest it was pulled with."""
        folder, manifest = self._installed.folder(name), self._installed.manifest(name)
        files = [file for file in manifest.files if file.path.endswith(".safetensors")] if manifest else []
        if len(files) != 1:
            raise GateError(f"{name} consists of {len(files)} weights files, not of one.", "Fetch it again.")
        return folder / files[0].path, files[0].sha256

    def _weights(self, name: str, sha256: str) -> Weights:
        licence = self._pullables()[name].licence
        return Weights(sha256, licence.name, licence.commercial_use)
