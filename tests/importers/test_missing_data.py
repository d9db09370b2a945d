"""Data that are not at hand: the import succeeds, says what to give, and with it the net has its shapes."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from netspec import driver
from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.importers.caffe import convert
from netspec.importers.prototxt import import_prototxt
from netspec.read_options import Reading
from netspec.repair.check import check_source
from netspec.source import Source

NET = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 227 } data_param { source: "train_lmdb" batch_size: 256 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 227 } data_param { source: "val_lmdb" batch_size: 50 backend: LMDB } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 11 stride: 4 } }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "ip" inner_product_param { num_output: 10 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
FORK = NET.replace('"Data"', '"AnnotatedData"')
PYTHON = """
layer { name: "data" type: "Python" top: "data" top: "label" python_param { module: "voc" layer: "Seg" param_str: "{}" } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 1 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "c" bottom: "label" top: "loss" }
"""


def brought(text: str, folder: Path, **options: Any) -> Any:
    (folder / "net.prototxt").write_text(text)
    return convert(folder / "net.prototxt", **options)


def test_what_to_give_is_said(tmp_path: Path) -> None:
    findings = brought(NET, tmp_path).findings
    assert [d.code for d in findings] == ["NS033"]
    (finding,) = findings
    assert "train_lmdb, which is not here" in finding.fact
    assert "--input data=256,3,227,227 --input label=256" in finding.notes[0]


@pytest.mark.parametrize("text", [NET, FORK, PYTHON], ids=["data", "fork", "python"])
def test_with_shapes_the_net_is_whole(text: str, tmp_path: Path) -> None:
    made = brought(
        text,
        tmp_path,
        inputs={"data": [8, 3, 227, 227], "label": [8, 1, 227, 227] if text is PYTHON else [8]},
    )
    *findings, contract = made.findings
    assert contract.code == "NS430"
    assert all(d.code == "NS025" for d in findings)
    assert len(findings) == {NET: 0, FORK: 2, PYTHON: 1}[text]
    program = driver.load_source(Source(str(tmp_path / "net.yaml"), made.text))
    for phase in ("train", "test"):
        typed = program.graph(phase)
        shapes = {node.name: [typed.types[top].shape for top in node.tops] for node in typed.graph.nodes}  # type: ignore[union-attr]
        assert shapes["c"] == [(8, 4, 227, 227) if text is PYTHON else (8, 4, 55, 55)]


def test_data_that_are_here_are_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "train_lmdb").mkdir()
    (tmp_path / "val_lmdb").mkdir()
    assert brought(NET, tmp_path).findings == []


@pytest.mark.parametrize("text", [FORK, PYTHON], ids=["fork", "python"])
def test_a_layer_that_cannot_run_is_named(text: str, tmp_path: Path) -> None:
    findings = [d for d in brought(text, tmp_path).findings if d.code == "NS033"]
    assert len(findings) == 1
    assert "which netspec cannot run" in findings[0].fact


def test_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(FORK)
    base = ["import", str(tmp_path / "net.prototxt"), "-o", str(tmp_path / "net.yaml")]
    result = CliRunner().invoke(group, [*base, "--input", "data=N,3,227,227", "--input", "label=N"])
    assert result.exit_code == 0, result.output
    assert "data: [N, 3, 227, 227]" in (tmp_path / "net.yaml").read_text()
    for wrong in ("data", "=1,2", "data=", "data=0,3", "data=1,-2", "data=1,,2"):
        assert CliRunner().invoke(group, [*base, "--input", wrong]).exit_code == 2


def test_a_maker_that_the_phase_leaves_out_is_named(tmp_path: Path) -> None:
    made = brought(NET.replace("phase: TEST", 'phase: TEST stage: "deploy"'), tmp_path)
    with pytest.raises(SpecError) as caught:
        driver.load_source(Source(str(tmp_path / "net.yaml"), made.text)).graph("test")
    (finding, *_) = caught.value.diagnostics
    assert finding.code == "NS210"
    assert "in phase TEST that layer is left out" in finding.fact


DIGITS = """
layer { name: "train-data" type: "Data" top: "data" top: "label" data_param { batch_size: 64 } include { stage: "train" } }
layer { name: "val-data" type: "Data" top: "data" top: "label" data_param { batch_size: 32 } include { stage: "val" } }
layer { name: "scale" type: "Power" bottom: "data" top: "scaled" power_param { scale: 0.0125 } }
layer { name: "ip" type: "InnerProduct" bottom: "scaled" top: "ip" inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { stage: "val" } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" exclude { stage: "deploy" } }
layer { name: "softmax" type: "Softmax" bottom: "ip" top: "softmax" include { stage: "deploy" } }
"""


def test_digits_nets_name_no_source(tmp_path: Path) -> None:
    (finding,) = brought(DIGITS, tmp_path).findings
    assert finding.code == "NS033"
    assert "layer train-data names no source" in finding.fact
    made = brought(DIGITS, tmp_path, inputs={"data": ["N", 1, 28, 28], "label": ["N"]})
    assert [d.code for d in made.findings] == ["NS025"] * 2 + ["NS430"]
    program = {
        stage: driver.load_source(Source("net.yaml", made.text), Reading(stages=frozenset({stage})))
        for stage in ("train", "val", "deploy")
    }
    tops = {
        s: [n.name for n in p.graph("train" if s == "train" else "test").graph.nodes]
        for s, p in program.items()
    }
    assert tops == {
        "train": ["scale", "ip", "loss"],
        "val": ["scale", "ip", "accuracy", "loss"],
        "deploy": ["scale", "ip", "softmax"],
    }
    for stage in tops:
        assert check_source(Source("net.yaml", made.text), Reading(stages=frozenset({stage}))) == []


def test_engines_and_precisions_of_forks_are_left_out(tmp_path: Path) -> None:
    text = """
    default_forward_type: FLOAT16
    input: "x" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
    layer { name: "c" type: "Convolution" bottom: "x" top: "c" engine: "MKLDNN" forward_type: FLOAT16
      convolution_param { num_output: 4 kernel_size: 3 engine: MKL2017 }
      quantization_param { precision: DYNAMIC_FIXED_POINT bw_params: 8 } }
    """
    made = brought(text, tmp_path)
    assert [d.code for d in made.findings] == ["NS025"] * 5 + ["NS430"]
    driver.load_source(Source(str(tmp_path / "net.yaml"), made.text)).graph()


PHASED = """
input: "data" input_shape {{ dim: 1 dim: 3 dim: 8 dim: 8 }}
layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param {{ num_output: 2 kernel_size: 3 }} }}
layer {{ name: "odd" type: "{type}" bottom: "c" top: "{top}" include {{ phase: TEST }} }}
layer {{ name: "r" type: "ReLU" bottom: "c" top: "r" }}
"""


@pytest.mark.parametrize(
    ("type_", "top", "code", "layers"),
    [
        ("SomeForkEval", "ap", "NS025", ["c", "r"]),
        ("SomeForkEval", "c", "NS022", ["c", "odd", "r"]),
        ("Acuracy", "ap", "NS022", ["c", "odd", "r"]),
        ("VideoData", "ap", "NS025", ["c", "r"]),
        ("DetectionEvaluat", "ap", "NS022", ["c", "odd", "r"]),
    ],
)
def test_an_unknown_layer_of_one_phase_goes_where_nothing_reads_it(
    tmp_path: Path, type_: str, top: str, code: str, layers: list[str]
) -> None:
    file = tmp_path / "net.prototxt"
    file.write_text(PHASED.format(type=type_, top=top))
    imported = import_prototxt(file)
    assert [entry["name"] for entry in imported.tree["layers"]] == layers
    assert [d.code for d in imported.findings] == [code]
