"""Sizes: an integer, or a `Dim`, a canonical polynomial over symbols, floor quotients, minima and
maxima.

A size rule is written once in ordinary arithmetic; with `Traced` leaves the same rule remembers how
it was computed. Knows no layer.
"""

from netspec.ir.polynomial import (
    Atom,
    Dim,
    Extremum,
    Monomial,
    Quotient,
    Size,
    Terms,
    bounds,
    evaluate,
    extreme,
    parts,
    product,
    symbols,
    total,
)

__all__ = [
    "Atom",
    "Dim",
    "Extremum",
    "Monomial",
    "Quotient",
    "Size",
    "Terms",
    "Traced",
    "bounds",
    "ceil_div",
    "evaluate",
    "largest",
    "product",
    "smallest",
    "symbol",
    "symbols",
    "total",
    "untrace",
]


class Traced(Dim):
    """A size with a name, or computed from such: carries the value and the expression, to print the
    arithmetic of one rule.

    Where the value is an integer it behaves as one (indexing, range, comparison).
    """

    __slots__ = ("tree", "value")

    def __init__(self, value: Size, tree: "str | tuple[str, Size, Size]") -> None:
        self._text = None
        self._hash = None
        self.value = value
        self.tree = tree

    @property
    def terms(self) -> Terms:  # type: ignore[override]
        """Those of the value."""
        return parts(self.value)

    def __add__(self, other: Size) -> Size:
        return Traced(self.value + untrace(other), ("+", self, other))

    def __radd__(self, other: Size) -> Size:
        return Traced(other + self.value, ("+", other, self))

    def __sub__(self, other: Size) -> Size:
        return Traced(self.value - untrace(other), ("-", self, other))

    def __rsub__(self, other: Size) -> Size:
        return Traced(other - self.value, ("-", other, self))

    def __mul__(self, other: Size) -> Size:
        return Traced(self.value * untrace(other), ("*", self, other))

    def __rmul__(self, other: Size) -> Size:
        return Traced(other * self.value, ("*", other, self))

    def __floordiv__(self, other: Size) -> Size:
        return Traced(self.value // untrace(other), ("//", self, other))

    def __rfloordiv__(self, other: Size) -> Size:
        return Traced(other // self.value, ("//", other, self))

    def __mod__(self, other: Size) -> Size:
        return Traced(self.value % untrace(other), ("%", self, other))

    def __rmod__(self, other: Size) -> Size:
        return Traced(other % self.value, ("%", other, self))

    def __neg__(self) -> Size:
        return Traced(-self.value, ("-", 0, self))

    def __index__(self) -> int:
        if isinstance(self.value, int):
            return self.value
        raise TypeError(f"{self.value} is not a number")

    def __bool__(self) -> bool:
        return self.value != 0

    def __eq__(self, other: object) -> bool:
        return self.value == (other.value if isinstance(other, Traced) else other)

    def __lt__(self, other: Size) -> bool:
        return self.__index__() < untrace(other)  # type: ignore[operator]

    def __le__(self, other: Size) -> bool:
        return self.__index__() <= untrace(other)  # type: ignore[operator]

    def __gt__(self, other: Size) -> bool:
        return self.__index__() > untrace(other)  # type: ignore[operator]

    def __ge__(self, other: Size) -> bool:
        return self.__index__() >= untrace(other)  # type: ignore[operator]

    def __hash__(self) -> int:
        return hash(self.value)

    def __str__(self) -> str:
        return str(self.value)


def untrace(size: Size) -> Size:
    """The value without its history."""
    if isinstance(size, Traced):
        return size.value
    return size


def symbol(name: str) -> Dim:
    """The size called `name`: any integer from 1."""
    return Dim({((Atom(name, frozenset((name,))), 1),): 1})


def ceil_div(a: Size, b: Size) -> Size:
    """ceil(a / b), for b > 0; its normal form is (a + b - 1) // b.

    >>> ceil_div(7, 2)
    4
    """
    if isinstance(a, Traced) or isinstance(b, Traced):
        return Traced(ceil_div(untrace(a), untrace(b)), ("ceil", a, b))
    return (a + b - 1) // b


def smallest(*sizes: Size) -> Size:
    """Least of the sizes; a symbolic minimum where that cannot be decided.

    >>> smallest(5, 3)
    3
    """
    return choose("min", sizes)


def largest(*sizes: Size) -> Size:
    """Greatest of the sizes; a symbolic maximum where that cannot be decided.

    >>> largest(5, 3)
    5
    """
    return choose("max", sizes)


def choose(kind: str, sizes: tuple[Size, ...]) -> Size:
    """The extreme of sizes; with its history where one has any."""
    if not any(isinstance(s, Traced) for s in sizes):
        return extreme(kind, sizes)
    first, *more = sizes
    for s in more:
        first = Traced(extreme(kind, (untrace(first), untrace(s))), (kind, first, s))
    return first
