"""Channels taken out of a net and of its spec. In: a run's net and a share; out: a smaller spec, its
weights, and the net of the old size that computes the same. Knows no layer type.

Which weights a channel reaches is found by inference: the spec is tried with a number of outputs more
or less, and the weights whose shape changes with it are those that make the channel or read it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, NamedTuple

import torch
from torch import Tensor

from netspec import driver
from netspec.compiled import compile as compiled
from netspec.diagnostics import SpecError, fail
from netspec.driver import state_of
from netspec.emit.resolved_spec import build_resolved_tree
from netspec.ir.graph import TypedGraph
from netspec.read_options import Reading
from netspec.source import Source
from netspec.syntax.located import plain
from netspec.syntax.writer import dump, escape_dollars
from netspec.training.nets import tensors_of
from netspec.training.run.origins import origins_of

__all__ = ["Smaller", "take_channels"]

WIDTH = "num_output"
CLOSE = 1e-9
"""Of the values' size, in float64: what the order of sums may change."""
SIZES = (32, 64, 96, 224, 8, 16)
"""Tried for sizes that stay open."""
SEED = 0

Tensors = Mapping[str, Tensor]


class Reach(NamedTuple):
    """Where a layer's channels stand: the axis of each weight by name, and how many numbers along it
    belong to one channel.
    """

    layer: str
    width: int
    axes: Mapping[str, tuple[int, int]]
    made: str


@dataclass(frozen=True, eq=False)
class Smaller:
    """The smaller net: its text, its tensors; kept: how many channels of how many each layer has left;
    masked: the tensors of the net of the old size, which computes the same.
    """

    program: driver.Program
    tensors: Tensors
    kept: Mapping[str, tuple[int, int]]
    masked: Tensors = field(default_factory=dict)


def take_channels(program: driver.Program, tensors: Tensors, share: float) -> Smaller:
    """Take a share of the channels out of every layer where no other depends on their number, those
    whose weights have the least sum of absolute values (Li et al. 2017). NS615: there is none.

    It is proven before it is answered: on drawn inputs the smaller net gives what the old one gives
    with the weights that read these channels at 0, in float64.
    """
    tree = tree_of(program)
    typed = program.graph("deploy")
    reached = find_reach(tree, program, typed)
    if not reached:
        raise fail("NS615", "no layer has channels that could go without others", path=program.name)
    made = shrink(tree, program, tensors, reached, share)
    if not agree(program, made):
        sound = [each for each in reached if agree(program, shrink(tree, program, tensors, [each], share))]
        if not sound:
            raise fail("NS615", "what reads the channels mixes them with others", path=program.name)
        made = shrink(tree, program, tensors, sound, share)
        if not agree(program, made):
            raise fail("NS615", "what reads the channels mixes them with others", path=program.name)
    return made


# --- what depends on what ------------------------------------------------------------------------------------------


def find_reach(tree: dict[str, Any], program: driver.Program, typed: TypedGraph) -> list[Reach]:
    """The layers whose number of channels is theirs alone, in the order of the net."""
    taken: set[tuple[str, int]] = set()
    found = []
    for node in typed.graph.nodes:
        width = node.layer.__dict__.get(WIDTH)
        weights = typed.weights[node]
        if not isinstance(width, int) or width < 2 or not weights:
            continue
        reach = try_width(tree, program, typed, node.name, width)
        if reach is None or taken & {(name, axis) for name, (axis, _) in reach.axes.items()}:
            continue
        taken |= {(name, axis) for name, (axis, _) in reach.axes.items()}
        found.append(reach)
    return found


def try_width(
    tree: dict[str, Any], program: driver.Program, typed: TypedGraph, layer: str, width: int
) -> Reach | None:
    """What a layer's channels reach; None where the net is none with fewer of them, or gives other
    outputs, or something does not go channel by channel.
    """
    try:
        other = read(with_widths(tree, {layer: width - 1}), program).graph("deploy")
    except SpecError:
        return None
    if [*map(str, output_types(other))] != [*map(str, output_types(typed))]:
        return None
    before, after = shapes_of(typed), shapes_of(other)
    axes = {}
    for name, shape in before.items():
        changed = [axis for axis, (a, b) in enumerate(zip(shape, after[name], strict=True)) if a != b]
        if not changed:
            continue
        each = shape[changed[0]] // width
        if (
            len(changed) > 1
            or shape[changed[0]] != each * width
            or after[name][changed[0]] != each * (width - 1)
        ):
            return None
        axes[name] = changed[0], each
    own = [ref for ref in typed.weight_refs() if ref.node.name == layer]
    made = own[0].name
    readers = [name for name in axes if name not in {ref.name for ref in own}]
    matrices = [name for name in readers if len(before[name]) > 1]
    if made not in axes or not matrices or any(ref.shared for ref in typed.weight_refs() if ref.name in axes):
        return None
    return Reach(layer, width, axes, made)


def output_types(typed: TypedGraph) -> list[Any]:
    return [typed.types[value] for value in typed.graph.outputs]


def shapes_of(typed: TypedGraph) -> dict[str, tuple[int, ...]]:
    return {
        ref.name: tuple(int(str(size)) for size in ref.weight.shape)
        for ref in typed.weight_refs()
        if not ref.shared
    }


