"""Parquet files as rows of text, as a CSV file has them. In: a file; out: names of columns, rows.
Bounded: a short file may claim any number of cells.
"""

from pathlib import Path
from typing import Any

from netspec.data.paths import reading_error
from netspec.diagnostics import fail
from netspec.file_reading import Roots, open_in

__all__ = ["read_parquet"]

CELLS, BYTES = 50_000_000, 1 << 30
AT_ONCE = 4096


def read_parquet(path: Path, roots: Roots) -> tuple[list[str], list[int], list[list[str]]]:
    """Names of the columns, the number of each row, from 1, and the rows; what is null is empty.
    Raises SpecError NS643, NS645, NS657 (pyarrow is missing).
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        fact = "a parquet table needs pyarrow: pip install 'netspec[parquet]'"
        raise fail("NS657", fact, path=str(path)) from error
    try:
        with open_in(path, roots) as file:
            return read_rows(parquet.ParquetFile(file), path)
    except (
        arrow.ArrowException,
        ValueError,
        TypeError,
        MemoryError,
        OverflowError,
        KeyError,
    ) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise fail("NS645", f"not parquet: {why:.200}", path=str(path)) from error
    except OSError as error:
        if error.errno is None:  # as pyarrow has them
            raise fail("NS645", f"not parquet: {error!s:.200}", path=str(path)) from error
        raise reading_error(path, error) from error


def read_rows(file: Any, path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """All rows of an open file, some thousand at a time."""
    names = [str(name) for name in file.schema_arrow.names]
    if file.metadata.num_rows * max(1, len(names)) > CELLS:
        raise fail("NS645", f"{file.metadata.num_rows:,} rows: more than {CELLS:,} cells", path=str(path))
    rows: list[list[str]] = []
    spent = 0
    for batch in file.iter_batches(batch_size=AT_ONCE):
        spent += batch.nbytes
        if spent > BYTES:
            raise fail("NS645", f"more than {BYTES:,} bytes of cells", path=str(path))
        columns = [[as_text(value) for value in column.to_pylist()] for column in batch.columns]
        rows += map(list, zip(*columns, strict=True))
    return names, [*range(1, len(rows) + 1)], rows


def as_text(value: Any) -> str:
    """A cell as CSV has it; a truth is 0 or 1."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return str(value)
