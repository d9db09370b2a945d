"""How two networks differ. In: two typed graphs; out: layers, shapes, counts, and for each weight
tensor where it can be taken from.

Layers are matched by name, then by what they are and read, then by the order of what is left; of
two spellings of one network as the one stands for the other. Knows no file.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from netspec.analysis.cost import NetCost, cost
from netspec.analysis.fingerprint import counterparts, graph_hash, node_hashes
from netspec.analysis.provenance import show_value
from netspec.ir.dims import Size, product
from netspec.ir.graph import Input, Node, ParamSpec, TypedGraph, Value, WeightRef
from netspec.ir.types import show_shape

__all__ = ["Change", "Move", "changes", "moves", "totals", "untold"]

COUNTED = ("parameters", "statistics", "fixed", "macs", "connections")


class Change(NamedTuple):
    """One layer: changed, renamed, removed or added, and how."""

    status: str
    before: str | None
    after: str | None
    facts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        names = " -> ".join(dict.fromkeys(name for name in (self.before, self.after) if name is not None))
        return f"{self.status:8} {names}" + (f": {'; '.join(self.facts)}" if self.facts else "")


class Move(NamedTuple):
    """A weight tensor of the second net and where it comes from: kept, renamed, reshaped or new; or
    dropped, of the first.

    transposed: the two layers store it the other way round.
    """

    status: str
    source: str | None
    before: tuple[Size, ...] | None
    target: str | None
    after: tuple[Size, ...] | None
    transposed: bool = False

    @property
    def text(self) -> str:
        """`reshaped fc6.weight [4096, 25088] -> [4096, 512, 7, 7]`."""
        names = " -> ".join(dict.fromkeys(name for name in (self.source, self.target) if name is not None))
        shapes = " -> ".join(
            dict.fromkeys(show_shape(shape) for shape in (self.before, self.after) if shape is not None)
        )
        return f"{self.status:8} {names} {shapes}{', transposed' if self.transposed else ''}"


def match_nodes(a: TypedGraph, b: TypedGraph) -> dict[Node, Node]:
    """Nodes of b with their counterparts in a."""
    by_name = {node.name: node for node in a.graph.nodes}
    if graph_hash(a) == graph_hash(b):
        return counterparts(a, b)
    pairs = {node: by_name[node.name] for node in b.graph.nodes if node.name in by_name}
    here, there = list_leftovers(a, set(pairs.values())), list_leftovers(b, set(pairs))
    if here and there:
        twins: dict[str, list[Node]] = {}
        hashes = node_hashes(a)
        for node in here:
            twins.setdefault(hashes[node], []).append(node)
        for node, found in node_hashes(b).items():
            if node in there and twins.get(found):
                pairs[node] = twins[found].pop(0)
    pairs.update(in_order(a, b, list_leftovers(a, set(pairs.values())), list_leftovers(b, set(pairs))))
    return pairs


def list_leftovers(typed: TypedGraph, taken: set[Node]) -> list[Node]:
    return [node for node in typed.graph.nodes if node not in taken]


def in_order(
    a: TypedGraph, b: TypedGraph, here: list[Node], there: list[Node]
) -> Iterator[tuple[Node, Node]]:
    """Nodes that own weights of the same counts, in the same order."""
    if not here or not there:
        return
    from difflib import SequenceMatcher

    before, after = ([signature(t, n) for n in nodes] for t, nodes in ((a, here), (b, there)))
    # from 200 items on difflib takes frequent ones for junk: nets repeat their layers
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        yield from zip(
            there[block.b : block.b + block.size], here[block.a : block.a + block.size], strict=True
        )


def signature(typed: TypedGraph, node: Node) -> tuple[Any, ...]:
    # counts, not shapes: a dense layer may have become a convolution
    return tuple(product(w.shape) for w in typed.weights[node]) or (node.layer.type,)


# --- layers ----------------------------------------------------------------------------------------------------------


def changes(a: TypedGraph, b: TypedGraph) -> list[Change]:
    """What became of each layer, in the order of the second net; removed ones come last. Of one
    network only names can differ.
    """
    pairs = match_nodes(a, b)
    if graph_hash(a) == graph_hash(b):
        return [
            Change("renamed", pairs[node].name, node.name)
            for node in b.graph.nodes
            if pairs[node].name != node.name
        ]
    found: list[Change] = []
    for given in b.graph.inputs:
        old = next((i for i in a.graph.inputs if i.value.name == given.value.name), None)
        if old is None:
            found.append(Change("added", None, given.value.name, (str(b.types[given.value]),)))
        elif told := tuple(facts_of_input(a, b, old, given)):
            found.append(Change("changed", old.value.name, given.value.name, told))
    for node in b.graph.nodes:
        twin = pairs.get(node)
        if twin is None:
            found.append(Change("added", None, node.name, (node.layer.type,)))
            continue
        facts = tuple(facts_of(a, b, twin, node, pairs))
        if facts or twin.name != node.name:
            found.append(
                Change("renamed" if twin.name != node.name else "changed", twin.name, node.name, facts)
            )
    gone = [
        i.value.name for i in a.graph.inputs if i.value.name not in {j.value.name for j in b.graph.inputs}
    ]
    taken = set(pairs.values())
    if {origin(v, {}) for v in a.graph.outputs} != {origin(v, pairs) for v in b.graph.outputs}:
        found.append(
            Change(
                "changed",
                "the outputs",
                "the outputs",
                (f"{names_of(a.graph.outputs)} -> {names_of(b.graph.outputs)}",),
            )
        )
    return [
        *found,
        *(Change("removed", name, None) for name in gone),
        *(Change("removed", n.name, None, (n.layer.type,)) for n in list_leftovers(a, taken)),
    ]


def facts_of_input(a: TypedGraph, b: TypedGraph, old: Input, new: Input) -> Iterator[str]:
    before, after = a.types[old.value], b.types[new.value]
    if before != after:
        yield (f"{before} -> {after}" if before.shape != after.shape else f"{before.dtype} -> {after.dtype}")
    contracts = [show_value(i.contract) if i.contract is not None else "none" for i in (old, new)]
    if contracts[0] != contracts[1]:
        yield f"image {contracts[0]} -> {contracts[1]}"
    if old.node is not None and new.node is not None:
        yield from facts_of_layer(old.node, new.node)
    elif old.node is not new.node:
        yield " -> ".join(
            i.node.layer.type if i.node is not None else "given from outside" for i in (old, new)
        )


def names_of(values: Iterable[Value]) -> str:
    return ", ".join(v.name for v in values)


def untold(found: Iterable[Change]) -> list[Change]:
    """What is added to the changes of networks that are not the same, so that a list of mere names
    never stands below that headline.
    """
    if any(change.facts or change.status != "renamed" for change in found):
        return []
    return [
        Change(
            "changed",
            "the net",
            "the net",
            ("by what no row tells: `netspec show --resolved` of both has it",),
        )
    ]


def facts_of_layer(old: Node, new: Node) -> Iterator[str]:
    """Another type, or other values of parameters."""
    if old.layer.type != new.layer.type:
        yield f"{old.layer.type} -> {new.layer.type}"
    else:
        for name in new.layer.params:
            before, after = old.layer.__dict__[name], new.layer.__dict__[name]
            if before != after and spread(before) != spread(after):
                yield f"{name} {show_value(before)} -> {show_value(after)}"


def facts_of(a: TypedGraph, b: TypedGraph, old: Node, new: Node, pairs: dict[Node, Node]) -> Iterator[str]:
    yield from facts_of_layer(old, new)
    if [origin(v, {}) for v in old.bottoms] != [origin(v, pairs) for v in new.bottoms]:
        yield f"reads {', '.join(v.name for v in old.bottoms)} -> {', '.join(v.name for v in new.bottoms)}"
    if old.loss_weights != new.loss_weights:
        yield f"loss_weight {list(old.loss_weights)} -> {list(new.loss_weights)}"
    yield from facts_of_training(a, b, old, new, pairs)
    shapes = [(a.types[x], b.types[y]) for x, y in zip(old.tops, new.tops, strict=False)]
    yield from (f"gives {before} -> {after}" for before, after in shapes if before.shape != after.shape)


def facts_of_training(
    a: TypedGraph, b: TypedGraph, old: Node, new: Node, pairs: dict[Node, Node]
) -> Iterator[str]:
    """What a layer's weights learn by, whose they are, and how the layer behaves."""
    for index, (mine, weight) in enumerate(zip(a.weights[old], b.weights[new], strict=False)):
        before, after = (
            node.params[index] if index < len(node.params) else ParamSpec() for node in (old, new)
        )
        for name in ("lr_mult", "decay_mult"):
            if mine.name == weight.name and getattr(before, name) != getattr(after, name):
                yield f"{name} of {weight.name} {getattr(before, name):g} -> {getattr(after, name):g}"
        owner, theirs = a.shared.get((old, index)), b.shared.get((new, index))
        if (owner and (owner[0], owner[1])) != (theirs and (pairs.get(theirs[0]), theirs[1])):
            of = [f"of {each[0].name}" if each else "its own" for each in (owner, theirs)]
            yield f"{weight.name} {of[0]} -> {of[1]}"
    if old.stopped != new.stopped:
        yield " -> ".join(
            f"propagate_down {[i not in node.stopped for i in range(len(node.bottoms))]}".lower()
            for node in (old, new)
        )
    if old.mode != new.mode:
        yield f"phase {old.mode or 'as called'} -> {new.mode or 'as called'}"


