"""Shapes as a spec expects them: integers, letters, and arithmetic of both. In: located items; out:
sizes. Evaluates no more.
"""

import ast
from typing import Any

from netspec.ir.dims import Size, largest, smallest, symbol
from netspec.ir.types import show_shape
from netspec.syntax.located import Located

__all__ = ["show_wanted", "size_of"]


def show_wanted(at: Located) -> str:
    """A shape as it was written."""
    return show_shape(tuple(size if (size := size_of(item)) is not None else 0 for item in at.items))


# no power: 9**9**9 would be reckoned to its end
OPERATORS: dict[type, Any] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.FloorDiv: lambda a, b: a // b,
}


def size_of(item: Located) -> Size | None:
    """An expected size: an integer, a letter, or arithmetic of them (`H // 2 + 1`, `min(H, 4)`);
    None for anything else.
    """
    value = item.value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # no size is so long, and Python's parser is not asked about deep brackets
    if not isinstance(value, str) or len(value) > 200:
        return None
    try:
        return evaluate_size(ast.parse(value.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        return None


def evaluate_size(tree: ast.expr) -> Size:
    """The size an expression means; ValueError for any other word."""
    if isinstance(tree, ast.Constant) and type(tree.value) is int:
        return tree.value
    if isinstance(tree, ast.Name):
        return symbol(tree.id)
    if isinstance(tree, ast.BinOp) and type(tree.op) in OPERATORS:
        found: Size = OPERATORS[type(tree.op)](evaluate_size(tree.left), evaluate_size(tree.right))
        return found
    if (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Name)
        and tree.func.id in ("min", "max")
        and tree.args
        and not tree.keywords
    ):
        return (smallest if tree.func.id == "min" else largest)(*map(evaluate_size, tree.args))
    raise ValueError(ast.dump(tree))
