"""What part of the input one unit of each blob can see. In: a typed graph; out: per blob, input and
axis its size, stride and place.

A field is kept for the widest and the narrowest of the branches that lead to a blob. Knows no layer
type: layers say what they read.
"""

from collections.abc import Callable, Mapping
from math import ceil, floor, inf, lcm
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from netspec.analysis.field.reads import behind, find_batch_mixer, reads, reads_of
from netspec.analysis.field.time_axis import find_named_time, place_bound
from netspec.ir.field import HERE, Number, Reads, Step
from netspec.ir.graph import Node, TypedGraph, Value
from netspec.ir.layer import Layer
from netspec.ir.types import TensorType

__all__ = [
    "DEFINITION",
    "Extent",
    "Field",
    "Fields",
    "as_json",
    "culprit",
    "explain_unshifted",
    "fields",
    "fields_of",
    "later",
    "spatial",
]

EPS = 1e-6
"""Strides are sums and products of few fractions: what differs by less is rounding, no part of a
pixel.
"""
DEFINITION = (
    "receptive field: input pixels from the first to the last that one unit sees, over the narrowest and the"
    " widest branch; stride: pixels from one unit's field to the next's; begin: the first pixel that unit 0"
    " sees, negative in the padding, whatever pad_mode puts there; all: it sees the whole axis"
)


class Extent(NamedTuple):
    """Along one axis of an input, unit i sees stretches of `width` pixels that begin at first +
    stride*i to last + stride*i, `grid` apart.

    Behind plain convolutions first == last; behind a transposed one a unit sees only those
    stretches that begin on the grid.
    """

    stride: Number = 1
    first: Number = 0
    last: Number = 0
    origin: Number = 0
    grid: Number = 1
    width: Number = 1

    @property
    def size(self) -> Number:
        """Pixels from the first that a unit can see to the last; inf where there is no bound."""
        span = self.last - self.first
        if span == inf:
            return inf
        return floor((self.grid * floor(span / self.grid + EPS) if self.grid else span) + self.width + EPS)

    @property
    def begin(self) -> Number:
        """The first pixel that unit 0 sees; negative: in the padding."""
        return self.first

    @property
    def end(self) -> Number:
        """The last pixel that unit 0 sees."""
        return self.last + self.width - 1

    def span(self, unit: int) -> tuple[Number, Number]:
        """The first and the last pixel that a unit sees: of its stretches those on the grid."""
        first, last = self.first + self.stride * unit, self.last + self.stride * unit
        if self.grid and abs(first) != inf and abs(last) != inf:
            first = self.origin + self.grid * ceil((first - self.origin) / self.grid - EPS)
            last = max(first, self.origin + self.grid * floor((last - self.origin) / self.grid + EPS))
        return first, last + self.width - 1

    @property
    def center(self) -> float:
        """The middle of what unit 0 sees."""
        return (self.begin + self.end) / 2

    def through(self, step: Step) -> "Extent":
        """The extent of units that read these units by `step`."""
        if (
            # nearly all layers: whole numbers behind plain windows, without rounding
            self.stride == self.grid
            and self.first == self.last
            and type(step.stride) is int
            and type(step.first) is int
        ):
            begin, stride = self.first + self.stride * step.first, self.stride * step.stride
            return Extent(
                stride,
                begin,
                begin,
                begin,
                stride,
                self.stride * (step.last - step.first) + self.width,
            )
        stride = self.stride * step.stride
        first, last = self.first + self.stride * step.first, self.last + self.stride * step.last
        if first == -inf or last == inf:
            return self._replace(stride=stride, first=first, last=last)
        if (
            not self.grid
            or abs(stride / self.grid - round(stride / self.grid)) > EPS
            # the units do not step along the grid: each sees other points, so bounds alone are kept
            or round(stride / self.grid) == 0
        ):
            return self._replace(stride=stride, first=first, last=last)
        if isinstance(first, float) or isinstance(last, float) or self.grid != 1:
            first = self.origin + self.grid * ceil((first - self.origin) / self.grid - EPS)
            last = max(first, self.origin + self.grid * floor((last - self.origin) / self.grid + EPS))
            if abs(stride - round(stride)) < EPS:
                stride = round(stride)
        return Extent(stride, first, first, first, stride, last - first + self.width)

    def join(self, other: "Extent") -> "Extent":
        """What a unit sees that reads a unit of each at the same place."""
        if self.begin <= other.begin and other.end <= self.end:
            return self
        if other.begin <= self.begin and self.end <= other.end:
            return other
        begin, end = min(self.begin, other.begin), max(self.end, other.end)
        if begin == -inf:
            return self._replace(first=begin, last=end - self.width + 1)
        return Extent(
            max(self.stride, other.stride),
            begin,
            begin,
            begin,
            max(self.stride, other.stride),
            end - begin + 1,
        )


