"""Layers that bring values in: Input, whose tops are inputs of the net, and data layers, which read
them from somewhere or make them.

A data layer's tops are inputs too: what is not passed in is read (docs/decisions). Its batch size
is the symbol N: a net takes any.
"""

from collections.abc import Iterator
from typing import Any

from netspec.ir.dims import Size
from netspec.ir.layer import Example, Filler, Layer, ModuleText, accepts, module, rejects
from netspec.ir.rule import RuleError
from netspec.ir.types import TensorType
from netspec.layers.common.shapes import BlobShape, BlobShapes, sizes
from netspec.layers.common.words import exclude, refuse_value
from netspec.record import param

__all__ = ["DataLayer", "DummyData", "HDF5Data", "Input"]


class Input(Layer, type="Input", param="input_param", bottoms=0, tops=(1, None), traits=("input",)):
    """Declare inputs of the net, as `input:` does.

    Its tops are what a call passes in     (Caffe's Input)
    """

    shape: BlobShapes = param(default=(), doc="a shape for each top, or one for all; letters are symbols")

    def infer(self) -> tuple[TensorType, ...]:
        shapes = [sizes(shape) for shape in self.shape]  # type: ignore[attr-defined]
        if len(shapes) not in (1, self.top_count):
            raise RuleError(
                "NS107",
                f"shape needs one entry, or one for each top: {len(shapes)} for {self.top_count} tops",
                at="shape",
            )
        return tuple(TensorType(shapes[i if len(shapes) > 1 else 0]) for i in range(self.top_count))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{shape: {dim: [N, 3, 224, 224]}}", " -> N,3,224,224")
        yield accepts("{shape: [[N, 3], [N]]}", " -> N,3; N")
        yield accepts("{shape: [T, N]}", " -> T,N; T,N")
        yield rejects("{shape: [[N, 3], [N], [N]]}", "", code="NS107", at="shape", outputs=2)
        yield rejects("{shape: [0, 3]}", "", code="NS109", at="shape")
        yield rejects("{shape: 3.5}", "", code="NS109", at="shape")
        yield rejects("{shape: [true, 3]}", "", code="NS109", at="shape")


class DataLayer(Layer, bottoms=0, tops=(1, None), traits=("data",)):
    """What data layers share: tops that are passed in, or else read. One whose `reads` names a
    format is a FileLayer.
    """

    shuffle: bool = False
    """The order in the file; a parameter of this name may ask for another."""
    rand_skip: int = 0
    """No sample is skipped; a parameter of this name may ask for that."""

    def torch(self) -> ModuleText:
        return module("DataSource")


class HDF5Data(DataLayer, type="HDF5Data", param="hdf5_data_param", legacy=("HDF5_DATA", "hdf5_data")):
    """Data sets of HDF5 files by the names of the tops, rows in order, beginning again at the end.

    Tops: (N, ...), as the files have them     (Caffe's HDF5Data)

    Their shapes are read from the files; where those are not at hand, `input:` must give them.
    """

    reads = "hdf5"

    source: str = param(doc="a list of HDF5 files, one on a line, inside the spec's folder")
    batch_size: int = param(default=1, ge=1, doc="rows that are read at once, where none are passed in")
    shuffle: bool = param(default=False, doc="draw a new order for each pass")

    def infer(self) -> tuple[TensorType, ...]:
        raise RuleError(
            "NS306",
            f"the shapes of HDF5Data's tops stand in the files of {self.source}, which cannot be read: say"
            " them under input:",
            at="source",
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield rejects("{source: train.txt, batch_size: 10}", "", code="NS306", at="source", outputs=2)
        yield rejects("{batch_size: 10}", "", code="NS103", outputs=2)


class DummyData(DataLayer, type="DummyData", param="dummy_data_param", legacy=("DUMMY_DATA",)):
    """Values made by fillers: constant ones once, random ones anew at each call.

    Tops: of the shapes given     (Caffe's DummyData)
    """

    data_filler: tuple[Filler, ...] = param(
        default=(), doc="a filler for each top, or one for all; left out: constant 0"
    )
    shape: BlobShapes = param(default=(), doc="a shape for each top, or one for all")
    num: tuple[int, ...] = param(default=(), ge=1, doc="older: first size, for each top or one for all")
    channels: tuple[int, ...] = param(default=(), ge=1, doc="older: second size")
    height: tuple[int, ...] = param(default=(), ge=1, doc="older: third size")
    width: tuple[int, ...] = param(default=(), ge=1, doc="older: fourth size")

    def shapes(self) -> tuple[tuple[Size, ...], ...]:
        older = (self.num, self.channels, self.height, self.width)
        exclude(
            bool(self.shape) and any(older),
            "shape and num, channels, height, width cannot both be given",
            at="shape",
        )
        if self.shape:
            given: tuple[BlobShape, ...] = self.shape  # type: ignore[assignment]
            return self.each("shape", tuple(numbers(shape) for shape in given))
        columns = [
            self.each(name, values)
            for name, values in zip(("num", "channels", "height", "width"), older, strict=True)
        ]
        return tuple(zip(*columns, strict=True))

    def each(self, name: str, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """One value for each top."""
        if len(values) not in (1, self.top_count):
            raise RuleError(
                "NS107",
                f"{name} needs one entry, or one for each top: {len(values)} for {self.top_count} tops",
                at=name,
            )
        if len(values) == 1:
            return values * self.top_count
        return values

    def fillers(self) -> tuple[Filler, ...]:
        fillers: tuple[Filler, ...] = self.each("data_filler", self.data_filler or (Filler(),))
        refuse_value(
            any(f.type == "kaiming_uniform" for f in fillers),
            "kaiming_uniform is for weights: data have no fan-in",
            at="data_filler",
        )
        return fillers

    def infer(self) -> tuple[TensorType, ...]:
        self.fillers()
        return tuple(TensorType(shape) for shape in self.shapes())

    def torch(self) -> ModuleText:
        written = tuple(
            (
                f.type,
                {
                    name: f.__dict__[name]
                    for name, p in f.params.items()
                    if name != "type" and f.__dict__[name] != p.default
                },
            )
            for f in self.fillers()
        )
        return module("DummyData", self.shapes(), written)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{data_filler: {type: constant, value: 2.5}, shape: [[2, 3], [4]]}", " -> 2,3; 4")
        yield accepts("{shape: {dim: [2, 3]}}", " -> 2,3; 2,3")
        yield accepts(
            "{num: 2, channels: [1, 3], height: 5, width: 5, data_filler: [gaussian, constant]}",
            " -> 2,1,5,5; 2,3,5,5",
        )
        yield rejects("{shape: [2, 3], num: 2}", "", code="NS120", at="shape")
        yield rejects("{num: 2, channels: 3, height: 5}", "", code="NS107", at="width")
        yield rejects("{shape: [N, 3]}", "", code="NS109", at="shape")
        yield rejects("{shape: [{dim: [2, 3]}, {dim: [2, T]}]}", "", code="NS109", at="shape", outputs=2)
        yield rejects("{shape: [[2], [3], [4]]}", "", code="NS107", at="shape", outputs=2)


def numbers(shape: BlobShape) -> tuple[Size, ...]:
    """The sizes of a shape in which nothing is open: values are made of that many, as Caffe makes
    them.
    """
    found = sizes(shape)
    for size in found:
        if not isinstance(size, int):
            raise RuleError(
                "NS109",
                f"the values are made here, so each size is a number, as in Caffe: {size} is open",
                at="shape",
            )
    return found
