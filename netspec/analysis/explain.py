"""How a layer's sizes come about, in words: its rule run on named leaves. Comes in: a typed graph
and a layer's name; goes out: text.
"""

from netspec.analysis.infer import name_axes, name_parameters
from netspec.diagnostics.model import fail
from netspec.diagnostics.suggest import nearest
from netspec.ir.dims import Traced
from netspec.ir.graph import Node, TypedGraph
from netspec.ir.layer import Filler
from netspec.ir.rule import arithmetic
from netspec.ir.types import SPACE, TensorType
from netspec.resolve.written_out import spell

__all__ = ["explanation"]


def explanation(typed: TypedGraph, path: str) -> str:
    """The layer's type, where it stands, what it reads and makes, and the arithmetic of every size.
    Raises SpecError (NS212).
    """
    nodes = {node.name: node for node in typed.graph.nodes}
    if path not in nodes:
        near = nearest(path, nodes)
        raise fail("NS212", f"{path}" + (f": did you mean {near[0]}?" if near else ""))
    return describe_node(nodes[path], typed)


def describe_node(node: Node, typed: TypedGraph) -> str:
    span = node.places["name"]
    if span is not None:
        place = f"{span.source.name}:{span.begin[0]}"
    else:
        place = ""
    lines = [f"{node.name}: {node.layer.type}  {place}".rstrip()]
    lines += [f"  reads {v.name} {typed.types[v]}" for v in node.bottoms]
    lines += [f"  makes {v.name} {typed.types[v]}" for v in node.tops]
    for top in trace_tops(node, typed):
        for i, size in enumerate(top.shape):
            if isinstance(size, Traced) and not isinstance(size.tree, str):
                lines += [f"    {line}" for line in arithmetic(axis_name(top, i), size)]
    lines += [
        f"  {w.kind} {w.name} [{', '.join(map(str, w.shape))}]  {describe_filler(w.filler)}"
        for w in typed.weights[node]
    ]
    return "\n".join(lines)


def describe_filler(filler: Filler) -> str:
    """How it starts: `xavier`, `gaussian (std 0.01)`, `constant (value 0)`."""
    said = spell(filler)
    if filler.type == "constant":
        return f"constant (value {filler.value:g})"
    if isinstance(said, dict):
        words = ", ".join(f"{name} {value}" for name, value in said.items() if name != "type")
    else:
        words = ""
    return filler.type + (f" ({words})" if words else "")


def trace_tops(node: Node, typed: TypedGraph) -> tuple[TensorType, ...]:
    """The tops, every size with its history; nothing where the rule takes plain sizes only."""
    bottoms = typed.bottoms(node)
    try:
        found = name_parameters(node.layer).infer(
            *(name_axes(b, i if len(bottoms) > 1 else None) for i, b in enumerate(bottoms))
        )
    # some rules index or count by a size: their arithmetic is not to be had
    except Exception:
        return ()
    if isinstance(found, TensorType):
        return (found,)
    return tuple(found)


def axis_name(type_: TensorType, index: int) -> str:
    """N_out, C_out, H_out, ..."""
    letters = ("N", "C", *SPACE.get(type_.axes, ()))
    if index < len(letters):
        return f"{letters[index]}_out"
    return f"axis {index}"
