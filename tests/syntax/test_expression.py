"""Expressions against Python, texts against the parts that they were put together from, bounds at their very ends."""

import ast
import math
import random
from itertools import pairwise
from typing import Any

import pytest

from netspec.diagnostics.model import Diagnostics
from netspec.garbage_collection import no_collection
from netspec.source import Source
from netspec.syntax.expand import expand
from netspec.syntax.expression import (
    LARGEST,
    LONGEST,
    NODES,
    WIDEST,
    ExpressionError,
    evaluate,
    extent,
    pieces,
    substitute,
    variables_in,
)
from netspec.syntax.reader import read
from netspec.syntax.variables import MOST_ADDED

VARIABLES: dict[str, Any] = {"a": 6, "b": -4, "w": 1.5, "t": "txt", "x1": [3, 4], "on": True}
PYTHON = {
    "true": True,
    "false": False,
    "null": None,
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "floor": math.floor,
    "abs": abs,
    "len": len,
}


def number(draw: random.Random, depth: int) -> str:
    if depth == 0:
        return draw.choice(("a", "b", "w", "3", "0", "2.5", "7", "x1[0]", "len(x1)", "len(t)"))
    a, b = number(draw, depth - 1), number(draw, depth - 1)
    shape = draw.choice(
        ("({0} {2} {1})",) * 5
        + (
            "-{0}",
            "+{0}",
            "min({0}, {1})",
            "max({0}, {1})",
            "abs({0})",
            "floor({0})",
            "ceil({0})",
            "({0} if {3} else {1})",
        )
    )
    return shape.format(a, b, draw.choice(("+", "-", "*", "//", "%", "/")), truth(draw, depth - 1))


def truth(draw: random.Random, depth: int) -> str:
    if depth <= 0:
        return draw.choice(("on", "true", "false", "3 in x1", "5 not in x1", "'x' in t"))
    a, b = number(draw, depth - 1), number(draw, depth - 1)
    shape = draw.choice(
        ("({0} {2} {1})", "({0} {2} {1} {3} 3)", "(not {4})", "({4} and {5})", "({4} or {5})")
    )
    return shape.format(
        a,
        b,
        *draw.choices(("==", "!=", "<", "<=", ">", ">="), k=2),
        truth(draw, depth - 1),
        truth(draw, depth - 1),
    )


@pytest.mark.parametrize("make", [number, truth])
def test_expressions_are_worth_what_python_makes_of_them(make: Any) -> None:
    """But for exact quotients, which are integers."""
    draw, counted = random.Random(2), 0
    for _ in range(1500):
        text = make(draw, draw.randint(0, 3))
        try:
            wanted = eval(text, {**PYTHON, **VARIABLES})
        except ZeroDivisionError:
            with pytest.raises(ExpressionError):
                evaluate(text, VARIABLES)
            continue
        counted += 1
        found = evaluate(text, VARIABLES)
        assert found == wanted, text
        assert isinstance(found, bool) == isinstance(wanted, bool)
    assert counted > 1000


def test_quotients_and_powers() -> None:
    for text, value in (
        ("6 / 3", 2),
        ("7 / 2", 3.5),
        ("6.0 / 3", 2.0),
        ("-6 / 3", -2),
        ("0 / 5", 0),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("(-2) ** 3", -8),
    ):
        assert (evaluate(text, {}), type(evaluate(text, {}))) == (value, type(value)), text
    assert (
        evaluate("[1] + [2]", {}) == [1, 2]
        and evaluate("'a' + 'b'", {}) == "ab"
        and evaluate("[1, (2, 3)]", {}) == [1, [2, 3]]
    )


