"""Types for every value: walks the graph, asks each layer's rule. In: a Graph; out: a TypedGraph,
or findings with the arithmetic.

Rules run on plain sizes; one that refuses runs again on named leaves, so that its arithmetic can be
printed.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from math import prod
from typing import NamedTuple

from netspec.analysis.channels_last import find_turned_inputs
from netspec.analysis.evidence import Disagreement, numbers_of, sizes_of, upward
from netspec.diagnostics.evidence import About
from netspec.diagnostics.model import Diagnostic, Diagnostics, Label, uses_of
from netspec.ir.dims import Dim, Size, Traced, product
from netspec.ir.graph import UNKNOWN, Graph, Node, ParamSpec, TypedGraph, Unknown, Value
from netspec.ir.layer import Layer, Weight, as_read
from netspec.ir.rule import Fact, RuleError, collecting
from netspec.ir.types import MOST_AXES, SPACE, TensorType, show_shape

__all__ = ["BUGS", "Pass", "infer", "open_sizes", "retrace_rule"]

Types = dict[Value, TensorType | Unknown]
MOST = ((1 << 63) - 1) // 8
"""Values of a tensor, at 8 bytes each."""


class Ruling(NamedTuple):
    """What a layer's rules said of some bottoms. Rules are pure: copies of a block that share a
    layer ask once.
    """

    layer: Layer
    tops: tuple[TensorType, ...]
    weights: tuple[Weight, ...]
    facts: tuple[Fact, ...]


Rulings = dict[tuple[int, tuple[TensorType, ...], int], "Ruling | Refusal"]


class Refusal(NamedTuple):
    """What kept a layer's rules from speaking; said again without asking."""

    layer: Layer
    error: Exception


class Pass:
    """One walk over a graph. With `replaced`, some nodes' layers are others: how a fix is tried."""

    def __init__(
        self,
        graph: Graph,
        replaced: Mapping[Node, Layer] | None = None,
        rulings: Rulings | None = None,
    ) -> None:
        self.graph = graph
        self.replaced = replaced or {}
        self.rulings: Rulings = {} if rulings is None else rulings
        self.types: Types = {}
        self.weights: dict[Node, tuple[Weight, ...]] = {}
        self.facts: list[tuple[Node, Fact]] = []
        self.errors: list[tuple[Node, RuleError | Exception]] = []

    def run(self) -> "Pass":
        for given in self.graph.inputs:
            # a data layer itself tells the types that it feeds
            if given.type is None and given.node is not None and given.value not in self.types:
                self.visit(given.node)
        for given in self.graph.inputs:
            if given.type is not None:
                self.types[given.value] = given.type
        self.weights.update((source, ()) for source in self.graph.sources)
        for node in self.graph.nodes:
            self.visit(node)
        return self

    def visit(self, node: Node) -> None:
        bottoms = [self.types.get(v, UNKNOWN) for v in node.bottoms]
        known = tuple(b for b in bottoms if isinstance(b, TensorType))
        if len(known) < len(bottoms):
            self.types.update(dict.fromkeys(node.tops, UNKNOWN))
            return
        layer = self.replaced.get(node, node.layer)
        try:
            found = self.ruling(layer, known, len(node.tops))
        except (RuleError, *BUGS) as error:
            self.errors.append((node, error))
            self.types.update(dict.fromkeys(node.tops, UNKNOWN))
        else:
            self.weights[node] = found.weights
            self.facts += [(node, fact) for fact in found.facts]
            self.types.update(zip(node.tops, found.tops, strict=True))

    def ruling(self, layer: Layer, bottoms: tuple[TensorType, ...], count: int) -> Ruling:
        """Ask the layer's rules, or what they said of the same bottoms before. Raises RuleError."""
        # an id stays its own while the answer holds the layer; hashing parameters costs more
        key = (id(layer), bottoms, count)
        if key not in self.rulings:
            self.rulings[key] = ask_rule(layer, bottoms, count)
        found = self.rulings[key]
        if isinstance(found, Refusal):
            # a kept traceback would hold the frames of the walk, and grow each time
            raise found.error.with_traceback(None)
        return found


def ask_rule(layer: Layer, bottoms: tuple[TensorType, ...], count: int) -> Ruling | Refusal:
    """What a layer's rules say of some bottoms."""
    bottoms = as_read(layer, bottoms)
    try:
        with collecting() as facts:
            tops = infer_tops(layer, bottoms, count)
            weights = tuple(layer.weights(*bottoms))
            check_weights(weights)
            check_module(layer, bottoms)
    except (RuleError, *BUGS) as error:
        return Refusal(layer, error.with_traceback(None))
    return Ruling(layer, tops, weights, tuple(facts))


