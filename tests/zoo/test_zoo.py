"""Every spec of the zoo: clean, its facts met, its shapes those of torch, exported, and the same net as the file that compile writes."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from zoo_nets import LARGE, PATHS, TINY, feed, narrow, parameters, ready, shape, typed

from netspec.compiled import compile as compiled
from netspec.diagnostics.model import Diagnostics
from netspec.diagnostics.render import render
from netspec.emit.onnx_model import onnx_model, outline_model
from netspec.emit.torch_source import class_name, torch_source
from netspec.exporters.certification.bench import Bench
from netspec.exporters.certification.certify import Certification
from netspec.ir.graph import TypedGraph
from netspec.repair.check import check_source
from netspec.syntax.reader import read_file
from tests.each import each
from tests.zoo import kinds
from tests.zoo.kinds import sampled

NAMES = each("name", [*PATHS])
SAMPLED = pytest.mark.parametrize("name", sampled())


@NAMES
def test_spec_is_clean_and_its_facts_are_met(name: str) -> None:
    source = read_file(PATHS[name], Diagnostics())
    assert source is not None
    assert render(check_source(source), color=False) == ""


@NAMES
def test_spec_says_what_it_is_and_what_is_known_of_it(name: str) -> None:
    program = kinds.program(name)
    assert program.resolved.file.description.endswith(".")
    assert program.resolved.file.source
    expected = program.resolved.spec.section("expect")
    assert expected is not None and "parameters" in expected.mapping


@SAMPLED
def test_torch_makes_the_inferred_shapes_and_weights_in_memory_and_from_the_file(
    name: str, tmp_path: Path
) -> None:
    """Without memory, on the meta device; the file that compile writes takes the same weights."""
    graph = typed(name)
    with torch.device("meta"):
        net: Any = compiled(graph)
        found = net.forward_blobs({k: v.to("meta") for k, v in feed(name).items()})
    made = {
        value.name
        for value in (*(t for n in graph.graph.nodes for t in n.tops), *(i.value for i in graph.graph.inputs))
    }
    wanted = {
        blob: shape(name, value)
        for blob, value in graph.graph.blobs.items()
        if blob in found and value.name in made and value in graph.types
    }
    assert wanted
    assert {blob: tuple(found[blob].shape) for blob in wanted} == wanted
    for node in graph.graph.nodes:
        assert [tuple(w.shape) for w in net.layer_parameters(node.name)] == [
            tuple(w.shape) for w in graph.weights[node]
        ]
    with torch.device("meta"):
        emitted(name, tmp_path)().load_state_dict(net.state_dict(), strict=True, assign=True)


ONLY_SHAPES = 8_000_000
"""Parameters above which a net that cannot be thin is exported without its numbers by default."""


@SAMPLED
def test_file_and_onnxruntime_agree_with_torch(name: str, tmp_path: Path) -> None:
    run = narrow(name)
    if run != name:
        outline_model(typed(name))
    if parameters(run) > ONLY_SHAPES:
        outline_model(typed(run))
        return
    agrees_with_file(run, emitted(run, tmp_path))
    agrees_with_onnxruntime(run)


def test_most_large_nets_run_thin() -> None:
    large = [name for name in PATHS if parameters(name) > TINY]
    left = [name for name in large if narrow(name) == name]
    assert len(left) <= len(large) // 5, left
    assert len([name for name in left if parameters(name) > ONLY_SHAPES]) <= 5, left


@pytest.mark.slow
@pytest.mark.parametrize("name", PATHS)
def test_large_nets_agree_too(name: str, tmp_path: Path) -> None:
    if not TINY < parameters(name) <= LARGE:
        pytest.skip("run by default, or too large to build")
    ready.cache_clear()
    agrees_with_file(name, emitted(name, tmp_path))
    agrees_with_onnxruntime(name)


def emitted(name: str, folder: Path) -> Any:
    """The net's class from the file that compile writes."""
    file = folder / "net.py"
    file.write_text(torch_source(typed(name)), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"emitted_{abs(hash(name))}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, class_name(typed(name).graph.name))


def agrees_with_file(name: str, cls: Any) -> None:
    net, values = ready(name), tuple(feed(name, N=1).values())
    theirs = cls().eval()
    theirs.load_state_dict(net.state_dict(), strict=True)
    net.reset_state()
    with torch.no_grad():
        torch.testing.assert_close(theirs(*values), net(*values), rtol=0, atol=0)


def agrees_with_onnxruntime(name: str) -> None:
    graph, net = typed(name), ready(name)
    arrays = {
        ref.name: net.layer_parameters(ref.node.name)[ref.index].detach().numpy()
        for ref in graph.weight_refs()
        if not ref.shared
    }
    model = onnx_model(graph, arrays).SerializeToString()
    if switches(name):
        layers_agree(net, graph, model)
    else:
        outputs_agree(name, net, model)


def layers_agree(net: Any, graph: TypedGraph, model: bytes) -> None:
    """Each layer alone, on onnxruntime's own bottoms: where places of maxima are carried on, rounding decides between equals, and another
    processor's rounding moves whole patches of the output."""
    work = Certification(net, graph, model, "cpu", lambda done, total, word: None)
    work.bench = Bench(net, graph, "cpu")
    work.layers(work.bench.plan()[0])
    assert work.tally.layers


def outputs_agree(name: str, net: Any, model: bytes) -> None:
    graph, values = typed(name), feed(name, N=1)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    net.reset_state()
    with torch.no_grad():
        made = net(*values.values())
    wanted = made if isinstance(made, dict) else {graph.graph.outputs[0].name: made}
    given = {
        i.name: values[i.name].numpy()
        if i.name in values
        else np.zeros([s if isinstance(s, int) else 1 for s in i.shape], np.float32)
        for i in session.get_inputs()
    }
    found = dict(zip((o.name for o in session.get_outputs()), session.run(None, given), strict=True))
    for output, tensor in wanted.items():
        truth = tensor.numpy()
        assert np.isfinite(truth).all()
        assert np.abs(found[output] - truth).max() <= 1e-3 * max(np.abs(truth).max(), 1e-6), output


def switches(name: str) -> bool:
    """Whether places of maxima are carried on."""
    graph = typed(name)
    return any(graph.types[value].dtype == "int64" for node in graph.graph.nodes for value in node.bottoms)
