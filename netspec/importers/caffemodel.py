"""Weights files of Caffe (.caffemodel in its three generations, .h5), untrusted -> numpy arrays by
layer name.

Memory stays below the file's own size; whatever the bytes are, the answer is arrays or a
diagnostic.
"""

import mmap
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.caffe.blobs import read_blob, text
from netspec.caffe.schema import message_fields
from netspec.caffe.wire import BYTES, Budget, Fields, WireError, WireField
from netspec.diagnostics import SpecError, fail
from netspec.file_reading import open_file, read_bytes
from netspec.syntax.foreign import HEAD, foreign_weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Weights = dict[str, list[NDArray[np.float32]]]

__all__ = ["read_caffemodel", "read_weights"]

MAX_WIRE_FIELDS = 10_000_000
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
NET = {name: field.number for name, field in message_fields("NetParameter").items()}
LAYER, V1, V0 = (
    {name: field.number for name, field in message_fields(message).items()}
    for message in ("LayerParameter", "V1LayerParameter", "V0LayerParameter")
)


def read_weights(path: str | Path) -> "Weights":
    """The blobs of each layer that has any, in Caffe's order, from a .caffemodel or an HDF5 file
    (told by its first bytes).

    Raises NS026, NS027; NS042 in their place for a file of another tool; NS657 for HDF5 without
    h5py.
    """
    try:
        return read_either(path)
    except SpecError as error:
        if any(found.code in ("NS026", "NS027") for found in error.diagnostics):
            stranger = foreign_weights(fspath(path), read_bytes(path, most=HEAD))
            if stranger is not None:
                raise SpecError([stranger]) from None
        raise


def read_either(path: str | Path) -> "Weights":
    """By its first bytes."""
    if first_bytes(path).startswith(HDF5_MAGIC):
        from netspec.importers.hdf5 import read_hdf5

        return read_hdf5(path)
    return read_caffemodel(path)


def read_caffemodel(path: str | Path) -> "Weights":
    """The same from a .caffemodel alone. Raises NS026 for damaged bytes, NS027 for a file of
    another kind.
    """
    first_bytes(path)  # an empty file cannot be mapped
    with open_file(path) as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        weights, layers = read_net(data)
    except WireError as error:
        raise fail("NS026", str(error), path=fspath(path)) from None
    if not layers:
        raise fail("NS027", "the file holds no layer", path=fspath(path))
    return weights


def first_bytes(path: str | Path) -> bytes:
    """The head of a file that can be read and is not empty."""
    try:
        head = read_bytes(path, most=len(HDF5_MAGIC))
    except OSError as error:
        raise fail("NS001", error.strerror or str(error), path=fspath(path)) from None
    if not head:
        raise fail("NS027", "the file is empty", path=fspath(path))
    return head


def read_net(data: memoryview) -> "tuple[Weights, int]":
    """The blobs by layer name in a NetParameter, and the number of layers. A name that occurs again
    with blobs replaces the first.
    """
    budget = Budget(MAX_WIRE_FIELDS)
    weights: Weights = {}
    layers = 0
    for field in Fields(data, 0, len(data), budget):
        if field.wire != BYTES or field.number not in (NET["layer"], NET["layers"]):
            continue
        layers += 1
        name, blobs = read_layer(data, field, LAYER if field.number == NET["layer"] else V1, budget)
        if blobs:
            weights[name] = blobs
    return weights, layers


def read_layer(
    data: memoryview, layer: WireField, numbers: dict[str, int], budget: Budget
) -> "tuple[str, list[NDArray[np.float32]]]":
    """Name and blobs of a layer; in the oldest form they lie one message deeper."""
    name, blobs = "", []
    inner = numbers.get("layer")
    for field in Fields(data, layer.start, layer.end, budget):
        if field.wire != BYTES:
            continue
        if field.number == numbers["name"]:
            name = text(data, field)
        elif field.number == numbers["blobs"]:
            blobs.append(read_blob(data, field.start, field.end, budget))
        elif field.number == inner:
            inner_name, inner_blobs = read_layer(data, field, V0, budget)
            name, blobs = name or inner_name, blobs or inner_blobs
    return name, blobs
