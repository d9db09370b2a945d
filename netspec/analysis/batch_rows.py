"""Whether the samples of a batch stay apart on their way through a net. In: a typed graph; out:
where rows lie in each value, and what mixes them.

Layers say what they read (`Layer.field`); of one that does not say it nothing is held. Knows no
layer type.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from netspec.analysis.cost import batch_symbol
from netspec.analysis.field.reads import reads, reads_of
from netspec.ir.dims import Size, product
from netspec.ir.field import HERE, Reads
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.layer import Layer
from netspec.ir.rule import is_same

__all__ = ["APART", "MIXED", "UNKNOWN", "Rows", "keeps_rows_apart", "mixing", "rows_of"]

APART, UNKNOWN, MIXED = "apart", "unknown", "mixed"


class Rows(NamedTuple):
    """Where the rows of an input lie in a value. apart: each unit along `axis` depends on one row;
    own: unit i on row i.

    mixed: by a layer that says so, which is `by`; unknown: nothing is proven.
    """

    state: str
    axis: int = 0
    own: bool = True
    by: Node | None = None


LOST = Rows(UNKNOWN, own=False)
Found = Mapping[Value, Mapping[Value, Rows]]


def rows_of(typed: TypedGraph) -> Found:
    """Of every value, by input, where the rows of the input lie. An input without rows, or that a
    value does not depend on, is left out.
    """
    return trace_rows(
        typed,
        {i.value: axis for i in typed.graph.inputs if (axis := row_axis(typed, i.value)) is not None},
    )


def trace_rows(typed: TypedGraph, axes: Mapping[Value, int]) -> Found:
    """Of every value, by input, where the rows of the input lie that begin along an axis."""
    found: dict[Value, dict[Value, Rows]] = {}
    for given in typed.graph.inputs:
        found[given.value] = {given.value: Rows(APART, axes[given.value])} if given.value in axes else {}
    for node in typed.graph.nodes:
        behind = [found.get(v, {}) for v in node.bottoms]
        looks = reads(typed, node) if any(behind) else ()
        for top in node.tops:
            merged: dict[Value, Rows] = {}
            for i, (each, first) in enumerate(zip(behind, looks, strict=False)):
                step = reads_of(typed, top, node.tops[0], first)
                for source, rows in each.items():
                    moved = through(typed, node, i, top, step, rows)
                    if source in merged:
                        merged[source] = join_rows(merged[source], moved)
                    else:
                        merged[source] = moved
            found[top] = merged
    return found


def row_axis(typed: TypedGraph, source: Value) -> int | None:
    """The axis of an input whose size is the batch's letter; of a net of fixed size the first, in
    one with time that of the streams.
    """
    shape, letter = typed.types[source].shape, batch_symbol(typed)
    named = next((i for i, size in enumerate(shape) if str(size) == letter), None)
    fixed = all(isinstance(size, int) for i in typed.graph.inputs for size in typed.types[i.value].shape[:1])
    timed = any("recurrent" in node.layer.traits for node in typed.graph.nodes)
    if named is not None or not shape or not fixed:
        return named
    if timed:
        return stream_axis(typed, source)
    return 0


def stream_axis(typed: TypedGraph, source: Value) -> int | None:
    """Of the first two axes of an input that which is not time for a recurrent layer behind it;
    None where none tells it.
    """
    # a recurrent layer reads many steps along time, and one along the streams
    for axis in (0, 1) if len(typed.types[source].shape) > 1 else ():
        found = trace_rows(typed, {source: axis})
        for node in (node for node in typed.graph.nodes if "recurrent" in node.layer.traits):
            for value, looks in zip(node.bottoms, reads(typed, node), strict=False):
                rows = found.get(value, {}).get(source, LOST)
                step = next((s for s in looks if s is not None and s.axis == rows.axis), None)
                if rows.state == APART and rows.own and step is not None:
                    if step.first != step.last:
                        return 1 - axis
                    return axis
    return None


def through(typed: TypedGraph, node: Node, bottom: int, top: Value, looks: Reads, rows: Rows) -> Rows:
    """Where rows lie behind a node that reads them in one of its bottoms."""
    if rows.state != APART:
        return rows
    for axis, step in enumerate(looks):
        if (
            step is not None
            and step.axis == rows.axis
            # one unit each, and none brought in by the border: row for row
            and step.edge == step.back == 0
            and step.first == step.last
        ):
            return Rows(APART, axis, rows.own and step[1:] == HERE)
    if "rearranges" in node.layer.traits and is_only_moved(looks, rows.axis):
        return Rows(APART, rows.axis, own=False)
    if "view" in node.layer.traits:
        return reshape_rows(typed.types[node.bottoms[bottom]].shape, typed.types[top].shape, rows)
    if says(node.layer):
        return Rows(MIXED, own=False, by=node)
    return LOST


def is_only_moved(looks: Reads, apart: int) -> bool:
    """Whether all axes but one keep their places."""
    return all(
        step is None if axis == apart else step is not None and step == (axis, *HERE)
        for axis, step in enumerate(looks)
    )


def says(layer: Layer) -> bool:
    """Whether a layer says itself what it reads, so that what it does not keep apart is mixed
    indeed, not only moved.
    """
    return type(layer).field is not Layer.field and "rearranges" not in layer.traits


def reshape_rows(before: Sequence[Size], after: Sequence[Size], rows: Rows) -> Rows:
    """Rows in the same numbers in another shape: on the axis that whole axes, the rows' among them,
    have become.
    """
    for axis in range(len(after)):
        for begin in range(rows.axis + 1):
            for end in range(rows.axis + 1, len(before) + 1):
                starts = is_same(product(before[:begin]), product(after[:axis])) is True
                if starts and is_same(product(before[begin:end]), after[axis]) is True:
                    own = rows.own and is_same(after[axis], before[rows.axis]) is True
                    return Rows(APART, axis, own)
    return LOST


def join_rows(a: Rows, b: Rows) -> Rows:
    """Of a value that reads two others."""
    # the worse of both counts, and what is proven before what is not known
    for state in (MIXED, UNKNOWN):
        found = next((rows for rows in (a, b) if rows.state == state), None)
        if found is not None:
            return found
    if a.axis == b.axis:
        return Rows(APART, a.axis, a.own and b.own)
    return LOST


def mixing(typed: TypedGraph) -> list[Node]:
    """The nodes behind which an output depends, for one sample, on the others of the batch. A loss
    is of the whole batch by its nature.
    """
    found = rows_of(typed)
    losses = {top for node in typed.graph.nodes if any(node.loss_weights) for top in node.tops}
    outputs = [value for value in typed.graph.outputs if value not in losses]
    nodes = (rows.by for value in outputs for rows in found.get(value, {}).values() if rows.by is not None)
    order = {node: i for i, node in enumerate(typed.graph.nodes)}
    return sorted(dict.fromkeys(nodes), key=order.__getitem__)


def keeps_rows_apart(typed: TypedGraph) -> bool:
    """Whether row i of every output is proven to depend on row i of the inputs alone, each along
    the first axis.
    """
    found = rows_of(typed)
    own = Rows(APART)
    given = all(found[i.value].get(i.value) == own for i in typed.graph.inputs)
    return given and all(
        rows == own for value in typed.graph.outputs for rows in found.get(value, {}).values()
    )
