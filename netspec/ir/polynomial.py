"""Sizes in canonical form: polynomials over symbols, floor quotients, minima and maxima. Equal
sizes have equal terms. Knows no history.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import gcd, inf, isinf
from typing import Union

__all__ = [
    "Atom",
    "Dim",
    "Extremum",
    "Monomial",
    "Quotient",
    "Size",
    "Terms",
    "bounds",
    "evaluate",
    "extreme",
    "product",
    "symbols",
    "total",
]

Size = Union[int, "Dim"]
"""A size: an integer, or a Dim where letters of the input are in it."""
Monomial = tuple[tuple["Atom", int], ...]
Terms = dict[Monomial, int]


class Atom:
    """What a polynomial is made of; two atoms are the same when their texts are."""

    __slots__ = ("names", "text")

    def __init__(self, text: str, names: frozenset[str]) -> None:
        self.text = text
        self.names = names

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __lt__(self, other: "Atom") -> bool:
        return self.text < other.text

    def evaluate(self, sizes: Mapping[str, Size]) -> Size:
        """The value with sizes put in for symbols; symbols not named stay."""
        return sizes.get(self.text, Dim({((self, 1),): 1}))

    def bounds(self) -> tuple[float, float]:
        """Least and greatest value; a symbol is at least 1."""
        return 1, inf


class Quotient(Atom):
    """floor(numerator / denominator) that could not be simplified."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, numerator: "Dim", denominator: Size) -> None:
        super().__init__(f"{wrap(numerator)}//{wrap(denominator)}", symbols(numerator) | symbols(denominator))
        self.numerator = numerator
        self.denominator = denominator

    def evaluate(self, sizes: Mapping[str, Size]) -> Size:
        return evaluate(self.numerator, sizes) // evaluate(self.denominator, sizes)

    def bounds(self) -> tuple[float, float]:
        low, high = bounds(self.numerator)
        least, most = bounds(self.denominator)
        if least < 1:  # it may be 0
            return -inf, inf
        return min(floored(low, least), floored(low, most)), max(floored(high, least), floored(high, most))


class Extremum(Atom):
    """min(...) or max(...) of sizes whose order is not known."""

    __slots__ = ("arguments", "kind")

    def __init__(self, kind: str, arguments: tuple[Size, ...]) -> None:
        super().__init__(
            f"{kind}({', '.join(map(str, arguments))})",
            frozenset[str]().union(*map(symbols, arguments)),
        )
        self.kind = kind
        self.arguments = arguments

    def evaluate(self, sizes: Mapping[str, Size]) -> Size:
        values = [evaluate(a, sizes) for a in self.arguments]
        return extreme(self.kind, values)

    def bounds(self) -> tuple[float, float]:
        choose = min if self.kind == "min" else max
        lows, highs = zip(*map(bounds, self.arguments), strict=True)
        return choose(lows), choose(highs)


