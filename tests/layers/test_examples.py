"""Every example row of every layer type, held to every property that a definition promises."""

import copy
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from netspec.analysis.infer import name_axes, name_parameters
from netspec.diagnostics.model import SpecError
from netspec.driver import findings as rule_findings
from netspec.emit.torch_source import class_name, torch_source
from netspec.ir.dims import Dim, bounds, evaluate, symbol, symbols, untrace
from netspec.ir.rule import RuleError, collecting
from netspec.ir.types import TensorType
from netspec.read_options import PLAIN
from netspec.record import as_written
from netspec.repair.check import check_source
from netspec.syntax.writer import flow
from tests.each import each
from tests.layers import rows
from tests.layers.rows import Row

pytestmark = pytest.mark.torch

ACCEPTED = each("row", rows.accepted())
RUNNING = each("row", [row for row in rows.running() if not row.cls.traits & {"data", "input"}])
REJECTED = each("row", [row for row in rows.every() if not row.accepted])


@ACCEPTED
def test_schema_accepts_and_tops_are_as_the_row_says(row: Row) -> None:
    assert [d for d in check_source(rows.source(row)) if d.severity == "error"] == []
    typed = rows.typed(row)
    values = [typed.types[typed.graph.blobs[f"t{i}"]] for i in range(row.tops)]
    assert [t.shape for t in values] == [rows.type_of(text).shape for text in row.example.tops][: row.tops]


@REJECTED
def test_refused_with_its_code_at_its_parameter(row: Row) -> None:
    """As the rule says it: `check` may then point at the number whose change alone mends it (repair/sizes.py)."""
    findings = [d for d in rule_findings(rows.source(row), PLAIN) if d.severity == "error"]
    assert [d.code for d in findings] == [row.example.code]
    at, span, text = row.example.at, findings[0].span, row.text()
    assert span is not None
    keys = [(m.start(), m[1]) for m in re.finditer(r"(\w+):", text[: span.end + 1])]
    inside = {key for start, key in keys if start <= span.start and start >= text.index("- {name: l")}
    if at is not None and f"{at}:" in text:
        assert at in inside and keys[-1][0] >= text.index(f"{at}:"), f"marks {span.text!r}"
    elif at is not None and at.startswith("bottom."):
        assert span.text == f"b{at.removeprefix('bottom.')}"


@ACCEPTED
def test_counts(row: Row) -> None:
    typed = rows.typed(row)
    counts = {"parameter": 0, "statistic": 0, "fixed": 0}
    for ref in typed.weight_refs():
        counts[ref.kind] += int(np.prod(ref.weight.shape, dtype=int))
    wanted = {
        "parameter": row.example.weights,
        "statistic": row.example.statistics,
        "fixed": row.example.fixed,
    }
    assert {k: counts[k] for k, v in wanted.items() if v is not None} == {
        k: v for k, v in wanted.items() if v is not None
    }


@ACCEPTED
def test_reads_again_as_it_is_printed(row: Row) -> None:
    layer = rows.layer(row)
    given = {
        name: value for name in layer.params if (value := layer.__dict__[name]) is not None and value != ()
    }
    if not layer.groups:
        assert given == {}
        return
    nested: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        nested.setdefault(str(layer.group_of(layer.params[name])), {})[name] = as_written(value)
    text = flow(nested)
    again = rows.first_draft(rows.load_source(rows.source(row, parameters=text)))
    assert again == layer


@ACCEPTED
def test_traced_rule_equals_plain_rule(row: Row) -> None:
    layer, bottoms = rows.layer(row), rows.bottom_types(row)
    with collecting():
        plain = tuple_of(layer.infer(*bottoms))
        traced = tuple_of(
            name_parameters(layer).infer(
                *(name_axes(b, i if len(bottoms) > 1 else None) for i, b in enumerate(bottoms))
            )
        )
    assert [[untrace(s) for s in t.shape] for t in traced] == [list(t.shape) for t in plain]


