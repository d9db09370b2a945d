"""Sizes against Python's integers: every operator of traced ones, polynomials put together at random, and what rules make of them."""

import operator
import random
from collections.abc import Callable, Mapping
from itertools import product as pairs
from typing import Any

import pytest

from netspec.ir import polynomial
from netspec.ir.dims import (
    Dim,
    Size,
    Traced,
    bounds,
    ceil_div,
    evaluate,
    largest,
    product,
    smallest,
    symbol,
    symbols,
    total,
    untrace,
)
from netspec.ir.rule import VERDICTS, RuleError, arithmetic, collecting, require

COMPUTING = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
}
COMPARING = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
FEW = (-7, -2, -1, 0, 1, 2, 3, 12)
SPACE = [{"H": h, "W": w} for h, w in pairs(range(1, 8), range(1, 6))]
H, W = symbol("H"), symbol("W")


def ceiling(a: Any, b: Any) -> Any:
    return -(-a // b)


# --- traced sizes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", COMPUTING)
def test_every_operator_of_a_traced_size_is_that_of_integers_from_both_sides(word: str) -> None:
    compute = COMPUTING[word]
    for a, b in pairs(FEW, FEW):
        if word in ("//", "%") and b == 0:
            continue
        x, y = Traced(a, "x"), Traced(b, "y")
        for left, right in ((x, y), (x, b), (a, y)):
            made = compute(left, right)
            assert isinstance(made, Traced)
            assert made.value == compute(a, b), (left, right)
            assert made.tree[0] == word
            assert tuple(map(untrace, made.tree[1:])) == (a, b)  # type: ignore[arg-type]
            assert [side is given for side, given in zip(made.tree[1:], (left, right), strict=True)] == [
                True,
                True,
            ]


@pytest.mark.parametrize("word", COMPUTING)
@pytest.mark.parametrize("other", [3, -2, W, H + 1])
def test_a_traced_symbol_computes_as_the_symbol_does(word: str, other: Size) -> None:
    compute = COMPUTING[word]
    for left, right in ((H + 2, other), (other, H + 2)):
        bare = compute(left, right)
        for sides in (
            (Traced(left, "x"), right),
            (left, Traced(right, "y")),
            (Traced(left, "x"), Traced(right, "y")),
        ):
            made = compute(*sides)
            assert isinstance(made, Traced)
            assert untrace(made) == bare
            assert made.terms == polynomial.parts(bare)


@pytest.mark.parametrize("compare", COMPARING, ids=lambda c: c.__name__)
def test_traced_numbers_compare_as_integers(compare: Callable[[Any, Any], bool]) -> None:
    for a, b in pairs(FEW, FEW):
        x, y = Traced(a, "x"), Traced(b, "y")
        assert [compare(x, y), compare(x, b), compare(a, y)] == [compare(a, b)] * 3


def test_a_traced_number_stands_where_an_integer_does() -> None:
    for a in FEW:
        x = Traced(a, "x")
        negative: Any = -x
        assert (operator.index(x), bool(x), hash(x), str(x)) == (a, bool(a), hash(a), str(a))
        assert (negative.value, negative.tree) == (-a, ("-", 0, x))
        assert list(range(x)) == list(range(a))  # type: ignore[arg-type]
        assert polynomial.parts(x) == polynomial.parts(a)
    for use in (operator.index, lambda x: x < 3, lambda x: x >= 3):
        with pytest.raises(TypeError):
            use(Traced(H, "x"))
    assert bool(Traced(H, "x"))
    assert Traced(H, "x") == H
    assert hash(Traced(H, "x")) == hash(H)


def test_ceilings_and_extremes_keep_their_history() -> None:
    for a, b in pairs(FEW, (1, 2, 3)):
        x, y = Traced(a, "x"), Traced(b, "y")
        for left, right in ((x, y), (x, b), (a, y), (a, b)):
            made = ceil_div(left, right)
            assert untrace(made) == ceiling(a, b)
            assert isinstance(made, Traced) == (left is x or right is y)
            assert not isinstance(made, Traced) or made.tree == ("ceil", left, right)
            for choose, word, truth in ((smallest, "min", min), (largest, "max", max)):
                chosen = choose(left, right, 2)
                assert untrace(chosen) == truth(a, b, 2)
                assert isinstance(chosen, Traced) == (left is x or right is y)
                assert not isinstance(chosen, Traced) or (chosen.tree[0], chosen.tree[2]) == (word, 2)


def test_the_arithmetic_that_is_printed_gives_the_value() -> None:
    """Read again by Python, the words with numbers for names are the value; so are the numbers."""
    draw, names, told = random.Random(1), ("a", "b", "c"), 0
    for _ in range(300):
        values = {name: draw.choice((1, 2, 3, 7)) for name in names}
        size = grown(draw, [Traced(values[name], name) for name in names], 3)
        if not isinstance(size, Traced):
            continue
        words, *more = arithmetic("out", size)
        assert words.startswith("out = ")
        read = [part for line in (words, *more) for part in line.split(" = ")[1:]]
        for text in (part for part in read if "ceil" not in part):
            assert eval(text, {"min": min, "max": max, **values}) == size.value, (words, more)
            told += 1
    assert told >= 300


# --- polynomials -----------------------------------------------------------------------------------------------------

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    **COMPUTING,
    "min": smallest,
    "max": largest,
    "ceil": ceil_div,
}
TRUTH: dict[str, Callable[[Any, Any], Any]] = {**COMPUTING, "min": min, "max": max, "ceil": ceiling}
Tree = Any


