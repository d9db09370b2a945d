"""Layers that join values, or take them apart: Eltwise, Concat, Slice, Split, Filter,
BatchReindex.
"""

import itertools
from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import Size, symbol, total
from netspec.ir.field import Reads, same_place
from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, at_least, divides, same
from netspec.ir.types import TensorType, show_shape
from netspec.layers.common.words import exclude
from netspec.record import param

__all__ = ["BatchReindex", "Concat", "Eltwise", "Filter", "Slice", "Split"]


class Eltwise(
    Layer,
    type="Eltwise",
    param="eltwise_param",
    legacy=("ELTWISE",),
    bottoms=(2, None),
    traits=("elementwise",),
):
    """Combine values of the same shape element by element.

    PROD: y = prod_i x_i;  SUM: y = sum_i coeff_i x_i;  MAX: y = max_i x_i     (Caffe's Eltwise; SUM joins a residual: He et al. 2015)

    Nothing is broadcast. MAX passes the gradient to one value: of the first two to the second where
    they are equal.
    """

    operation: Literal["PROD", "SUM", "MAX"] = param(default="SUM", doc="what is done with the values")
    coeff: tuple[float, ...] = param(default=(), doc="SUM: a factor for each bottom; left out: 1")
    stable_prod_grad: bool = param(
        default=True,
        doc="accepted: the gradient of PROD is always the stable one, the product of the others",
    )

    def infer(self, *xs: TensorType) -> TensorType:
        for i, x in enumerate(xs[1:], 1):
            alike(xs[0], x, i, "Eltwise needs bottoms of the same shape")
        exclude(
            bool(self.coeff) and self.operation != "SUM",
            f"coeff needs operation SUM: it is {self.operation}",
            at="coeff",
        )
        if self.coeff and len(self.coeff) != len(xs):
            raise RuleError(
                "NS107",
                f"coeff needs a factor for each bottom: {len(self.coeff)} for {len(xs)} bottoms",
                at="coeff",
            )
        return TensorType(xs[0].shape)

    @property
    def wants_others(self) -> bool:
        return self.operation != "PROD"  # which squares

    def overwritable(self, *xs: TensorType) -> bool:
        return self.operation == "SUM"  # the way back of a sum reads no bottom

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        if self.operation == "SUM":
            return Kept()
        if self.operation == "MAX":
            return Kept(own=(len(bottoms) - 1) * bottoms[0].size)  # a byte a choice
        return Kept(tuple(range(len(bottoms))), own=4 * (len(bottoms) - 2) * bottoms[0].size)

    def torch(self, *xs: TensorType) -> ModuleText:
        if self.operation == "SUM":
            return module(
                "EltwiseSum",
                defaults={"coeff": ()},
                coeff=() if set(self.coeff) == {1.0} else self.coeff,
            )
        return module({"PROD": "EltwiseProd", "MAX": "EltwiseMax"}[self.operation])

    def onnx(self, g: OnnxBuilder, *xs: Any) -> Any:
        if self.operation == "MAX":
            return g.typed(g.Max(*xs), xs[0].type)
        if self.coeff:
            xs = tuple(x if c == 1 else g.Mul(x, float(c)) for x, c in zip(xs, self.coeff, strict=True))
        y = xs[0]
        for x in xs[1:]:
            y = g.Mul(y, x) if self.operation == "PROD" else g.Add(y, x)
        return y

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W; N,3,H,W -> N,3,H,W")
        yield accepts("{operation: PROD}", "N,5; N,5; N,5 -> N,5")
        yield accepts("{operation: max}", "2,3,4; 2,3,4; 2,3,4 -> 2,3,4")
        yield accepts("{coeff: [1, -1]}", "N,5; N,5 -> N,5")
        yield accepts(
            "{operation: SUM, coeff: [0.5, 2, 1], stable_prod_grad: false}",
            "N,5,2; N,5,2; N,5,2 -> N,5,2",
        )
        yield rejects("{}", "N,256,56,56; N,64,56,56", code="NS302", at="bottom.1")
        yield rejects("{}", "N,3,4; N,3", code="NS303", at="bottom.1")
        yield rejects("{operation: PROD, coeff: [1, 1]}", "N,3; N,3", code="NS120", at="coeff")
        yield rejects("{coeff: [1, 1, 1]}", "N,3; N,3", code="NS107", at="coeff")
        yield rejects("{operation: MEAN}", "N,3; N,3", code="NS105", at="operation")


