"""Weights of another library's net for ours of the same structure: layer by layer, in the order in which
both run. In: a file's tensors, a TypedGraph; out: which tensor goes where, or NS609. Knows no layer type.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

from torch import Tensor

from netspec.diagnostics import fail
from netspec.ir.field import ends
from netspec.ir.graph import Node, TypedGraph, WeightRef
from netspec.training.foreign_names import Foreign, Unit, read_foreign

__all__ = ["Mapped", "map_by_structure"]


class Mapped(NamedTuple):
    """names: of the file's tensors by those of the net; tensors: of the file, in the net's shapes; ones:
    tensors of the net that are 1 where the file has none; left: those that have no place; notes: where
    the nets may differ all the same.
    """

    names: Mapping[str, str]
    tensors: Mapping[str, Tensor]
    ones: tuple[str, ...]
    left: tuple[str, ...]
    notes: tuple[str, ...]


def map_by_structure(
    held: Mapping[str, Tensor], typed: TypedGraph, anew: Callable[[str], bool], path: str
) -> Mapped | None:
    """Which tensor goes where; None where the file's names are of no known family.

    anew: whether a tensor of the net starts anew, and may be of any shape. NS609: the layers are not
    the same, one by one, or their order is not certain.
    """
    foreign = read_foreign({name: tuple(tensor.shape) for name, tensor in held.items()})
    if foreign is None:
        return None
    ours, ones, nodes = [], [], []
    for node, unit, own in list_units(typed, path):
        nodes.append(node)
        ours.append(unit)
        ones += own
    refuse_unlike(ours, foreign, anew, path)
    names, tensors = {}, dict(held)
    for mine, theirs in zip(ours, foreign.units, strict=True):
        for role, name in mine.names.items():
            source = theirs.names[role]
            names[name] = source
            if fit(mine.shapes[role], theirs.shapes[role]):
                tensors[source] = held[source].reshape(mine.shapes[role])
    return Mapped(names, tensors, tuple(ones), foreign.left, tuple(differ(typed, nodes, foreign)))


# --- our layers in order ---------------------------------------------------------------------------------------------


def list_units(typed: TypedGraph, path: str) -> Iterator[tuple[Node, Unit, list[str]]]:
    """Layers with weights in the order in which they run, whatever the order of the text: of branches
    that are added, the one of more layers first. A normalisation and the factors behind it are one.
    """
    refs: dict[Node, list[WeightRef]] = {}
    for ref in typed.weight_refs():
        if not ref.shared:
            refs.setdefault(ref.node, []).append(ref)
    uses, taken = typed.graph.uses(), set[Node]()
    for node in in_order(typed, path):
        if node not in refs or node in taken:
            continue
        own = {ref.weight.name: ref for ref in refs[node]}
        ones = []
        if "batch_statistics" in node.layer.traits and "mean" in own:
            ones = [ref.name for name, ref in own.items() if name not in ("mean", "variance")]
            own = {name: ref for name, ref in own.items() if name in ("mean", "variance")}
            behind = uses.get(node.tops[0], [])
            if (
                len(behind) == 1
                and behind[0] in refs
                and behind[0].layer.scales_channels(*typed.bottoms(behind[0]))
            ):
                taken.add(behind[0])
                own |= {ref.weight.name: ref for ref in refs[behind[0]]}
        names = {role: ref.name for role, ref in own.items()}
        shapes = {role: tuple(int(str(n)) for n in ref.weight.shape) for role, ref in own.items()}
        yield node, Unit(node.name, "mean" in own, names, shapes), ones


def in_order(typed: TypedGraph, path: str) -> list[Node]:
    """Nodes, each behind what it reads; of two branches with as many layers that are added, none is
    known to be first: NS609.
    """
    depth: dict[Node, int] = {}
    for each in typed.graph.nodes:
        below = [depth[value.node] for value in each.bottoms if value.node in depth]
        depth[each] = max(below, default=0) + bool(typed.weights[each])
    found: dict[Node, None] = {}
    work: list[Node | None] = [value.node for value in reversed(typed.graph.outputs)]
    while work:
        node = work[-1]
        if node is None or node in found or node not in depth:
            work.pop()
            continue
        makers = [maker for value in node.bottoms if (maker := value.node) is not None and maker in depth]
        if "elementwise" in node.layer.traits and len(dict.fromkeys(makers)) > 1:
            makers.sort(key=lambda maker: -depth[maker])
            if depth[makers[0]] == depth[makers[1]] and depth[node]:
                fact = f"{node.name} joins branches of as many layers: which is which does not follow"
                raise fail("NS609", fact, path=path)
        left = [maker for maker in makers if maker not in found]
        if left:
            work.append(left[0])
        else:
            work.pop()
            found[node] = None
    return list(found)


# --- what does not fit -----------------------------------------------------------------------------------------------


def bare(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without the 1s at its end, where a dense layer is a convolution of one pixel, and of what is
    added to each sample without the 1 in front.
    """
    found = [*shape]
    while len(found) > 1 and found[0] == 1:
        del found[0]
    while len(found) > 1 and found[-1] == 1:
        found.pop()
    return tuple(found)