BUGS = (
    TypeError,
    ValueError,
    IndexError,
    ZeroDivisionError,
    KeyError,
    AttributeError,
    AssertionError,
    OverflowError,
)
"""What a rule raises only by mistake: reported as such, with the layer's place."""


def infer_tops(layer: Layer, bottoms: tuple[TensorType, ...], count: int) -> tuple[TensorType, ...]:
    """The types of the tops, each size checked to be at least 0: a blob of Caffe may be empty."""
    found = layer.infer(*bottoms)
    tops = (found,) if isinstance(found, TensorType) else tuple(found)
    if len(tops) < count:
        raise RuleError("NS206", f"{layer.type} makes {len(tops)} tops here: {count} are named", at="top")
    for top in tops:
        if top.rank > MOST_AXES:
            raise RuleError(
                "NS309", f"a shape has at most {MOST_AXES} axes: this one would have {top.rank:,}"
            )
        for size in top.shape:
            if isinstance(size, int) and size < 0:
                raise RuleError("NS302", f"a size would be {size}: {top}")
        check_bound("a top", top.shape)
    return tops[:count]


def check_bound(what: str, shape: tuple[Size, ...]) -> None:
    """A tensor's bytes are counted in 63 bits, by torch and by ONNX; an open size is 1 at least."""
    sizes = [size for size in shape if isinstance(size, int)]
    if prod(sizes) > MOST:
        worked = " * ".join(map(str, sizes))
        raise RuleError(
            "NS216",
            f"{what} of shape {show_shape(shape)} would have {worked} = {prod(sizes)} values: at most {MOST} can"
            " be counted",
        )


def check_weights(weights: tuple[Weight, ...]) -> None:
    for weight in weights:
        for size in weight.shape:
            if not isinstance(size, int):
                raise RuleError(
                    "NS304",
                    f"{weight.name} would have shape {show_shape(weight.shape)}: a weight's sizes are numbers, not"
                    " symbols",
                    at="bottom",
                )
        check_bound(weight.name, weight.shape)
        if conflict := weight.filler.conflict:
            raise RuleError("NS106", conflict, at=f"{weight.name}_filler")
        if weight.filler.type == "values" and len(weight.filler.numbers) != product(weight.shape):
            given = len(weight.filler.numbers)
            fact = (
                f"{weight.name} {show_shape(weight.shape)} needs {product(weight.shape)} values: its filler has"
                f" {given}"
            )
            raise RuleError("NS302", fact, at=f"{weight.name}_filler")


def check_module(layer: Layer, bottoms: tuple[TensorType, ...]) -> None:
    """A module is built of numbers, whatever the sizes of what it reads."""
    if type(layer).torch is Layer.torch or (
        all(isinstance(size, int) for b in bottoms for size in b.shape) and bottoms
    ):
        return
    made = layer.torch(*bottoms)
    for size in open_sizes((made.arguments, *made.keywords.values())):
        raise RuleError("NS304", f"its module is built of numbers: a size in it would be {size}", at="bottom")


def open_sizes(part: object) -> Iterator[Dim]:
    """The sizes with symbols among a module's arguments."""
    if isinstance(part, Dim):
        yield part
    if isinstance(part, dict):
        part = tuple(part.values())
    for inner in part if isinstance(part, (tuple, list)) else ():
        yield from open_sizes(inner)


def infer(graph: Graph, diagnostics: Diagnostics) -> TypedGraph | None:
    """Type the whole graph; every independent error is reported with its arithmetic."""
    found = Pass(graph).run()
    for node, error in found.errors:
        diagnostics.add(explain_refusal(node, error, found, bare=diagnostics.bare))
    shared = sharing(graph, found.weights, diagnostics)
    if found.errors or diagnostics.failed:
        return None
    types = {value: t for value, t in found.types.items() if isinstance(t, TensorType)}
    return TypedGraph(graph, types, found.weights, shared, tuple(found.facts))


