"""Text that was meant to be computed: `width` for `$width`, `2*$width` for `${2*width}`. A value
comes in, what to write goes out.

Imported on errors only: it reads the file again for the names of its variables.
"""

import ast
from functools import lru_cache

from netspec.diagnostics.model import Diagnostics
from netspec.source import Source
from netspec.syntax.expression import CALLS, CONSTANTS, ExpressionError, parse
from netspec.syntax.located import Located
from netspec.syntax.reader import read

__all__ = ["dollar_note", "with_dollar"]

OPERATIONS = (ast.BinOp, ast.Compare, ast.IfExp, ast.BoolOp, ast.Call, ast.Subscript)


def dollar_note(at: Located) -> tuple[str, ...]:
    """A note on what a value was probably meant to be; none where it is a plain text."""
    meant = with_dollar(at)
    if meant:
        return (f"only what stands in ${{...}} is computed: write {meant} for {show_written(at)}",)
    return ()


def with_dollar(at: Located) -> str:
    """`$width`, `"${2*width}"` for a text that is a variable's name or an expression over
    variables; else empty.
    """
    text = show_written(at)
    if not text or "${" in text:
        return ""
    place = next(iter(at.sources), at.span)
    # i counts the copies of a repeat: nothing declares it
    names = find_declared(place.source if place is not None else None) | {"i"}
    try:
        # 2*$width reads as 2 * width
        tree = parse(text.replace("$", " "))
    except ExpressionError:
        return ""
    if isinstance(tree, ast.Name):
        if text in names and "$" not in text:
            return f"${text}"
        return ""
    used = (
        {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - CALLS.keys() - CONSTANTS.keys()
    )
    if isinstance(tree, OPERATIONS) and used <= names and (used or at.why):
        return f'"${{{text.replace("$", "")}}}"'
    return ""


def show_written(at: Located) -> str:
    """The text as it was written; of a variable alone its value, as text."""
    if at.why.startswith("$") and at.why[1:].isidentifier():
        if isinstance(at.value, str):
            return at.value
        return ""
    if "$" in at.why:
        return at.why
    if isinstance(at.value, str):
        return at.value
    return ""


@lru_cache(maxsize=4)
def find_declared(source: Source | None) -> frozenset[str]:
    """Names of the variables that a file declares, at its top and in its blocks."""
    if source is None or "vars" not in source.text:
        return frozenset()
    tree = read(source, Diagnostics())
    parts = tree.walk() if tree is not None else ()
    return frozenset(name for part in parts if (own := part.get("vars")) is not None for name in own.mapping)