def tree(draw: random.Random, depth: int) -> Tree:
    """An expression: a number, a symbol, or (operation, left, right)."""
    if depth == 0 or draw.random() < 0.15:
        return draw.choice(("H", "W", "H", "W", -3, -1, 1, 2, 3, 4, 6))
    word = draw.choice(("+", "+", "-", "*", "*", "//", "//", "%", "min", "max", "ceil"))
    right = (
        draw.choice((1, 2, 2, 3, 4, 5, 6))
        if word in ("//", "%") and draw.random() < 0.8
        else tree(draw, depth - 1)
    )
    if word == "ceil":  # defined above 0 alone
        right = draw.choice((1, 2, 3, 4, "H", "W"))
    return word, tree(draw, depth - 1), right


def built(
    expression: Tree, leaves: Mapping[str, Any], operations: Mapping[str, Callable[[Any, Any], Any]]
) -> Any:
    if isinstance(expression, tuple):
        word, left, right = expression
        return operations[word](built(left, leaves, operations), built(right, leaves, operations))
    return leaves.get(expression, expression) if isinstance(expression, str) else expression


def grown(draw: random.Random, leaves: list[Any], depth: int) -> Any:
    expression = tree(draw, depth)
    names = {"H": leaves[0], "W": leaves[1]}
    try:
        return built(expression, names, OPERATIONS)
    except ZeroDivisionError:
        return 0


def known(expression: Tree) -> tuple[Size, list[tuple[dict[str, int], int]]] | None:
    """The size of an expression, and what integers make of it wherever they can."""
    values = []
    for sizes in SPACE:
        try:
            values.append((sizes, built(expression, sizes, TRUTH)))
        except ZeroDivisionError:
            continue
    try:
        return built(expression, {"H": H, "W": W}, OPERATIONS), values
    except ZeroDivisionError:  # by a number, or by what is 0 for all symbols
        assert not values
        return None


EXPRESSIONS = [tree(random.Random(seed), 1 + seed % 4) for seed in range(900)]


def test_polynomials_are_what_integers_make_of_them() -> None:
    """Value, partial value, bounds, symbols and text of random expressions, at every place of a small plane."""
    counted = 0
    for expression in EXPRESSIONS:
        found = known(expression)
        if found is None:
            continue
        size, values = found
        low, high = bounds(size)
        half = {h: evaluate(size, {"H": h}) for h in {s["H"] for s, _ in values}}
        text = compile(str(size), "size", "eval")
        for sizes, value in values:
            counted += isinstance(size, Dim)
            assert evaluate(size, sizes) == value, (expression, sizes)
            assert evaluate(half[sizes["H"]], {"W": sizes["W"]}) == value, (expression, sizes)
            assert low <= value <= high, (expression, size, sizes)
            assert eval(text, {"min": min, "max": max, **sizes}) == value, (expression, size, sizes)
        if len(values) == len(SPACE):
            varying = {n for n in ("H", "W") if any(a != b for a, b in along(values, n))}
            assert varying <= symbols(size), (expression, size)
    assert counted > 15_000


def along(values: list[tuple[dict[str, int], int]], name: str) -> list[tuple[int, int]]:
    """Pairs of values at places that differ in one symbol alone."""
    at = {(s["H"], s["W"]): v for s, v in values}
    step = (1, 0) if name == "H" else (0, 1)
    return [(v, at[h + step[0], w + step[1]]) for (h, w), v in at.items() if (h + step[0], w + step[1]) in at]