class Concat(
    Layer,
    type="Concat",
    keeps=(),
    param="concat_param",
    legacy=("CONCAT", "concat"),
    bottoms=(1, None),
    traits=("joins", "rearranges"),
):
    """Lay values side by side along an axis; in all others they must agree.

    y = [x_1; x_2; ...]     (Caffe's Concat)
    """

    axis: int = param(default=1, doc="the axis that grows; negative counts from the back")
    concat_dim: int | None = param(default=None, ge=0, doc="an older name of axis, without negative numbers")

    def along(self, x: TensorType) -> int:
        if self.concat_dim is None:
            return x.axis(self.axis)
        return x.axis(self.concat_dim, "concat_dim")

    def infer(self, *xs: TensorType) -> TensorType:
        axis = self.along(xs[0])
        for i, x in enumerate(xs[1:], 1):
            alike(xs[0], x, i, "Concat needs bottoms that agree in all other axes", apart=axis)
        return TensorType(
            tuple(total(x.shape[i] for x in xs) if i == axis else size for i, size in enumerate(xs[0].shape))
        )

    def field(self, *xs: TensorType) -> tuple[Reads, ...]:
        return (same_place(xs[0].rank, self.along(xs[0])),) * len(xs)

    def torch(self, *xs: TensorType) -> ModuleText:
        return module("Concat", defaults={"axis": 1}, axis=self.along(xs[0]))

    def onnx(self, g: OnnxBuilder, *xs: Any) -> Any:
        return g.concat(xs, self.along(xs[0].type))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,64,H,W; N,128,H,W; N,32,H,W -> N,224,H,W")
        yield accepts("{axis: 0}", "N,3; M,3 -> M + N,3")
        yield accepts("{axis: -1}", "N,3,4; N,3,1 -> N,3,5")
        yield accepts("{concat_dim: 0}", "1,3,4,2; 2,3,4,2 -> 3,3,4,2")
        yield accepts("{}", "N,3,4 -> N,3,4")
        yield rejects("{}", "N,3,5,5; N,3,5,4", code="NS302", at="bottom.1")
        yield rejects("{}", "N,3,5; N,3", code="NS303", at="bottom.1")
        yield rejects("{axis: 3}", "N,3,5; N,3,5", code="NS303", at="axis")
        yield rejects("{concat_dim: 3}", "N,3,5; N,3,5", code="NS303", at="concat_dim")


class Slice(
    Layer,
    type="Slice",
    keeps=(),
    param="slice_param",
    legacy=("SLICE",),
    tops=(1, None),
    traits=("rearranges", "view"),
):
    """Cut a value along an axis: at slice_point, or into equal parts, as many as there are tops.

    y_i = x[..., p_i : p_{i+1}, ...]     (Caffe's Slice)
    """

    axis: int = param(default=1, doc="the axis that is cut; negative counts from the back")
    slice_dim: int | None = param(default=None, ge=0, doc="an older name of axis, without negative numbers")
    slice_point: tuple[int, ...] = param(
        default=(),
        ge=1,
        doc="where to cut: one place fewer than tops, rising; left out: equal parts",
    )

    def along(self, x: TensorType) -> int:
        if self.slice_dim is None:
            return x.axis(self.axis)
        return x.axis(self.slice_dim, "slice_dim")

    def parts(self, x: TensorType) -> tuple[Size, ...]:
        size = x.shape[self.along(x)]
        if not self.slice_point:
            divides(
                self.top_count,
                size,
                "without slice_point the axis must divide into as many parts as tops",
                at="top",
            )
            return (size // self.top_count,) * self.top_count
        if len(self.slice_point) != self.top_count - 1:
            raise RuleError(
                "NS107",
                f"slice_point needs one place fewer than tops: {len(self.slice_point)} for {self.top_count}"
                " tops",
                at="slice_point",
            )
        at_least(size, self.slice_point[-1] + 1, "each part must keep an element", at="slice_point")
        for before, after in zip(self.slice_point, self.slice_point[1:], strict=False):
            at_least(after, before + 1, "slice_point must rise", at="slice_point")
        points = (0, *self.slice_point, size)
        return tuple(after - before for before, after in itertools.pairwise(points))

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        axis = self.along(x)
        return tuple(
            TensorType(tuple(part if i == axis else s for i, s in enumerate(x.shape)))
            for part in self.parts(x)
        )

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(x.rank, self.along(x)),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Slice", self.slice_point or self.top_count, defaults={"axis": 1}, axis=self.along(x))

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.split(x, self.along(x.type), self.parts(x.type))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,6,3 -> N,2,3; N,2,3; N,2,3")
        yield accepts("{slice_point: [1, 4]}", "N,7,3 -> N,1,3; N,3,3; N,3,3")
        yield accepts("{axis: 0, slice_point: 3}", "4,3 -> 3,3; 1,3")
        yield accepts("{slice_dim: 0}", "4,3,2,2 -> 2,3,2,2; 2,3,2,2")
        yield accepts("{axis: -1, slice_point: 2}", "N,3,W -> N,3,2; N,3,W - 2")
        yield accepts("{}", "N,3,4 -> N,3,4")
        yield rejects("{}", "N,7,3", code="NS302", at="top", outputs=2)
        yield rejects("{slice_point: [3, 3]}", "N,7,3", code="NS302", at="slice_point", outputs=3)
        yield rejects("{slice_point: 7}", "N,7,3", code="NS302", at="slice_point", outputs=2)
        yield rejects("{slice_point: [1, 2]}", "N,7,3", code="NS107", at="slice_point", outputs=2)
        yield rejects("{axis: 2}", "N,8", code="NS303", at="axis", outputs=2)


class Split(Layer, type="Split", keeps=(), legacy=("SPLIT", "split"), tops=(1, None), traits=("view",)):
    """Give a value several names. Caffe inserts these itself; here a value may simply be read many
    times.

    y_i = x     (Caffe's Split)
    """

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        return (TensorType(x.shape, x.dtype),) * self.top_count

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(x.rank),)

    def torch(self, x: TensorType) -> ModuleText:
        if self.top_count > 1:
            return module("Split", self.top_count)
        return module("nn.Identity")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return (x,) * self.top_count

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,4 -> N,3,4; N,3,4; N,3,4")
        yield accepts("{}", "N -> N")
        yield rejects("{axis: 1}", "N,3", code="NS102", at="axis")


