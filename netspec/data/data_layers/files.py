"""The files that layers name: data layers read them when a call passes nothing in, others write
one, or have a matrix there.

In: a compiled net and its typed graph. Out: readers and writers attached to its modules. Files are
opened when first needed.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from netspec.allowed_paths import within
from netspec.augmentation.kernels.draw import Draw
from netspec.caffe.blobs import read_whole_blob
from netspec.data.data_layers.paths import find_layer_file, folder_of, reach
from netspec.data.data_layers.sources import fields_of, open_layer
from netspec.data.paths import existing, reading_error
from netspec.data.pictures.mean import read_mean
from netspec.data.source import Array, Source
from netspec.data.transforms import CaffeTransform
from netspec.diagnostics import fail
from netspec.file_reading import read_bytes
from netspec.file_writing import refuse_link
from netspec.ir.graph import TypedGraph
from netspec.ir.layer import FileLayer, Layer
from netspec.layers.data_images import Transformed
from netspec.resolve.sections.train import TransformParam

__all__ = ["Reader", "Writer", "attach"]


def attach(net: nn.Module, typed: TypedGraph, writing: bool = True) -> None:
    """Give the layers of a compiled net what they need of files: readers to data layers, matrices
    and, if `writing`, writers.

    Raises SpecError NS643, NS645 for a matrix that cannot be read; what readers and writers meet is
    raised by the call that uses them.
    """
    paths: Any = net.layers
    for node in (*typed.graph.sources, *typed.graph.nodes):
        if not node.layer.reads and not (node.layer.writes and writing):
            continue
        module: Any = net.get_submodule(paths[node.name][0])
        if node.layer.writes:
            module.writer = Writer(node.layer.file_name, folder_of(node))  # type: ignore[attr-defined]
        elif "data" in node.layer.traits:
            module.reader = Reader(
                node.layer,
                tuple(top.name for top in node.tops),
                folder_of(node),
                typed.graph.phase == "TRAIN",
            )
        elif "H" in module._buffers:
            module.H.copy_(torch.from_numpy(matrix(node.layer.source, folder_of(node), module.H.shape)))  # type: ignore[attr-defined]


class Reader:
    """Batches of a data layer's file, rows in order and beginning again at the end. A call answers
    a tensor for each top.
    """

    def __init__(
        self,
        layer: Layer,
        tops: tuple[str, ...],
        folder: Path,
        train: bool,
        opened: Source | None = None,
    ) -> None:
        self.layer = layer
        self.file = cast("FileLayer", layer)
        self.tops, self.folder, self.train = tops, folder, train
        self.opened = opened
        self.order: Iterator[int] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A copy opens the file again and begins at its first row."""
        return {**self.__dict__, "opened": None, "order": None}

    def source(self) -> Source:
        """The opened file. Raises SpecError NS642 to NS657 by what is wrong with it."""
        if self.opened is None:
            self.opened = open_layer(self.layer, self.folder)
        return self.opened

    def __call__(self) -> tuple[Tensor, ...]:
        source = self.source()
        self.order = self.order or self.rows(len(source))
        rows = source.batch(np.array([next(self.order) for _ in range(self.file.batch_size)]))
        return tuple(
            self.tensor(field, rows[field]) for field in fields_of(source, self.tops, self.layer).values()
        )

    def rows(self, count: int) -> Iterator[int]:
        """Row numbers without end."""
        skip = self.file.rand_skip
        # Caffe's rand() % rand_skip
        begin = int(torch.randint(skip, ()).item()) if skip else 0
        while True:
            order = torch.randperm(count).tolist() if self.file.shuffle else range(count)
            yield from order[begin % count :]
            begin = 0

    def tensor(self, field: str, values: Array | list[Array]) -> Tensor:
        """One field of a batch as float32, images transformed."""
        samples = (
            [torch.from_numpy(v) for v in values] if isinstance(values, list) else torch.from_numpy(values)
        )
        transform = self.transform() if field == "image" else None
        return (
            transform(samples, chance_draw(len(samples))) if transform else torch.as_tensor(samples)
        ).float()

    def transform(self) -> CaffeTransform | None:
        """The layer's transform_param, if it has one."""
        if not isinstance(self.layer, Transformed):
            return None
        given = TransformParam(**{name: getattr(self.layer, name) for name in TransformParam.params})
        mean = (
            read_mean(find_layer_file(given.mean_file, self.folder), reach(given.mean_file, self.folder))
            if given.mean_file
            else None
        )
        return CaffeTransform(given, self.train, mean, self.source().name)


