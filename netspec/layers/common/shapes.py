"""Shapes as parameters: Caffe's BlobShape, written `{dim: [2, 3]}` or simply `[2, 3]`, and lists of
them. Knows no layer.
"""

from typing import Any

from netspec.ir.dims import Size, symbol
from netspec.ir.rule import RuleError
from netspec.kinds import GREATEST
from netspec.record import Bounds, Kind, Record, Reject, kind_of, param

__all__ = ["BlobShape", "BlobShapes", "sizes"]


class BlobShape(Record):
    """A shape: Caffe's BlobShape."""

    short = "dim"

    dim: tuple[int | str, ...] = param(default=(), doc="size of each axis; a letter is a symbol")


ONE, MANY = kind_of(BlobShape), kind_of(tuple[BlobShape, ...])


class BlobShapes(Record):
    """One shape or several; `[2, 3]` is one shape, `[[2, 3], [2]]` are two. Read as a tuple of
    BlobShape.
    """

    @classmethod
    def kind(cls) -> Kind:
        def read(node: Any, bounds: Bounds) -> tuple[BlobShape, ...]:
            items = node.value if isinstance(node.value, list) else None
            if items is None or not any(isinstance(item.value, (list, dict)) for item in items):
                return (ONE.read(node, bounds),)
            if not all(isinstance(item.value, (list, dict)) for item in items):
                raise Reject(node)
            return tuple(ONE.read(item, bounds) for item in items)

        def schema(bounds: Bounds) -> dict[str, Any]:
            several = {
                "type": "array",
                "items": {"type": ["array", "object"], "allOf": [ONE.schema(bounds)]},
            }
            return {"anyOf": [ONE.schema(bounds), several]}

        return Kind("a shape or a list of shapes", ONE.types, read, schema)


def sizes(shape: BlobShape, at: str = "shape") -> tuple[Size, ...]:
    """The shape's sizes, letters as symbols; raises RuleError NS109 for what is neither a positive
    integer nor a letter.
    """
    return tuple(size_of(dim, at) for dim in shape.dim)


def size_of(dim: int | str, at: str) -> Size:
    if isinstance(dim, int) and dim >= 1:
        return dim
    # a text may be written without quotes: true is a mistake, not a letter
    if isinstance(dim, str) and dim.isidentifier() and dim not in ("true", "false"):
        return symbol(dim)
    if isinstance(dim, str) and dim.isdecimal():
        why = f"one of {len(dim)} digits is more than {GREATEST}"
    else:
        why = f"{dim} is neither"
    raise RuleError("NS109", f"a size is a positive integer or a letter such as N: {why}", at=at)