class Field(NamedTuple):
    """The field along one axis of a blob: which axis of the input it lies on, over the widest and
    over the narrowest branch.

    period: the least shift of the input that shifts the blob; more than the stride where it was
    coarser on the way. edge: how far past the end of its field a unit near the border may see,
    where a border was made of what it pads.
    """

    axis: int
    wide: Extent = Extent()
    narrow: Extent = Extent()
    period: int = 1
    edge: Number = 0

    @property
    def stride(self) -> Number:
        return self.wide.stride

    @property
    def size(self) -> Number:
        return self.wide.size


Axes = tuple[Field | None, ...]
"""A field for each axis of a blob; None: along it no single axis of the input moves. An input axis
in none of them is seen whole.
"""
Fields = Mapping[Value, Mapping[Value, Axes]]


KNOWN: "WeakKeyDictionary[TypedGraph, Fields]" = WeakKeyDictionary()
"""Fields that were found already: `expect:` and the lints ask for those of the same graph."""


def fields(typed: TypedGraph) -> Fields:
    """Of every value, by input, the fields of its axes. An input that a value does not depend on is
    left out.
    """
    if typed not in KNOWN:
        KNOWN[typed] = find_fields(typed)
    return KNOWN[typed]


def find_fields(typed: TypedGraph) -> Fields:
    """The same, not looked up."""
    found: dict[Value, dict[Value, Axes]] = {}
    for given in typed.graph.inputs:
        found[given.value] = {
            given.value: tuple(Field(axis) for axis in range(typed.types[given.value].rank))
        }
    for node in typed.graph.nodes:
        behind = [found.get(v, {}) for v in node.bottoms]
        single = len(behind) == 1
        if single and "elementwise" in node.layer.traits and type(node.layer).field is Layer.field:
            found.update(dict.fromkeys(node.tops, behind[0]))
            continue
        steps = reads(typed, node) if any(behind) else ()
        for top in node.tops:
            rank = typed.types[top].rank
            merged: dict[Value, Axes] = {}
            for each, first in zip(behind, steps, strict=False):
                looks = reads_of(typed, top, node.tops[0], first)
                for source, axes in each.items():
                    seen = through(axes, looks, rank)
                    if single or source not in merged:
                        merged[source] = seen
                    else:
                        merged[source] = join(merged[source], seen)
            found[top] = merged
    return found


def through(axes: Axes, reads: Reads, rank: int) -> Axes:
    """The fields of a top's axes from those of one bottom. Axes alike, as of square images, are
    computed once.
    """
    made: list[Field | None] = []
    known: tuple[Any, ...] = ()
    result = Field(0)
    for step in reads[:rank]:
        field = axes[step.axis] if step is not None and step.axis < len(axes) else None
        if field is None or step is None or step[1:] == HERE:
            made.append(field)
            continue
        if known != (key := (field[1:], step[1:])):
            known, result = key, move_field(field, step)
        made.append(result if result.axis == field.axis else result._replace(axis=field.axis))
    return (*made, *(None,) * (rank - len(made)))


def move_field(field: Field, step: Step) -> Field:
    wide = field.wide.through(step)
    if isinstance(wide.stride, int):
        shift = wide.stride
    else:
        from fractions import (
            Fraction,
        )  # strides that are no whole numbers are rare, and the module slow to load

        # a stride p/q is whole again after p pixels; larger denominators are a float's rounding
        shift = Fraction(wide.stride).limit_denominator(100_000).numerator
    if field.narrow is field.wide:
        narrow = wide
    else:
        narrow = field.narrow.through(step)
    return Field(field.axis, wide, narrow, lcm(field.period, shift), field.edge + step.edge * field.stride)


def join(a: Axes, b: Axes) -> Axes:
    """Of a value that reads two others: the widest and the narrowest branch; None where the axes do
    not run along.
    """
    made: list[Field | None] = []
    for x, y in zip(a, b, strict=True):
        if x is None or y is None or x.axis != y.axis or abs(x.stride - y.stride) > EPS:
            made.append(None)
        elif x is y:
            made.append(x)
        else:
            narrow = min(x.narrow, y.narrow, key=lambda e: e.size)
            made.append(
                Field(
                    x.axis,
                    x.wide.join(y.wide),
                    narrow,
                    lcm(x.period, y.period),
                    max(x.edge, y.edge),
                )
            )
    return tuple(made)


def spatial(typed: TypedGraph, source: Value) -> tuple[int, ...]:
    """The axes of an input that a field is told for: all after the channels; where there are none,
    the time axis.
    """
    time = find_named_time(typed.types[source])
    if time not in (0, 1):
        return tuple(range(2, typed.types[source].rank))
    return (time,)


def time_axis(typed: TypedGraph, source: Value, known: Fields) -> int | None:
    """The axis that letters tell; else the one along which a layer reads all that came before;
    else, where windows slide, the last.

    None where it is one step long, as that of a first state, which has nothing later; -1 where
    nothing tells.
    """
    named, shape = find_named_time(typed.types[source]), typed.types[source].shape
    if named is not None:
        if shape[named] != 1:
            return named
        return None
    for each in known.values():
        for other, axes in each.items():
            run = next((f.axis for f in axes if f is not None and f.wide.begin == -inf), None)
            if run is not None and run < len(shape) and shape[run] in (1, typed.types[other].shape[run]):
                if shape[run] != 1:
                    return run
                return None
    slid = any("windowed" in node.layer.traits for node in typed.graph.nodes)
    if len(shape) <= 2:
        return None
    if slid:
        return len(shape) - 1
    return -1


