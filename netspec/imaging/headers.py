"""Size and mode of ordinary PNG and JPEG files, by their first bytes alone. In: these; out: a Header,
or None for all that Pillow shall judge: other formats, turned or unusual pictures, doubtful bytes.
"""

import struct
import zlib
from typing import NamedTuple

from netspec.imaging.contract import MAX_PIXELS

__all__ = ["Header", "read_header"]

PNG = b"\x89PNG\r\n\x1a\n"
PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
IHDR = struct.Struct(">I4sIIBBBBBI")
JPEG_MODES = {1: "L", 3: "RGB"}
FRAMES = (0xC0, 0xC1, 0xC2)
"""Baseline, extended, progressive: the other kinds of frames are rare."""
SCAN, EXIF = 0xDA, 0xE1
PARTED = frozenset((*range(0xC0, 0xCF), *range(0xDA, 0xF0), 0xFE)) - {0xC8}
"""Marks of segments that say their length."""


class Header(NamedTuple):
    """What a picture's header says."""

    format: str
    mode: str
    width: int
    height: int


def read_header(data: bytes) -> Header | None:
    """The header of a file that begins with such bytes."""
    if data[:2] == b"\xff\xd8":
        found = read_jpeg(data)
    elif data[:8] == PNG:
        found = read_png(data)
    else:
        return None
    if found is None or not 0 < found.width * found.height <= MAX_PIXELS:
        return None
    return found


def read_png(data: bytes) -> Header | None:
    """The header of a PNG with 8 bits a channel, whose checksum holds."""
    if len(data) < len(PNG) + IHDR.size or b"eXIf" in data:  # which may say that it is turned
        return None
    length, kind, width, height, bits, color, packing, filtering, lacing, check = IHDR.unpack_from(data, 8)
    ordinary = (length, kind, bits, packing, filtering) == (13, b"IHDR", 8, 0, 0) and lacing <= 1
    if not ordinary or color not in PNG_MODES or zlib.crc32(data[12:29]) != check:
        return None
    return Header("PNG", PNG_MODES[color], width, height)


def read_jpeg(data: bytes) -> Header | None:
    """The header of a JPEG with 8 bits a channel, gray or of three colours, as far as its first
    scan.
    """
    at, found, most = 2, None, len(data) - 9
    while at < most:
        if data[at] != 0xFF:
            return None
        mark = data[at + 1]
        if mark == SCAN:
            return found
        if mark not in PARTED or (mark == EXIF and data[at + 4 : at + 8] == b"Exif"):
            return None
        if mark in FRAMES:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, at + 4)
            if bits != 8 or channels not in JPEG_MODES or found is not None:
                return None
            found = Header("JPEG", JPEG_MODES[channels], width, height)
        elif 0xC0 <= mark < 0xCF and mark not in (0xC4, 0xCC):
            return None
        length = data[at + 2] << 8 | data[at + 3]
        if length < 2:
            return None
        at += 2 + length
    return None