def spread(value: Any) -> Any:
    """3 and [3, 3] as one."""
    if isinstance(value, tuple) and value and all(v == value[0] for v in value):
        return value[0]
    return value


def origin(value: Value, pairs: dict[Node, Node]) -> tuple[Any, ...]:
    """Which node of the first net makes a value, or which input it is."""
    if value.node is not None:
        return (pairs.get(value.node, value.node), value.index)
    return (value.name,)


# --- weights ---------------------------------------------------------------------------------------------------------


def moves(a: TypedGraph, b: TypedGraph) -> list[Move]:
    """For each tensor of b where it comes from; then the tensors of a that go nowhere."""
    pairs = match_nodes(a, b)
    olds = {(ref.node, ref.index): ref for ref in a.weight_refs()}
    found: list[Move] = []
    for ref in b.weight_refs():
        if not ref.shared:
            twin = pairs.get(ref.node)
            old = olds.get((twin, ref.index)) if twin is not None else None
            found.append(move(old if old is not None and same_order(a, b, old, ref) else None, ref))
    used = {m.source for m in found}
    gone = [ref for ref in olds.values() if not ref.shared and ref.name not in used]
    return [*found, *(Move("dropped", ref.name, ref.weight.shape, None, None) for ref in gone)]


def same_order(a: TypedGraph, b: TypedGraph, old: WeightRef, new: WeightRef) -> bool:
    """Whether a window's weights and a dense layer's run over the same inputs in one order: the
    dense layer reads what fills the window.
    """
    flat, folded, typed = (old, new, a) if len(old.weight.shape) == 2 else (new, old, b)
    if len(flat.weight.shape) != 2 or len(folded.weight.shape) <= 2 or not flat.node.bottoms:
        return True
    bottom = typed.bottoms(flat.node)[0]
    axis = flat.node.layer.along(bottom)
    read, window = (
        [size for size in shape if size != 1] for shape in (bottom.shape[axis:], folded.weight.shape[1:])
    )
    # a single axis longer than 1 flattens in one order only
    return read == window or len(read) == 1


