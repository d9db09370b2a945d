"""What tells data from other data: a hash that a snapshot keeps, so that a training does not go on
with samples that it did not begin with. In: a source; out: 16 hex digits.
"""

from hashlib import blake2b

import numpy as np

from netspec.data.source import Array, Source, spread

__all__ = ["identify"]

PROBES = 64
"""Samples that are read where a source is too large to be held: first, last and evenly between."""


def identify(source: Source) -> str:
    """A hash of how many samples there are, what they are called, and what is in them.

    Of arrays in memory, all values; of files, their names and lengths (`Source.signatures`), since
    reading them all would take as long as an epoch; of anything else, PROBES samples. Not of times:
    a copy of the data is the same data. Of a source that may give other values each time, the
    number alone.
    """
    made = blake2b(digest_size=8)
    made.update(f"{len(source)} {sorted(source.fields)}".encode())
    if not source.steady:
        return made.hexdigest()
    names = source.signatures()
    arrays = source.whole() if names is None else None
    if names is not None:
        for name in names:
            made.update(name.encode("utf-8", "surrogateescape") + b"\0")
        update(made, source.labels())
    elif arrays is not None:
        for key in sorted(arrays):
            update(made, arrays[key])
    else:
        rows = source.batch(spread(len(source), PROBES))
        for key in sorted(rows):
            for row in rows[key]:
                update(made, np.asarray(row))
    return made.hexdigest()


def update(made: "blake2b", values: Array | None) -> None:
    """Hash values with their shape and type, in the same byte order on every machine."""
    if values is None:
        return
    little = values.dtype.newbyteorder("<") if values.dtype.kind in "iuf" else values.dtype
    made.update(f"{values.shape} {little.str}".encode())
    made.update(np.ascontiguousarray(values, little).reshape(-1).view(np.uint8).data)