def test_bounds_hold_at_their_ends() -> None:
    sum_of = [" + ".join(["1"] * count) for count in (NODES // 3, NODES)]
    fine = [
        f"{LARGEST}",
        f"-{LARGEST}",
        "2 ** 62",
        "(2 ** 32) ** 1",
        "1 ** 64",
        f"'a' * {WIDEST}",
        f"{WIDEST} * [0]",
    ]
    fine += [" " * (LONGEST - 1) + "1", sum_of[0]]
    beyond = [
        f"{LARGEST + 1}",
        f"-{LARGEST + 1}",
        "(2 ** 32 + 1) ** 1",
        "1 ** 65",
        "1 ** -65",
        f"'a' * {WIDEST + 1}",
    ]
    beyond += [f"{WIDEST + 1} * [0]", " " * LONGEST + "1", sum_of[1]]
    for text in fine:
        evaluate(text, {})
    for text in beyond:
        with pytest.raises(ExpressionError):
            evaluate(text, {})
    parts = sum(1 for _ in ast.walk(ast.parse(sum_of[0], mode="eval")))
    assert NODES - 4 < parts <= NODES


def test_a_product_too_large_for_the_memory_is_not_made() -> None:
    for items in ("x" * 90_000, [0] * 90_000):
        for text in ("t * 9000000000", "9000000000 * t"):
            with pytest.raises(ExpressionError, match="at most"):
                evaluate(text, {"t": items})


def test_extent_counts_through() -> None:
    for value, count in (
        ("abc", 3),
        ("", 0),
        ([], 1),
        ([1, 2], 2),
        ([[1, 2], [3]], 5),
        ({"a": [1, 2]}, 3),
        (["x" * 250], 3),
        ([{"a": "y" * 100}], 3),
    ):
        assert extent(value) == count, value
    assert extent([[0] * 500] * 1000) >= WIDEST


@pytest.mark.parametrize("seed", range(40))
def test_a_text_is_its_parts_in_order(seed: int) -> None:
    """Plain text, doubled dollars, `$name` and `${...}` in any order, nothing between them lost."""
    draw = random.Random(seed)
    text, wanted = "", ""
    for _ in range(draw.randint(0, 9)):
        literal = draw.choice(("y", " of ", ".", "{", "}", "é", "-3", "/1x1"))
        name = draw.choice(("a", "t", "on"))
        expression = draw.choice(("a + 1", "len([a, b])", "'}' + t", '"$" + t', "max(a, (b))", " t "))
        for each, value in draw.sample(
            [(literal, literal), ("$$", "$"), (f"${name}", None), (f"${{{expression}}}", None)], 2
        ):
            if each == f"${name}":
                text, wanted = (
                    text + each + draw.choice((".", " ", "-", "$$")),
                    wanted + written(VARIABLES[name]),
                )
                wanted += "$" if text.endswith("$$") else text[-1]
            else:
                text += each
                wanted += (
                    value if value is not None else written(eval(expression.strip(), {**PYTHON, **VARIABLES}))
                )
    parts = pieces(text)
    assert (
        "".join(
            written(evaluate(part, VARIABLES)) if is_expression else part for is_expression, part in parts
        )
        == wanted
    )
    assert substitute(text, VARIABLES) == wanted or (len(parts) == 1 and parts[0][0])
    assert not any(a[0] is False and b[0] is False for a, b in pairwise(parts))


def written(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def test_what_a_dollar_may_not_be_before() -> None:
    for text in ("$", "a$", "$ a", "$1", "$-", "${a", "${a)", "x ${[1}", "${'}", "$.5"):
        with pytest.raises(ExpressionError):
            pieces(text)
    assert pieces("${x}y") == ((True, "x"), (False, "y"))
    assert pieces("$x.y") == ((True, "x"), (False, ".y"))
    assert pieces("$x") == ((True, "x"),) and pieces("$x1_y z") == ((True, "x1_y"), (False, " z"))
    assert pieces("") == ((False, ""),) and pieces("$$") == ((False, "$"),)
    assert (
        variables_in("${a * max(b, 2)} $t") == {"a", "b", "max", "t"} and variables_in("${a") == frozenset()
    )
    with pytest.raises(ExpressionError, match="a list or null"):
        substitute("a $x1", VARIABLES)
    assert substitute("$x1", VARIABLES) == [3, 4] and substitute("$on!", VARIABLES) == "true!"


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_a_text_takes_so_much_from_variables_and_no_more(pieces: int) -> None:
    """What is written beside the variables does not count; a variable by itself is no text that grows."""
    most = WIDEST // pieces
    text = "beside " + "$t" * pieces
    assert len(substitute(text, {"t": "x" * most})) == 7 + most * pieces
    with pytest.raises(ExpressionError, match=r"a text takes at most 100,000 characters from variables"):
        substitute(text, {"t": "x" * (most + 1)})


@no_collection()
def added(items: int, uses: int) -> list[str]:
    """What is said of a list of so many items that so many layers use."""
    layers = "".join(f"  - {{name: s{i}, type: Slice, slice_point: $a}}\n" for i in range(uses))
    text = f"input: {{data: [N, 3]}}\nvars: {{a: '${{[1] * {items}}}'}}\nlayers:\n{layers}"
    diagnostics = Diagnostics()
    source = Source("spec.yaml", text)
    tree = read(source, diagnostics)
    assert tree is not None
    expand(source, tree, diagnostics)
    return [d.fact for d in diagnostics.sorted() if d.code == "NS110"]


def test_variables_add_so_much_in_all_and_no_more() -> None:
    """Each list is within its own bound; that ten layers use it is not."""
    wide, uses = 50_000, MOST_ADDED // 50_000
    assert added(wide, uses - 2) == []
    (fact,) = added(wide, 2 * uses)
    assert fact == "variables may add 250,000 values in all; with this one it is more"
