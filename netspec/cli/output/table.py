"""Plain text tables: what `show` prints without importing rich."""

from collections.abc import Iterable, Sequence
from typing import Any

from netspec.analysis.cost import LayerCost, NetCost
from netspec.ir.dims import Size
from netspec.ir.types import show_shape

__all__ = ["COUNTS", "FIELD", "field_cells", "number", "rows_of", "table"]

COUNTS = ("units", "connections", "intensity")
"""Columns that `show --counts` adds."""
FIELD = ("field", "stride", "begin")
"""Columns that `show --field` adds."""


def number(value: Size | float | None) -> str:
    """`11,520`, a formula, or nothing; intensities with two digits behind the point."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)


def rows_of(
    found: NetCost, counts: bool = False, fields: dict[str, Any] | None = None
) -> list[tuple[str, ...]]:
    """A row per input and per layer; `counts` adds COUNTS, `fields` (by blob) the receptive field,
    its stride and where it begins.
    """
    blank = ("",) * (2 + len(COUNTS) * counts + len(FIELD) * (fields is not None))
    return [(name, "input", show_shape(shape), *blank) for name, shape in found.inputs.items()] + [
        (
            layer.name,
            layer.type,
            "  ".join(map(show_shape, layer.tops.values())),
            *cells(layer, counts, fields),
        )
        for layer in found.layers
    ]


def cells(layer: LayerCost, counts: bool, fields: dict[str, Any] | None) -> tuple[str, ...]:
    row: tuple[str, ...] = (number(layer.parameters), number(layer.macs))
    if counts:
        row += tuple(number(getattr(layer, name) or None) for name in COUNTS)
    if fields is not None:
        row += field_cells(fields.get(next(iter(layer.tops), ""), {}))
    return row


def field_cells(by_input: dict[str, Any]) -> tuple[str, ...]:
    """`11..1507`, `32`, `-751`: narrowest and widest branch, stride, first pixel of unit 0; axes
    and inputs that differ side by side.
    """
    texts: list[tuple[str, ...]] = []
    for axes in by_input.values():
        for axis in axes.values():
            if axis is None:
                texts.append(("all", "", ""))
                continue
            if axis["narrowest"] == axis["size"]:
                narrow = ""
            else:
                narrow = f"{number(axis['narrowest'])}.."
            texts.append(
                (
                    narrow + (number(axis["size"]) if axis["size"] is not None else "all before"),
                    number(axis["stride"]),
                    number(axis["begin"]),
                )
            )
    unlike = list(dict.fromkeys(texts))
    if unlike:
        return tuple(" x ".join(column) for column in zip(*unlike, strict=True))
    return ("",) * len(FIELD)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns as wide as their widest cell, those in `right` flush right, under a rule."""
    lines = [tuple(heads), *map(tuple, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    text = [
        "  ".join(
            c.rjust(w) if i in right else c.ljust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])
