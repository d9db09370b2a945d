"""How much stands in a message, counted before it is read, and where its raw tensors lie: in, the bytes of
a ModelInferRequest; out, these places, or a RequestError. An empty part takes two bytes, as a message in
memory fifty times that; a raw tensor would be copied twice.
"""

from collections.abc import Iterator

from netspec.serving.tensors import RequestError

__all__ = ["check_parts", "set_aside"]

# Inputs, outputs, parameters, sizes and all else that is not a tensor's content.
PARTS = 4096
INPUTS, RAW, SHAPE, CONTENTS = 5, 7, 3, 5
WIDE = {6: 4, 7: 8}
STRINGS = 8
GOES_ON = bytes(range(128, 256))
VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5


class WireError(ValueError):
    """What came is no message."""


def check_parts(body: bytes, most: int) -> None:
    """most: values that contents may hold one by one; packed lists count as one. Raises
    RequestError (400, 413).
    """
    try:
        parts, values = count_parts(body, most)
    except WireError as error:
        raise RequestError(f"the message must be a ModelInferRequest: {error}") from error
    if parts > PARTS:
        raise RequestError(f"a request may have {PARTS} parts beside its tensors' contents: it has more", 413)
    if values > most:
        words = f"a request may hold {most} values in a tensor's contents: it holds more"
        raise RequestError(f"{words}; large tensors go as raw_input_contents", 413)


def set_aside(body: bytes) -> tuple[bytes, list[memoryview]]:
    """A message that was counted, without its raw_input_contents, and these as they lie in it."""
    whole, rest, raw, at = memoryview(body), list[memoryview](), list[memoryview](), 0
    for number, kind, begin, end in read_fields(body, 0, len(body)):
        if (number, kind) == (RAW, BYTES):
            raw.append(whole[begin:end])
        else:
            rest.append(whole[at:end])
        at = end
    return b"".join(rest), raw


def count_parts(body: bytes, most: int) -> tuple[int, int]:
    """So many as there are, or more than there may be."""
    parts = values = 0
    for number, _, begin, end in read_fields(body, 0, len(body)):
        parts += 1
        for inner, _, start, stop in read_fields(body, begin, end if number == INPUTS else begin):
            parts += 1 + (inner == SHAPE) * (stop - start)
            for kind, _, first, last in read_fields(body, start, stop if inner == CONTENTS else start):
                values += count_values(body[first:last], kind)
                if values > most:
                    return parts, values
            if parts > PARTS:
                return parts, values
        if parts > PARTS:
            break
    return parts, values


def count_values(data: bytes, kind: int) -> int:
    """Of a field of InferTensorContents, whether it is packed or not."""
    if kind in WIDE:
        return max(1, len(data) // WIDE[kind])
    if kind == STRINGS:
        return 1
    return max(1, len(data.translate(None, GOES_ON)))  # each number ends with a byte below 128


def read_fields(body: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The number and kind of each field of a message, and where its bytes lie."""
    while at < end:
        tag, at = read_varint(body, at)
        kind = tag & 7
        begin = at
        if kind == BYTES:
            size, begin = read_varint(body, at)
            at = begin + size
        elif kind == VARINT:
            _, at = read_varint(body, at)
        elif kind in (EIGHT, FOUR):
            at += 8 if kind == EIGHT else 4
        else:
            raise WireError(f"a field of kind {kind}")
        if at > end:
            raise WireError("a field ends behind the end")
        yield tag >> 3, kind, begin, at


def read_varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(body):
        byte = body[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise WireError("a number of more than 64 bits")
    raise WireError("it is cut off")