class Dim:
    """A size that depends on symbols: sum of coefficient * product of atoms, in canonical form, so
    equal sizes are equal objects' values.

    Arithmetic with integers and Dims gives an `int` whenever the symbols cancel. Division is floor
    division. `==` is structural; rules ask `same`, which also knows "cannot be decided".
    """

    __slots__ = ("_hash", "_text", "terms")

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._text: str | None = None
        self._hash: int | None = None

    def __add__(self, other: Size) -> Size:
        if remembers(other):
            return NotImplemented
        terms = dict(self.terms)
        for monomial, count in parts(other).items():
            terms[monomial] = terms.get(monomial, 0) + count
        return simplest(terms)

    def __neg__(self) -> Size:
        return Dim({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: Size) -> Size:
        if remembers(other):
            return NotImplemented
        return self + -other

    def __rsub__(self, other: int) -> Size:
        return -self + other

    def __mul__(self, other: Size) -> Size:
        if remembers(other):
            return NotImplemented
        terms: Terms = {}
        for m, c in self.terms.items():
            for n, d in parts(other).items():
                joined = times(m, n)
                terms[joined] = terms.get(joined, 0) + c * d
        return simplest(terms)

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: Size) -> Size:
        if remembers(other):
            return NotImplemented
        return quotient(self, other)

    def __rfloordiv__(self, other: int) -> Size:
        return quotient(other, self)

    def __mod__(self, other: Size) -> Size:
        if remembers(other):
            return NotImplemented
        return self - other * (self // other)

    def __rmod__(self, other: int) -> Size:
        return other - self * quotient(other, self)

    def __eq__(self, other: object) -> bool:
        return type(other) is Dim and self.terms == other.terms

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(str(self))
        return self._hash

    def __str__(self) -> str:
        if self._text is None:
            self._text = write_terms(self.terms)
        return self._text

    def __repr__(self) -> str:
        return f"Dim({self})"


def remembers(other: object) -> bool:
    """Whether an operand keeps its arithmetic (ir/dims.py): then the operation is its to make."""
    return type(other) is not Dim and isinstance(other, Dim)


def symbols(size: Size) -> frozenset[str]:
    """Names of the symbols that a size depends on."""
    if isinstance(size, int):
        return frozenset()
    return frozenset(name for monomial in size.terms for atom, _ in monomial for name in atom.names)


def evaluate(size: Size, sizes: Mapping[str, Size]) -> Size:
    """The size with values put in for symbols; an int once all of them have one.

    Raises ZeroDivisionError where a denominator becomes 0.
    """
    if isinstance(size, int):
        return size
    value: Size = 0
    for monomial, count in size.terms.items():
        term: Size = count
        for atom, power in monomial:
            term = term * product([atom.evaluate(sizes)] * power)
        value = value + term
    return value


def bounds(size: Size) -> tuple[float, float]:
    """An interval that holds the size for all symbols >= 1; wide where terms depend on each
    other.
    """
    if isinstance(size, int):
        return size, size
    low: float = 0
    high: float = 0
    for monomial, count in size.terms.items():
        least: float = 1
        most: float = 1
        for atom, power in monomial:
            a, b = atom.bounds()
            for _ in range(power):
                corners = [finite(x, y) for x in (least, most) for y in (a, b)]
                least, most = min(corners), max(corners)
        low += min(finite(count, least), finite(count, most))
        high += max(finite(count, least), finite(count, most))
    return low, high


def product(sizes: Iterable[Size]) -> Size:
    """Product of all sizes, 1 for none.

    >>> product((2, 3, 4))
    24
    """
    value: Size = 1
    for size in sizes:
        if isinstance(value, int) and value == 1:
            value = size
        else:
            value = value * size
    return value


def total(sizes: Iterable[Size]) -> Size:
    """Sum of all sizes, 0 for none.

    >>> total((2, 3, 4))
    9
    """
    value: Size = 0
    for size in sizes:
        if isinstance(value, int) and value == 0:
            value = size
        else:
            value = value + size
    return value


# --- canonical forms -------------------------------------------------------------------------------------------------


def finite(x: float, y: float) -> float:
    """x * y with 0 * inf = 0."""
    if x == 0 or y == 0:
        return 0
    return x * y


def floored(x: float, y: float) -> float:
    """floor(x / y) for y >= 1, at the ends of intervals: Python's -inf // 2 is no number."""
    if isinf(x):
        return x
    if y < inf:
        return x // y
    if x >= 0:
        return 0
    return -1


def parts(size: Size) -> Terms:
    if isinstance(size, Dim):
        return size.terms
    if size:
        return {(): size}
    return {}


def simplest(terms: Terms) -> Size:
    terms = {m: c for m, c in terms.items() if c}
    if not terms:
        return 0
    if len(terms) == 1 and () in terms:
        return terms[()]
    return Dim(terms)


def times(m: Monomial, n: Monomial) -> Monomial:
    powers = dict(m)
    for atom, power in n:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(powers.items(), key=lambda item: item[0].text))


def divide(m: Monomial, n: Monomial) -> Monomial | None:
    """m / n, or None where n does not divide m."""
    powers = Counter(dict(m))
    powers.subtract(dict(n))
    if any(power < 0 for power in powers.values()):
        return None
    return tuple((a, p) for a, p in powers.items() if p)


