"""One picture file looked at: its header, how it ends, and where asked its pixels. In: a path; out: a
Picture. Raises nothing for a file that is damaged: that is what it tells.
"""

import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from netspec.data.decode import decode, open_picture, picture_faults
from netspec.data.paths import reading_error
from netspec.data.source import Array
from netspec.diagnostics import SpecError
from netspec.file_reading import open_in
from netspec.resolve.sections.image import ImageContract

__all__ = ["Picture", "find_colors", "look_at"]

END = 1 << 10
"""Bytes at either end that tell files of one length apart, and whether a file was cut short."""
CLOSING = {"JPEG": b"\xff\xd9", "PNG": b"IEND", "GIF": b";"}


class Picture(NamedTuple):
    """What is known of a picture file.

    size: bytes; time: of its last change, in ns; mark: a checksum of its size and both its ends.
    low, high: the least and greatest value of its pixels, None where they were not looked at.
    plain: all pixels have one colour. fault: why it cannot be read, and code: of the finding that says
    so; else empty.
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

    def blame(self, error: SpecError) -> "Picture":
        """The same, with why it cannot be read."""
        found = error.diagnostics[0]
        return self._replace(fault=found.fact, code=found.code)

    @property
    def decoded(self) -> bool:
        """Whether all of it was looked at, not only its header and its end."""
        return self.low is not None or bool(self.fault)


def look_at(
    path: Path, roots: Sequence[Path], decoding: bool = False, known: Picture | None = None
) -> Picture:
    """A picture's facts. A file that ends unlike its format says is decoded whatever is asked: cut
    short, or only with a tail that nobody minds.

    known: what was found before, taken where size and time are the same.
    """
    try:
        with open_in(path, roots) as file:
            stat = os.fstat(file.fileno())
            same = known is not None and (known.size, known.time) == (stat.st_size, stat.st_mtime_ns)
            if known is not None and same and (known.decoded or not decoding):
                return known
            return look_into(file, Picture(stat.st_size, stat.st_mtime_ns), str(path), decoding)
    except OSError as error:
        return Picture().blame(reading_error(path, error))


def look_into(file: BinaryIO, found: Picture, name: str, decoding: bool) -> Picture:
    """The facts of an open file."""
    head = file.read(END)
    file.seek(max(0, found.size - END))
    tail = file.read(END)
    file.seek(0)
    found = found._replace(mark=zlib.crc32(tail, zlib.crc32(head, found.size & 0xFFFFFFFF)))
    try:
        with picture_faults(name, found.size):
            image = open_picture(file, name)
            found = found._replace(
                format=image.format or "", mode=image.mode, width=image.width, height=image.height
            )
        if decoding or not ends_well(found, head, tail):
            file.seek(0)
            low, high, plain = find_colors(decode(file.read(), ImageContract(color="rgb"), name))
            found = found._replace(low=low, high=high, plain=plain)
    except SpecError as error:
        return found.blame(error)
    return found


def ends_well(found: Picture, head: bytes, tail: bytes) -> bool:
    """Whether a file ends as those of its format do. Where a format says nothing, it may not."""
    if found.format in CLOSING:
        return CLOSING[found.format] in tail[-16:]
    if found.format == "WEBP":
        return int.from_bytes(head[4:8], "little") + 8 <= found.size
    if found.format == "BMP":
        return int.from_bytes(head[2:6], "little") <= found.size
    return False


def find_colors(pixels: Array) -> tuple[int, int, bool]:
    """The least and the greatest value of pixels (C, h, w), and whether they all are of one colour."""
    low, high = pixels.min((1, 2)), pixels.max((1, 2))
    return int(low.min()), int(high.max()), bool(np.array_equal(low, high))
