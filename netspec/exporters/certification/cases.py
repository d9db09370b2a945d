"""What a model is certified with: legal sizes for the open axes, and inputs that find faults. In: a
TypedGraph; out: Cases and arrays.

Data are made from fixed seeds, so a certificate can be repeated. Knows neither torch nor
onnxruntime.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from netspec.ir.boxes import Boxes
from netspec.ir.dims import Size, evaluate, symbols, untrace
from netspec.ir.graph import TypedGraph
from netspec.ir.types import TensorType

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = [
    "BATCHES",
    "SAMPLES",
    "Case",
    "LegalSizes",
    "Values",
    "array",
    "cases",
    "crop_cases",
    "number",
]

BATCHES = (1, 2, 3, 7)
"""Batch sizes tried: one, even, and odd ones that no vector width divides."""
KINDS = ("normal", "borders", "planes", "normal", "ties", "small", "large")
PICTURES = ("normal", "white", "borders", "black", "two", "natural", "ties", "planes")
"""Kinds of data: of real numbers, and where any input takes pictures. The first two are the most
telling.
"""
SCALES = {"small": 0.1, "large": 10.0}
SAMPLES = "samples"
"""The kind of real samples: their arrays are not made here."""
LARGEST = 4096  # as far as `check` looks for legal sizes
ORDINARY = 10
"""Open axes are longer than this for most cases, where that is legal: wide enough that borders and
the middle differ.
"""


@dataclass(frozen=True)
class Case:
    """One run: what kind of data, and a number for every symbol."""

    kind: str
    sizes: Mapping[str, int]
    seed: int

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{k}={v}" for k, v in self.sizes.items())])


class LegalSizes:
    """Which sizes a net takes: every fact holds, every size is at least 1. `least` bounds symbols
    that only the input contract knows.
    """

    def __init__(self, typed: TypedGraph, least: Mapping[str, int]) -> None:
        self.facts = [fact for _, fact in typed.facts]
        given = frozenset[str]().union(
            *(symbols(s) for i in typed.graph.inputs for s in typed.types[i.value].shape)
        )
        every = {
            str(s): s for t in typed.types.values() for s in map(untrace, t.shape) if not isinstance(s, int)
        }
        self.dims = [
            s for s in every.values() if symbols(s) <= given
        ]  # others are known only when the net has run
        self.least = least

    def legal(self, sizes: Mapping[str, int]) -> bool:
        """Whether the net takes these sizes, all symbols given."""
        try:
            return (
                all(sizes[name] >= low for name, low in self.least.items())
                and all(fact.holds(sizes) for fact in self.facts)
                and all(positive(evaluate(dim, sizes)) for dim in self.dims)
            )
        except ZeroDivisionError:
            return False

    def next(self, sizes: Mapping[str, int], names: Sequence[str], above: int) -> dict[str, int] | None:
        """The sizes with `names` all set to the least number above `above` that is legal."""
        trials = ({**sizes, **dict.fromkeys(names, n)} for n in range(above + 1, LARGEST + 1))
        return next((trial for trial in trials if self.legal(trial)), None)

    def first(self, names: Sequence[str], counts: Sequence[str]) -> dict[str, int] | None:
        """The least legal sizes: all of `names` equal, or where that is not legal, equal to one
        another within each of two parts.
        """
        for one in dict.fromkeys((1, *BATCHES[1:], 4, 8, 16)):
            base = dict.fromkeys(counts, one)
            if not names and self.legal(base):
                return base
            if names and (found := self.next(base, names, 0)) is not None:
                return found
        return self.unequal(names, counts)

    def unequal(self, names: Sequence[str], counts: Sequence[str]) -> dict[str, int] | None:
        """Legal sizes of different length, by growing squares of pairs: for nets whose axes cannot
        be equal.
        """
        for n in range(2, 65):
            for i in range(1, n):
                for chosen in range(len(names)):
                    trial = {
                        **dict.fromkeys(counts, 1),
                        **dict.fromkeys(names, n),
                        **({names[chosen]: i} if names else {}),
                    }
                    if self.legal(trial):
                        return trial
        return None


def positive(size: Size) -> bool:
    return isinstance(size, int) and size >= 1


def cases(
    typed: TypedGraph,
    inputs: Mapping[str, TensorType],
    least: Mapping[str, int],
    pictures: bool = False,
) -> list[Case]:
    """Every kind of data at ordinary sizes with several batch sizes, then other sizes, the least
    first; none if no size is legal.
    """
    shapes = [t.shape for t in inputs.values()]
    counts = sorted({str(s) for shape in shapes for s in shape[:1] if not isinstance(s, int)})
    names = sorted({name for shape in shapes for s in shape for name in symbols(s)} - set(counts))
    legal = LegalSizes(typed, least)
    base = legal.first(names, counts)
    if base is None:
        return []
    # well past the least that is legal, by half as much again
    usual = (
        legal.next(base, names, max([ORDINARY, *(base[name] + base[name] // 2 for name in names)]))
        if names
        else None
    )
    usual = usual or base
    batches = [b for n in BATCHES if legal.legal(b := {**usual, **dict.fromkeys(counts, n)})] or [usual]
    found = [
        Case(kind, batches[i % len(batches)], i) for i, kind in enumerate(PICTURES if pictures else KINDS)
    ]
    others = [base] if usual != base else []
    for i, sizes in enumerate(
        [*others, *grow_sizes(legal, usual, [name for name in names if name not in least])]
    ):
        small = {**sizes, **dict.fromkeys(counts, 2)}
        found.append(
            Case(
                ("normal", "ties", "borders")[i % 3],
                small if legal.legal(small) else sizes,
                len(found),
            )
        )
    return found


def grow_sizes(legal: LegalSizes, base: dict[str, int], names: Sequence[str]) -> Iterator[dict[str, int]]:
    """For each open axis the next two legal sizes, the other axes as they are."""
    for name in names:
        one = legal.next(base, (name,), base[name])
        two = legal.next(base, (name,), one[name]) if one else None
        yield from (sizes for sizes in (one, two) if sizes)


BEYOND = ((0, 0), (1, 0), (0, 1), (2, 1), (1, 2), (3, 3), (4, 7), (9, 2))
"""How much larger than its crop a picture is, in height and width: every parity, each axis by
itself, square and not.
"""


def crop_cases(base: Case, axes: Sequence[tuple[str, int]]) -> list[Case]:
    """Pictures for an input whose open `axes` (symbol, least) bound a crop; of one size where none
    is open.
    """
    if not axes:
        return [replace(base, kind=kind, seed=i) for i, kind in enumerate(("normal", "natural"))]
    trials = [
        {name: least + more for (name, least), more in zip(axes, pair, strict=False)} for pair in BEYOND
    ]
    return [Case(("normal", "natural")[i % 2], {**base.sizes, **sizes}, i) for i, sizes in enumerate(trials)]


Values = Literal["real", "pixels"] | Boxes | Size
"""What an input holds: real numbers around 0, pixels from 0 to 255, what makes boxes, or whole
numbers below a size.
"""


def array(case: Case, type_: TensorType, values: Values, index: int) -> "Array":
    """The data of the input number `index`."""
    import numpy as np

    shape = tuple(number(s, case) for s in type_.shape)
    rng = np.random.default_rng((case.seed, index))
    if isinstance(values, Boxes):
        return values.at(lambda size: number(size, case)).draw(rng, shape).astype(type_.dtype)
    if not isinstance(values, str):
        return whole(rng, shape, number(values, case)).astype(type_.dtype)
    data = MAKERS.get(case.kind, normal)(rng, shape)
    if values == "pixels":
        return np.asarray(PIXELS.get(case.kind, spread)(rng, shape, data), type_.dtype)
    return np.asarray(data * SCALES.get(case.kind, 1.0), type_.dtype)


def number(size: Size, case: Case) -> int:
    """A size with the case's numbers put in; 1 for one that is known only when the net has run."""
    value = evaluate(size, case.sizes)
    if isinstance(value, int):
        return value
    return 1