def quotient(a: Size, b: Size) -> Size:
    """floor(a / b) in normal form."""
    if isinstance(b, int):
        return by_number(a, b)
    exact = exact_quotient(a, b)
    if exact is not None:
        return exact
    if isinstance(a, int):
        a = Dim({(): a})
    return Dim({((Quotient(a, b), 1),): 1})


def by_number(a: Size, k: int) -> Size:
    if k == 0:
        raise ZeroDivisionError(f"{a} // 0")
    if k < 0:
        return by_number(-a, -k)
    if isinstance(a, int):
        return a // k
    # multiples of k leave the quotient, of the constant what k goes into
    whole = {m: c // k for m, c in a.terms.items() if c % k == 0 or m == ()}
    rest = {m: c for m, c in a.terms.items() if c % k and m != ()}
    constant = a.terms.get((), 0) % k
    if not rest:
        return simplest(whole)
    # floor((g a + r) / (g k)) = floor((a + floor(r / g)) / k)
    common = gcd(k, *rest.values())
    rest = {m: c // common for m, c in rest.items()}
    constant //= common
    k //= common
    # (a
    # b + n)
    # k = (a + n b)
    # (b k): without it pools after pools stay open
    nested = next(iter(rest)) if len(rest) == 1 else ()
    if len(nested) == 1 and nested[0][1] == 1 and rest[nested] == 1 and isinstance(nested[0][0], Quotient):
        inner = nested[0][0]
        return simplest(whole) + (inner.numerator + constant * inner.denominator) // (inner.denominator * k)
    numerator = Dim({**rest, (): constant} if constant else rest)
    return simplest(whole) + (numerator if k == 1 else Dim({((Quotient(numerator, k), 1),): 1}))


def exact_quotient(a: Size, b: Dim) -> Size | None:
    """a / b where b divides a as a polynomial, else None: long division by the greatest
    monomial.
    """
    lead = max(b.terms, key=rank)
    found: Size = 0
    left = a
    # sizes have few terms; one that needs more steps stays a quotient, which is as right
    for _ in range(64):
        if isinstance(left, int):
            if left == 0:
                return found
            return None
        top = max(left.terms, key=rank)
        factor = divide(top, lead)
        if factor is None or left.terms[top] % b.terms[lead]:
            return None
        step = simplest({factor: left.terms[top] // b.terms[lead]})
        found = found + step
        left = left - step * b
    return None


def rank(m: Monomial) -> tuple[int, tuple[tuple[str, int], ...]]:
    """An order of monomials in which a product grows with each factor: by degree, then by names."""
    return sum(p for _, p in m), tuple(sorted(((a.text, p) for a, p in m), reverse=True))


def extreme(kind: str, sizes: Iterable[Size]) -> Size:
    """The least ("min") or greatest of sizes; an Extremum of those whose order cannot be
    decided.
    """
    sign = 1 if kind == "min" else -1
    kept: list[Size] = []
    for s in sizes:
        if any(bounds(sign * (s - k))[0] >= 0 for k in kept):
            continue
        kept = [k for k in kept if bounds(sign * (k - s))[0] < 0] + [s]
    if len(kept) == 1:
        return kept[0]
    return Dim({((Extremum(kind, tuple(sorted(kept, key=str))), 1),): 1})


def wrap(size: Size) -> str:
    text = str(size)
    if text.isidentifier() or text.isdigit():
        return text
    return f"({text})"


def write_terms(terms: Terms) -> str:
    """Highest degree first, the constant last: `2*H + H//2 - 3`."""
    text = ""
    for monomial in sorted(terms, key=lambda m: (-sum(p for _, p in m), [a.text for a, _ in m])):
        count = terms[monomial]
        alone = (
            len(monomial) == 1 and monomial[0][1] == 1 and (count == 1 or (count == -1 and text != ""))
        )  # -(H//2) is not -H//2
        factors = [
            f"({a.text})" if isinstance(a, Quotient) and not alone else a.text
            for a, p in monomial
            for _ in range(p)
        ]
        if abs(count) != 1 or not factors:
            factors.insert(0, str(abs(count)))
        if count < 0:
            if text:
                sign = " - "
            else:
                sign = "-"
        elif text:
            sign = " + "
        else:
            sign = ""
        text += sign + "*".join(factors)
    return text