def explain_refusal(node: Node, error: Exception, found: Pass, *, bare: bool = False) -> Diagnostic:
    """The error with its place and the sizes that disagree; unless `bare`, with its arithmetic and
    where its bottoms come from.
    """
    bottoms = tuple(t for v in node.bottoms if isinstance(t := found.types.get(v), TensorType))
    if not isinstance(error, RuleError):
        return Diagnostic(
            "NS901",
            f"the rule of {node.layer.type} {node.name} failed: {type(error).__name__}: {error}",
            node.places["type"],
            about=About(node.name),
        )
    traced = error
    beside: tuple[Label, ...] = ()
    if not bare:
        traced = retrace_rule(node.layer, bottoms) or error
        beside = (*origins(node, bottoms, error), *causes(node, bottoms, error, found.types))
    place = node.places[error.at]
    given = node.places.sources.get(error.at, ())
    span = given[0] if len(given) == 1 else place
    used = (Label(place, f"{error.at} of {node.name}"),) if place is not None and span is not place else ()
    last = tuple(given for given in find_turned_inputs(found.graph) if given.value in find_ancestors(node))
    evidence = Disagreement(
        found.graph,
        node,
        sizes=sizes_of(node.bottoms, found.types),
        others=numbers_of(node.layer),
        given=error.at in node.places.spans and not error.at.startswith("bottom"),
        own=error.at in node.places.spans
        and error.at in node.layer.params
        and not error.at.endswith("_filler"),
        alone=error.bound or bool(last) or error.code == "NS216",
        changes=traced.changes,
        turned=last,
    )
    return Diagnostic(
        error.code,
        f"{node.layer.type} {node.name}: {error.fact}",
        span,
        error.label or error.fact,
        others=(*used, *beside),
        rule=traced.rule,
        about=About(node.name),
        evidence=evidence,
    )


def find_ancestors(node: Node) -> set[Value]:
    """All that a node depends on, itself apart."""
    return {value for each in upward(node) for value in each.bottoms}


def origins(node: Node, bottoms: tuple[TensorType, ...], error: RuleError) -> tuple[Label, ...]:
    """Where each bottom was made, with its shape."""
    labels: list[Label] = []
    wanted = (
        [int(error.at.split(".")[1])]
        if error.at.startswith("bottom.") and len(bottoms) == 1
        else range(len(bottoms))
    )
    for i in wanted:
        maker = node.bottoms[i].node
        span = maker.places["name"] if maker is not None else None
        if (
            span is not None
            and span != node.places[error.at]
            and span not in [label.span for label in labels]
        ):
            labels.append(Label(span, f"gives {bottoms[i]}", "origin"))
    told = {label.span for label in labels}
    return (
        *labels,
        *uses_of(node.name, (span for span in node.places.used[:2] if span not in told)),
    )


def causes(
    node: Node,
    bottoms: tuple[TensorType, ...],
    error: RuleError,
    types: Mapping[Value, TensorType | Unknown],
) -> tuple[Label, ...]:
    """Where the sizes come from that do not fit: parameters beside the one to blame, and further
    up, the layers that made the sizes so.
    """
    labels: list[Label] = []
    if error.at.endswith("_filler"):
        for name in node.layer.params:
            value = node.layer.__dict__[name]
            if name in node.places and type(value) is int and (span := node.places[name]) is not None:
                labels.append(Label(span, f"{name} is {value}"))
        return tuple(labels)
    # of a join, why its branches differ: not which one shrank most
    found_by = (nearest_change,) if len(bottoms) > 1 else (nearest_change, steepest)
    for bottom, find in ((bottom, find) for bottom in node.bottoms for find in found_by):
        maker = find(bottom, types)
        span = maker.places["name"] if maker is not None else None
        if maker is not None and span is not None and maker is not bottom.node and maker is not node:
            labels.append(Label(span, f"turns {types[maker.bottoms[0]]} into {types[maker.tops[0]]}"))
    seen = {
        node.places[error.at],
        *(v.node.places["name"] for v in node.bottoms if v.node is not None),
    }
    return tuple(dict.fromkeys(label for label in labels if label.span not in seen))


FARTHEST = 500
"""Layers that are looked at on the way up from an error."""


def upstream(value: Value, types: Mapping[Value, TensorType | Unknown]) -> Iterator[tuple[Node, float]]:
    """The layers that lead to a value along first bottoms, nearest first, and how many times fewer
    places each leaves.
    """
    while value.node is not None and value.node.bottoms:
        node = value.node
        before, after = types.get(node.bottoms[0]), types.get(value)
        if isinstance(before, TensorType) and isinstance(after, TensorType):
            sizes = product(before.space), product(after.space)
            if isinstance(sizes[0], int) and isinstance(sizes[1], int) and sizes[1]:
                yield node, sizes[0] / sizes[1]
        value = node.bottoms[0]