def whole(rng: "np.random.Generator", shape: tuple[int, ...], most: int) -> "Array":
    """Whole numbers below `most`; over the space of a channel all different where there are enough,
    as in a mask of a pooling.
    """
    import numpy as np

    plane = int(np.prod(shape[2:]))
    if len(shape) < 3 or not 1 < plane <= most:
        return rng.integers(0, most, shape)
    return np.stack([rng.permutation(most)[:plane] for _ in range(shape[0] * shape[1])]).reshape(shape)


def normal(rng: "np.random.Generator", shape: tuple[int, ...]) -> "Array":
    return rng.standard_normal(shape)


def borders(rng: "np.random.Generator", shape: tuple[int, ...]) -> "Array":
    """Zero but at the rim: corners in the first sample, whole edges in the others; without space,
    the first and the last feature.
    """
    import numpy as np

    data = rng.standard_normal(shape)
    near = np.zeros(shape, int)
    if len(shape) > 2:
        axes = range(2, len(shape))
    else:
        axes = range(1, len(shape))
    for axis in axes:
        rim = np.zeros(shape[axis], int)
        rim[[0, -1]] = 1
        near += rim.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    if shape:
        wanted = np.full(shape[:1] + (1,) * (len(shape) - 1), 1)
    else:
        wanted = np.zeros(())
    if shape:
        wanted[0] = len(axes)
    return np.where(near >= wanted, data, 0.0)


