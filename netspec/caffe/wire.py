"""Protobuf's wire format, read from untrusted bytes: fields as numbers and stretches of the buffer.
Knows no message.

Nothing is copied and nothing recurses: a message inside is only a stretch, which the caller may
read in turn. Whatever the bytes are, the answer is a list of fields or a WireError.
"""

from collections.abc import Iterator
from typing import NamedTuple

__all__ = [
    "BYTES",
    "FIXED32",
    "FIXED64",
    "VARINT",
    "Budget",
    "Fields",
    "WireError",
    "WireField",
    "decode_signed",
    "varints",
]

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)
MAX_GROUPS = 100  # protobuf's own bound


class WireError(ValueError):
    """The bytes are no message: where, and why."""

    def __init__(self, at: int, fact: str) -> None:
        super().__init__(f"at byte {at:,}: {fact}")


class WireField(NamedTuple):
    """A field: number, wire type, and the stretch of its payload; `value` is the integer of a
    varint, else 0.
    """

    number: int
    wire: int
    start: int
    end: int
    value: int = 0


class Budget:
    """How many fields a file may still have before it is refused; unlike a length, a count is not
    bounded by what a user waits for.
    """

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit

    def spend(self, at: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise WireError(at, f"more than {self.limit:,} fields")


class Fields:
    """The fields of the message that fills data[start:end], one by one. Raises WireError where they
    do not fill it exactly.

    `at` is the offset after the field read last; a caller that takes more than that field moves it
    on.
    """

    __slots__ = ("at", "budget", "data", "end")

    def __init__(self, data: memoryview, start: int, end: int, budget: Budget) -> None:
        self.data = data
        self.at = start
        self.end = end
        self.budget = budget

    def __iter__(self) -> Iterator[WireField]:
        while self.at < self.end:
            self.budget.spend(self.at)
            tag, at = varint(self.data, self.at, self.end)
            number, wire = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:  # protobuf's range
                raise WireError(self.at, f"field number {number} is out of range")
            if wire == GROUP:
                self.at = skip_group(self.data, at, self.end, number, self.budget)
                continue
            value = 0
            if wire == VARINT:
                value, stop = varint(self.data, at, self.end)
            else:
                at, stop = payload(self.data, at, self.end, wire)
            self.at = stop
            yield WireField(number, wire, at, stop, value)


def varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    """The integer at an offset, and the offset after it: seven bits a byte, low ones first, at most
    ten bytes.
    """
    value = shift = 0
    for here in range(at, min(at + 10, end)):
        byte = data[here]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            # ten bytes hold 70 bits: protobuf drops those past 64
            return value & 0xFFFFFFFFFFFFFFFF, here + 1
        shift += 7
    raise WireError(
        at, "the file ends inside a number" if end - at < 10 else "a number has more than ten bytes"
    )


def payload(data: memoryview, at: int, end: int, wire: int) -> tuple[int, int]:
    """Begin and end of what a field of a wire type with a length holds."""
    if wire == FIXED32:
        stop = at + 4
    elif wire == FIXED64:
        stop = at + 8
    elif wire == BYTES:
        length, at = varint(data, at, end)
        stop = at + length
    else:
        raise WireError(at, f"wire type {wire} does not exist here")
    if stop > end:
        raise WireError(at, f"a field of {stop - at:,} bytes has only {end - at:,} left")
    return at, stop


def skip_group(data: memoryview, at: int, end: int, number: int, budget: Budget) -> int:
    """The offset after a group (an outdated form that Caffe does not use), passed over without
    descending.
    """
    begin, open_groups = at, [number]
    while open_groups:
        budget.spend(at)
        tag, at = varint(data, at, end)
        wire = tag & 7
        if wire == GROUP:
            open_groups.append(tag >> 3)
        elif wire == GROUP_END:
            if open_groups.pop() != tag >> 3:
                raise WireError(at, "a group ends that was not open")
        elif wire == VARINT:
            at = varint(data, at, end)[1]
        else:
            at = payload(data, at, end, wire)[1]
        if len(open_groups) > MAX_GROUPS:
            raise WireError(begin, f"more than {MAX_GROUPS} groups inside each other")
    return at


def decode_signed(value: int) -> int:
    """A varint as the two's complement number that int32 and int64 fields store."""
    if value >> 63:
        return value - (1 << 64)
    return value


def varints(data: memoryview, start: int, end: int, budget: Budget) -> Iterator[int]:
    """The integers of a packed field."""
    at = start
    while at < end:
        budget.spend(at)
        value, at = varint(data, at, end)
        yield decode_signed(value)