def move(old: WeightRef | None, new: WeightRef) -> Move:
    fresh = Move("new", None, None, new.name, new.weight.shape)
    if old is None or product(old.weight.shape) != product(new.weight.shape):
        return fresh
    # (out, in) on one side, (in, out) on the other: a dense layer with transpose
    turned = len(old.weight.shape) == 2 and old.weight.outputs != new.weight.outputs
    before = old.weight.shape[::-1] if turned else old.weight.shape
    if not flattens_alike(before, new.weight.shape):
        return fresh
    same = before == new.weight.shape and not turned
    if not same:
        status = "reshaped"
    elif old.name == new.name:
        status = "kept"
    else:
        status = "renamed"
    return Move(status, old.name, old.weight.shape, new.name, new.weight.shape, turned)


def flattens_alike(a: tuple[Size, ...], b: tuple[Size, ...]) -> bool:
    """Whether one is the other with axes folded or ones put in, the first axis staying: dense to
    convolution, [5] to [1, 5, 1, 1].
    """
    short, long = ([size for size in shape if size != 1] for shape in (a, b))
    return short == long or (bool(short) and bool(long) and short[0] == long[0])


def totals(a: TypedGraph, b: TypedGraph) -> list[tuple[str, Size | None, Size | None]]:
    """Counts that differ, by name: of both nets."""
    costs: tuple[NetCost, NetCost] = (cost(a), cost(b))
    rows: list[tuple[str, Size | None, Size | None]] = [
        (name, getattr(costs[0], name), getattr(costs[1], name)) for name in COUNTED
    ]
    rows += [(f"memory in {use}", costs[0].memory[use], costs[1].memory[use]) for use in costs[0].memory]
    return [row for row in rows if row[1] != row[2]]
