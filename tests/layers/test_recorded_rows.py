"""What netspec says of every example row, as text: `pytest tests/layers/test_recorded_rows.py --update` rewrites recorded/; read the diff.

explained: the arithmetic, weights, counts, memory, fields, legal sizes, where rows of a batch lie, and doubts. refused: the whole finding.
exported: the module of torch, the nodes of ONNX with their attributes, the layer in prototxt. No number here comes from running a layer.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netspec.analysis.backward_memory import backward_memory
from netspec.analysis.batch_rows import keeps_rows_apart, rows_of
from netspec.analysis.cost import cost
from netspec.analysis.explain import explanation
from netspec.analysis.field.receptive_field import as_json as fields_as_json
from netspec.analysis.field.receptive_field import explain_unshifted, fields, later
from netspec.analysis.memory import activation_memory
from netspec.analysis.sizes.coupling import joint
from netspec.analysis.sizes.legal import legal_sizes
from netspec.diagnostics import SpecError
from netspec.diagnostics.render import render
from netspec.emit.onnx_model import outline_model
from netspec.exporters.prototxt import to_prototxt
from netspec.repair.check import check_source
from tests.layers import rows
from tests.layers.rows import Row

if TYPE_CHECKING:
    from onnx import GraphProto

pytestmark = pytest.mark.torch

RECORDS = Path(__file__).with_name("recorded")
LONGEST = 12
"""Numbers of a constant that are written out."""


def explained(row: Row) -> Iterator[str]:
    typed = rows.typed(row)
    for node in typed.graph.nodes:
        yield from (line for line in explanation(typed, node.name).splitlines()[1:])
    found = cost(typed)
    for layer in found.layers:
        yield (
            f"macs {layer.macs}, units {layer.units}, connections {layer.connections}, moved {layer.moved},"
            f" intensity {layer.intensity}, weights {layer.parameters} {layer.statistics} {layer.fixed}"
        )
    sizes = rows.sizes_of(row)[0]
    memory = [activation_memory(typed, sizes, training=training) for training in (False, True)]
    yield f"bytes at {sizes}: {memory[0]}, {memory[1]} in training, {backward_memory(typed, sizes)} backwards"
    known = fields(typed)
    for name, by_source in fields_as_json(typed).items():
        for source, axes in by_source.items():
            for axis, field in axes.items() if source != name else ():
                yield f"{name} sees {source}.{axis}: {'all' if field is None else [*field.values()]}"
    for top in typed.graph.outputs:
        yield f"{top.name} in time: {later(typed, top, known)}; shifted: {explain_unshifted(typed, top, known)}"
    for value, by_input in rows_of(typed).items():
        for given, held in by_input.items():
            by = held.by.name if held.by else None
            if given is value:
                continue
            yield f"rows of {given.name} in {value.name}: {held.state} {held.axis} {held.own} {by}"
    yield f"apart: {keeps_rows_apart(typed)}"
    legal = legal_sizes(rows.program(row).sized_graph())
    yield from joint(legal)
    for axis in legal.axes if typed.facts else ():  # where nothing is demanded every size will do
        yield f"{axis.text} ({axis.where}, {axis.given}) {axis.coupled} {dict(axis.assumed)}"
        yield from (f"  not {violation.text}" for violation in axis.illegal)
    for doubt in check_source(rows.source(row)):
        yield f"{doubt.code} {doubt.fact} | {doubt.label} | {doubt.span.text if doubt.span else ''}"
        yield from (f"  {note}" for note in (*doubt.notes, *(fix.text for fix in doubt.fixes)))


def refused(row: Row) -> Iterator[str]:
    yield from render(check_source(rows.source(row)), color=False).splitlines()


def exported(row: Row) -> Iterator[str]:
    for form in (torch_modules, onnx_nodes, prototxt_layers):
        try:
            yield from form(row)
        except SpecError as error:
            yield from (f"{d.code} {d.fact}" for d in error.diagnostics)


def torch_modules(row: Row) -> Iterator[str]:
    typed = rows.typed(row)
    for node in typed.graph.nodes:
        made = node.layer.torch(*typed.bottoms(node))
        words = [*map(str, made.arguments), *(f"{name}={value}" for name, value in made.keywords.items())]
        yield f"torch {made.target}({', '.join(words)})"


def onnx_nodes(row: Row) -> Iterator[str]:
    yield from written_nodes(outline_model(rows.typed(row)).model.graph)


def written_nodes(graph: "GraphProto", indent: str = "") -> Iterator[str]:
    from onnx import helper, numpy_helper

    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        some = values.reshape(-1)[:LONGEST].tolist()
        yield f"{indent}{constant.name} {values.dtype}{list(values.shape)} {some}"
    for node in graph.node:
        words, inner = [], []
        for attribute in node.attribute:
            value = helper.get_attribute_value(attribute)
            if hasattr(value, "node"):
                inner.append(value)
            elif hasattr(value, "dims"):
                words.append(f"{attribute.name} {numpy_helper.to_array(value).tolist()}")
            else:
                words.append(f"{attribute.name} {value}")
        yield f"{indent}{', '.join(node.output)} = {node.op_type}({', '.join(node.input)}) {', '.join(words)}".rstrip()
        for each in inner:
            yield from written_nodes(each, indent + "  ")


def prototxt_layers(row: Row) -> Iterator[str]:
    made = to_prototxt(rows.program(row))
    yield from (" ".join(f"layer {{{each}".split()) for each in made.net.split("\nlayer {")[1:])
    yield from (f"{d.code} {d.fact}" for d in made.findings)


@pytest.mark.parametrize(
    ("tell", "accepted"),
    [(explained, True), (refused, False), (exported, True)],
    ids=lambda v: getattr(v, "__name__", ""),
)
def test_rows_are_as_recorded(
    tell: Callable[[Row], Iterator[str]], accepted: bool, request: pytest.FixtureRequest
) -> None:
    file, found = RECORDS / f"{tell.__name__}.txt", dict[str, list[str]]()
    for row in rows.every():
        if row.accepted is accepted:
            shown = row.example.parameters.strip()
            found[f"== {row} ({'; '.join(row.example.bottoms)}) {shown}".rstrip()] = [*tell(row)]
    text = "\n".join(line for head, lines in found.items() for line in (head, *lines)) + "\n"
    if request.config.getoption("update", default=False):
        file.write_text(text, encoding="utf-8")
    recorded = file.read_text(encoding="utf-8")
    if text != recorded:
        known = recorded.split("\n== ")
        changed = [each for each in text.split("\n== ") if each not in known]
        pytest.fail("not as recorded:\n" + "\n== ".join(changed or ["rows that are gone"]), pytrace=False)
