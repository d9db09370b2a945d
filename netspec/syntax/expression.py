"""Expressions in a spec: `$name`, `${4 * width}`, text with either in it. Comes in: a text and
variables; goes out: a value.

Parsed with `ast`, bounded in size and in value; no attributes, no calls but min, max, ceil, floor,
abs, len.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

__all__ = [
    "CALLS",
    "CONSTANTS",
    "NO_VALUE",
    "ExpressionError",
    "evaluate",
    "extent",
    "substitute",
    "variables_in",
]

LONGEST, NODES, LARGEST, WIDEST = 2000, 400, 2**63, 100_000
"""Characters and operations of an expression, its greatest number, the values of its lists: far more
than arithmetic on sizes needs, and few enough to cost nothing.
"""
LETTERS = 100
"""Characters that weigh as much as a value."""

BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
CALLS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "floor": math.floor,
    "abs": abs,
    "len": len,
}
CONSTANTS = {"true": True, "false": False, "null": None}
NO_VALUE = object()
"""The value of a variable whose own expression was reported: what is made of it is reported no
more.
"""


class ExpressionError(Exception):
    """Why an expression has no value; `name` is the variable that is unknown, if that is why. said:
    the reason was reported before.
    """

    def __init__(self, fact: str, name: str | None = None, *, said: bool = False) -> None:
        super().__init__(fact)
        self.name = name
        self.said = said


def evaluate(text: str, variables: Mapping[str, Any]) -> Any:
    """The value of an expression. Raises ExpressionError."""
    # most expressions are a single name: no tree is made for them
    if text in variables:
        return look_up(text, variables)
    try:
        return value_of(parse(text), variables)
    except (TypeError, ValueError, ZeroDivisionError, IndexError, KeyError, OverflowError) as error:
        raise ExpressionError(f"{text.strip()}: {error}") from None


@lru_cache(maxsize=4096)
def parse(text: str) -> ast.expr:
    """The syntax tree of an expression, bounded; a block's copies share it. Raises
    ExpressionError.
    """
    if len(text) > LONGEST:
        raise ExpressionError(f"an expression has at most {LONGEST} characters: this one has {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    # what Python's parser raises for deep nesting differs by version
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(
            f"{text.strip()!r} is not an expression: {getattr(error, 'msg', error)}"
        ) from None
    if sum(1 for _ in ast.walk(tree)) > NODES:
        raise ExpressionError(f"an expression has at most {NODES} parts")
    return tree.body


def value_of(node: ast.expr, variables: Mapping[str, Any]) -> Any:
    """The value of a part, each intermediate result bounded."""
    result = compute(node, variables)
    if isinstance(result, (int, float)) and not isinstance(result, bool) and abs(result) > LARGEST:
        raise ExpressionError(f"a value is at most 2^63: {ast.unparse(node)} is larger")
    if isinstance(result, (str, list)) and extent(result) > WIDEST:
        raise ExpressionError(f"a text or list has at most {WIDEST} items")
    return result


def extent(value: Any) -> int:
    """The number of values in a value, lists in lists counted through, or of characters in a text;
    counting ends a little beyond WIDEST.

    A text in a list counts for the values that would weigh as much.
    """
    if isinstance(value, str):
        return len(value)
    total, open_ = 0, [value]
    while open_ and total <= WIDEST:
        part = open_.pop()
        if isinstance(part, str):
            total += len(part) // LETTERS
        elif isinstance(part, (list, dict)):
            total += len(part)
            open_ += part.values() if isinstance(part, dict) else part
    return max(total, 1)


def compute(node: ast.expr, variables: Mapping[str, Any]) -> Any:  # noqa: PLR0912 - one case per kind of node
    def of(part: ast.expr) -> Any:
        return value_of(part, variables)

    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.Name(id=name):
            return look_up(name, variables)
        case ast.BinOp(left=left, op=op, right=right):
            return arithmetic(op, of(left), of(right))
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return not of(part)
        case ast.UnaryOp(op=ast.USub(), operand=part):
            return -of(part)
        case ast.UnaryOp(op=ast.UAdd(), operand=part):
            return +of(part)
        case ast.Compare(left=left, ops=ops, comparators=rights):
            values = [of(part) for part in (left, *rights)]
            if not {type(op) for op in ops} <= COMPARE.keys():
                raise ExpressionError(
                    f"{ast.unparse(node)} is not allowed: values are compared by == != < <= > >= in, not in"
                )
            return all(COMPARE[type(op)](a, b) for op, a, b in zip(ops, values, values[1:], strict=False))
        case ast.BoolOp(op=ast.And(), values=parts):
            return all(of(part) for part in parts)
        case ast.BoolOp(values=parts):
            return any(of(part) for part in parts)
        case ast.IfExp(test=test, body=body, orelse=other):
            if of(test):
                return of(body)
            return of(other)
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [of(item) for item in items]
        case ast.Subscript(value=whole, slice=ast.expr() as index) if not isinstance(index, ast.Slice):
            return of(whole)[of(index)]
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in CALLS:
            return CALLS[name](*map(of, arguments))
    raise ExpressionError(
        f"{ast.unparse(node)} is not allowed: there are arithmetic, comparison, if else, and or not, lists,"
        f" {', '.join(CALLS)}"
    )


def look_up(name: str, variables: Mapping[str, Any]) -> Any:
    if name in variables:
        if variables[name] is NO_VALUE:
            raise ExpressionError(f"{name} has no value", said=True)
        return variables[name]
    if name in CONSTANTS:
        return CONSTANTS[name]
    raise ExpressionError(f"no variable {name}", name)


def arithmetic(op: ast.operator, a: Any, b: Any) -> Any:
    """Arithmetic on numbers; + joins texts and lists. An exact quotient of integers is an
    integer.
    """
    for items, count in ((a, b), (b, a)):
        if (
            isinstance(op, ast.Mult)
            and isinstance(items, (str, list))
            and isinstance(count, int)
            # before it is made: 'x' * 10**9 would fill the memory
            and count * len(items) > WIDEST
        ):
            raise ExpressionError(f"a text or list has at most {WIDEST} items")
    if isinstance(op, ast.Div):
        if isinstance(a, int) and isinstance(b, int) and b and a % b == 0:
            return a // b
        return a / b
    if isinstance(op, ast.Pow):
        # before it is computed: 9**9**9 would not end
        if not (isinstance(a, (int, float)) and isinstance(b, (int, float))) or abs(b) > 64 or abs(a) > 2**32:
            raise ExpressionError("a power has a base up to 2^32 and an exponent up to 64")
        if a < 0 and not float(b).is_integer():
            raise ExpressionError(f"a negative number has no power {b}")
        return a**b
    if isinstance(op, ast.Mod) and isinstance(a, str):
        raise ExpressionError("a text is put together with ${...}, not with %")
    if type(op) not in BINARY:
        raise ExpressionError("there are + - * / // % and **")
    return BINARY[type(op)](a, b)


def substitute(text: str, variables: Mapping[str, Any]) -> Any:
    """A scalar's text with its variables and expressions put in.

    One that is a single `$name` or `${...}` keeps its type; inside text the value is inserted; `$$`
    is a dollar. Raises ExpressionError.
    """
    parts = pieces(text)
    if len(parts) == 1 and parts[0][0]:
        return evaluate(parts[0][1], variables)
    made, length = [], 0
    for is_expression, part in parts:
        made.append(write_value(evaluate(part, variables)) if is_expression else part)
        length += len(made[-1]) if is_expression else 0
        # what the file itself says is bounded by its size; variables could multiply it
        if length > WIDEST:
            raise ExpressionError(f"a text takes at most {WIDEST:,} characters from variables")
    return "".join(made)


def write_value(value: Any) -> str:
    if isinstance(value, bool):
        if value:
            return "true"
        return "false"
    if isinstance(value, (list, dict)) or value is None:
        raise ExpressionError("a list or null cannot stand inside text")
    return str(value)


@lru_cache(maxsize=4096)
def pieces(text: str) -> tuple[tuple[bool, str], ...]:
    """The text cut up: (True, expression) or (False, literal). Raises ExpressionError."""
    found: list[tuple[bool, str]] = []
    literal, at = "", 0
    while at < len(text):
        if text[at] != "$":
            literal += text[at]
            at += 1
        elif text.startswith("$$", at):
            literal += "$"
            at += 2
        else:
            expression, at = after_dollar(text, at)
            if literal:
                found.append((False, literal))
            literal = ""
            found.append((True, expression))
    if literal or not found:
        return (*found, (False, literal))
    return tuple(found)


def after_dollar(text: str, at: int) -> tuple[str, int]:
    """The expression that begins at a dollar, and where the text goes on."""
    if text.startswith("${", at):
        end = closing(text, at + 2)
        if end < 0:
            raise ExpressionError(f"${{ is not closed: {text[at : at + 30]}")
        return text[at + 2 : end], end + 1
    end = at + 1
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    if not text[at + 1 : end].isidentifier():
        raise ExpressionError("after $ comes a variable or {expression}; a dollar itself is $$")
    return text[at + 1 : end], end


def closing(text: str, at: int) -> int:
    """Where the brace closes, brackets and quoted texts passed over; -1 if it does not."""
    depth, quote = 0, ""
    for i in range(at, len(text)):
        c = text[i]
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c == "}" and depth == 0:
            return i
        else:
            depth += (c in "{[(") - (c in "}])")
    return -1


@lru_cache(4096)
def variables_in(text: str) -> frozenset[str]:
    """Names that a text's expressions use; empty for a text that does not parse."""
    try:
        trees = [parse(part) for is_expression, part in pieces(text) if is_expression]
    except ExpressionError:
        return frozenset()
    return frozenset(node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name))
