"""Layers with a full matrix of weights: InnerProduct, Embed, and Parameter, which is nothing but
weights.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from netspec.ir.dims import Size, product
from netspec.ir.field import Reads, same_place
from netspec.ir.layer import (
    Example,
    Filler,
    Kept,
    Layer,
    ModuleText,
    Weight,
    accepts,
    module,
    rejects,
)
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError
from netspec.ir.types import TensorType
from netspec.layers.common.shapes import BlobShape, sizes
from netspec.layers.common.words import KAIMING
from netspec.record import param

__all__ = ["Embed", "InnerProduct", "Parameter"]


class InnerProduct(
    Layer,
    type="InnerProduct",
    keeps=("bottom",),
    param="inner_product_param",
    legacy=("INNER_PRODUCT", "innerproduct"),
    traits=("has_bias",),
):
    """Multiply by a matrix and add a bias: every output sees every input.

    y = W x + b, where x holds all axes from `axis` on, flattened     (Caffe's InnerProduct; Rosenblatt 1958)

    The axes before `axis` are kept, so axis: 2 works on every step of a (T, N, C) sequence. The
    sizes of the others must be numbers.
    """

    num_output: int = param(ge=1, doc="number of outputs")
    bias_term: bool = param(default=True, doc="add a bias per output")
    weight_filler: Filler = param(
        default=Filler(), dialects={"torch": KAIMING}, doc="how the matrix is initialised"
    )
    bias_filler: Filler = param(
        default=Filler(), dialects={"torch": KAIMING}, doc="how the biases are initialised"
    )
    axis: int = param(default=1, doc="first axis that is flattened; negative counts from the back")
    transpose: bool = param(default=False, doc="store the matrix as (inputs, outputs)")

    true_fans: bool = False
    """Whether xavier and msra count the inputs as fan_in with transpose, too: not in Caffe, which
    counts what stands behind axis 0.
    """

    @classmethod
    def read(cls, fields: Mapping[str, Any], dialect: str = "caffe", whole: Any = None) -> Self:
        layer = super().read(fields, dialect, whole)
        if dialect != "caffe" and layer.transpose:
            return layer.replace(true_fans=True)
        return layer

    def first(self, x: TensorType) -> int:
        return x.axis(self.axis)

    def infer(self, x: TensorType) -> TensorType:
        return TensorType((*x.shape[: self.first(x)], self.num_output))

    def weights(self, x: TensorType) -> Iterator[Weight]:
        inputs = product(x.shape[self.first(x) :])
        shape = (inputs, self.num_output) if self.transpose else (self.num_output, inputs)
        yield Weight(
            "weight",
            shape,
            self.weight_filler,
            outputs=int(self.transpose),
            true_fans=self.true_fans,
        )
        if self.bias_term:
            yield Weight("bias", (self.num_output,), self.bias_filler)

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        return product(bottoms[0].shape) * self.num_output

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(self.first(x)),)

    def overwritable(self, x: TensorType) -> bool:
        return True

    def folds(self, x: TensorType) -> bool:
        return self.first(x) == 1

    def torch(self, x: TensorType) -> ModuleText:
        axis, inputs = self.first(x), product(x.shape[self.first(x) :])
        if axis == x.rank - 1 and not self.transpose:
            return module("nn.Linear", inputs, self.num_output, defaults={"bias": True}, bias=self.bias_term)
        return module(
            "InnerProduct",
            inputs,
            self.num_output,
            defaults={"axis": 1, "transpose": False, "bias": True},
            axis=axis,
            transpose=self.transpose,
            bias=self.bias_term,
        )

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any, bias: Any = None) -> Any:
        axis, top = self.first(x.type), self.infer(x.type)
        if axis == 1:
            return g.typed(g.Gemm(g.matrix(x), weight, bias, transB=int(not self.transpose)), top)
        y = g.Gemm(g.matrix(x, axis), weight, bias, transB=int(not self.transpose))
        return g.reshape(y, top.shape)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 10}", "N,500 -> N,10", weights=5010)
        yield accepts("{num_output: 500}", "N,50,4,4 -> N,500", weights=400500)
        yield accepts("{num_output: 6, bias_term: false}", "N,3,2,2 -> N,6", weights=72)
        yield accepts("{num_output: 4, axis: 2}", "T,N,5 -> T,N,4", weights=24)
        yield accepts("{num_output: 4, axis: -1}", "N,3,5 -> N,3,4", weights=24)
        yield accepts("{num_output: 4, axis: 0}", "2,3 -> 4", weights=28)
        yield accepts("{num_output: 4, transpose: true}", "N,3,2 -> N,4", weights=28)
        yield accepts("{num_output: 4, weight_filler: xavier}", "N,3 -> N,4", weights=16)
        yield rejects("{num_output: 10}", "N,3,H,W", code="NS304")
        yield rejects("{num_output: 10, axis: 2}", "N,3", code="NS303", at="axis")
        yield rejects("{num_output: 0}", "N,3", code="NS106", at="num_output")
        yield rejects("{bias_term: true}", "N,3", code="NS103")


class Embed(Layer, type="Embed", param="embed_param", traits=("has_bias",)):
    """Look up a row of a table for each index: a dense layer whose inputs are one-hot vectors,
    never written out.

    y[..., o] = W[x[...], o] + b[o]     (Caffe's Embed)

    Indices are whole numbers from 0 to input_dim - 1; no gradient comes back to them.
    """

    num_output: int = param(ge=1, doc="length of each row")
    input_dim: int = param(ge=1, doc="number of rows: indices are below it")
    bias_term: bool = param(default=True, doc="add a bias per output")
    weight_filler: Filler = param(
        default=Filler(),
        dialects={"torch": Filler(type="gaussian")},  # nn.Embedding draws from N(0, 1)
        doc="how the table is initialised",
    )
    bias_filler: Filler = param(default=Filler(), doc="how the biases are initialised")

    def infer(self, x: TensorType) -> TensorType:
        return TensorType((*x.shape, self.num_output))

    def indices(self, x: TensorType) -> dict[int, Size]:
        return {0: self.input_dim}

    def weights(self, x: TensorType) -> Iterator[Weight]:
        yield Weight("weight", (self.input_dim, self.num_output), self.weight_filler)
        if self.bias_term:
            yield Weight("bias", (self.num_output,), self.bias_filler)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(x.rank),)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=8 * bottoms[0].size)  # indices are int64

    def torch(self, x: TensorType) -> ModuleText:
        return module("Embed", self.input_dim, self.num_output, defaults={"bias": True}, bias=self.bias_term)

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any, bias: Any = None) -> Any:
        rows = g.Gather(weight, g.cast(x, "int64"))
        return g.typed(rows if bias is None else g.Add(rows, bias), self.infer(x.type))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 5, input_dim: 7}", "T,N -> T,N,5", weights=40)
        yield accepts("{num_output: 5, input_dim: 1, bias_term: false}", "N -> N,5", weights=5)
        yield accepts(
            "{num_output: 2, input_dim: 3, weight_filler: {type: uniform, min: -1}}",
            "N,4,6 -> N,4,6,2",
            weights=8,
        )
        yield rejects("{num_output: 5}", "N", code="NS103")
        yield rejects("{num_output: 5, input_dim: 0}", "N", code="NS106", at="input_dim")


class Parameter(Layer, type="Parameter", keeps=(), param="parameter_param", bottoms=0):
    """A tensor of weights as a value that other layers can read.

    y = w     (Caffe's Parameter)

    Its filler, which Caffe lacks, is constant 0; weights from a file take its place.
    """

    shape: BlobShape = param(doc="shape of the tensor")
    filler: Filler = param(default=Filler(), doc="how it is initialised")

    def infer(self) -> TensorType:
        shape = sizes(self.shape)
        if not all(isinstance(size, int) for size in shape):
            raise RuleError(
                "NS304",
                f"a weight's sizes are numbers, not symbols: {list(map(str, shape))}",
                at="shape",
            )
        return TensorType(shape)

    def weights(self) -> Iterator[Weight]:
        yield Weight("weight", sizes(self.shape), self.filler)

    def torch(self) -> ModuleText:
        return module("Parameter", sizes(self.shape))

    def onnx(self, g: OnnxBuilder, weight: Any) -> Any:
        return weight

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{shape: {dim: [2, 3]}}", " -> 2,3", weights=6)
        yield accepts("{shape: [4], filler: {type: constant, value: 1}}", " -> 4", weights=4)
        yield rejects("{}", "", code="NS103")
        yield rejects("{shape: [2, 0]}", "", code="NS109", at="shape")
        yield rejects("{shape: [N, 2]}", "", code="NS304", at="shape")
