"""Plain text tables: what `show` prints without importing rich."""

from collections.abc import Iterable, Sequence

from netspec.analysis.cost import NetCost
from netspec.ir.types import shown

__all__ = ["rows_of", "table"]


def rows_of(found: NetCost) -> list[tuple[str, ...]]:
    """A row per input and per layer."""
    rows: list[tuple[str, ...]] = [(name, "input", shown(shape), "", "") for name, shape in found.inputs.items()]
    for layer in found.layers:
        output = "  ".join(shown(shape) for shape in layer.tops.values())
        macs = f"{layer.macs:,}" if isinstance(layer.macs, int) else str(layer.macs)
        rows.append((layer.name, layer.type, output, f"{layer.parameters:,}", macs))
    return rows


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Columns as wide as their widest cell, those in `right` flush right, under a rule."""
    lines = [tuple(heads), *map(tuple, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    text = [
        "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    ]
    return "\n".join([text[0], "-" * max(map(len, text)), *text[1:]])