@ACCEPTED
def test_numbers_put_in_afterwards_equal_numbers_from_the_start(row: Row) -> None:
    layer, typed = rows.layer(row), rows.typed(row)
    for sizes in rows.sizes_of(row):
        bottoms = [TensorType(rows.numbers(t.shape, sizes), t.dtype) for t in rows.bottom_types(row)]  # type: ignore[arg-type]
        with collecting() as facts:
            tops = tuple_of(layer.infer(*bottoms))
        assert facts == []
        for i, top in enumerate(tops[: row.tops]):
            known = typed.types[typed.graph.blobs[f"t{i}"]]
            assert rows.numbers(top.shape, sizes) == rows.numbers(known.shape, sizes)


@ACCEPTED
def test_symbols_in_place_of_numbers_give_the_same(row: Row) -> None:
    """Batch and spatial axes of every row become symbols; where the layer can say its size so, the numbers come out again."""
    if not row.example.bottoms:
        return
    layer, sizes = rows.layer(row), rows.sizes_of(row, 1)[0]
    plain = [TensorType(rows.numbers(t.shape, sizes)) for t in rows.bottom_types(row)]  # type: ignore[arg-type]
    values: dict[str, int] = {}

    def opened(size: Any, axis: int) -> Any:
        if axis == 1 or size == 1:
            return size
        values[f"S{size}"] = size
        return symbol(f"S{size}")

    bottoms = [TensorType(tuple(opened(s, i) for i, s in enumerate(t.shape))) for t in plain]
    try:
        with collecting() as facts:
            open_tops = tuple_of(layer.infer(*bottoms))
    except RuleError:
        return
    assert all(fact.holds(values) for fact in facts), [str(f) for f in facts]
    with collecting():
        tops = tuple_of(layer.infer(*plain))
    assert [[evaluate(s, values) for s in t.shape] for t in open_tops] == [list(t.shape) for t in tops]
    open_tops = tuple(t for t in open_tops if all(symbols(s) <= values.keys() for s in t.shape))
    for size in (s for t in open_tops for s in t.shape if isinstance(s, Dim)):
        low, high = bounds(size)
        assert low <= evaluate(size, values) <= high  # type: ignore[operator]


@RUNNING
def test_weights_are_the_module_s(row: Row) -> None:
    typed, net = rows.typed(row), rows.net(row)
    node = rows.node(typed)
    assert node is not None
    weights = typed.weights[node]
    path = net.layers["l"][0]
    trained = {name.removeprefix(f"{path}."): tuple(p.shape) for name, p in net.named_parameters()}
    gathered = {
        name.removeprefix(f"{path}."): tuple(b.shape)
        for name, b in net.named_buffers()
        if name in net.state_dict()
    }
    assert trained == {w.name: w.shape for w in weights if w.kind == "parameter"}
    assert gathered == {w.name: w.shape for w in weights if w.kind != "parameter"}
    assert [tuple(t.shape) for t in net.layer_parameters("l")] == [w.shape for w in weights]


@RUNNING
def test_macs_are_those_counted(row: Row) -> None:
    typed, sizes = rows.typed(row), rows.sizes_of(row, 1)[0]
    node = rows.node(typed)
    assert node is not None
    macs = evaluate(typed.macs(node), sizes)
    if macs == 0 and not row.cls.macs is not rows.Layer.macs:
        return
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        rows.net(row)(*rows.data(row, sizes).values())
    if (
        row.cls.type == "MappedConvolution"
    ):  # counted by its table; torch is faster at the whole windows, zeros and all
        assert counter.get_total_flops() >= 2 * macs  # type: ignore[operator]
        return
    assert counter.get_total_flops() == 2 * macs  # type: ignore[operator]


@RUNNING
def test_tops_have_the_inferred_shapes(row: Row) -> None:
    typed, sizes = rows.typed(row), rows.sizes_of(row, 1)[0]
    feed = rows.data(row, sizes)
    with torch.no_grad():
        made = rows.net(row).forward_blobs(feed)
    for i in range(row.tops):
        known = rows.numbers(typed.types[typed.graph.blobs[f"t{i}"]].shape, sizes)
        assert [k if k is not None else s for k, s in zip(known, made[f"t{i}"].shape, strict=True)] == list(
            made[f"t{i}"].shape
        )
        assert str(made[f"t{i}"].dtype) == f"torch.{typed.types[typed.graph.blobs[f't{i}']].dtype}"


