"""Rows of a table in a request: in, what the file says of the columns and the numbers that a client
sent; out, nothing, or what no table that `predict` reads could hold.
"""

from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.diagnostics import fail
from netspec.serving.tensors import RequestError
from netspec.strict_json import JsonError, read_object

if TYPE_CHECKING:
    import numpy as np

__all__ = ["TableRows", "find_rows"]

DATA, TABLE = "netspec.data", "netspec.table"
# So many categories are told of in words.
TOLD = 6


class TableRows(NamedTuple):
    """The input whose rows these are; by column its name, the categories that its numbers stand
    for (none: it holds numbers), and whether its cells may be empty.
    """

    name: str
    columns: tuple[tuple[str, tuple[str, ...], bool], ...]

    def check(self, inputs: "Mapping[str, np.ndarray]") -> None:
        """Raises RequestError (400): NS634 for a number that is no category's, NS654 for an empty
        cell that has no fill, or one that is infinite.
        """
        import numpy as np

        rows = inputs.get(self.name)
        if rows is None or rows.ndim != 2 or rows.shape[1] != len(self.columns):
            return
        for values, (name, words, filled) in zip(rows.T, self.columns, strict=True):
            if words:
                # NaN is no category either
                known = (values >= 0) & (values < len(words)) & (values == np.floor(values))
            else:
                known = np.isfinite(values) | (np.isnan(values) & filled)
            if not known.all():
                row = int(np.flatnonzero(~known)[0])
                raise refuse(f"row {row} of input {self.name!r}", name, float(values[row]), words)


def refuse(place: str, column: str, value: float, words: tuple[str, ...]) -> RequestError:
    """What is wrong with a cell, with the numbers that may stand there."""
    if words:
        some = ", ".join(f"{number} for {word!r:.60}" for number, word in enumerate(words[:TOLD]))
        more = f", up to {len(words) - 1}" if len(words) > TOLD else ""
        fact = f"{column} must be the number of a category, {some}{more}: it is {value:g}"
        return RequestError(f"{place}: {fact}", 400, {"code": "NS634", "column": column})
    said = "it is empty (NaN), and training filled no cell of it" if isnan(value) else f"it is {value:g}"
    return RequestError(
        f"{place}: {column} must be a finite number: {said}", 400, {"code": "NS654", "column": column}
    )


def find_rows(metadata: Mapping[str, str], path: str) -> TableRows | None:
    """The input that takes rows of a table with named columns; None where there is none. Raises
    SpecError NS721 where what the file says of them is damaged.
    """
    name = metadata.get(TABLE)
    if name is None:
        return None
    try:
        found = read_object(metadata.get(DATA, "{}")).get("columns", [])
        columns = tuple(read_column(each) for each in found if each.get("form") != "index")
    except (JsonError, AttributeError, KeyError, TypeError) as error:
        raise fail("NS721", f"the metadata {DATA}: columns are damaged: {error}", path=path) from error
    return TableRows(name, columns) if columns else None


def read_column(found: Mapping[str, Any]) -> tuple[str, tuple[str, ...], bool]:
    words = tuple(found["categories"]) if found.get("form") == "one_hot" else ()
    return str(found["name"]), tuple(map(str, words)), found.get("fill") is not None