# --- the smaller net -------------------------------------------------------------------------------------------------


def shrink(
    tree: dict[str, Any], program: driver.Program, tensors: Tensors, reached: Sequence[Reach], share: float
) -> Smaller:
    """The net without these channels, and the old one with the weights that read them at 0."""
    small = dict(tensors)
    masked = {name: tensor.clone() for name, tensor in tensors.items()}
    kept: dict[str, tuple[int, int]] = {}
    for each in reached:
        keep = choose(tensors[each.made], each.axes[each.made][0], share)
        gone = [i for i in range(each.width) if i not in set(keep)]
        kept[each.layer] = len(keep), each.width
        for name, (axis, count) in each.axes.items():
            small[name] = small[name].index_select(axis, spread(keep, count))
            if name.rpartition(".")[0] != each.layer and tensors[name].ndim > 1:
                masked[name].index_fill_(axis, spread(gone, count), 0)
    widths = {layer: left for layer, (left, _) in kept.items()}
    return Smaller(read(with_widths(tree, widths), program), small, kept, masked)


def choose(weight: Tensor, axis: int, share: float) -> list[int]:
    """The channels to keep, in order: those whose weights have the greatest sum of absolute values."""
    size = weight.shape[axis]
    sums = weight.detach().abs().double().movedim(axis, 0).reshape(size, -1).sum(1)
    left = max(1, min(size, ceil(round((1 - share) * size, 6))))
    order = torch.argsort(sums, descending=True, stable=True)
    return sorted(order[:left].tolist())


def spread(channels: Sequence[int], count: int) -> Tensor:
    """The numbers of these channels along an axis that has `count` for each."""
    return torch.tensor([i * count + j for i in channels for j in range(count)], dtype=torch.int64)


def with_widths(tree: dict[str, Any], widths: Mapping[str, int]) -> dict[str, Any]:
    """A spec with other numbers of outputs."""
    return {**tree, "layers": [with_width(layer, widths.get(layer["name"])) for layer in tree["layers"]]}


def with_width(layer: dict[str, Any], width: int | None) -> dict[str, Any]:
    if width is None:
        return layer
    found = dict(layer)
    for key, value in layer.items():
        if key == WIDTH:
            found[key] = width
        elif isinstance(value, dict) and WIDTH in value:
            found[key] = {**value, WIDTH: width}
    return found


def tree_of(program: driver.Program) -> dict[str, Any]:
    """The spec written out, but `train:` as it stands, and without what it expects of its size."""
    views = {state_of(typed.graph.phase, program.reading): typed for typed in program.graphs()}
    tree = build_resolved_tree(program.resolved, views)
    section = program.resolved.spec.section("train")
    if section is not None:
        said = escape_dollars(plain(section))
        if isinstance(tree["train"].get("loss"), list):
            said["loss"] = tree["train"]["loss"]
        tree["train"] = said
    return {key: value for key, value in tree.items() if key != "expect"}


def read(tree: dict[str, Any], program: driver.Program) -> driver.Program:
    place = os.path.join(program.resolved.spec.folder, "spec.yaml")
    return driver.load_source(Source(place, dump(tree)), Reading(origins=origins_of(program)))


# --- the proof -------------------------------------------------------------------------------------------------------


def agree(program: driver.Program, made: Smaller) -> bool:
    """Whether the smaller net gives what the masked one does."""
    for size in SIZES:
        try:
            fed = draw_inputs(program.graph("deploy"), size)
            wanted, found = (
                answers(each, tensors, fed)
                for each, tensors in ((program, made.masked), (made.program, made.tensors))
            )
        except (RuntimeError, IndexError):  # no size that the net takes
            continue
        return all(
            bool((a - b).abs().max() <= CLOSE * max(1.0, float(a.abs().max())))
            for a, b in zip(wanted, found, strict=True)
        )
    return False


def draw_inputs(typed: TypedGraph, size: int) -> list[Tensor]:
    """Two samples of every input; indices are 0 and 1."""
    draw = torch.Generator().manual_seed(SEED)
    found = []
    for given in typed.graph.inputs:
        said = typed.types[given.value]
        shape = [n if isinstance(n, int) else {"N": 2}.get(str(n), size) for n in said.shape]
        whole = said.dtype == "int64"
        found.append(
            torch.randint(0, 2, shape, generator=draw)
            if whole
            else torch.randn(shape, generator=draw, dtype=torch.float64)
        )
    return found


def answers(program: driver.Program, tensors: Tensors, fed: Sequence[Tensor]) -> list[Tensor]:
    typed = program.graph("deploy")
    net: Any = compiled(typed)
    with torch.no_grad():
        for name, tensor in tensors_of(net, typed).items():
            tensor.copy_(tensors[name])
        made = net.double().eval()(*fed)
    return [*flatten(made)]


def flatten(made: Any) -> Iterator[Tensor]:
    if isinstance(made, Tensor):
        yield made
    elif isinstance(made, Mapping):
        yield from (value for value in made.values() if isinstance(value, Tensor))
    else:
        yield from made