class Filter(Layer, type="Filter", keeps=(), bottoms=(2, None), tops=(1, None)):
    """Keep the samples whose selector, the last bottom, is not 0.

    y_i = x_i[selector != 0]     (Caffe's Filter)

    How many are kept is known at run time only: the size `kept`. The selector gets no gradient.
    """

    def infer(self, *xs: TensorType) -> tuple[TensorType, ...]:
        selector = xs[-1]
        if len(xs) - 1 != self.top_count:
            raise RuleError(
                "NS206",
                f"Filter needs a top for each bottom but the selector: {self.top_count} for {len(xs) - 1}",
                at="top",
            )
        for i, x in enumerate(xs):
            x.require_axes(1, f"bottom.{i}")
        for size in selector.shape[1:]:
            same(size, 1, "the selector must be one number per sample", at=f"bottom.{len(xs) - 1}")
        for i, x in enumerate(xs[:-1]):
            same(
                x.batch,
                selector.batch,
                "the selector must have a number for each sample",
                at=f"bottom.{i}",
            )
        return tuple(TensorType((symbol("kept"), *x.shape[1:]), x.dtype) for x in xs[:-1])

    def indices(self, *xs: TensorType) -> dict[int, Size]:
        return {len(xs) - 1: 2}

    def torch(self, *xs: TensorType) -> ModuleText:
        return module("Filter")

    def onnx(self, g: OnnxBuilder, *xs: Any) -> Any:
        condition = g.cast(g.reshape(xs[-1], (xs[-1].type.batch,)), "bool")
        return tuple(
            g.typed(g.Compress(x, condition, axis=0), t)
            for x, t in zip(xs, self.infer(*(x.type for x in xs)), strict=False)
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,2; N -> kept,3,2")
        yield accepts("{}", "N,3,2; N,1,1,1; N,1,1,1 -> kept,3,2; kept,1,1,1")
        yield rejects("{}", "5,3; 4", code="NS302", at="bottom.0")
        yield rejects("{}", "5,3; 5,2", code="NS302", at="bottom.1")


class BatchReindex(Layer, type="BatchReindex", bottoms=2):
    """Samples in the order of an index; the same one may come again.

    y[i] = x[index[i]]     (Caffe's BatchReindex)

    The index must be whole numbers below the batch size; it gets no gradient.
    """

    def infer(self, x: TensorType, index: TensorType) -> TensorType:
        if index.rank != 1:
            raise RuleError("NS303", f"the index must have one axis: it is {index}", at="bottom.1")
        x.require_axes(1)
        return TensorType((index.batch, *x.shape[1:]))

    def indices(self, x: TensorType, index: TensorType) -> dict[int, Size]:
        return {1: x.batch}

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=8 * bottoms[1].size)  # indices are int64

    def torch(self, x: TensorType, index: TensorType) -> ModuleText:
        return module("BatchReindex")

    def onnx(self, g: OnnxBuilder, x: Any, index: Any) -> Any:
        return g.typed(g.Gather(x, g.cast(index, "int64")), self.infer(x.type, index.type))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,2; M -> M,3,2")
        yield accepts("{}", "4; 6 -> 6")
        yield rejects("{}", "4,3; 6,1", code="NS303", at="bottom.1")


def alike(
    first: TensorType, other: TensorType, index: int, requirement: str, apart: int | None = None
) -> None:
    """Require the same sizes, but along the axis `apart`."""
    if other.rank != first.rank:
        raise RuleError(
            "NS303",
            f"{requirement}: {show_shape(first.shape)} and {show_shape(other.shape)}",
            at=f"bottom.{index}",
        )
    for i, (a, b) in enumerate(zip(first.shape, other.shape, strict=True)):
        if i != apart:
            same(b, a, f"{requirement}, axis {i}", at=f"bottom.{index}")
