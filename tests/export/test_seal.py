"""A certificate binds: what was changed after it was given is refused, wherever the change is; the same file is the same everywhere."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import helper, numpy_helper

import netspec
from netspec import compiled
from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.exporters.export import certify, export_model
from netspec.seal import certificate_of, check_allowed, probe_array, seal_of
from netspec.serving.engine import open_model
from netspec.serving.predict import run_once
from netspec.serving.verify import verify

pytestmark = [pytest.mark.onnx, pytest.mark.torch]

SPEC = """
netspec: 1
name: tiny
input: {data: {shape: [N, 1, 6, 6], image: {mean_value: 100, scale: 0.01}}}
layers:
  - {name: conv1, type: Convolution, num_output: 3, kernel_size: 3, weight_filler: xavier, bias_filler: {value: 0.1}}
  - {name: ip, type: InnerProduct, num_output: 4, weight_filler: xavier}
  - {name: prob, type: Softmax}
"""


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certified")
    (folder / "tiny.yaml").write_text(SPEC)
    torch.manual_seed(0)
    return export_model(folder / "tiny.yaml", folder / "tiny.onnx", device="cpu", certify="quick").path


def code(action: Callable[[], Any]) -> str:
    with pytest.raises(SpecError) as raised:
        action()
    (found,) = raised.value.diagnostics
    return found.code


def changed(path: Path, to: Path, change: Callable[[Any], None]) -> Path:
    model = onnx.load(str(path))
    change(model)
    onnx.save(model, str(to))
    return to


def sealed(path: Path) -> Path:
    """The file with the hashes that it has now: whoever rewrites one can seal it anew."""
    return changed(path, path, property_of("netspec.seal", lambda _: seal_of(path).text()))


def flip(model: Any) -> None:
    """The last bit of one weight."""
    tensor = next(t for t in model.graph.initializer if t.name == "conv1.weight")
    values = numpy_helper.to_array(tensor).copy()
    values.view(np.int32).reshape(-1)[4] ^= 1
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def attribute(model: Any) -> None:
    next(n for n in model.graph.node if n.op_type == "Softmax").attribute[0].i = 0


def contract(model: Any) -> None:
    next(p for p in model.metadata_props if p.key == "netspec.image.data").value = '{"color": "rgb"}'


def both(*changes: Callable[[Any], None]) -> Callable[[Any], None]:
    def plant(model: Any) -> None:
        for change in changes:
            change(model)

    return plant


def property_of(key: str, change: Callable[[str], str]) -> Callable[[Any], None]:
    def plant(model: Any) -> None:
        held = next(p for p in model.metadata_props if p.key == key)
        held.value = change(held.value)

    return plant


def claim(**words: Any) -> Callable[[Any], None]:
    """The certificate says something else."""
    return property_of("netspec.certificate", lambda said: json.dumps({**json.loads(said), **words}))


def tolerant(said: str) -> str:
    """Probes that any answer meets."""
    asked = json.loads(said)
    for each in asked:
        for output in each["outputs"].values():
            output["tolerance"] = 1e30
    return json.dumps(asked)


FAULTS: dict[str, Callable[[Any], None]] = {
    "what was compared": claim(layers=999),
    "how much was compared": both(
        claim(level="full", left_out=0), property_of("netspec.certified", lambda _: "true")
    ),
    "how well": property_of("netspec.largest_difference", lambda _: "0.0"),
    "what was allowed": property_of("netspec.tolerance", lambda _: "1.0"),
    "no probes": property_of("netspec.probes", lambda _: "[]"),
    "probes that allow everything": property_of("netspec.probes", tolerant),
    "probes taken away": lambda m: m.metadata_props.remove(
        next(p for p in m.metadata_props if p.key == "netspec.probes")
    ),
    "a property that is nearly the certificate's": lambda m: m.metadata_props.add(
        key="netspec.certified.labels", value="x"
    ),
    "the operators' version": lambda m: setattr(m.opset_import[0], "version", m.opset_import[0].version - 1),
    "another domain": lambda m: m.opset_import.add(domain="com.microsoft", version=1),
    "an input's name": lambda m: setattr(m.graph.input[0], "name", "other"),
    "a function": lambda m: m.functions.add(name="Softmax", domain="other"),
    "a weight that the caller may give": lambda m: m.graph.input.append(
        helper.make_tensor_value_info("conv1.bias", 1, [3])
    ),
    "one weight's name on two": lambda m: m.graph.initializer.append(m.graph.initializer[0]),
    "a bit of a weight": flip,
    "an attribute": attribute,
    "what a picture must be": contract,
    "an output taken away": lambda m: m.graph.output.append(m.graph.value_info[0]),
    "a constant": lambda m: m.graph.initializer.add(name="more", dims=[1], data_type=1, raw_data=bytes(4)),
    "a name": lambda m: setattr(m.graph, "name", "other"),
    "nodes in another order": lambda m: m.graph.node.insert(0, m.graph.node.pop()),
    "a property": lambda m: helper.set_model_props(
        m, {**{p.key: p.value for p in m.metadata_props}, "netspec.labels": '["a"]'}
    ),
    "a shape": lambda m: m.graph.initializer[0].dims.append(1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_is_changed_is_refused(fault: str, certified: Path, tmp_path: Path) -> None:
    other = changed(certified, tmp_path / "other.onnx", FAULTS[fault])
    assert code(lambda: certificate_of(other)) == "NS713"
    assert code(lambda: verify(other)) == "NS713"
    assert code(lambda: open_model(other, "cpu")) == "NS713"
    check_allowed(other, uncertified=True)


def test_python_runs_what_was_certified(certified: Path, tmp_path: Path) -> None:
    feed = {"data": np.zeros((1, 1, 6, 6), np.float32)}
    other = changed(certified, tmp_path / "other.onnx", flip)
    assert code(lambda: run_once(other, feed, "cpu")) == "NS713"
    assert (
        [*run_once(other, feed, "cpu", allow_uncertified=True)]
        == [*run_once(certified, feed, "cpu")]
        == ["prob"]
    )


def test_loaded_and_saved_again_it_is_the_same(certified: Path, tmp_path: Path) -> None:
    """Also where its weights then lie beside it, and its properties stand in another order."""

    def turned(model: Any) -> None:
        kept = {p.key: p.value for p in reversed(model.metadata_props)}
        helper.set_model_props(model, kept)

    same = changed(certified, tmp_path / "same.onnx", turned)
    assert seal_of(same)[:2] == seal_of(certified)[:2]
    apart = onnx.load(str(certified))
    onnx.save(
        apart,
        str(tmp_path / "apart.onnx"),
        save_as_external_data=True,
        location="apart.data",
        size_threshold=120,
    )
    assert seal_of(tmp_path / "apart.onnx").weights == seal_of(certified).weights
    assert verify(tmp_path / "apart.onnx").probes == 2
    data = bytearray((tmp_path / "apart.data").read_bytes())
    data[5] ^= 1
    (tmp_path / "apart.data").write_bytes(data)
    assert code(lambda: certificate_of(tmp_path / "apart.onnx")) == "NS713"
    (tmp_path / "apart.data").unlink()
    assert code(lambda: certificate_of(tmp_path / "apart.onnx")) == "NS721"


def test_weights_beside_lie_in_the_model_s_folder(certified: Path, tmp_path: Path) -> None:
    def leading_out(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        tensor.external_data.add(key="location", value="../secret")

    model = onnx.load(str(certified))
    leading_out(model)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert code(lambda: seal_of(tmp_path / "m.onnx")) == "NS721"


def beside(tensor: Any, *places: tuple[str, str]) -> None:
    tensor.data_location = 1
    for key, value in places:
        tensor.external_data.add(key=key, value=value)


HALVES: dict[str, Callable[[Any, bytes], None]] = {
    "two places, of which a reader takes one": lambda t, raw: (
        t.ClearField("raw_data"),
        beside(t, ("location", "zeros"), ("location", "whole")),
    ),
    "half in the file": lambda t, raw: (setattr(t, "raw_data", raw[:40]), beside(t, ("location", "rest"))),
    "beside, in spite of what it says": lambda t, raw: (
        t.ClearField("raw_data"),
        beside(t, ("location", "whole")),
        setattr(t, "data_location", 0),
    ),
    "within, in spite of what it says": lambda t, raw: beside(t),
    "a length that Python alone reads": lambda t, raw: (
        t.ClearField("raw_data"),
        beside(t, ("location", "whole"), ("length", "1_08")),
    ),
}


@pytest.mark.parametrize("fault", HALVES)
def test_weights_lie_in_one_place_alone(fault: str, certified: Path, tmp_path: Path) -> None:
    """Their bytes, put together, are those that were certified: what runs may be others."""
    model = onnx.load(str(certified))
    tensor = next(t for t in model.graph.initializer if t.name == "conv1.weight")
    raw = bytes(tensor.raw_data)
    (tmp_path / "whole").write_bytes(raw)
    (tmp_path / "rest").write_bytes(raw[40:])
    (tmp_path / "zeros").write_bytes(bytes(len(raw)))
    HALVES[fault](tensor, raw)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert code(lambda: certificate_of(tmp_path / "m.onnx")) == "NS721"


def test_no_certificate_and_a_broken_one(certified: Path, tmp_path: Path) -> None:
    def without(*keys: str, **more: str) -> Path:
        def change(model: Any) -> None:
            kept = {p.key: p.value for p in model.metadata_props if p.key not in keys}
            helper.set_model_props(model, {**kept, **{k.replace("__", "."): v for k, v in more.items()}})

        return changed(certified, tmp_path / "m.onnx", change)

    assert code(lambda: certificate_of(without("netspec.certified"))) == "NS712"
    assert code(lambda: certificate_of(without(netspec__certified="false"))) == "NS712"
    for key in ("netspec.certificate", "netspec.seal"):
        assert code(lambda key=key: certificate_of(without(key))) == "NS715"
        for value in ("", "[]", "{", "[" * 5000, "null", '"x"'):
            assert (
                code(lambda key=key, value=value: certificate_of(without(**{key.replace(".", "__"): value})))
                == "NS715"
            ), value
    for value in (
        "",
        "{",
        "[[]]",
        "[{}]",
        "[" * 5000,
        '[{"inputs": {"data": [[99999999999], "float32", "real", 0, 0]}, "states": {}, "outputs": {}}]',
    ):
        assert code(lambda value=value: verify(sealed(without(netspec__probes=value)))) == "NS715", value


def test_files_that_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"not a model at all, only text")
    assert code(lambda: certificate_of(tmp_path / "m.onnx")) in ("NS721", "NS712")
    (tmp_path / "m.onnx").write_bytes(b"")
    assert code(lambda: certificate_of(tmp_path / "m.onnx")) == "NS721"
    assert code(lambda: certificate_of(tmp_path / "none.onnx")) == "NS720"
    assert code(lambda: certificate_of(tmp_path)) == "NS720"


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_give_a_finding_or_the_same_file(certified: Path, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(certified.read_bytes())
    data = data[: rng.integers(1, len(data))] if seed % 2 else data
    data[int(rng.integers(len(data)))] ^= int(rng.integers(1, 256))
    (tmp_path / "m.onnx").write_bytes(data)
    try:
        certificate_of(tmp_path / "m.onnx")
    except SpecError as error:
        assert error.diagnostics[0].code in ("NS712", "NS713", "NS715", "NS721")
    else:  # within an empty field, or another writing of the same
        assert seal_of(tmp_path / "m.onnx")[:3] == seal_of(certified)[:3]


def test_an_answer_that_differs_is_told(certified: Path, tmp_path: Path) -> None:
    def wrong(model: Any) -> None:
        held = next(p for p in model.metadata_props if p.key == "netspec.probes")
        asked = json.loads(held.value)
        asked[1]["outputs"]["prob"]["values"][2] += 1e-3
        held.value = json.dumps(asked)

    found = verify(certified)
    assert (found.probes, found.closest <= 1) == (2, True)
    assert code(lambda: verify(sealed(changed(certified, tmp_path / "m.onnx", wrong)))) == "NS714"


def test_probes_are_the_same_everywhere() -> None:
    assert probe_array((2, 3), "float32", "pixels", 0, 1).tolist() == [
        [134.0, 179.0, 179.0],
        [9.0, 47.0, 221.0],
    ]
    assert set(probe_array((1000,), "int64", "whole", 7, 0).tolist()) == set(range(7))


def test_the_command_needs_no_torch(certified: Path) -> None:
    program = "import sys; sys.modules['torch'] = None; from netspec.cli import main; main()"
    told = subprocess.run(
        [sys.executable, "-c", program, "verify", str(certified)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert "is the file that was certified in part (quick), on " in lines[0]
    assert any(line.startswith("here: 2 probes answered") for line in lines)


def test_predict_and_serve_refuse_what_is_not_certified(certified: Path, tmp_path: Path) -> None:
    other, run = changed(certified, tmp_path / "other.onnx", flip), CliRunner()
    picture = str(Path(netspec.__file__).parents[1] / "docs" / "seven.png")
    for words in (("predict", str(other), picture), ("serve", str(other), "--port", "0")):
        with pytest.raises(SpecError) as raised:
            run.invoke(group, words, catch_exceptions=False, standalone_mode=False)
        assert raised.value.diagnostics[0].code == "NS713"
    told = run.invoke(
        group,
        ("predict", str(other), picture, "--allow-uncertified", "--device", "cpu"),
        catch_exceptions=False,
    )
    assert told.exit_code == 0
    assert (
        run.invoke(
            group, ("predict", str(certified), picture, "--device", "cpu"), catch_exceptions=False
        ).exit_code
        == 0
    )


def test_a_file_is_held_against_a_net_from_python(certified: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = str(certified.parent / "tiny.yaml")
    net: Any = compiled.compile(spec, "deploy")
    before = certified.read_bytes()
    assert netspec.certify(net, certified, device="cpu", level="quick").layers > 0
    assert certified.read_bytes() == before
    torch.manual_seed(1)
    with pytest.raises(SpecError) as raised:
        certify(compiled.compile(spec, "deploy"), certified, device="cpu")
    assert raised.value.diagnostics[0].code == "NS703"
    assert raised.value.diagnostics[0].fact.startswith("Convolution conv1: ")
    other = changed(certified, tmp_path / "other.onnx", attribute)
    assert code(lambda: certify(net, other, device="cpu")) == "NS703"