def steepest(value: Value, types: Mapping[Value, TensorType | Unknown]) -> Node | None:
    """The layer above that shrinks its input most."""
    node, ratio = max(islice(upstream(value, types), FARTHEST), key=lambda one: one[1], default=(None, 1.0))
    if ratio > 1:
        return node
    return None


def nearest_change(value: Value, types: Mapping[Value, TensorType | Unknown]) -> Node | None:
    """The next layer above that changes the number of places."""
    return next((node for node, ratio in islice(upstream(value, types), FARTHEST) if ratio != 1), None)


def retrace_rule(layer: Layer, bottoms: tuple[TensorType, ...]) -> RuleError | None:
    """Run a rule that refused again, on named leaves: H, W for the bottom's axes, and the
    parameters by their names.
    """
    try:
        with collecting():
            name_parameters(layer).infer(
                *(name_axes(b, i if len(bottoms) > 1 else None) for i, b in enumerate(bottoms))
            )
    except RuleError as error:
        return error
    # a rule that needs plain numbers: its first message stands, without arithmetic
    except Exception:
        return None
    return None


def name_parameters(layer: Layer) -> Layer:
    """The layer with integers that know which parameter they are."""
    values: dict[str, object] = {}
    for name in layer.params:
        value = layer.__dict__[name]
        if type(value) is int:
            values[name] = Traced(value, name)
        elif isinstance(value, tuple) and value and all(type(v) is int for v in value):
            values[name] = tuple(Traced(v, name) for v in value)
    return layer.replace(**values)


def name_axes(type_: TensorType, index: int | None) -> TensorType:
    """N, C, H, W as names, with a number where a layer has several bottoms."""
    letters = ("N", "C", *SPACE.get(type_.axes, tuple(f"D{i}" for i in range(type_.axes))))
    mark = "" if index is None else str(index)
    return TensorType(
        tuple(Traced(s, letter + mark) for s, letter in zip(type_.shape, letters, strict=False)),
        type_.dtype,
    )


def sharing(
    graph: Graph, weights: Mapping[Node, tuple[Weight, ...]], diagnostics: Diagnostics
) -> dict[tuple[Node, int], tuple[Node, int]]:
    """Which weights are one tensor: those of the same ParamSpec name, and those of shared copies of
    a block.
    """
    owners: dict[str, tuple[Node, int]] = {}
    shared: dict[tuple[Node, int], tuple[Node, int]] = {}
    told: set[Node] = set()
    for node in graph.nodes:
        for index, weight in enumerate(weights.get(node, ())):
            spec = node.params[index] if index < len(node.params) else ParamSpec()
            owner = (node.same_as or node, index)
            if spec.name:
                # as in Caffe, the first layer with a name owns the tensor
                owner = owners.setdefault(spec.name, (node, index))
            owner = shared.get(owner, owner)
            if owner == (node, index) or owner[0] not in weights:
                continue
            shared[node, index] = owner
            theirs = weights[owner[0]][owner[1] : owner[1] + 1]
            if theirs and agree(theirs[0], weight, spec.share_mode):
                continue
            # of copies one weight stands for all: what makes them differ is one number
            if spec.name or owner[0] not in told:
                told.add(owner[0])
                diagnostics.add(explain_disagreement(node, weight, owner[0], theirs, spec.name))
    return shared


def explain_disagreement(
    node: Node, weight: Weight, first: Node, theirs: tuple[Weight, ...], name: str
) -> Diagnostic:
    """Two layers whose weights are to be one tensor, by a `name` or as copies of a block, and cannot
    be. theirs: the first layer's, if it has such a weight.
    """
    other = f"{list(theirs[0].shape)}" if theirs else f"no {weight.name}"
    fact = f"{node.name} has {list(weight.shape)}, {first.name} has {other}"
    if name:
        fact, word, label = f"{fact} under the name {name}", "param", "owned here"
    else:
        fact, word, label = f"{fact}: copies of a block with `share` have one {weight.name}", "name", "shared"
    span, place = first.places[word], node.places[word]
    others = (Label(span, label),) if span is not None and span != place else ()
    return Diagnostic("NS211", fact, place, others=others, about=About(node.name))


def agree(a: Weight, b: Weight, mode: str) -> bool:
    # Caffe's words: STRICT compares shapes, PERMISSIVE counts
    return a.shape == b.shape or (mode == "PERMISSIVE" and count(a) == count(b))


def count(weight: Weight) -> Size:
    return product(weight.shape)