def planes(rng: "np.random.Generator", shape: tuple[int, ...]) -> "Array":
    """Constant over space, one value a sample and channel: every window is a tie, every border a
    step.
    """
    import numpy as np

    if len(shape) > 2:
        data = rng.standard_normal(shape[:2] + (1,) * (len(shape) - 2))
    else:
        data = np.full(shape, 0.5)
    return np.broadcast_to(data, shape)


def ties(rng: "np.random.Generator", shape: tuple[int, ...]) -> "Array":
    """-1, 0 and 1 only: many equal values side by side, and exact zeros."""
    return rng.integers(-1, 2, shape).astype(float)


def two_valued(rng: "np.random.Generator", shape: tuple[int, ...]) -> "Array":
    """-1 and 1 only, as a drawing has it."""
    return rng.choice((-1.0, 1.0), shape)


def natural(rng: "np.random.Generator", shape: tuple[int, ...]) -> "Array":
    """Smooth over space, the channels alike, a little noise: what a photograph has, in units of its
    contrast.
    """
    import numpy as np

    if len(shape) < 3:
        return rng.standard_normal(shape)
    data = np.zeros(shape)
    for axis in range(2, len(shape)):
        place = np.linspace(0, 1, shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        # a phase anywhere, and half a wave to four across the picture
        phase, waves = (
            rng.uniform(low, high, (shape[0], 1) + (1,) * (len(shape) - 2))
            for low, high in ((0, 6.3), (0.5, 4))
        )
        data = data + np.sin(6.283 * waves * place + phase)
    return (
        data
        + 0.3 * rng.standard_normal((*shape[:2], *(1,) * (len(shape) - 2)))
        + 0.1 * rng.standard_normal(shape)
    )


MAKERS = {
    "borders": borders,
    "planes": planes,
    "ties": ties,
    "two": two_valued,
    "white": two_valued,
    "black": two_valued,
    "natural": natural,
}


def spread(rng: "np.random.Generator", shape: tuple[int, ...], data: "Array") -> "Array":
    """Numbers around 0 as pixels, whole ones, which is what files hold."""
    import numpy as np

    return np.round(128 + 50 * data).clip(0, 255)  # a hundredth is cut off


def even(level: float) -> "Callable[[np.random.Generator, tuple[int, ...], Array], Array]":
    """Pictures of one level, and where there are several, half of the others with one corner that
    is not.
    """

    def made(rng: "np.random.Generator", shape: tuple[int, ...], data: "Array") -> "Array":
        import numpy as np

        found = np.full(shape, level)
        if shape and len(shape) > 2:
            found[1::2, ..., -1] = 255 - level
        return found

    return made


PIXELS: "dict[str, Callable[[np.random.Generator, tuple[int, ...], Array], Array]]" = {
    "white": even(255.0),
    "black": even(0.0),
    "two": lambda rng, shape, data: 127.5 + 127.5 * data,
}
