"""The sizes that a model takes, from its own metadata. In: the JSON that `export.sizes` wrote, and
the sizes of a request; out: a verdict.

Plain integers only: neither the spec, nor netspec's rules, nor torch are needed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import product
from operator import mul
from typing import Any, NamedTuple

from netspec.strict_json import read_json

__all__ = ["KEY", "Conditions", "Refusal", "conditions"]

KEY = "netspec.sizes"
REACH = 32
"""How far coupled sizes are looked for, each axis up and down."""
LARGEST = 2**62
"""A bound that holds in 64 bits, with a sum of two of them."""
VERDICTS: dict[str, Callable[[int, int], bool]] = {
    "same": lambda a, b: a == b,
    "at_least": lambda a, b: a >= b,
    "divides": lambda a, b: a != 0 and b % a == 0,
}
PARTS: dict[str, Callable[..., int]] = {
    "floor": lambda a, b: a // b,
    "min": lambda *s: min(s),
    "max": lambda *s: max(s),
}

Sizes = Mapping[str, int]


class Refusal(NamedTuple):
    """Why sizes will not do: the layer that fails, the sizes that it depends on, its requirement,
    and the nearest sizes that will do.

    nearest: per axis that may be chosen by itself; together: for axes that are coupled, whole
    choices, the nearest first.
    """

    layer: str
    type: str
    sizes: Sizes
    why: str
    nearest: Mapping[str, Sequence[int]]
    together: Sequence[Sizes]

    @property
    def text(self) -> str:
        """One sentence."""
        given = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        near = [f"{name} = {' or '.join(map(str, legal))}" for name, legal in self.nearest.items() if legal]
        near += [
            " and ".join(f"{name} = {size}" for name, size in choice.items()) for choice in self.together[:2]
        ]
        if near:
            tail = f"; the nearest legal sizes are {', '.join(near)}"
        else:
            tail = ""
        return f"the net does not take {given}: {self.type} {self.layer}, {self.why}{tail}"


@dataclass(frozen=True)
class Conditions:
    """What a model demands of its open sizes; `refusal` holds a request against it."""

    axes: Mapping[str, Any]
    parts: Sequence[Any]
    demands: Sequence[Mapping[str, Any]]

    def refusal(self, sizes: Sizes) -> Refusal | None:
        """None where the sizes are legal, all symbols of the request given; what the metadata do
        not mention may have any size.
        """
        broken = self.find_broken(sizes)
        if broken is None:
            return None
        named = symbols(self.parts, broken)
        guilty = {name: size for name, size in sizes.items() if name in named}
        return Refusal(
            broken["layer"],
            broken["type"],
            guilty,
            self.why(broken, sizes),
            self.nearest(sizes),
            self.together(sizes),
        )

    def find_broken(self, sizes: Sizes) -> Mapping[str, Any] | None:
        """The first requirement that does not hold."""
        run = Run(self.parts, sizes)
        return next((demand for demand in self.demands if not run.holds(demand)), None)

    def why(self, demand: Mapping[str, Any], sizes: Sizes) -> str:
        because: str = demand["because"]
        if "text" not in demand:
            return because
        run = Run(self.parts, sizes)
        left, word, right = demand["text"]
        return (
            f"{because}: {run.show(demand['left'], left)} {word} {run.show(demand['right'], right)} does"
            " not hold"
        )

    def nearest(self, sizes: Sizes) -> dict[str, list[int]]:
        """For each axis that stands alone and whose size is illegal: the nearest legal below and
        above.
        """
        found = {}
        for name, axis in self.axes.items():
            if name in sizes and "progressions" in axis:
                near = around(axis["progressions"], sizes[name])
                if sizes[name] not in near:
                    found[name] = near
        return found

    def together(self, sizes: Sizes) -> list[dict[str, int]]:
        """The nearest choices for coupled axes, other axes left aside; the nearest first, three at
        most.
        """
        names = [name for name, axis in self.axes.items() if name in sizes and "progressions" not in axis]
        mine = [demand for demand in self.demands if set(names) & symbols(self.parts, demand)]
        if not names or all(Run(self.parts, sizes).holds(demand) for demand in mine):
            return []
        found = []
        for choice in spiral([sizes[name] for name in names]):
            trial = {**sizes, **dict(zip(names, choice, strict=True))}
            run = Run(self.parts, trial)
            broken = next((i for i, demand in enumerate(mine) if not run.holds(demand)), None)
            if broken is not None:
                mine.insert(
                    0, mine.pop(broken)
                )  # what refuses one choice refuses most of those around it: it is asked first
            else:
                found.append(dict(zip(names, choice, strict=True)))
                if len(found) == 3:
                    break
        return found


class Run:
    """The parts for one choice of sizes, each computed when first asked for."""

    def __init__(self, parts: Sequence[Any], sizes: Sizes) -> None:
        self.parts = parts
        self.sizes = sizes
        self.made: list[int | Exception] = []

    def holds(self, demand: Mapping[str, Any]) -> bool:
        """Whether a requirement holds; one with a size that cannot be computed does not, one about
        unknown symbols is not ours to judge.
        """
        try:
            return VERDICTS[demand["kind"]](self.sum(demand["left"]), self.sum(demand["right"]))
        except KeyError:
            return True
        except (ZeroDivisionError, OverflowError):
            return False

    def sum(self, size: Any) -> int:
        if isinstance(size, int):
            return size
        total: int = sum(
            count * reduce(mul, [self.factor(f) for f in factors], 1) for count, *factors in size
        )
        if abs(total) > LARGEST:
            raise OverflowError("a size out of all bounds")
        return total

    def factor(self, factor: Any) -> int:
        if isinstance(factor, str):
            return self.sizes[factor]
        for word, *arguments in self.parts[len(self.made) : factor + 1]:
            try:
                self.made.append(PARTS[word](*map(self.sum, arguments)))
            except (KeyError, ZeroDivisionError, OverflowError) as error:
                self.made.append(error)
        value: int | Exception = self.made[factor]
        if isinstance(value, Exception):
            raise value
        return value

    def show(self, size: Any, text: str) -> str:
        try:
            if isinstance(size, int):
                return text
            return f"{text} = {self.sum(size)}"
        except (KeyError, ZeroDivisionError, OverflowError):
            return text


def conditions(text: str | None) -> Conditions | None:
    """The conditions in a model's metadata; None where it has none. Raises ValueError where they
    are damaged: bounded, no recursion.
    """
    if text is None:
        return None
    found = read_json(text)
    try:
        made = Conditions(found["axes"], found["parts"], found["demands"])
        for i, (word, *arguments) in enumerate(made.parts):
            if word not in PARTS or not arguments or (word == "floor" and len(arguments) != 2):
                raise ValueError(f"part {i} is {word} of {len(arguments)} sizes")
            for size in arguments:
                check_sum(size, i)
        for demand in made.demands:
            check_demand(demand, len(made.parts))
        for axis in made.axes.values():
            for start, step, last in axis.get("progressions", ()):
                if not (is_count(start) and is_count(step) and (last is None or is_count(last))):
                    raise ValueError("a progression is three numbers")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from error
    return made


def check_demand(demand: Mapping[str, Any], parts: int) -> None:
    """Raises ValueError where a requirement is not what `export.sizes` writes."""
    if (
        not all(isinstance(demand[key], str) for key in ("layer", "type", "because"))
        or demand["kind"] not in VERDICTS
    ):
        raise ValueError("a demand names its layer, its type, its reason and its kind")
    if "text" in demand and not (
        len(demand["text"]) == 3 and all(isinstance(word, str) for word in demand["text"])
    ):
        raise ValueError("the text of a demand is three words")
    for side in ("left", "right"):
        check_sum(demand[side], parts)


def check_sum(size: Any, before: int) -> None:
    """Raises ValueError where a sum is not a number or a list of [count, factor...], its factors
    symbols or parts below `before`.
    """
    if isinstance(size, int) and not isinstance(size, bool):
        return
    for count, *factors in size:
        fine = all(isinstance(f, str) or (type(f) is int and 0 <= f < before) for f in factors)
        if type(count) is not int or not fine or len(factors) > 64:
            raise ValueError("a sum is a number or a list of [count, factor...]")


def is_count(value: object) -> bool:
    return type(value) is int and value >= 1


def symbols(parts: Sequence[Any], demand: Mapping[str, Any]) -> set[str]:
    """The symbols that a requirement depends on, through the parts."""
    found, seen, todo = set[str](), set[int](), [demand["left"], demand["right"]]
    while todo:
        size = todo.pop()
        for _, *factors in () if isinstance(size, int) else size:
            found.update(f for f in factors if isinstance(f, str))
            fresh = [f for f in factors if isinstance(f, int) and f not in seen]
            seen.update(fresh)
            todo += [argument for f in fresh for argument in parts[f][1:]]
    return found


def around(progressions: Sequence[Sequence[Any]], size: int) -> list[int]:
    """The nearest sizes of the progressions at or below, and at or above; the size itself where it
    is among them.
    """
    below, above = [], []
    for start, step, last in progressions:
        down = start + (min(size, size if last is None else last) - start) // step * step
        up = max(start, start - (start - size) // step * step)
        below += [down] if down >= start else []
        above += [up] if last is None or up <= last else []
    return sorted({*([max(below)] if below else []), *([min(above)] if above else [])})


def spiral(centre: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Choices around the given one, by the sum of the distances; of three axes and more, all moved
    alike or one by one.
    """
    moved = (tuple(c + d for c, d in zip(centre, step, strict=True)) for step in around_nothing(len(centre)))
    return (choice for choice in moved if min(choice) >= 1)


@cache
def around_nothing(axes: int) -> list[tuple[int, ...]]:
    """The steps of the spiral, the shortest first."""
    reach = range(-REACH, REACH + 1)
    steps: set[tuple[int, ...]]
    if axes <= 2:
        steps = set(product(reach, repeat=axes))
    else:
        steps = {tuple(d if i == j else 0 for j in range(axes)) for i in range(axes) for d in reach}
        steps |= {(d,) * axes for d in reach}
    return sorted(steps, key=lambda s: (sum(map(abs, s)), s))
