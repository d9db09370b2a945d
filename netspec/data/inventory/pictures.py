"""One picture file looked at: its header, how it ends, and where asked its pixels, all from one
opening. In: a path; out: a Picture. Raises nothing for a file that is damaged: that is what it
tells.
"""

import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from netspec.data.paths import reading_error
from netspec.data.source import Array
from netspec.diagnostics import SpecError, fail
from netspec.file_reading import Roots, open_in, stat_in
from netspec.imaging.decode import MAX_BYTES, is_flat, open_picture, picture_faults, upright_size
from netspec.imaging.headers import read_header
from netspec.imaging.wide import tell_mode

__all__ = ["UNKNOWN", "Decoder", "Picture", "look_at"]

END = 1 << 10
"""Bytes at either end that tell files of one length apart, and whether a file was cut short."""
HEAD = 1 << 14
"""Bytes that are read of a file of which the header alone is wanted: it lies in them mostly."""
MARGIN = 16
"""Bytes at the end among which a format's last mark is looked for: a chunk's checksum, and the zeros or
the line end that some writers add, may follow it.
"""
CLOSING = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b";"}
Decoder = Callable[[Image.Image], Array]
"""The values of an opened picture. Raises what Pillow raises, SpecError."""


class Picture(NamedTuple):
    """What is known of a picture file.

    size: bytes; time: of its last change, in ns; mark: a checksum of its size and both its ends.
    width, height: of it upright. low, high: the least and greatest value of its pixels, None where
    they were not looked at. plain: all pixels have one colour. fault: why it cannot be read, and
    code: of the finding that says so; else empty. words: of the spec, by which its values were
    read; mostly none. held: which classes a mask holds, a bit for each, as a hexadecimal number,
    where all are below 256.
    """

    size: int = 0
    time: int = 0
    mark: int = 0
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    low: int | None = None
    high: int | None = None
    plain: bool = False
    fault: str = ""
    code: str = ""
    words: str = ""
    held: str = ""

    def blame(self, error: SpecError) -> "Picture":
        """The same, with why it cannot be read."""
        found = error.diagnostics[0]
        return self._replace(fault=found.fact, code=found.code)

    @property
    def decoded(self) -> bool:
        """Whether all of it was looked at, not only its header and its end."""
        return self.low is not None


UNKNOWN = Picture()


def look_at(
    path: Path,
    roots: Roots,
    decode: Decoder,
    decoding: bool = False,
    known: Picture = UNKNOWN,
    words: str = "",
) -> Picture:
    """A picture's facts. A file that ends unlike its format says is decoded whatever is asked: cut
    short, or only with a tail that nobody minds.

    known: what was found before, taken where size, time and, of what was decoded, words are the
    same; what was at fault is looked at again.
    """
    same = known.words == words or not known.decoded
    try:
        if known.size and not known.fault and same and (known.decoded or not decoding):
            stat = stat_in(path, roots)
            if (known.size, known.time) == (stat.st_size, stat.st_mtime_ns):
                return known
        # a buffer would cost more than the two reads that it could save
        with open_in(path, roots, buffering=0) as file:
            stat = os.fstat(file.fileno())
            return look_into(file, (stat.st_size, stat.st_mtime_ns), str(path), decode, decoding, words)
    except OSError as error:
        return Picture().blame(reading_error(path, error))


def look_into(
    file: BinaryIO, version: tuple[int, int], name: str, decode: Decoder, decoding: bool, words: str
) -> Picture:
    """The facts of an open file. version: its bytes and the time of its last change."""
    size, time = version
    data = file.read(min(size, MAX_BYTES) + 1 if decoding else HEAD)
    ends = data[:END], data[-END:] if len(data) >= size else read_tail(file, size)
    mark = zlib.crc32(ends[1], zlib.crc32(ends[0], size & 0xFFFFFFFF))
    header = None if decoding else read_header(data)
    if header is not None and ends_well(header.format, size, *ends):
        kind, mode, width, height = header
        return Picture(size, time, mark, kind, mode, width, height, words=words)
    found = Picture(size, time, mark, words=words)
    try:
        with picture_faults(name, found.size):
            if len(data) > MAX_BYTES:
                raise fail("NS648", f"more than {MAX_BYTES:,} bytes", path=name)
            image = open_picture(io.BytesIO(data) if len(data) >= found.size else file, name)
            width, height = upright_size(image)
            found = found._replace(
                format=image.format or "", mode=tell_mode(image), width=width, height=height
            )
            if decoding or not ends_well(found.format, size, *ends):
                found = tell_values(found, decode(image))
    except SpecError as error:
        return found.blame(error)
    return found


def read_tail(file: BinaryIO, size: int) -> bytes:
    """The last bytes of a file, which is then at its begin again."""
    file.seek(max(0, size - END))
    tail = file.read(END)
    file.seek(0)
    return tail


def tell_values(found: Picture, values: Array) -> Picture:
    """The same, with what its values tell: pixels (C, h, w), or the classes of a mask (h, w)."""
    plain = values.ndim == 3 and is_flat(values)
    found = found._replace(low=int(values.min()), high=int(values.max()), plain=plain)
    if values.ndim == 2 and values.dtype == np.uint8:
        there = np.flatnonzero(np.bincount(values.reshape(-1)))
        return found._replace(held=f"{sum(1 << number for number in there.tolist()):x}")
    return found


def ends_well(kind: str, size: int, head: bytes, tail: bytes) -> bool:
    """Whether a file ends as those of its format do. Where a format says nothing, it may not."""
    if kind in CLOSING:
        return CLOSING[kind] in tail[-MARGIN:]
    if kind == "WEBP":
        return int.from_bytes(head[4:8], "little") + 8 <= size
    if kind == "BMP":
        return int.from_bytes(head[2:6], "little") <= size
    return False