def chance_draw(count: int) -> Draw:
    """The draws of a call that no seed and no order of samples stand behind: torch's own state."""
    return Draw.of(int(torch.randint(2**62, ())), 0, np.arange(count))


class Writer:
    """Appends rows to the data sets `data` and `label` of an HDF5 file, which it makes: below
    `folder`, where none was before.
    """

    def __init__(self, file_name: str, folder: Path) -> None:
        self.path = Path(os.path.abspath(folder / file_name.replace("\0", "\\0")))
        if not within(os.path.realpath(self.path.parent), os.path.realpath(folder)):
            raise fail(
                "NS642",
                f"{file_name} leads out of {folder}: a layer writes in there only",
                path=str(self.path),
            )
        self.begun = False

    def __call__(self, *values: Tensor) -> None:
        """Write one batch. Raises SpecError NS657 (h5py is missing), NS666 (a file is there), NS673
        (not writable, or of other sizes).
        """
        try:
            import h5py
        except ImportError as error:
            raise fail(
                "NS657", "an HDF5 file needs h5py: pip install 'netspec[data]'", path=str(self.path)
            ) from error
        if not self.begun and os.path.lexists(self.path):
            raise fail(
                "NS666",
                "there is something already: a layer that writes makes a new file",
                path=str(self.path),
            )
        if self.begun:
            refuse_link(self.path, "NS673")
        try:
            # x: what came in between is not written over
            with h5py.File(self.path, "a" if self.begun else "x") as file:
                for name, value in zip(("data", "label"), values, strict=False):
                    append(file, name, value.detach().cpu().numpy(), self.path)
        except FileExistsError as error:
            raise fail(
                "NS666",
                "there is something already: a layer that writes makes a new file",
                path=str(self.path),
            ) from error
        except OSError as error:
            raise fail("NS673", f"cannot be written: {error}", path=str(self.path)) from error
        self.begun = True


def append(file: Any, name: str, rows: Array, path: Path) -> None:
    """Rows at the end of a data set, which is made if it is not there. Raises SpecError NS673 where
    the sizes differ.
    """
    if name not in file:
        file.create_dataset(name, data=rows, maxshape=(None, *rows.shape[1:]))
        return
    if file[name].shape[1:] != rows.shape[1:]:
        fact = f"{name} holds rows of {list(file[name].shape[1:])}, these are {list(rows.shape[1:])}"
        raise fail("NS673", fact, path=str(path))
    file[name].resize(len(file[name]) + len(rows), axis=0)
    file[name][-len(rows) :] = rows


def matrix(name: str, folder: Path, shape: tuple[int, ...]) -> Array:
    """The K x K numbers of a BlobProto file that a layer names. Raises SpecError NS642, NS643,
    NS645.
    """
    path = existing(find_layer_file(name, folder))
    try:
        values = read_whole_blob(read_bytes(path, reach(name, folder)))
    except ValueError as error:
        raise fail("NS645", f"not a matrix: {error}", path=str(path)) from error
    except OSError as error:
        raise reading_error(path, error) from error
    if values.size != shape[0] * shape[1]:
        raise fail(
            "NS645",
            f"{shape[0]} classes need {shape[0] * shape[1]} numbers: here are {values.size}",
            path=str(path),
        )
    return np.array(values.reshape(shape), np.float32)
