"""An ONNX model that has passed the gate, opened in onnxruntime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.errors import GateError
from studio.models.installed import Installed
from studio.models.onnx_gate import OnnxHeader, check_onnx

Array = NDArray[Any]


class OnnxModel:
    """One model with one input. Opening costs a read of the whole file; keep the object for several pictures."""

    def __init__(self, header: OnnxHeader) -> None:
        """Open a file that `check_onnx` has passed.

        Raises:
            GateError: onnxruntime cannot run it, or it asks for more than one input.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(header.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own classes, which share no base but this
            raise GateError(f"{header.path.name} cannot be run: {_brief(error)}", "Fetch it again.") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise GateError(f"{header.path.name} asks for {len(inputs)} inputs, not for one picture.", "Fetch another.")
        self.name = header.path.name
        self.outputs: tuple[str, ...] = tuple(output.name for output in self._session.get_outputs())
        self.input_shape: tuple[int | None, ...] = tuple(n if isinstance(n, int) else None for n in inputs[0].shape)
        """The shape it asks for; None where any length will do."""
        self._input = inputs[0].name

    def run(self, values: Array) -> tuple[Array, ...]:
        """Every output for one input, in the file's order.

        Raises:
            GateError: the model refuses the input's shape, or gives numbers that are none.
        """
        try:
            found = tuple(np.asarray(value) for value in self._session.run(None, {self._input: values}))
        except Exception as error:  # as above
            raise GateError(f"{self.name} cannot be run: {_brief(error)}", "Fetch it again.") from error
        if not all(np.isfinite(value).all() for value in found):
            raise GateError(f"{self.name} gives numbers that are none.", "Fetch it again.")
        return found


def installed_onnx(installed: Installed, name: str) -> OnnxHeader:
    """The one ONNX file of what was pulled under that name, held against the digest that it was pulled with.

    Raises:
        NotFoundError: nothing is called so.
        CapabilityError: it has yet to be pulled; the next step names the command.
        GateError: it is no single ONNX file, or not the one that was pulled.
    """
    folder, manifest = installed.folder(name), installed.manifest(name)
    files = [file for file in manifest.files if Path(file.path).suffix.lower() == ".onnx"] if manifest else []
    if len(files) != 1:
        raise GateError(f"{name} consists of {len(files)} ONNX files, not of one.", "Fetch it again.")
    return check_onnx(folder / files[0].path, allow={files[0].sha256})


def _brief(error: Exception) -> str:
    """The first line of what a runtime says, which may fill pages."""
    return f"{str(error).strip().splitlines()[0]:.200}" if str(error).strip() else type(error).__name__
