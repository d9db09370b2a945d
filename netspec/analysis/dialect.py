"""What another dialect would make of a spec. In: the graph of a phase, and the same under the other dialect; out: a warning per layer.

A layer is listed where its size or its value would change, with the parameters that the spec leaves open and the dialects fill differently.
"""

from collections.abc import Iterator

from netspec.analysis.infer import Pass, explained
from netspec.diagnostics.model import Diagnostic
from netspec.ir.graph import Graph, Node, TypedGraph
from netspec.ir.layer import Filler, Layer
from netspec.ir.types import TensorType
from netspec.record import as_written

__all__ = ["differences"]

SIZING = frozenset(("round_mode",))
"""Parameters that matter by the size alone: where that stays, so do the values."""
Types = tuple[TensorType, ...]


def differences(typed: TypedGraph, other: Graph, dialect: str, *, trained: bool) -> Iterator[Diagnostic]:
    """NS413 for each layer of the graph that is another under `dialect`, or illegal, in order. trained: what weights start at matters."""
    found = Pass(other).run()
    broken = dict(found.errors)
    twins = {node.name: node for node in other.nodes}
    for node in typed.graph.nodes:
        twin = twins.get(node.name)
        if twin is None:
            continue
        if twin in broken:
            error = explained(twin, broken[twin], found)
            yield Diagnostic(
                "NS413", f"{node.name} would be illegal under {dialect}: {error.message}", node.places["type"], rule=error.rule
            )
            continue
        tops = tuple(t for v in twin.tops if isinstance(t := found.types.get(v), TensorType))
        why = changes(node, twin, typed)
        first = start(node.layer, twin.layer) if trained else []
        sizes = [
            f"{v.name} is {typed.types[v]}, would be {t}" for v, t in zip(node.tops, tops, strict=False) if typed.types[v].shape != t.shape
        ]
        what = [*sizes] or (["its values would change"] if why else ["its weights would start otherwise"])
        cause = [*why, *first] or [f"its bottom {', '.join(v.name for v in node.bottoms)} would be another"]
        if sizes or why or first:
            yield Diagnostic("NS413", f"{node.name} under {dialect}: {'; '.join(what)}, since {', '.join(cause)}", node.places["type"])


def changes(node: Node, twin: Node, typed: TypedGraph) -> list[str]:
    """Parameters that another dialect fills with something else, where that changes the size or the value for the bottoms there are."""
    bottoms = typed.bottoms(node)
    differ = [name for name in differing(node.layer, twin.layer) if not isinstance(getattr(node.layer, name), Filler)]
    return [written(name, node.layer, twin.layer) for name in differ if matters(node.layer, name, twin.layer, bottoms)]


def differing(layer: Layer, other: Layer) -> list[str]:
    return [name for name in layer.params if layer.__dict__[name] != other.__dict__[name]]


def matters(layer: Layer, name: str, other: Layer, bottoms: Types) -> bool:
    """Whether the layer is another with this one parameter of the other."""
    changed = layer.changed(**{name: other.__dict__[name]})
    if shapes(layer, bottoms) != shapes(changed, bottoms):
        return True
    return name not in SIZING and layer.torch(*bottoms) != changed.torch(*bottoms)


def shapes(layer: Layer, bottoms: Types) -> list[object]:
    tops = layer.infer(*bottoms)
    return [t.shape for t in ((tops,) if isinstance(tops, TensorType) else tops)]


def start(layer: Layer, other: Layer) -> list[str]:
    """Fillers: they matter to a net that is trained."""
    return [written(name, layer, other) for name in differing(layer, other) if isinstance(getattr(layer, name), Filler)]


def written(name: str, layer: Layer, other: Layer) -> str:
    """`round_mode is CEIL, not FLOOR`."""
    here, there = (as_written(each.__dict__[name]) for each in (layer, other))
    short = [v.get("type", v) if isinstance(v, dict) else str(v).lower() if isinstance(v, bool) else v for v in (here, there)]
    return f"{name} is {short[1]}, not {short[0]}"