def test_a_size_has_one_form() -> None:
    """What is added goes by subtracting it, factors and divisors likewise; order does not matter."""
    sizes = [found[0] for e in EXPRESSIONS[:160] if (found := known(e)) is not None]
    for a, b in zip(sizes, reversed(sizes), strict=True):
        assert a + b == b + a and a * b == b * a
        assert hash(a * b + a) == hash(a * (b + 1))
        assert (a + b) - b == a and a - a == 0 and a * 0 == 0
        assert 0 - (0 - a) == a and 0 - a == -a
        assert (6 * a + 3) // 3 == 2 * a + 1
        assert (a * 4) % 2 == 0
        if isinstance(b, Dim):
            assert (a * b) // b == a or sum(1 for _ in b.terms) > 1
    assert (H * W + 2 * W) // (H + 2) == W
    assert (H**2 if hasattr(H, "__pow__") else H * H) // H == H
    assert (H // 2 + 3) // 4 == (H + 6) // 8
    assert (H // W + 1) // 2 == (H + W) // (2 * W)
    assert smallest(H, H + 1, 2 * H) == H and largest(H, H + 1) == H + 1
    assert smallest(H, 1) == 1 and largest(H, 0) == H
    assert str(smallest(H, W, 7)) == str(smallest(7, W, H))


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (H + W - 3, "H + W - 3"),
        (2 * H * W + H // 2 - 3, "2*H*W + H//2 - 3"),
        (-H, "-H"),
        (3 - H * H, "-H*H + 3"),
        (2 * (H // 3) + 1, "2*(H//3) + 1"),
        ((H + 1) // 2 * W, "((H + 1)//2)*W"),
        (H % 3, "H - 3*(H//3)"),
        ((H + 5) // (W + 1), "(H + 5)//(W + 1)"),
        (smallest(H, 2 * W), "min(2*W, H)"),
        (5 // H, "5//H"),
        (-2 * H + 1, "-2*H + 1"),
        (-(H // 4), "-(H//4)"),
        (H - H // 4, "H - H//4"),
        ((-H) // 4, "(-H)//4"),
    ],
)
def test_sizes_are_written_as_one_reads_them(size: Size, text: str) -> None:
    assert str(size) == text


def test_sums_and_products() -> None:
    for sizes in ([], [1], [H], [1, H, 1], [2, H, 3, W], [H, 0, W]):
        for at in SPACE:
            numbers = [evaluate(s, at) for s in sizes]
            assert evaluate(product(sizes), at) == product(numbers)
            assert evaluate(total(sizes), at) == total(numbers)
    assert (product([]), total([]), product([3, 1, 2]), total([3, 0, 2])) == (1, 0, 6, 5)


def test_division_by_nothing_is_an_error() -> None:
    for left in (H, 3 * H + 1):
        for use in (lambda a: a // 0, lambda a: a % 0, lambda a: evaluate(a // (W - 1), {"H": 3, "W": 1})):
            with pytest.raises(ZeroDivisionError):
                use(left)


# --- what rules make of them -----------------------------------------------------------------------------------------

HOLDS: dict[str, Callable[[int, int], bool]] = {
    "same": lambda a, b: a == b,
    "divides": lambda a, b: a != 0 and b % a == 0,
    "at_least": lambda a, b: a >= b,
}


@pytest.mark.parametrize("kind", HOLDS)
def test_a_verdict_is_that_of_every_place_or_open(kind: str) -> None:
    """yes and no are so wherever one looks; an open one is kept as a fact that holds where the integers say so."""
    decided = {True: 0, False: 0, None: 0}
    for left, right in zip(EXPRESSIONS[:300], EXPRESSIONS[300:600], strict=True):
        for one, two in ((left, right), (draw_number(left, kind), right), (left, draw_number(right, kind))):
            a, b = known(one), known(two)
            if a is None or b is None or min(len(a[1]), len(b[1])) < len(SPACE):
                continue
            truths = [HOLDS[kind](x, y) for (_, x), (_, y) in zip(a[1], b[1], strict=True)]
            verdict = VERDICTS[kind](a[0], b[0])
            decided[verdict] += 1
            sound = [
                x != 0 or kind != "divides" or not isinstance(a[0], Dim) for _, x in a[1]
            ]  # a size of 0 is refused elsewhere
            assert verdict is None or all(t == verdict for t, s in zip(truths, sound, strict=True) if s), (
                kind,
                a[0],
                b[0],
            )
            with collecting() as facts:
                try:
                    require(kind, a[0], b[0], "it must", code="NS301")
                    assert verdict is not False
                except RuleError as error:
                    assert verdict is False and error.code == "NS301"
            assert len(facts) == (verdict is None)
            for fact in facts:
                assert [fact.holds(sizes) for sizes in SPACE] == truths
    assert min(decided.values()) > 5, decided


def draw_number(expression: Tree, kind: str) -> int:
    """A number in place of an expression: rules mostly compare with one."""
    return random.Random(repr((expression, kind))).choice((-20, 0, 1, 2, 3, 4, 12))
