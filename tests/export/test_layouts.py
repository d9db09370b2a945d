"""Folders for model servers, and other versions of ONNX's operators."""

from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort
import pytest
import yaml

from netspec.diagnostics import SpecError
from netspec.emit.onnx_builder import OPSET
from netspec.exporters import opsets
from netspec.exporters.export import export_model
from netspec.exporters.layouts import Model, Tensor, config_of, manifest_of, write_layout
from netspec.serving.verify import verify

pytestmark = [pytest.mark.onnx, pytest.mark.torch]

SPEC = """
netspec: 1
name: "Two sizes"
input: {data: [N, 1, H, 8]}
layers:
  - {name: conv1, type: Convolution, num_output: 2, kernel_size: 3, weight_filler: xavier}
  - {name: pool, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}
  - {name: ip, type: AdaptivePooling, output_size: 1}
  - {name: prob, type: Softmax}
output: {prob: {labels: names.txt}}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with model.onnx, opset 17, and what came of other versions."""
    folder = tmp_path_factory.mktemp("layouts")
    (folder / "names.txt").write_text("ant\nbee\n")
    (folder / "two.yaml").write_text(SPEC)
    (folder / "made").mkdir()
    export_model(folder / "two.yaml", folder / "made/model.onnx", certify="quick", device="cpu", opset=17)
    return folder / "made"


def parsed(text: str) -> dict[str, Any]:
    """config.pbtxt by the fields of Triton's ModelConfig that are used here, through protobuf's own reader."""
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, text_format

    field = descriptor_pb2.FieldDescriptorProto
    kinds = {"s": field.TYPE_STRING, "i": field.TYPE_INT64, "m": field.TYPE_MESSAGE, "e": field.TYPE_ENUM}
    file = descriptor_pb2.FileDescriptorProto(name="config.proto", package="t", syntax="proto3")
    names = ("INVALID", "TYPE_FP32", "TYPE_INT64")
    file.enum_type.add(name="T").value.extend(
        descriptor_pb2.EnumValueDescriptorProto(name=n, number=i) for i, n in enumerate(names)
    )
    for name, fields in {
        "R": "*shape:i",
        "IO": "name:s data_type:e:T *dims:i reshape:m:R label_filename:s",
        "V": "string_value:s",
        "P": "key:s value:m:V",
        "B": "",
        "C": "name:s platform:s max_batch_size:i *input:m:IO *output:m:IO dynamic_batching:m:B *parameters:m:P",
    }.items():
        made = file.message_type.add(name=name)
        for i, each in enumerate(fields.split(), 1):
            word, kind, *of = each.lstrip("*").split(":")
            made.field.add(
                name=word, number=i, type=kinds[kind], label=field.LABEL_REPEATED if each[0] == "*" else 1
            )
            if of:
                made.field[-1].type_name = f".t.{of[0]}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    config = message_factory.GetMessageClass(pool.FindMessageTypeByName("t.C"))()
    text_format.Parse(text, config)
    return json_format.MessageToDict(config, preserving_proto_field_name=True)


def test_a_repository(files: Path, tmp_path: Path) -> None:
    first = write_layout("triton", tmp_path / "repository", files, "")
    second = write_layout("kserve", tmp_path / "repository", files, "s3://b/models")
    assert [first.name, second.name] == ["1", "2"] and first.parent.name == "Two-sizes"
    assert verify(second / "model.onnx").probes == 2
    place = tmp_path / "repository/Two-sizes"
    assert {each.name for each in place.iterdir()} == {"1", "2", "config.pbtxt", "labels-prob.txt"}
    assert (place / "labels-prob.txt").read_text() == "ant\nbee\n"
    found = parsed((place / "config.pbtxt").read_text())
    assert found["name"] == "Two-sizes" and found["max_batch_size"] == "64" and "dynamic_batching" in found
    assert found["input"] == [{"name": "data", "data_type": "TYPE_FP32", "dims": ["1", "-1", "8"]}]
    (output,) = found["output"]
    assert output["dims"][0] == "2" and output["label_filename"] == "labels-prob.txt"
    assert found["parameters"][0]["key"] == "netspec.sizes"
    assert "\n# H: " in (place / "config.pbtxt").read_text()
    manifest = yaml.safe_load((tmp_path / "repository/Two-sizes.yaml").read_text())
    assert manifest["kind"] == "InferenceService" and manifest["metadata"]["name"] == "two-sizes"
    assert manifest["spec"]["predictor"]["model"]["storageUri"] == "s3://b/models"


def test_rows_that_do_not_stay_apart_and_numbers_without_axes() -> None:
    data = Tensor('da"ta', "TYPE_FP32", ("N", 4))
    count = Tensor("count", "TYPE_INT64", ("N",))
    apart = Model("m", (data,), (count,), True, {}, None)
    found = parsed(config_of(apart))
    assert found["input"][0]["name"] == 'da"ta' and found["output"][0]["dims"] == ["1"]
    assert "reshape" in found["output"][0]
    found = parsed(config_of(apart._replace(joined=False)))
    assert "max_batch_size" not in found and "dynamic_batching" not in found
    assert found["input"][0]["dims"] == ["-1", "4"] and found["output"][0]["dims"] == ["-1"]
    assert yaml.safe_load(manifest_of(apart._replace(name="A_b.C"), 'x"y'))["metadata"]["name"] == "a-b-c"


def test_a_version_of_the_operators_is_certified(files: Path) -> None:
    model = onnx.load(str(files / "model.onnx"))
    assert [each.version for each in model.opset_import] == [17] and model.ir_version == 8
    assert {"conv1", "prob"} <= {node.name for node in model.graph.node}
    assert ort.InferenceSession(str(files / "model.onnx")).get_modelmeta().custom_metadata_map[
        "netspec.certified"
    ] in ("true", "partial")


@pytest.mark.parametrize("opset", [9, 999])
def test_versions_that_there_are_not(files: Path, opset: int) -> None:
    with pytest.raises(SpecError, match=rf"NS746.*got {opset}"):
        export_model(files.parent / "two.yaml", files.parent / "no.onnx", opset=opset)
    assert not (files.parent / "no.onnx").exists()


def test_a_version_that_onnxruntime_does_not_read_yet(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnx knows it, and would convert to it: what came of that could not be certified, nor run."""
    assert opsets.is_read(OPSET) and not opsets.is_read(999)
    assert OPSET <= opsets.find_newest() <= onnx.defs.onnx_opset_version()
    monkeypatch.setattr(opsets, "is_read", lambda opset: opset <= 24)
    monkeypatch.setattr(onnx.defs, "onnx_opset_version", lambda: 27)
    with pytest.raises(SpecError, match=r"NS746.*15 to 24 here: got 25"):
        export_model(files.parent / "two.yaml", files.parent / "no.onnx", opset=25)


def test_a_conversion_that_changes_the_answers_is_not_certified(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from onnx import version_converter

    whole = version_converter.convert_version

    def wrong(model: Any, opset: int) -> Any:
        made = whole(model, opset)
        pool = next(node for node in made.graph.node if node.op_type == "MaxPool")
        pool.op_type = "AveragePool"
        del pool.attribute[:]
        pool.attribute.extend([onnx.helper.make_attribute(k, [2, 2]) for k in ("kernel_shape", "strides")])
        return made

    monkeypatch.setattr(version_converter, "convert_version", wrong)
    with pytest.raises(SpecError, match=r"NS703.*pool"):
        export_model(files.parent / "two.yaml", files.parent / "no.onnx", certify="quick", opset=17)
