"""What a model file refuses while its inner values are asked for is a finding."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from netspec.diagnostics import SpecError
from netspec.seeing.subject import ModelSubject

pytestmark = pytest.mark.onnx


def test_a_batch_of_another_size_and_a_value_that_cannot_be_had(tmp_path: Path) -> None:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4, 3]) for name in "xy")
    nodes = [helper.make_node("Relu", ["x"], ["h"], "r"), helper.make_node("Abs", ["h"], ["y"], "a")]
    made = helper.make_model(
        helper.make_graph(nodes, "g", [x], [y]), opset_imports=[helper.make_opsetid("", 22)]
    )
    made.ir_version = 10
    onnx.save(made, tmp_path / "m.onnx")
    subject = ModelSubject(str(tmp_path / "m.onnx"), "cpu", allow_uncertified=True)
    four = np.full((4, 3), -2, np.float32)
    assert not subject.activations({"x": four}, ["r"])["r"].any()
    with pytest.raises(SpecError, match="NS726"):
        subject.activations({"x": four[:1]}, ["r"])


def test_an_empty_file_is_no_model_that_lacks_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    with pytest.raises(SpecError, match=r"NS721.*the file is empty"):
        ModelSubject(str(tmp_path / "m.onnx"), "cpu")
