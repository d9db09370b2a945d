"""Layers where values end: HDF5Output writes them to a file, Silence reads them only."""

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import same
from netspec.ir.types import TensorType
from netspec.record import param

__all__ = ["HDF5Output", "Silence"]


class HDF5Output(
    Layer,
    type="HDF5Output",
    keeps=(),
    param="hdf5_output_param",
    legacy=("HDF5_OUTPUT", "hdf5_output"),
    bottoms=(1, 2),
    tops=0,
):
    """Write its bottoms to an HDF5 file, as data sets `data` and `label`; each call adds its rows.

    It makes nothing     (Caffe's HDF5Output)

    Only a net compiled by netspec writes, below the spec's folder; an emitted file, and an exported
    model, do not.
    """

    writes: ClassVar[str] = "hdf5"

    file_name: str = param(
        doc="the file, inside the spec's folder; the first call makes it, one that exists is refused"
    )

    def infer(self, *xs: TensorType) -> tuple[TensorType, ...]:
        for x in xs[1:]:
            same(x.batch, xs[0].batch, "data and label need as many samples", at="bottom.1")
        return ()

    def torch(self, *xs: TensorType) -> ModuleText:
        return module("HDF5Output")

    def onnx(self, g: OnnxBuilder, *xs: Any) -> Any:
        return ()

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{file_name: features.h5}", "N,64; N -> ", outputs=0)
        yield accepts("{file_name: features.h5}", "N,64,2,2 -> ", outputs=0)
        yield rejects("{file_name: features.h5}", "4,64; 5", code="NS302", at="bottom.1", outputs=0)
        yield rejects("{}", "N,64; N", code="NS103", outputs=0)


class Silence(Layer, type="Silence", keeps=(), legacy=("SILENCE",), bottoms=(1, None), tops=0):
    """Read values that no other layer reads, so that they are no outputs of the net.

    It makes nothing     (Caffe's Silence)
    """

    def infer(self, *xs: TensorType) -> tuple[TensorType, ...]:
        return ()

    def torch(self, *xs: TensorType) -> ModuleText:
        return module("Silence")

    def onnx(self, g: OnnxBuilder, *xs: Any) -> Any:
        return ()

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3 -> ", outputs=0)
        yield accepts("{}", "N,3; T,2,4 -> ", outputs=0)
        yield rejects("{axis: 1}", "N,3", code="NS102", at="axis", outputs=0)
