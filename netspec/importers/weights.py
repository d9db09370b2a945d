"""Weights by layer name, as Caffe saves them -> tensors by the names that a spec's weights have,
and a row on each of them.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from netspec.diagnostics import Diagnostic, SpecError
from netspec.file_writing import aside, replacing, write_text
from netspec.ir.graph import TypedGraph

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Weights = dict[str, list[NDArray[np.float32]]]
    Tensors = dict[str, NDArray[np.float32]]

__all__ = ["Row", "Wanted", "list_wanted", "match", "write_both"]

LEGACY_AXES = 4  # num, channels, height, width
Shape = tuple[int, ...]


class Wanted(NamedTuple):
    """A tensor of the net: its shape, and the layers that use it with their blob's place, the owner
    first.
    """

    shape: Shape
    users: tuple[tuple[str, int], ...]


class Row(NamedTuple):
    """What became of a tensor. missing: in the net only; unused: in the file only. stored: its
    shape there, shape: in the net.
    """

    name: str
    status: Literal["kept", "reshaped", "missing", "unused"]
    stored: Shape | None = None
    shape: Shape | None = None


def list_wanted(graphs: Iterable[TypedGraph], names: Mapping[str, str]) -> dict[str, Wanted]:
    """The tensors of a net in some phases. `names` leads from a spec's layer to the name it had in
    Caffe, where that differs.
    """
    shapes: dict[str, Shape] = {}
    users: dict[str, dict[tuple[str, int], None]] = {}
    for graph in graphs:
        for ref in sorted(graph.weight_refs(), key=lambda ref: ref.shared):  # owners first
            shapes.setdefault(ref.name, tuple(size for size in ref.weight.shape if isinstance(size, int)))
            users.setdefault(ref.name, {})[names.get(ref.node.name, ref.node.name), ref.index] = None
    return {name: Wanted(shape, tuple(users[name])) for name, shape in shapes.items()}


def match(weights: "Weights", wanted: Mapping[str, Wanted], path: str) -> "tuple[Tensors, list[Row]]":
    """Tensors for a net and a row on each, those of the file that the net has no use for last.

    Raises NS031 where a shape differs from the net's by more than the leading ones of Caffe's old
    four-axis blobs.
    """
    tensors: Tensors = {}
    rows: list[Row] = []
    faults: list[Diagnostic] = []
    for name, tensor in wanted.items():
        blob = next(
            (weights[layer][index] for layer, index in tensor.users if index < len(weights.get(layer, ()))),
            None,
        )
        if blob is None:
            rows.append(Row(name, "missing", shape=tensor.shape))
        elif (
            blob.shape != tensor.shape
            # Caffe's ShapeEquals: old blobs have ones in front
            and (1,) * (LEGACY_AXES - len(tensor.shape)) + tensor.shape != blob.shape
        ):
            faults.append(
                Diagnostic(
                    "NS031",
                    f"{name} is {list(blob.shape)} in the file, {list(tensor.shape)} in the net",
                    path=path,
                )
            )
        else:
            tensors[name] = blob.reshape(tensor.shape)
            rows.append(
                Row(
                    name,
                    "kept" if blob.shape == tensor.shape else "reshaped",
                    blob.shape,
                    tensor.shape,
                )
            )
    if faults:
        raise SpecError(faults)
    used = {place for tensor in wanted.values() for place in tensor.users}
    rows += [
        Row(f"{layer}.{index}", "unused", blob.shape)
        for layer, blobs in weights.items()
        for index, blob in enumerate(blobs)
        if (layer, index) not in used
    ]
    return tensors, rows


def write_both(spec: str | Path, text: str, path: str | Path, tensors: "Tensors") -> None:
    """Write a spec and its weights: never new weights beside an old spec, or the other way round,
    whenever the process ends.

    Both are drafts first; then the old weights are put aside, the spec takes its place, then the
    weights. Raises SpecError.
    """
    with replacing(path) as draft:
        put_safetensors(draft, tensors)
        with aside(path):
            write_text(spec, text)


def put_safetensors(path: Path, tensors: "Tensors") -> None:
    """Write tensors by name, one after the other: 8 bytes of length, a JSON header, the values
    (little endian). Raises OSError.
    """
    header: dict[str, object] = {}
    at = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # safetensors: values begin at a multiple of 8
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            file.write(tensor.astype("<f4", copy=False).tobytes())
