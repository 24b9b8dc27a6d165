"""The gate for ONNX files: by digest, whole in themselves, with nothing but known operators."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from studio.errors import GateError, NotFoundError
from studio.models import onnx_gate
from studio.models.onnx_gate import check_onnx
from studio.models.onnx_model import OnnxModel
from tests.onnx_models import constant, save


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return constant(tmp_path / "plain.onnx", [1, 3, 8, 8], {"answer": np.arange(4, dtype=np.float32)})


def changed(path: Path, change: Callable[[Any], object]) -> Path:
    """The file with its message changed by hand."""
    model = onnx.load(str(path), load_external_data=False)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def test_a_plain_model_passes_and_says_what_it_is(plain: Path) -> None:
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    header = check_onnx(plain, allow={digest})
    assert (header.sha256, header.size_bytes) == (digest, plain.stat().st_size)
    assert (header.inputs, header.outputs, header.opsets) == (("input",), ("answer",), {"": 13})
    assert check_onnx(plain, allow=None) == header
    (answer,) = OnnxModel(header).run(np.ones((1, 3, 8, 8), np.float32))
    np.testing.assert_array_equal(answer, [0, 1, 2, 3])


def test_another_digest_is_refused_before_anything_is_parsed(tmp_path: Path, plain: Path) -> None:
    with pytest.raises(GateError, match="not the file it should be"):
        check_onnx(plain, allow={"0" * 64})
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"anything else")
    with pytest.raises(GateError, match="not the file it should be"):
        check_onnx(damaged, allow=set())


@pytest.mark.parametrize("name", ["body_pose_model.pth", "dpt.PT", "m.ckpt", "m.bin", "m.pkl"])
def test_pickles_are_refused_by_name_unopened(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(GateError, match=rf"{name} is a pickle"):
        check_onnx(file, allow=None)


def test_other_files_are_refused(tmp_path: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError):
        check_onnx(tmp_path / "none.onnx", allow=None)
    with pytest.raises(GateError, match=r"not an \.onnx file"):
        check_onnx(plain.rename(tmp_path / "plain.engine"), allow=None)
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(GateError, match="no ordinary file"):
        check_onnx(tmp_path / "folder.onnx", allow=None)
    whole = (tmp_path / "plain.engine").read_bytes()
    for name, data in {"cut": whole[: len(whole) // 2], "text": b"<html>not found</html>", "empty": b""}.items():
        (tmp_path / f"{name}.onnx").write_bytes(data)
        with pytest.raises(GateError, match=r"damaged|holds no model"):
            check_onnx(tmp_path / f"{name}.onnx", allow=None)
    monkeypatch.setattr(onnx_gate, "MAX_ONNX_BYTES", 100)
    (tmp_path / "large.onnx").write_bytes(whole)
    with pytest.raises(GateError, match="at most 100"):
        check_onnx(tmp_path / "large.onnx", allow=None)


def _external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")


def _external_constant(model: Any) -> None:
    tensor = TensorProto(name="hidden", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def _foreign_node(model: Any) -> None:
    model.graph.node.append(helper.make_node("Run", ["input"], ["x"], domain="my.own"))


def _nested(model: Any) -> None:
    inner = helper.make_graph([helper.make_node("Run", [], ["x"], domain="my.own")], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["condition"], ["y"], then_branch=inner, else_branch=inner))


def _context(model: Any) -> None:
    node = helper.make_node("EPContext", ["input"], ["x"], domain="com.microsoft", ep_cache_context="engine.bin")
    model.graph.node.append(node)


def _function(model: Any) -> None:
    opsets = [helper.make_opsetid("", 13)]
    body = [helper.make_node("Identity", ["a"], ["b"])]
    model.functions.append(helper.make_function("ai.onnx", "Relu", ["a"], ["b"], body, opsets))


REACHING_OUT: dict[str, tuple[Callable[[Any], None], str]] = {
    "external data": (_external, "in another file"),
    "external data in a node": (_external_constant, "'hidden' in another file"),
    "a foreign operator": (_foreign_node, "'Run' of 'my.own'"),
    "a foreign operator in a branch": (_nested, "'Run' of 'my.own'"),
    "a foreign domain": (lambda m: m.opset_import.append(helper.make_opsetid("org.evil", 1)), "org.evil"),
    "a compiled part": (_context, "EPContext"),
    "a function of its own": (_function, "'Relu'"),
    "a training graph": (lambda m: m.training_info.add(), "training graph"),
}


@pytest.mark.parametrize("case", REACHING_OUT)
def test_what_reaches_outside_itself_is_refused_and_named(plain: Path, case: str) -> None:
    change, said = REACHING_OUT[case]
    with pytest.raises(GateError, match=said):
        check_onnx(changed(plain, change), allow=None)


def test_all_faults_are_named_at_once(plain: Path) -> None:
    both = changed(changed(plain, _external), _foreign_node)
    with pytest.raises(GateError) as caught:
        check_onnx(both, allow=None)
    assert "another file" in caught.value.message
    assert "my.own" in caught.value.message


def test_what_onnxruntime_cannot_run_is_an_error_in_words(tmp_path: Path) -> None:
    unknown = save(tmp_path / "unknown.onnx", [helper.make_node("NoSuchOp", ["input"], ["out"])],
                   {"input": [1]}, {"out": [1]}, {})  # fmt: skip
    with pytest.raises(GateError, match=r"unknown\.onnx cannot be run"):
        OnnxModel(check_onnx(unknown, allow=None))
    two = save(tmp_path / "two.onnx", [helper.make_node("Add", ["a", "b"], ["out"])],
               {"a": [1], "b": [1]}, {"out": [1]}, {})  # fmt: skip
    with pytest.raises(GateError, match="2 inputs"):
        OnnxModel(check_onnx(two, allow=None))


def test_wrong_shapes_and_numbers_that_are_none_are_errors_in_words(tmp_path: Path, plain: Path) -> None:
    with pytest.raises(GateError, match="cannot be run"):
        OnnxModel(check_onnx(plain, allow=None)).run(np.ones((1, 3, 9, 9), np.float32))
    nan = constant(tmp_path / "nan.onnx", [1], {"answer": np.array([np.nan], np.float32)})
    with pytest.raises(GateError, match="numbers that are none"):
        OnnxModel(check_onnx(nan, allow=None)).run(np.ones(1, np.float32))
