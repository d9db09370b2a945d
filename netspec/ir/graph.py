"""The network as values and the nodes between them, in execution order, every value made once.
Knows no YAML and no particular layer.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from netspec.frozen_classes import fresh, frozen
from netspec.ir.dims import Size
from netspec.ir.layer import Layer, Weight, as_read
from netspec.ir.rule import Fact
from netspec.ir.types import TensorType
from netspec.source import Span

__all__ = [
    "UNKNOWN",
    "Block",
    "Graph",
    "Input",
    "Node",
    "ParamSpec",
    "Places",
    "TypedGraph",
    "Unknown",
    "Value",
    "WeightRef",
]


class Unknown:
    """The type of a value whose node was already reported: nothing more is said of it."""

    def __repr__(self) -> str:
        return "Unknown"


UNKNOWN = Unknown()


class Value:
    """A tensor of the network. `name` is the blob's name; an in-place layer makes a new value of
    the same name. Compared by identity.
    """

    __slots__ = ("index", "name", "node")

    def __init__(self, name: str, node: "Node | None" = None, index: int = 0) -> None:
        self.name = name
        self.node = node
        self.index = index

    def __repr__(self) -> str:
        return f"Value({self.name!r})"


class Places:
    """Where the parts of a layer stand in the text: `places["kernel_size"]`, falling back to the
    layer's type, then its name.

    used: the uses of blocks that brought it here; sources: for a parameter made of variables, where
    these were given their values.
    """

    __slots__ = ("sources", "spans", "used")

    def __init__(
        self,
        spans: Mapping[str, Span],
        used: tuple[Span, ...] = (),
        sources: Mapping[str, tuple[Span, ...]] | None = None,
    ) -> None:
        self.spans = spans
        self.used = used
        self.sources = sources or {}

    def __getitem__(self, key: str) -> Span | None:
        if key in self.spans:
            return self.spans[key]
        if "." in key:
            return self[key.rsplit(".", 1)[0]]
        return self.spans.get("type") or self.spans.get("name")

    def __contains__(self, key: str) -> bool:
        return key in self.spans


NOWHERE = Places({})


class ParamSpec(NamedTuple):
    """How training treats one weight of a layer: Caffe's ParamSpec."""

    name: str = ""
    lr_mult: float = 1.0
    decay_mult: float = 1.0
    share_mode: str = "STRICT"


class Block(NamedTuple):
    """A block instance that a node belongs to: full name, the block it was made from, variables,
    what it reads by the block's names.
    """

    name: str
    template: str
    variables: tuple[tuple[str, Any], ...] = ()
    inputs: tuple[tuple[str, Value], ...] = ()


class Node:
    """A layer at its place in the net, compared by identity. `same_as` is the node whose weights it
    uses, in shared copies of a block.

    stopped: bottoms, by their place, that propagate_down keeps from a gradient. mode: the phase
    whose behaviour it has; None: the net's.
    """

    __slots__ = (
        "blocks",
        "bottoms",
        "layer",
        "loss_weights",
        "mode",
        "name",
        "params",
        "places",
        "same_as",
        "stopped",
        "tops",
    )

    def __init__(  # noqa: PLR0913 - all of it is fixed at birth
        self,
        name: str,
        layer: Layer,
        bottoms: tuple[Value, ...],
        tops: tuple[str, ...],
        *,
        params: tuple[ParamSpec, ...] = (),
        loss_weights: tuple[float, ...] = (),
        places: Places = NOWHERE,
        blocks: tuple[Block, ...] = (),
        same_as: "Node | None" = None,
        stopped: frozenset[int] = frozenset(),
        mode: str | None = None,
    ) -> None:
        self.name = name
        self.layer = layer
        self.bottoms = bottoms
        self.tops = tuple(Value(top, self, i) for i, top in enumerate(tops))
        self.params = params
        self.loss_weights = loss_weights
        self.places = places
        self.blocks = blocks
        self.same_as = same_as
        self.stopped = stopped
        self.mode = mode

    def __repr__(self) -> str:
        return f"Node({self.name!r}, {self.layer.type})"


