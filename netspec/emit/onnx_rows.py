"""A row of a table inside the model: empty cells filled, categories spread, all on one scale, so
that whoever feeds it gives numbers as the table holds them. In: Rows and what a caller feeds; out:
operands.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from netspec.data.tables.columns import Column
from netspec.data.tables.rows import Rows
from netspec.emit.onnx_builder import Operand
from netspec.emit.onnx_idioms import Builder
from netspec.ir.types import TensorType

__all__ = ["prepare_rows", "row_type"]


def row_type(rows: Rows, type_: TensorType) -> TensorType:
    """What a caller feeds: a number for each column."""
    return TensorType((type_.shape[0], rows.width), type_.dtype)


def prepare_rows(g: Builder, x: Operand, rows: Rows, type_: TensorType, names: Mapping[str, str]) -> Operand:
    """x as the net wants it. The scale is reckoned in float64, as in training: of large numbers
    little would be left. names: what the tensor after each stage is called.
    """
    if not rows.plain:
        x = g.typed(encode(g, x, rows.columns), type_)
        x.name = names["cells"]
    if rows.mean:
        wide = g.cast(x, "float64")
        moved = g.Sub(wide, double(g, rows.mean))
        x = g.typed(g.cast(g.Div(moved, double(g, rows.std)), "float32"), type_)
        x.name = names["std"]
    return x


def double(g: Builder, values: Sequence[float]) -> Operand:
    return g.const(list(values), "float64")


def encode(g: Builder, x: Operand, columns: Sequence[Column]) -> Any:
    """Columns side by side: numbers with their fills, a 1 for each category."""
    parts, at = [], 0
    for spread, some in groupby(columns, lambda column: column.form == "one_hot"):
        for group in ([each] for each in some) if spread else [list(some)]:
            part = g.Slice(x, (at,), (at + len(group),), (1,))
            at += len(group)
            parts.append(spread_out(g, part, group[0]) if spread else fill(g, part, group))
    return parts[0] if len(parts) == 1 else g.Concat(*parts, axis=1)


def spread_out(g: Builder, x: Any, column: Column) -> Any:
    """(N, categories): 1 where the number is the category's; nowhere for one that is unknown."""
    return g.cast(g.Equal(x, g.const([*range(len(column.categories))], "float32")), "float32")


def fill(g: Builder, x: Any, columns: Sequence[Column]) -> Any:
    """Numbers; those of empty cells, NaN, as the columns say."""
    if all(each.fill is None for each in columns):
        return x
    fills = [math.nan if each.fill is None else each.fill for each in columns]
    return g.Where(g.IsNaN(x), g.const(fills, "float32"), x)
