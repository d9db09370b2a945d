"""Blobs by layer -> the bytes of a .caffemodel, piece by piece: Caffe's NetParameter on protobuf's
wire. Knows no spec.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from netspec.caffe.schema import message_fields
from netspec.caffe.wire import BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MAX_BYTES", "StoredLayer", "caffemodel"]

MAX_BYTES = (1 << 31) - 1
"""The largest message that protobuf reads."""
LOW, MORE = 0x7F, 0x80


class StoredLayer(NamedTuple):
    """A layer as a weights file holds it: its blobs in Caffe's order, each float32 in its own
    shape.
    """

    name: str
    type: str
    blobs: "Sequence[NDArray[np.float32]]"


def caffemodel(name: str, layers: Iterable[StoredLayer]) -> Iterator[bytes]:
    """A NetParameter in today's form, as Caffe's snapshot writes it; no more than one blob is
    copied at a time.
    """
    net = numbers("NetParameter")
    if name:
        yield text(net["name"], name)
    for layer in layers:
        yield from layer_bytes(net["layer"], layer)


def layer_bytes(field: int, layer: StoredLayer) -> Iterator[bytes]:
    """One LayerParameter: name, type, blobs."""
    at = numbers("LayerParameter")
    start = text(at["name"], layer.name) + text(at["type"], layer.type)
    heads = [blob_head(blob) for blob in layer.blobs]
    openings = [
        opening(at["blobs"], len(head) + blob.nbytes) for head, blob in zip(heads, layer.blobs, strict=True)
    ]
    size = (
        len(start) + sum(map(len, heads)) + sum(map(len, openings)) + sum(blob.nbytes for blob in layer.blobs)
    )
    yield opening(field, size) + start
    for before, head, blob in zip(openings, heads, layer.blobs, strict=True):
        yield before + head
        yield blob.astype("<f4", copy=False).tobytes()


def blob_head(blob: "NDArray[np.float32]") -> bytes:
    """What stands in a BlobProto before its numbers: the shape, and the opening of the packed
    numbers.
    """
    at = numbers("BlobProto")
    dims = b"".join(varint(size) for size in blob.shape)
    shape = opening(numbers("BlobShape")["dim"], len(dims)) + dims
    return opening(at["shape"], len(shape)) + shape + opening(at["data"], blob.nbytes)


def numbers(message: str) -> dict[str, int]:
    return {name: field.number for name, field in message_fields(message).items()}


def text(field: int, value: str) -> bytes:
    payload = value.encode()
    return opening(field, len(payload)) + payload


def opening(field: int, length: int) -> bytes:
    """Tag and length of a field whose payload follows."""
    return varint(field << 3 | BYTES) + varint(length)


def varint(value: int) -> bytes:
    """A number of at least 0, seven bits a byte, low ones first."""
    out = bytearray()
    while value > LOW:
        out.append(value & LOW | MORE)
        value >>= 7
    out.append(value)
    return bytes(out)
