"""The graph of the net: a box a layer with its type, the shape of its top, its weights; a block is one
box. With --diff, what another spec has otherwise.

Green is what only the second net has, amber what differs, and a list tells what only the first has:
the changes of `netspec diff`. --method layers draws the layers of blocks one by one.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.pictures.figure import Figure, Table
from netspec.pictures.graphs import Box, graph_drawing
from netspec.pictures.words import when
from netspec.seeing.seen import Asked, Seen
from netspec.seeing.subject import ModelSubject, NetSubject, Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = ("inputs", "diff", "method")
MOST_BOXES = 4000
METHODS = ("layers",)
COLORS = {"added": "#009e73", "changed": "#d59a00", "renamed": "#56b4e9"}


def see(subject: Subject, asked: Asked) -> Seen:
    """Boxes in order, each with what it reads. Raises SpecError NS753 for more than MOST_BOXES."""
    changes: list[Any] = []
    if asked.method not in (None, *METHODS):
        raise fail("NS757", f"method {asked.method}; there is {', '.join(METHODS)}", path=subject.path)
    if asked.diff or asked.inputs:
        subject, changes = compare(subject, asked)
    if isinstance(subject, ModelSubject):
        items = list(items_of_model(subject))
    else:
        items = list(items_of_net(subject.need_net("net")))
    if not asked.diff and asked.method not in METHODS:
        items = fold(items)
    if len(items) > MOST_BOXES:
        raise fail(
            "NS753",
            f"{count_of(len(items), 'box', 'boxes')}, of which {MOST_BOXES:,} can be drawn",
            path=subject.path,
        )
    marks = {after: status for status, _, after, _ in changes if after is not None}
    boxes = [{**item, "mark": marks.get(item["name"], "")} for item in items]
    told = [
        f"{count_of(len(boxes), 'box', 'boxes')}, {count_of(sum(item['weights'] for item in items), 'weight')}"
    ]
    told += [count_of(len(changes), "change")] if asked.diff else []
    values = {"boxes": boxes, "changes": [list(change) for change in changes]}
    return Seen("net", f"Graph of {subject.name}", told, values)


def compare(subject: Subject, asked: Asked) -> tuple[Subject, list[Any]]:
    """The second net, and the changes that lead to it."""
    from netspec.analysis.diff import changes
    from netspec.seeing.subject import open_subject

    if len(asked.inputs) != 1 or not asked.diff:
        raise fail(
            "NS752", f"--diff takes two specs or runs: net --diff A B; here is {1 + len(asked.inputs)}"
        )
    other = open_subject(asked.inputs[0], reading=asked.reading)
    first, second = subject.need_net("net"), other.need_net("net")
    return other, list(changes(first.typed, second.typed))


def items_of_net(subject: NetSubject) -> Iterator[dict[str, Any]]:
    """Inputs and layers of a typed graph."""
    typed = subject.typed
    makers: dict[Any, str] = {}
    names = {node.name for node in typed.graph.nodes}
    for given in typed.graph.inputs:
        name = unlike(f"{given.value.name} (input)", names)
        makers[given.value] = name
        yield item(name, "input", shape_text(typed.types[given.value].shape), 0, (), "")
    for node in typed.graph.nodes:
        for top in node.tops:
            makers[top] = node.name
        weights = sum(
            size for weight in typed.weights[node] if isinstance(size := product_of(weight.shape), int)
        )
        shape = shape_text(typed.types[node.tops[0]].shape) if node.tops else ""
        block = min((each.name for each in node.blocks), key=len, default="")
        reads = tuple(dict.fromkeys(makers[bottom] for bottom in node.bottoms if bottom in makers))
        yield item(node.name, node.layer.type, shape, weights * (node.same_as is None), reads, block)


def product_of(shape: Any) -> Any:
    made: Any = 1
    for size in shape:
        made = made * size
    return made


def unlike(name: str, taken: set[str]) -> str:
    """The name, primed until it is no other's; it is taken from then on."""
    while name in taken:
        name += "'"
    taken.add(name)
    return name


def items_of_model(subject: ModelSubject) -> Iterator[dict[str, Any]]:
    """Inputs and nodes of an ONNX graph."""
    makers: dict[str, str] = {}
    for each in subject.model.inputs:
        makers[each.name] = f"{each.name} (input)"
        yield item(makers[each.name], "input", shape_text(each.shape), 0, (), "")
    names = set(makers.values())
    for node in subject.proto.graph.node:
        name = unlike(node.name or node.output[0], names)
        read = [subject.weights[each] for each in node.input if each in subject.weights]
        weights = sum(each.size for each in read if each.dtype != np.int64)  # those are shapes, axes, places
        reads = tuple(dict.fromkeys(makers[each] for each in node.input if each in makers))
        makers |= dict.fromkeys(node.output, name)
        shape = when(node.output[0] in subject.shapes, shape_text(subject.shapes.get(node.output[0], ())))
        yield item(name, node.op_type, shape, int(weights), reads, "")


def item(
    name: str, kind: str, shape: str, weights: int, reads: tuple[str, ...], block: str
) -> dict[str, Any]:
    return {"name": name, "type": kind, "shape": shape, "weights": weights, "reads": list(reads), "block": block,
            "layers": 1}  # fmt: skip


def shape_text(shape: Any) -> str:
    return f"[{', '.join(map(str, shape))}]"


def fold(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Layers of one block that stand together as one box."""
    made: list[dict[str, Any]] = []
    home: dict[str, str] = {}
    names: set[str] = set()
    for each in items:
        reads = [home[name] for name in each["reads"]]
        last = made[-1] if made else None
        if each["block"] and last is not None and last["block"] == each["block"]:
            last["reads"] += [name for name in reads if name not in (*last["reads"], last["name"])]
            last["weights"] += each["weights"]
            last["layers"] += 1
            last["shape"], last["type"] = each["shape"], "block"
            home[each["name"]] = last["name"]
            continue
        name = unlike(each["block"] or each["name"], names)
        home[each["name"]] = name
        made.append({**each, "name": name, "reads": list(dict.fromkeys(reads))})
    return made


def draw(seen: Seen) -> Iterator[Figure]:
    """The graph; of a difference also the list of changes."""
    boxes = []
    for each in seen.values["boxes"]:
        kind = each["type"]
        if each["layers"] > 1:
            kind = f"block of {count_of(each['layers'], 'layer')}"
        second = count_of(each["weights"], "weight") * bool(each["weights"])
        lines = (f"{kind}  {each['shape']}", when(each["mark"], f"{each['mark']}  ") + second)
        boxes.append(Box(each["name"], lines, tuple(each["reads"]), COLORS.get(each["mark"], "line")))
    yield Figure("The net", graph_drawing(boxes))
    if seen.values["changes"]:
        rows = [(s, a or "", b or "", "; ".join(facts)) for s, a, b, facts in seen.values["changes"]]
        yield Figure("Changes", Table(("change", "first", "second", "how"), rows))