@RUNNING
def test_meta_device_gives_the_inferred_shapes(row: Row) -> None:
    typed, sizes = rows.typed(row), rows.sizes_of(row, 1)[0]
    known = [rows.numbers(typed.types[typed.graph.blobs[f"t{i}"]].shape, sizes) for i in range(row.tops)]
    if any(None in shape for shape in known):
        return
    module = copy.deepcopy(rows.net(row))
    module.reset_state()
    module.to("meta")
    made = module.forward_blobs({name: tensor.to("meta") for name, tensor in rows.data(row, sizes).items()})
    assert [tuple(made[f"t{i}"].shape) for i in range(row.tops)] == known


@RUNNING
def test_gradients_reach_weights_and_bottoms(row: Row) -> None:
    typed, sizes = rows.typed(row), rows.sizes_of(row, 1)[0]
    node = rows.node(typed)
    assert node is not None
    if "no_gradient" in row.cls.traits:
        return
    indices = node.layer.indices(*typed.bottoms(node))
    feed = rows.data(row, sizes, 0.1, 0.9)
    wanted = {
        name: x.requires_grad_()
        for i, (name, x) in enumerate(feed.items())
        if i not in indices and f"no_gradient.{i}" not in row.cls.traits
    }
    net = rows.net(row)
    net.zero_grad()
    made = [y for name, y in net.forward_blobs(feed).items() if name.startswith("t") and y.requires_grad]
    if row.tops and (wanted or list(net.parameters())):
        torch.manual_seed(1)
        sum((y * torch.rand_like(y)).sum() for y in made).backward()  # type: ignore[union-attr]
        for name, tensor in [*wanted.items(), *net.named_parameters()]:
            assert tensor.grad is not None, f"none reaches {name}"
            assert torch.isfinite(tensor.grad).all(), f"not finite: {name}"


@RUNNING
def test_emitted_file_is_the_module_in_memory(row: Row) -> None:
    typed, sizes = rows.typed(row), rows.sizes_of(row, 1)[0]
    text = torch_source(typed)
    assert "netspec" not in re.sub(r'^""".*?"""', "", text, flags=re.DOTALL)
    space: dict[str, Any] = {"__name__": "emitted"}
    exec(compile(text, "<emitted>", "exec"), space)
    fresh = space[class_name(typed.graph.name)]().eval()
    fresh.load_state_dict(rows.net(row).state_dict())
    feed = rows.data(row, sizes)
    with torch.no_grad():
        torch.manual_seed(3)
        mine = rows.run(rows.net(row), feed)
        torch.manual_seed(3)
        theirs = rows.run(fresh, feed)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        torch.testing.assert_close(theirs[name], value, rtol=0, atol=0, equal_nan=True)


@pytest.mark.onnx
@RUNNING
def test_onnxruntime_agrees(row: Row) -> None:
    from netspec.emit.onnx_model import onnx_model

    if row.tops == 0:
        return
    typed, net = rows.typed(row), rows.net(row)
    arrays = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}
    try:
        model = onnx_model(typed, arrays)
    except SpecError as error:
        assert [d.code for d in error.diagnostics] == ["NS701"]
        pytest.skip(error.diagnostics[0].fact)
    session = opened_session(model.SerializeToString())
    for sizes in rows.sizes_of(row, 2):
        feed = rows.data(row, sizes)
        with torch.no_grad():
            wanted = rows.run(net, feed)
        given = {i.name: feed[i.name].numpy() for i in session.get_inputs() if i.name in feed}
        given |= {
            i.name: np.zeros([sizes.get(s, s) for s in i.shape], np.float32)
            for i in session.get_inputs()
            if i.name not in feed
        }
        found = dict(zip((o.name for o in session.get_outputs()), session.run(None, given), strict=True))
        for name, value in wanted.items():
            np.testing.assert_allclose(
                found[name], value.detach().numpy(), rtol=1e-4, atol=1e-5, err_msg=f"{name} at {sizes}"
            )


def opened_session(model: bytes) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def tuple_of(made: Any) -> tuple[TensorType, ...]:
    return (made,) if isinstance(made, TensorType) else tuple(made)