class Input(NamedTuple):
    """A value that comes from outside. `node` is the input or data layer that declares it, if one
    does: it then tells the type. rows: what an exported model does to rows of a table first, which
    a run's data have fixed.
    """

    value: Value
    type: TensorType | None
    contract: Any = None
    node: Node | None = None
    span: Span | None = None
    rows: Any = None


@frozen
class Graph:
    """A wired network of one phase. `blobs` leads from every name to the value that bears it last.

    sources: data layers, which read those of their tops, all of them inputs, that a call does not
    pass in.
    """

    name: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]
    blobs: Mapping[str, Value] = fresh(default_factory=dict)
    phase: str = "TEST"
    sources: tuple[Node, ...] = ()

    def uses(self) -> dict[Value, list[Node]]:
        """Which nodes read each value."""
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in node.bottoms:
                found.setdefault(value, []).append(node)
        return found

    def logistic_outputs(self) -> list[str]:
        """The outputs of which each value is a probability of its own, no share of one choice."""
        made = (value for value in self.outputs if value.node and "logistic" in value.node.layer.traits)
        return [value.name for value in made]


@frozen
class WeightRef:
    """A weight as the whole net sees it: `name` is its name in weight files, `owner` the first
    layer that has the tensor.
    """

    name: str
    node: Node
    index: int
    weight: Weight
    shared: bool
    settings: ParamSpec

    @property
    def kind(self) -> str:
        """parameter, statistic or fixed; a parameter that lr_mult 0 keeps from training is
        fixed.
        """
        if self.weight.kind == "parameter" and self.settings.lr_mult == 0:
            return "fixed"
        return self.weight.kind


@frozen
class TypedGraph:
    """A graph in which every value has a type and every weight a shape.

    shared: leads from a weight (node, index) to the one that owns its tensor; facts: what must hold
    of the symbols, and for which node. settings: those of weights in this training, in place of
    their layers'; held: layers that behave as in a test while the others learn.
    """

    graph: Graph
    types: Mapping[Value, TensorType]
    weights: Mapping[Node, tuple[Weight, ...]]
    shared: Mapping[tuple[Node, int], tuple[Node, int]] = fresh(default_factory=dict)
    facts: tuple[tuple[Node, Fact], ...] = ()
    settings: Mapping[tuple[Node, int], ParamSpec] = fresh(default_factory=dict)
    held: frozenset[Node] = frozenset()

    def bottoms(self, node: Node) -> tuple[TensorType, ...]:
        """Types of what a node reads, as its layer reads them."""
        return as_read(node.layer, tuple(self.types[v] for v in node.bottoms))

    def find_converted(self, node: Node) -> tuple[int, ...]:
        """Bottoms, by their place, whose whole numbers the layer reads as real ones."""
        read = zip(node.bottoms, self.bottoms(node), strict=True)
        return tuple(i for i, (value, type_) in enumerate(read) if self.types[value].dtype != type_.dtype)

    def tops(self, node: Node) -> tuple[TensorType, ...]:
        return tuple(self.types[v] for v in node.tops)

    def weight_refs(self) -> Iterator[WeightRef]:
        """Every weight of every node; a shared one comes again, marked."""
        for node in self.graph.nodes:
            for index, weight in enumerate(self.weights[node]):
                owner, at = self.shared.get((node, index), (node, index))
                if (node, index) in self.settings:
                    settings = self.settings[node, index]
                elif index < len(node.params):
                    settings = node.params[index]
                else:
                    settings = ParamSpec()
                yield WeightRef(
                    f"{owner.name}.{self.weights[owner][at].name}",
                    node,
                    index,
                    weight,
                    owner is not node or at != index,
                    settings,
                )

    def macs(self, node: Node) -> Size:
        """Multiply-accumulate operations of a node, with N as it stands in the types."""
        return node.layer.macs(self.bottoms(node), self.tops(node))
