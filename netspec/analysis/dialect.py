"""What another dialect would make of a spec. In: the graph of a phase, and the same under the other
dialect; out: a warning per layer.

A layer is listed where its size, the size of its weights or its value would change, with the
parameters that the spec leaves open and the dialects fill differently; of a net that is trained
also where what it gathers would change, or what its weights start at.
"""

from collections.abc import Iterator, Sequence

from netspec.analysis.infer import Pass, explain_refusal
from netspec.diagnostics.model import Diagnostic
from netspec.ir.field import ends
from netspec.ir.graph import Graph, Node, TypedGraph
from netspec.ir.layer import Filler, Layer, Weight
from netspec.ir.types import TensorType, show_shape
from netspec.record import as_written

__all__ = ["differences"]

SIZING = frozenset(("round_mode",))
"""Parameters that matter by the size alone: where that stays, so do the values."""
GATHERING = {
    "moving_average_fraction": "its statistics would be gathered otherwise",
    "state_gradient": "its last state would pass gradients on otherwise",
}
"""Parameters that matter to training alone, and what they change there: the value for given weights
stays.
"""
Types = tuple[TensorType, ...]


def differences(typed: TypedGraph, other: Graph, dialect: str, *, trained: bool) -> Iterator[Diagnostic]:
    """NS413 for each layer of the graph that is another under `dialect`, or illegal, in order.
    trained: what weights start at matters.
    """
    found = Pass(other).run()
    broken = dict(found.errors)
    twins = {node.name: node for node in other.nodes}
    for node in typed.graph.nodes:
        twin = twins.get(node.name)
        if twin is None:
            continue
        if twin in broken:
            error = explain_refusal(twin, broken[twin], found)
            yield Diagnostic(
                "NS413",
                f"{node.name} would be illegal under {dialect}: {error.message}",
                node.places["type"],
                rule=error.rule,
            )
            continue
        tops = tuple(t for v in twin.tops if isinstance(t := found.types.get(v), TensorType))
        why = changes(node, twin, typed)
        gathers = [parameter for parameter in why if parameter.split()[0] in GATHERING]
        why = [parameter for parameter in why if parameter not in gathers]
        later = [*(gathers if trained else ()), *(start(node, twin, typed) if trained else ())]
        sizes = [
            f"{v.name} is {typed.types[v]}, would be {t}"
            for v, t in zip(node.tops, tops, strict=False)
            if typed.types[v].shape != t.shape
        ]
        sizes += other_weights(typed.weights[node], found.weights.get(twin, ()))
        what = [*sizes] or (["its values would change"] if why else in_training(gathers))
        cause = [*why, *later] or [f"its bottom {', '.join(v.name for v in node.bottoms)} would be another"]
        if sizes or why or later:
            yield Diagnostic(
                "NS413",
                f"{node.name} under {dialect}: {'; '.join(what)}, since {', '.join(cause)}",
                node.places["type"],
            )


def in_training(gathers: Sequence[str]) -> list[str]:
    return [GATHERING[parameter.split()[0]] for parameter in gathers] or ["its weights would start otherwise"]


def other_weights(here: Sequence[Weight], there: Sequence[Weight]) -> list[str]:
    """The weights that are of another size, or in one dialect only; none where nothing is known of
    the other's.
    """
    if not there:
        return []
    shapes = {w.name: w.shape for w in there}
    pairs = [(w.name, w.shape, shapes[w.name]) for w in here if w.name in shapes]
    found = [
        f"{name} of {show_shape(old)} would be {show_shape(new)}" for name, old, new in pairs if old != new
    ]
    own = {w.name for w in here}
    return (
        found
        + [f"{w.name} would be left out" for w in here if w.name not in shapes]
        + [f"{w.name} would be added" for w in there if w.name not in own]
    )


def changes(node: Node, twin: Node, typed: TypedGraph) -> list[str]:
    """Parameters that another dialect fills with something else, where that changes the size or the
    value for the bottoms there are.
    """
    bottoms = typed.bottoms(node)
    differ = [
        name
        for name in differing(node.layer, twin.layer)
        if not isinstance(getattr(node.layer, name), Filler)
    ]
    return [
        describe_difference(name, node.layer, twin.layer)
        for name in differ
        if matters(node.layer, name, twin.layer, bottoms)
    ]


def differing(layer: Layer, other: Layer) -> list[str]:
    return [name for name in layer.params if layer.__dict__[name] != other.__dict__[name]]


def matters(layer: Layer, name: str, other: Layer, bottoms: Types) -> bool:
    """Whether the layer is another with this one parameter of the other."""
    changed = layer.replace(**{name: other.__dict__[name]})
    if shapes(layer, bottoms) != shapes(changed, bottoms):
        return True
    if name == "pad" and windows(layer, bottoms) == windows(changed, bottoms):
        return False
    return name not in SIZING and layer.torch(*bottoms) != changed.torch(*bottoms)


def shapes(layer: Layer, bottoms: Types) -> list[object]:
    tops = layer.infer(*bottoms)
    return [t.shape for t in ((tops,) if isinstance(tops, TensorType) else tops)]


def windows(layer: Layer, bottoms: Types) -> object:
    """Where the windows begin: two pad words may come to the same, and with as many windows the
    rest of the border is not reached.
    """
    w = layer.window(layer.bottom(bottoms[0]))
    return w.kernel, w.stride, w.dilation, [ends(pad)[0] for pad in w.pads]


def start(node: Node, twin: Node, typed: TypedGraph) -> list[str]:
    """Fillers of the weights that it has and does not share from another: they matter to a net that
    is trained.
    """
    bottoms, found = typed.bottoms(node), []
    for name in differing(node.layer, twin.layer):
        if isinstance(getattr(node.layer, name), Filler):
            pairs = zip(
                typed.weights[node],
                node.layer.replace(**{name: twin.layer.__dict__[name]}).weights(*bottoms),
                strict=True,
            )
            if any(
                old.filler != new.filler and (node, i) not in typed.shared
                for i, (old, new) in enumerate(pairs)
            ):
                found.append(describe_difference(name, node.layer, twin.layer))
    pairs = zip(typed.weights[node], twin.layer.weights(*bottoms), strict=False)
    # Caffe counts fans by the stored shape, whose first axis may be that of the inputs
    if not found and any(old.filler == new.filler and old.drawn != new.drawn for old, new in pairs):
        found.append("its fans are counted otherwise")
    return found


def describe_difference(name: str, layer: Layer, other: Layer) -> str:
    """`round_mode is CEIL, not FLOOR`."""
    here, there = (shorten(as_written(each.__dict__[name])) for each in (layer, other))
    return f"{name} is {there}, not {here}"


def shorten(value: object) -> object:
    """A parameter as a sentence says it: true, and of a filler its type."""
    if isinstance(value, dict):
        return value.get("type", value)
    if isinstance(value, bool):
        return str(value).lower()
    return value
