"""ONNX files on disk: written in one pass, no tensor copied, whole or not at all. In: an Outline
and arrays; out: a file, or two.

Above 2 GiB (protobuf's limit) the weights lie in one file beside the model, `<model>.<crc32>.data`:
its name tells its content, so that at no moment a model stands beside the data of another.
"""

import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from netspec.diagnostics import fail
from netspec.emit.onnx_model import Outline
from netspec.emit.onnx_proto import element_type
from netspec.file_writing import draft_of, forget_drafts, is_special, refusal, sync
from netspec.ir.graph import TypedGraph

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]

__all__ = ["LIMIT", "add_metadata", "arrays", "check_place", "publishing", "write_model"]

LIMIT = 2**31 - 2**20
"""Bytes of a file that holds its weights itself; the rest up to 2 GiB is for metadata."""
ALIGNMENT = 4096
"""Weights in a data file begin at a multiple of this, so that they can be mapped into memory."""


@contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """A path in a hidden folder beside `path` to write the model to; at the end what lies there is
    brought to disk and moved to its place.

    On an error nothing is left. Raises SpecError NS704 where the place cannot be written to.
    """
    draft: Path | None = None
    try:
        draft = begin_draft(path)
        yield draft / path.name
        # the data before the model that names them
        files = sorted(draft.iterdir(), key=lambda f: f.name == path.name)
        for file in files:
            sync(file)
        for file in files:
            file.replace(path.parent / file.name)
        sync(path.parent)
        forget_others(path, {file.name for file in files})
    except OSError as error:
        raise fail("NS704", refusal(error, path), path=str(path)) from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


def begin_draft(path: Path) -> Path:
    """An empty hidden folder beside `path`. NS704, OSError."""
    if path.is_dir():
        raise fail("NS704", "it is a folder", path=str(path))
    if is_special(path):
        raise fail("NS704", "it is a device or a pipe, not a file", path=str(path))
    forget_drafts(path.parent, path.name)
    draft = draft_of(path)
    draft.mkdir(mode=0o700)  # nobody else may put a file in
    return draft


def check_place(path: Path) -> None:
    """NS704 where no model can be written to a path: for work that takes long, before it begins."""
    try:
        begin_draft(path).rmdir()
    except OSError as error:
        raise fail("NS704", refusal(error, path), path=str(path)) from error


def forget_others(path: Path, kept: set[str]) -> None:
    """Remove the data files of models that stood at this path before."""
    pattern = re.compile(re.escape(path.name) + r"\.[0-9a-f]{8}\.data")
    for file in path.parent.iterdir():
        if pattern.fullmatch(file.name) and file.name not in kept:
            with suppress(OSError):
                file.unlink()


def arrays(net: Any, typed: TypedGraph) -> dict[str, Any]:
    """The weights as arrays that share torch's memory, by their names."""
    refs = [ref for ref in typed.weight_refs() if not ref.shared]
    return {ref.name: net.layer_parameters(ref.node.name)[ref.index].detach().cpu().numpy() for ref in refs}


def write_model(outline: Outline, arrays: "Arrays", path: Path) -> None:
    """Write the model with these arrays (by names in the model, as `fit_weights` gives them); above
    LIMIT bytes they go beside it. OSError.
    """
    from onnx import ModelProto

    head = ModelProto()
    head.CopyFrom(outline.model)
    # a field may come later: to protobuf the parts of a file are one message
    head.ClearField("graph")
    graph = outline.model.graph.SerializeToString()
    # tags, dims and lengths of a tensor stay below 128 bytes
    whole = len(graph) + sum(a.nbytes + len(name) + 128 for name, a in arrays.items())
    entries = outside(arrays, path) if whole > LIMIT else inside(arrays)
    parts = [(header, data) for header, data in entries]
    size = len(graph) + sum(len(header) + (data.nbytes if data is not None else 0) for header, data in parts)
    with path.open("wb") as file:
        file.write(head.SerializeToString())
        file.write(field(ModelProto, "graph") + varint(size) + graph)
        for header, data in parts:
            file.write(header)
            if data is not None:
                put(file, data)


def inside(arrays: "Arrays") -> "Iterator[tuple[bytes, np.ndarray[Any, Any] | None]]":
    """GraphProto.initializer for each array: the bytes before its data, and the data."""
    from onnx import GraphProto, TensorProto

    for name, array in arrays.items():
        tensor = TensorProto(name=name, dims=array.shape, data_type=element_type(str(array.dtype)))
        start = tensor.SerializeToString() + field(TensorProto, "raw_data") + varint(array.nbytes)
        yield field(GraphProto, "initializer") + varint(len(start) + array.nbytes) + start, array


def outside(arrays: "Arrays", path: Path) -> "Iterator[tuple[bytes, None]]":
    """The same for data in a file of their own, which is written here."""
    from onnx import GraphProto, StringStringEntryProto, TensorProto

    data = path.with_name(path.name + ".data")
    places, crc = {}, 0
    with data.open("wb") as file:
        for name, array in arrays.items():
            file.write(bytes(-file.tell() % ALIGNMENT))
            places[name] = file.tell()
            put(file, array)
            crc = zlib.crc32(view(array), crc)
    name = f"{path.name}.{crc:08x}.data"
    data.replace(path.with_name(name))
    for key, array in arrays.items():
        where = {"location": name, "offset": str(places[key]), "length": str(array.nbytes)}
        tensor = TensorProto(
            name=key,
            dims=array.shape,
            data_type=element_type(str(array.dtype)),
            data_location=TensorProto.EXTERNAL,
            external_data=[StringStringEntryProto(key=k, value=v) for k, v in where.items()],
        )
        text = tensor.SerializeToString()
        yield field(GraphProto, "initializer") + varint(len(text)) + text, None


def add_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    """Append properties to a model as it lies on disk: messages written one after the other are one
    to protobuf. No other byte changes.
    """
    from onnx import ModelProto, StringStringEntryProto

    with path.open("ab") as file:
        file.write(
            ModelProto(
                metadata_props=[StringStringEntryProto(key=k, value=v) for k, v in metadata.items()]
            ).SerializeToString()
        )


def put(file: IO[bytes], array: "np.ndarray[Any, Any]") -> None:
    """Write an array's bytes as they lie in memory, little-endian."""
    import sys

    file.write(view(array if sys.byteorder == "little" else array.byteswap()))


def view(array: "np.ndarray[Any, Any]") -> memoryview:
    return memoryview(array.reshape(-1).view("uint8"))  # type: ignore[arg-type]  # numpy's arrays are buffers


def field(message: Any, name: str) -> bytes:
    """The tag of a length-delimited field."""
    return varint(message.DESCRIPTOR.fields_by_name[name].number << 3 | 2)


def varint(number: int) -> bytes:
    """protobuf's variable-length integer: seven bits a byte, the lowest first."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])
