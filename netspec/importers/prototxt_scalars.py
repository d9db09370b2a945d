"""Literals of the protobuf text format -> Python values."""

import re
from functools import lru_cache

__all__ = ["number", "unquote"]

ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
CONTROL = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}
# 64 bits are 20 digits; int() takes long over thousands, and refuses 4,301
LONGEST_INTEGER = 24


@lru_cache(maxsize=1 << 16)
def number(text: str) -> int | float:
    """A numeral: decimal, octal (leading 0), hexadecimal (0x), or floating with an optional f."""
    digits = text.removeprefix("-")
    if digits[:2] in ("0x", "0X"):
        return int(text, 16)
    if not digits.isdigit() or len(digits) > LONGEST_INTEGER:
        return float(text.rstrip("fF"))
    octal = len(digits) > 1 and digits[0] == "0" and not set(digits) & {"8", "9"}
    return int(text, 8 if octal else 10)


def unquote(literal: str) -> str:
    """The content of a quoted string. Its escapes make bytes; bytes that are no UTF-8 are read as
    Latin-1.
    """
    body = literal[1:-1]
    if "\\" not in body:
        return body
    raw = ESCAPE.sub(unescape, body.encode("utf-8", "surrogatepass"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def unescape(match: re.Match[bytes]) -> bytes:
    """The bytes that an escape stands for; an unknown one stands for its character."""
    octal, hexadecimal, short, long, other = match.groups()
    if octal is not None:
        return bytes([int(octal, 8) & 0xFF])  # \777, as C takes it
    if hexadecimal is not None:
        return bytes([int(hexadecimal, 16)])
    if other is not None:
        return CONTROL.get(other, other)
    point = int(short or long, 16)
    # neither beyond Unicode nor half of a pair
    return chr(point if point < 0x110000 and not 0xD800 <= point < 0xE000 else 0xFFFD).encode()
