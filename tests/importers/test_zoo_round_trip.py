"""Every network of the zoo that Caffe can say, as prototxt and .caffemodel and back: the same network, every weight bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from netspec import driver
from netspec.analysis.fingerprint import node_hashes
from netspec.caffe.wire_writer import StoredLayer, caffemodel
from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.exporters.caffemodel import collect_stored_layers, write_caffemodel
from netspec.exporters.prototxt import export_prototxt, to_prototxt, views_of
from netspec.importers.caffe import convert
from netspec.importers.caffemodel import read_caffemodel
from netspec.importers.weights import put_safetensors
from netspec.read_options import Reading
from netspec.source import Source
from tests.zoo.kinds import SPECS, sampled
from tests.zoo.kinds import program as zoo_program


def batch_of_one(name: str) -> driver.Program:
    """The spec with inputs as a prototxt holds them: numbers, 1 where a letter stands, and no contract."""
    program = zoo_program(name)
    shapes = {
        given.value.name: [size if isinstance(size, int) else 1 for size in typed.types[given.value].shape]  # type: ignore[union-attr]
        for typed in program.graphs()
        for given in typed.graph.inputs
        if given.node is None and given.value.name in (program.resolved.file.input or {})
    }
    return driver.load(
        str(SPECS[name]), Reading(settings=tuple(f"input.{name}={shape}" for name, shape in shapes.items()))
    )


def layers(program: driver.Program, phase: str) -> list[str] | None:
    """What each layer is and reads, all the way to the inputs; None where the spec has no such phase."""
    try:
        return sorted(node_hashes(program.graph(phase)).values())
    except SpecError:
        return None


@pytest.mark.parametrize("name", sampled())
def test_the_network_comes_back(name: str, tmp_path: Path) -> None:
    program = batch_of_one(name)
    try:
        text = to_prototxt(zoo_program(name)).net
        if (
            "_prepared" in text
        ):  # the contract's scale is a layer there, which test_round_trip has; here it is the net's own
            text = to_prototxt(program).net
    except SpecError as refused:
        assert {d.code for d in refused.diagnostics} <= {"NS710"}
        return
    (tmp_path / "net.prototxt").write_text(text)
    for flat in (True, False):
        back = driver.load_source(
            Source("spec.yaml", convert(tmp_path / "net.prototxt", flat=flat, keep_batch=True).text)
        )
        for phase in ("test", "train"):
            want = layers(program, phase)
            assert want is None or layers(back, phase) == want


def random_weights(program: driver.Program, path: Path) -> dict[str, Any]:
    """A tensor for each weight, any bit pattern but those that are no number's alone."""
    random = np.random.default_rng(1)
    refs = {ref.name: ref for view in views_of(program) for ref in view.weights if not ref.shared}
    tensors = {
        name: random.standard_normal([int(n) for n in ref.weight.shape]).astype(np.float32)
        for name, ref in refs.items()
    }
    put_safetensors(path, tensors)
    return tensors


SMALL = ("lenet", "squeezenet-1.1", "resnet-20", "nin-cifar", "segnet", "mobilenet-v1")


@pytest.mark.torch
@pytest.mark.parametrize("name", SMALL)
def test_weights_come_back_bit_for_bit(name: str, tmp_path: Path) -> None:
    program = batch_of_one(name)
    tensors = random_weights(program, tmp_path / "net.safetensors")
    made = export_prototxt(program, tmp_path / "net.prototxt", weights=tmp_path / "net.safetensors")
    assert tmp_path / "net.caffemodel" in made.files
    back = convert(tmp_path / "net.prototxt", weights=tmp_path / "net.caffemodel")
    assert {row.status for row in back.rows} == {"kept"}
    assert back.tensors is not None
    assert {
        back.names.get(stored.rpartition(".")[0], stored.rpartition(".")[0]) + stored[stored.rfind(".") :]
        for stored in back.tensors
    } == set(tensors)
    for stored, tensor in back.tensors.items():
        layer, _, weight = stored.rpartition(".")
        assert tensor.tobytes() == tensors[f"{back.names.get(layer, layer)}.{weight}"].tobytes(), stored


SHARED = """
input: {data: [2, 8]}
layers:
  - {name: a, type: InnerProduct, num_output: 8, param: [{name: w}, {name: b}]}
  - {name: b, type: InnerProduct, num_output: 8, param: [{name: w}, {name: b}]}
  - {name: c, type: InnerProduct, num_output: 2}
train: {solver: {base_lr: 0.1, max_iter: 5}, data: {source: digits}}
output: c
expect: {parameters: {max: 5k}}
"""


@pytest.mark.torch
def test_through_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(SHARED)
    tensors = random_weights(driver.load(str(tmp_path / "net.yaml")), tmp_path / "net.safetensors")
    options = [
        "--weights",
        tmp_path / "net.safetensors",
        "--solver",
        tmp_path / "s.prototxt",
        "-o",
        tmp_path / "again.prototxt",
    ]
    result = CliRunner().invoke(
        group, ["export", str(tmp_path / "net.yaml"), "--to", "prototxt", *map(str, options)]
    )
    assert result.exit_code == 0, result.output
    for word in ("output:", "expect:", "train.data:", "again.caffemodel", "s.prototxt"):
        assert word in result.output
    stored = read_caffemodel(tmp_path / "again.caffemodel")
    assert list(stored) == ["a", "b", "c"]
    for one, other in zip(stored["a"], stored["b"], strict=True):
        assert one.tobytes() == other.tobytes()
    assert stored["c"][0].tobytes() == tensors["c.weight"].tobytes()
    assert 'net: "again.prototxt"' in (tmp_path / "s.prototxt").read_text()


@pytest.mark.torch
def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    program = driver.load_source(Source("net.yaml", SHARED))
    file = tmp_path / "w.safetensors"
    tensors = random_weights(program, file)
    put_safetensors(
        file, {"c.weight": tensors["c.weight"], "c.bias": tensors["c.bias"], "d.weight": tensors["c.bias"]}
    )
    layers, notes = collect_stored_layers(views_of(program), file)
    assert [layer.name for layer in layers] == ["c"]
    assert [note.code for note in notes] == ["NS711"] * 3
    for broken, code in (
        ({"c.weight": tensors["c.weight"]}, "NS676"),
        ({**tensors, "c.bias": tensors["c.weight"]}, "NS676"),
    ):
        put_safetensors(file, broken)
        with pytest.raises(SpecError) as caught:
            export_prototxt(program, tmp_path / "net.prototxt", weights=file)
        assert [d.code for d in caught.value.diagnostics] == [code]
        assert not (tmp_path / "net.prototxt").exists()


def test_special_numbers_and_long_names(tmp_path: Path) -> None:
    bits = np.array([0, 1 << 31, 0x7F800000, 0xFF800000, 0x7FC00001, 1, 0x7F7FFFFF], np.uint32)
    blob = bits.view(np.float32).reshape(1, 7)
    name = "layer/" + "x" * 300
    write_caffemodel(
        tmp_path / "w.caffemodel",
        "net",
        [StoredLayer(name, "InnerProduct", [blob, np.zeros((200, 3), np.float32)])],
    )
    stored = read_caffemodel(tmp_path / "w.caffemodel")
    assert stored[name][0].shape == (1, 7)
    assert stored[name][0].tobytes() == blob.tobytes()
    assert stored[name][1].shape == (200, 3)
    assert b"".join(caffemodel("", [])) == b""