def fields_of(typed: TypedGraph, value: Value, known: Fields) -> dict[str, dict[int, Field | None]]:
    """By input name and axis, the field of a value along the spatial axes of the input; None where
    it sees that axis whole.
    """
    found: dict[str, dict[int, Field | None]] = {}
    for source, axes in known.get(value, {}).items():
        by_axis = {f.axis: f for f in axes if f is not None}
        found[source.name] = {axis: by_axis.get(axis) for axis in spatial(typed, source)}
    return found


def as_json(typed: TypedGraph) -> dict[str, dict[str, dict[str, Any]]]:
    """By blob, input and axis: size, narrowest, stride, begin; null for an axis seen whole, and for
    a size without bound.
    """
    known = fields(typed)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for value in known:
        by_input = fields_of(typed, value, known)
        found[value.name] = {
            source: {str(axis): numbers(field) for axis, field in axes.items()}
            for source, axes in by_input.items()
        }
    return found


def numbers(field: Field | None) -> dict[str, Number | None] | None:
    if field is None:
        return None
    wide, narrow = field.wide, field.narrow
    sizes = {
        "size": wide.size,
        "narrowest": narrow.size,
        "stride": wide.stride,
        "begin": wide.begin,
    }
    return {name: None if abs(size) == inf else size for name, size in sizes.items()}


def later(typed: TypedGraph, value: Value, known: Fields) -> str | None:
    """Why a value is not proven causal; None where no part of it depends on a later input: unit i
    reads no input past its own time.
    """
    timed = False
    if (mixing := find_batch_mixer(typed, value)) is not None:
        return mixing
    for source, axes in known.get(value, {}).items():
        time = time_axis(typed, source, known)
        if time is None:
            continue
        if time < 0:
            return f"nothing tells which axis of {source.name} is time: call its size T"
        timed = True
        field = next((f for f in axes if f is not None and f.axis == time), None)
        if field is None:
            return f"it sees the whole time axis of {source.name}"
        ahead = field.wide.end + field.edge
        if ahead == inf:
            return f"it sees the end of {source.name} in the border at its beginning"
        # unit i stands at time stride * i, and sees as far from there as unit 0: that one tells for all
        if ahead > EPS:
            return f"it sees {ahead:g} {'step' if ahead == 1 else 'steps'} of {source.name} ahead"
    if timed:
        return None
    return "no input it depends on has a time axis"


def explain_unshifted(typed: TypedGraph, value: Value, known: Fields) -> str | None:
    """Why a shift of the input by the value's stride does not shift the value; None where it does,
    the border apart.
    """
    if not known.get(value):
        return "it depends on no input"
    if not any(spatial(typed, source) for source in known[value]):
        return "no input it depends on has an axis to shift along"
    for source, axes in known[value].items():
        by_axis = {f.axis: f for f in axes if f is not None}
        for axis in spatial(typed, source):
            field = by_axis.get(axis)
            if field is None:
                return f"axis {axis} of {source.name} is seen whole"
            if field.size == inf:
                return f"along axis {axis} of {source.name} it sees all there is before it, the border too"
            # a branch, or a layer before, shifts by coarser steps than the output does
            if field.period != field.stride:
                return (
                    f"its stride along axis {axis} is {field.stride:g}, but only shifts by {field.period} are"
                    " kept on the way"
                )
    if (mixing := find_batch_mixer(typed, value)) is not None:
        return mixing
    judged: Judged = {}
    bound = next(
        (node for node in behind(typed, value) if is_bound_to_places(typed, node, known, judged)), None
    )
    if bound is not None:
        return f"{bound.name} does something else at every place"
    return None


Judged = dict[tuple[int, tuple[TensorType, ...], tuple[frozenset[int], ...]], bool]
"""What was found of a layer, its bottoms, and the axes along which they move: copies of a block
share their layers.
"""


def is_bound_to_places(typed: TypedGraph, node: Node, known: Fields, judged: Judged) -> bool:
    """Whether a node treats the places of what shifts with the input differently."""
    moving = []
    for bottom in node.bottoms:
        sources = [(set(spatial(typed, source)), axes) for source, axes in known.get(bottom, {}).items()]
        moving.append(
            frozenset(
                i for own, axes in sources for i, f in enumerate(axes) if f is not None and f.axis in own
            )
        )
    key = (id(node.layer), typed.bottoms(node), tuple(moving))
    if key not in judged:
        judged[key] = place_bound(node.layer, key[1], moving)
    return judged[key]


def culprit(
    typed: TypedGraph,
    value: Value,
    known: Fields,
    reason: Callable[[TypedGraph, Value, Fields], str | None],
) -> Node | None:
    """The first node on the way to a value of which the same is true, though of no value that it
    reads.
    """
    for node in behind(typed, value):
        if reason(typed, node.tops[0], known) is not None:
            return node
    return None
