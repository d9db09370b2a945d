"""What a data layer reads: its source, opened, and the types of its tops as the file tells them.
Knows numpy; knows no torch.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.data_layers.paths import find_layer_file, folder_of, home, reach, untyped
from netspec.data.paths import existing, reading_error, resolve_path, roots_of
from netspec.data.source import Source
from netspec.data.sources.hdf5 import open_hdf5
from netspec.data.sources.image_folder import ImageFolder
from netspec.data.sources.lmdb import open_lmdb
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.file_reading import read_text
from netspec.frozen_classes import replace_fields
from netspec.ir.dims import Size, symbol
from netspec.ir.graph import Graph, Node
from netspec.ir.layer import Layer
from netspec.ir.types import TensorType
from netspec.layers.data_images import Transformed
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

__all__ = ["fields_of", "open_layer", "tell_faults", "type_inputs"]


def type_inputs(graph: Graph) -> Graph:
    """The graph with the types of data layers' tops as their files tell them; where no file can be
    read it stays as it is.
    """
    told = {top: type_ for node in untyped(graph) for top, type_ in types_of(node).items()}
    return replace_fields(
        graph,
        inputs=tuple(
            i if i.type is not None else i._replace(type=told.get(i.value.name)) for i in graph.inputs
        ),
    )


def types_of(node: Node) -> dict[str, TensorType]:
    """Types of a data layer's tops from its file; none where that cannot be read."""
    tops = tuple(top.name for top in node.tops)
    try:
        source = open_layer(node.layer, folder_of(node))
        found = {
            top: (field, source.fields[field].shape)
            for top, field in fields_of(source, tops, node.layer).items()
        }
    except SpecError:
        return {}
    return {
        top: TensorType((symbol("N"), *sizes_of(field, shape, node.layer)))
        for top, (field, shape) in found.items()
    }


def tell_faults(nodes: Iterable[Node]) -> Iterator[Diagnostic]:
    """What is wrong with the files of data layers, at the layers' `source`."""
    for node in nodes:
        try:
            source = open_layer(node.layer, folder_of(node))
            fields_of(source, tuple(top.name for top in node.tops), node.layer)
        except SpecError as error:
            note = f"{node.name} has its sizes from this file"
            for each in error.diagnostics:
                fact = f"{each.fact}: {each.path}" if each.path else each.fact
                yield Diagnostic(each.code, fact, span=node.places["source"], notes=(*each.notes, note))


def sizes_of(field: str, shape: tuple[int | None, ...], layer: Layer) -> tuple[Size, ...]:
    """Sizes of a sample after the crop; those that differ from sample to sample are C, H, W."""
    if isinstance(layer, Transformed) and field == "image":
        crop = layer.crop_size
    else:
        crop = 0
    cropped = (*shape[:-2], crop, crop) if crop else shape
    return tuple(symbol("CHW"[i]) if size is None else size for i, size in enumerate(cropped))


def fields_of(source: Source, tops: tuple[str, ...], layer: Layer) -> dict[str, str]:
    """The field of the source for each top: by name, else by place. Raises SpecError NS656."""
    names = list(source.fields)
    if set(tops) <= set(names):
        return {top: top for top in tops}
    # HDF5Data goes by names alone, as in Caffe
    if len(names) < len(tops) or layer.reads == "hdf5":
        raise fail(
            "NS656",
            f"{', '.join(tops)} are to be read, the file has {', '.join(names)}",
            path=source.name,
        )
    return dict(zip(tops, names, strict=False))


def open_layer(layer: Layer, folder: Path) -> Source:
    """The source that a data layer reads. Raises SpecError NS642 to NS657 by what is wrong with
    it.
    """
    return OPEN[layer.reads](layer, folder)


class ImageList(ImageFolder):
    """Images and labels from a list, a path and a number on each line. Fields image, uint8 and blue
    first, and label.
    """

    def __init__(self, layer: Any, folder: Path) -> None:
        path = existing(find_layer_file(layer.source, folder))
        try:
            # names of files are bytes, of whatever encoding
            text = read_text(path, reach(layer.source, folder), errors="surrogateescape")
        except OSError as error:
            raise reading_error(path, error) from error
        lines = [
            (number, line.rsplit(None, 1))
            # splitlines would also end lines at characters that a name may hold; some editors put a
            # byte order mark in front
            for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1)
            if line.strip()
        ]
        if not lines:
            raise fail("NS650", "an empty list", path=str(path))
        rows = [entry(*line, str(path)) for line in lines]
        self.lines = [number for number, _ in lines]
        self.names = [layer.root_folder + name for name, _ in rows]
        homes = [home(name, folder) for name in self.names]
        files = [resolve_path(name, base) for name, base in zip(self.names, homes, strict=True)]
        roots = [
            root for base in dict.fromkeys(homes) for root in roots_of(base, folder, allow_outside=False)
        ]
        size = (layer.new_height, layer.new_width) if layer.new_height else None
        contract = ImageContract(color="bgr" if layer.is_color else "gray", resize=size)
        labels = np.array([label for _, label in rows], np.int64)
        super().__init__(str(path), files, labels, None, contract, roots)

    def where(self, index: int) -> str:
        return f"line {self.lines[index]}"

    def signatures(self) -> list[str]:
        return [f"{name} {self.count_bytes(i)}" for i, name in enumerate(self.names)]


def entry(number: int, words: list[str], name: str) -> tuple[str, int]:
    """The path and the label of a line of a list. Raises SpecError NS654."""
    try:
        path, label = words
        if -(2**31) <= int(label) < 2**31:  # Datum's label is an int32
            return path, int(label)
    except ValueError:
        pass
    raise fail(
        "NS654",
        f"line {number}: a path and a whole number are needed: {' '.join(words):.80}",
        path=name,
    )


OPEN: dict[str, Callable[[Any, Path], Source]] = {
    "lmdb": lambda layer, folder: open_lmdb(
        DataSection(source="lmdb", path=layer.source),
        None,
        home(layer.source, folder),
        colors(layer),
    ),
    "hdf5": lambda layer, folder: open_hdf5(
        DataSection(source="hdf5", path=layer.source), None, home(layer.source, folder)
    ),
    "images": ImageList,
}


def colors(layer: Any) -> ImageContract:
    """How encoded images of a store are decoded."""
    return ImageContract(color="gray" if layer.force_gray else "bgr")
