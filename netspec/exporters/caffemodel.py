"""A spec's weights as the .caffemodel that goes with its prototxt. In: safetensors by the spec's
names; out: bytes and findings.
"""

import os
from collections.abc import Iterable, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.caffe.wire_writer import MAX_BYTES, StoredLayer, caffemodel
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.emit.prototxt import View
from netspec.file_writing import replacing
from netspec.ir.graph import WeightRef

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensors = dict[str, NDArray[np.float32]]

__all__ = ["collect_stored_layers", "write_caffemodel"]


def write_caffemodel(path: str | os.PathLike[str], name: str, layers: Sequence[StoredLayer]) -> None:
    """Write layers with their blobs, whole or not at all. Raises SpecError NS704, also where
    protobuf could not read the file.
    """
    size = sum(blob.nbytes for layer in layers for blob in layer.blobs)
    if size > MAX_BYTES:
        raise fail(
            "NS704",
            f"{size:,} bytes of weights: protobuf reads at most {MAX_BYTES:,}",
            path=os.fspath(path),
        )
    with replacing(Path(path), "NS704") as draft, open(draft, "wb") as file:
        file.writelines(caffemodel(name, layers))


def collect_stored_layers(
    views: Iterable[View], weights: str | os.PathLike[str]
) -> tuple[list[StoredLayer], list[Diagnostic]]:
    """Every layer that has weights in some view, in order, and NS711 for each layer or tensor that
    the other side does not have.

    A tensor that several layers share stands with each of them, as Caffe saves it. Raises
    SpecError: NS001, NS674; NS676 for a shape that does not fit, and for a layer of which the file
    has a part only.
    """
    tensors = read_arrays(Path(weights))
    file = os.fspath(weights)
    layers = by_layer(views)
    found: list[StoredLayer] = []
    notes: list[Diagnostic] = []
    faults: list[Diagnostic] = []
    for refs in layers.values():
        missing = [ref.name for ref in refs if ref.name not in tensors]
        layer = refs[0].node.name
        if len(missing) == len(refs):
            notes.append(
                Diagnostic(
                    "NS711",
                    f"weights of layer {layer}: the file has none; Caffe fills them as the prototxt says",
                    path=file,
                )
            )
            continue
        faults += [Diagnostic("NS676", f"{name} is not in the file", path=file) for name in missing]
        faults += [
            fault for ref in refs if ref.name in tensors for fault in unfit(ref, tensors[ref.name], file)
        ]
        if not faults:
            blobs = [tensors[ref.name].reshape(shape_of(ref)) for ref in refs]
            found.append(StoredLayer(layer, refs[0].node.layer.type, blobs))
    if faults:
        raise SpecError(faults)
    known = {ref.name for refs in layers.values() for ref in refs}
    notes += [
        Diagnostic("NS711", f"{name}: no layer of the net has it", path=file)
        for name in tensors
        if name not in known
    ]
    return found, notes


def by_layer(views: Iterable[View]) -> dict[str, list[WeightRef]]:
    """The weights of each layer in Caffe's order; of a layer that several states keep, those of the
    first.
    """
    found: dict[str, list[WeightRef]] = {}
    for view in views:
        fresh: dict[str, list[WeightRef]] = {}
        for ref in view.weights:
            fresh.setdefault(ref.node.name, []).append(ref)
        order = {node.name: None for node in view.graph.nodes if node.name in fresh}
        for name in order:
            found.setdefault(name, sorted(fresh[name], key=lambda ref: ref.index))
    return found


def shape_of(ref: WeightRef) -> tuple[int, ...]:
    return tuple(size for size in ref.weight.shape if isinstance(size, int))


def unfit(ref: WeightRef, tensor: "NDArray[np.float32]", file: str) -> list[Diagnostic]:
    """NS676 where a tensor has another shape than its layer's; one that is shared by count may
    differ.
    """
    wanted = shape_of(ref)
    if tensor.shape == wanted or (ref.shared and tensor.size == prod(wanted)):
        return []
    return [
        Diagnostic(
            "NS676",
            f"{ref.name} is {list(tensor.shape)} in the file, {list(wanted)} in the net",
            path=file,
        )
    ]


def read_arrays(path: Path) -> "Tensors":
    """The tensors of a safetensors file as float32 arrays."""
    from netspec.training.run.weights import read_tensors

    return {name: tensor.float().numpy() for name, tensor in read_tensors(path)[0].items()}
