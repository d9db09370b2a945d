"""What a layer's rules say: requirements over sizes, decided, refused with a RuleError, or kept as
a Fact. Knows no place in any text.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from netspec.ir.dims import Dim, Size, Traced, bounds, evaluate, untrace

__all__ = [
    "WORDS",
    "Change",
    "Fact",
    "RuleError",
    "arithmetic",
    "at_least",
    "collecting",
    "divides",
    "is_same",
    "require",
    "same",
    "within",
]


class Change(NamedTuple):
    """A parameter set otherwise, offered as a fix: tried through inference before it is shown."""

    text: str
    parameters: Mapping[str, object]


class Fact(NamedTuple):
    """A requirement that holds for some values of the symbols only: `left kind right`."""

    kind: str
    left: Size
    right: Size
    because: str

    def holds(self, sizes: Mapping[str, Size]) -> bool | None:
        """Whether it holds with these sizes put in; None while it stays open."""
        return VERDICTS[self.kind](evaluate(self.left, sizes), evaluate(self.right, sizes))

    def __str__(self) -> str:
        return f"{self.left} {WORDS[self.kind]} {self.right}"


class RuleError(Exception):
    """A requirement that does not hold.

    fact: what is the case, with the numbers; label: what to write at the place, if shorter. at: the
    parameter to blame, "bottom", or "bottom.1" for one of several; value: the traced size whose
    arithmetic is shown, called `name`. changes: parameters that may repair it, in order of
    preference, or a function that finds them: rules run often and seldom refuse. bound: the
    parameter asks for more than there is: it alone is to blame, no number elsewhere that happens to
    be large enough.

    >>> error = RuleError("NS303", "axis 5 of a bottom with 4 axes", at="axis")
    >>> error.code, error.at
    ('NS303', 'axis')
    """

    def __init__(
        self,
        code: str,
        fact: str,
        *,
        at: str = "name",
        label: str = "",
        name: str = "",
        value: Size | None = None,
        changes: "Sequence[Change] | Callable[[], Sequence[Change]]" = (),
        bound: bool = False,
    ) -> None:
        super().__init__(fact)
        self.code = code
        self.fact = fact
        self.at = at
        self.label = label
        self.name = name
        self.value = value
        self.bound = bound
        self.changes = tuple(changes() if callable(changes) else changes)

    @property
    def rule(self) -> tuple[str, ...]:
        """The arithmetic, if the rule ran on named leaves."""
        if isinstance(self.value, Traced):
            return arithmetic(self.name, self.value)
        return ()


OPEN: list[list[Fact]] = []


class collecting:  # noqa: N801 - used as a statement
    """Gather the facts that rules leave open while the block runs: `with collecting() as
    facts:`.
    """

    def __enter__(self) -> list[Fact]:
        OPEN.append([])
        return OPEN[-1]

    def __exit__(self, *error: object) -> None:
        OPEN.pop()


def require(kind: str, left: Size, right: Size, because: str, **more: object) -> None:
    """Refuse, accept, or note as a fact. `because` is the requirement in words; more goes to
    RuleError (code, at, ...).

    kind: "same", "divides" or "at_least". A requirement on open sizes that holds for some of them
    is a fact of the net.

    >>> require("divides", 4, 32, "group must divide the channels")
    """
    verdict = VERDICTS[kind](untrace(left), untrace(right))
    if verdict is None:
        if OPEN:
            OPEN[-1].append(Fact(kind, untrace(left), untrace(right), because))
    elif not verdict:
        code = str(more.pop("code", "NS302"))
        raise RuleError(code, f"{because}: {REFUSED[kind](left, right)}", **more)  # type: ignore[arg-type]


def same(left: Size, right: Size, because: str, **more: object) -> None:
    """Require left == right.

    >>> same(3, 4, "both must have as many channels")
    Traceback (most recent call last):
    netspec.ir.rule.RuleError: both must have as many channels: 3 is not 4
    """
    require("same", left, right, because, **more)


def divides(divisor: Size, size: Size, because: str, **more: object) -> None:
    """Require that divisor divides size.

    >>> divides(4, 30, "group must divide the channels", at="group")
    Traceback (most recent call last):
    netspec.ir.rule.RuleError: group must divide the channels: 30 % 4 = 2
    """
    require("divides", divisor, size, because, **more)


def at_least(size: Size, least: Size, because: str, **more: object) -> None:
    """Require size >= least.

    >>> at_least(5, 3, "needs three rows")
    """
    require("at_least", size, least, because, **more)


def within(size: Size, parameter: Size, name: str, because: str) -> None:
    """Require that a size holds as many as the parameter of this name asks for; it is then the
    parameter that is too large.
    """
    most = untrace(size)
    fits = (Change(f"write {name}: {most}", {name: most}),) if isinstance(most, int) and most > 0 else ()
    at_least(size, parameter, because, at=name, changes=fits, bound=True)


def is_same(left: Size, right: Size) -> bool | None:
    gap = left - right
    if isinstance(gap, int):
        return gap == 0
    low, high = bounds(gap)
    if low > 0 or high < 0:
        return False
    return None


def is_divisor(divisor: Size, size: Size) -> bool | None:
    if divisor == 0:
        return False
    rest = size % divisor
    if isinstance(rest, int):
        return rest == 0
    return None


def is_at_least(size: Size, least: Size) -> bool | None:
    low, high = bounds(size - least)
    if low >= 0:
        return True
    if high < 0:
        return False
    return None


VERDICTS: dict[str, Callable[[Size, Size], bool | None]] = {
    "same": is_same,
    "divides": is_divisor,
    "at_least": is_at_least,
}
WORDS = {"same": "==", "divides": "divides", "at_least": ">="}
REFUSED: dict[str, Callable[[Size, Size], str]] = {
    "same": lambda a, b: f"{a} is not {b}",
    "divides": lambda k, n: f"{n} % {k} = {n % k}" if k != 0 else f"{n} % 0 is not defined",
    "at_least": lambda a, b: f"{a} < {b}",
}


# --- printing the arithmetic -----------------------------------------------------------------------------------------

PRECEDENCE = {"+": 1, "-": 1, "*": 2, "//": 2, "%": 2}


def arithmetic(name: str, value: Traced) -> tuple[str, ...]:
    """`H_out = (H + 2*pad - kernel_size) // stride + 1`, then the same with numbers and the
    result.
    """
    words, numbers = expression(value, named=True), expression(value, named=False)
    if words == numbers:
        return (f"{name} = {words}",)
    result = str(value)
    pad = " " * len(name)
    return (
        f"{name} = {words}",
        f"{pad} = {numbers}" + (f" = {result}" if numbers != result else ""),
    )


def expression(size: Size, named: bool) -> str:
    return render_size(size, named)[0]


def render_size(size: Size, named: bool) -> tuple[str, int]:
    """The text, and how tightly it binds (9: an atom)."""
    if not isinstance(size, Traced):
        loose = isinstance(size, Dim) and (len(size.terms) > 1 or "*" in str(size) or "//" in str(size))
        return str(size), 1 if loose or (isinstance(size, int) and size < 0) else 9
    if isinstance(size.tree, str):
        if named:
            return (size.tree, 9)
        return render_size(size.value, named)
    operator, left, right = size.tree
    if operator not in PRECEDENCE:
        if operator == "ceil":
            inside = f"{bracket(left, named, 2)} / {bracket(right, named, 3)}"
        else:
            inside = f"{expression(left, named)}, {expression(right, named)}"
        return f"{operator}({inside})", 9
    level = PRECEDENCE[operator]
    tight = operator == "*"
    # a - (b - c) and a // (b * c) keep their brackets, a + (b + c) needs none
    a, b = bracket(left, named, level), bracket(right, named, level + (operator != "+"))
    return (f"{a}*{b}" if tight else f"{a} {operator} {b}"), level


def bracket(size: Size, named: bool, least: int) -> str:
    text, tightness = render_size(size, named)
    if tightness >= least:
        return text
    return f"({text})"