def fit(mine: Sequence[int], theirs: Sequence[int]) -> bool:
    """Whether a tensor is another in another shape; a dense layer may stand as a convolution that covers
    the whole picture.
    """
    if bare(mine) == bare(theirs):
        return True
    return len(mine) == 2 and [*mine] == [theirs[0], prod(theirs[1:])]


def refuse_unlike(ours: Sequence[Unit], foreign: Foreign, anew: Callable[[str], bool], path: str) -> None:
    """NS609 at the first layer that is another one."""
    counts = f"the net has {len(ours)} layers with weights, the file ({foreign.family}) {len(foreign.units)}"
    notes = (counts,) if len(ours) != len(foreign.units) else ()
    pairs = list(zip(ours, foreign.units, strict=False))
    for number, (mine, theirs) in enumerate(pairs, 1):
        last = number == len(ours) == len(foreign.units)
        why = unlike(mine, theirs, last, anew)
        if why:
            fact = f"layer {number} of those with weights, {mine.name} and {theirs.name}: {why}"
            raise fail("NS609", fact, path=path, notes=notes)
    if notes:
        raise fail("NS609", counts, path=path)


def unlike(mine: Unit, theirs: Unit, last: bool, anew: Callable[[str], bool]) -> str:
    """Why two layers are not the same; the last may have another number of classes, which is said
    elsewhere.
    """
    if mine.norm != theirs.norm or set(mine.names) != set(theirs.names):
        return f"{', '.join(mine.names)} in the net, {', '.join(theirs.names)} in the file"
    for role, shape in mine.shapes.items():
        other = theirs.shapes[role]
        if fit(shape, other) or anew(mine.names[role]):
            continue
        if not (last and bare(shape)[1:] == bare(other)[1:]):
            return f"{role} is {list(shape)} in the net, {list(other)} in the file"
    return ""


# --- what no file tells ----------------------------------------------------------------------------------------------


def differ(typed: TypedGraph, nodes: Sequence[Node], foreign: Foreign) -> Iterator[str]:
    """Where the nets compute otherwise with the same weights, as far as the family's habits tell."""
    contracts = [given.contract for given in typed.graph.inputs if given.contract is not None]
    if any(contract.color != "rgb" for contract in contracts) or not contracts:
        yield f"its pixels were RGB, of 0 to 1, less {foreign.pixels}: `image:` of the input says otherwise"
    eps = foreign.eps
    others = [node.name for node in nodes if abs(node.layer.__dict__.get("eps", eps) - eps) > eps / 10]
    if others:
        yield f"eps is {eps:g} there, not so in {', '.join(others[:3])}{' ...' if len(others) > 3 else ''}"
    if foreign.family == "ResNet":
        yield from strides(typed, nodes, foreign)


def strides(typed: TypedGraph, nodes: Sequence[Node], foreign: Foreign) -> Iterator[str]:
    """Where a ResNet's steps are others than torchvision's: in a unit of three layers the second has
    the stride; the first pooling has a border of 1.
    """
    deep = {unit.name.rpartition(".")[0] for unit in foreign.units if unit.name.endswith(".conv3")}
    wrong = []
    for node, unit in zip(nodes, foreign.units, strict=True):
        place, _, last = unit.name.rpartition(".")
        wanted = {"conv1": 1, "conv2": 2}.get(last)
        narrows = place in deep and place.endswith(".0") and not place.startswith("layer1.")
        if narrows and wanted is not None and step(typed, node) != wanted:
            wrong.append(node.name)
    if wrong:
        names = ", ".join(wrong[:4]) + (" ..." if len(wrong) > 4 else "")
        yield f"there the 3x3 of a unit has its stride of 2, here the strides of {names} are others"
    pool = next((node for node in typed.graph.nodes if "pooling" in node.layer.traits), None)
    if pool is not None and not any(map(any, map(ends, pool.layer.window(*typed.bottoms(pool)).pads))):
        yield f"there the first pooling has a border of 1, here {pool.name} has none"


def step(typed: TypedGraph, node: Node) -> int:
    """The stride of a layer along its last axis."""
    return int(str(node.layer.window(*typed.bottoms(node)).stride[-1]))
