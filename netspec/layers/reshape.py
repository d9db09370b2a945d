"""Layers that give a value another shape: Flatten, Reshape, Permute, Reduction, Tile,
ShuffleChannel.
"""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import Size, product
from netspec.ir.field import Reads, Step, same_place
from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import Change, RuleError, divides, same
from netspec.ir.types import TensorType, show_shape
from netspec.layers.common.shapes import BlobShape, size_of
from netspec.layers.common.words import exclude
from netspec.record import param

__all__ = ["Flatten", "Permute", "Reduction", "Reshape", "ShuffleChannel", "Tile"]


class Flatten(
    Layer,
    type="Flatten",
    keeps=(),
    param="flatten_param",
    legacy=("FLATTEN", "flatten"),
    traits=("view",),
):
    """Make one axis of the axes from `axis` to end_axis, the last varying fastest.

    (n, c, h, w) -> (n, c h w)     (Caffe's Flatten)
    """

    axis: int = param(default=1, doc="first axis to flatten; negative counts from the back")
    end_axis: int = param(default=-1, doc="last axis to flatten; negative counts from the back")

    def span(self, x: TensorType) -> tuple[int, int]:
        begin, end = x.axis(self.axis), x.axis(self.end_axis, "end_axis")
        if end < begin:
            raise RuleError("NS303", f"end_axis must not lie before axis: {end} < {begin}", at="end_axis")
        return begin, end

    def infer(self, x: TensorType) -> TensorType:
        begin, end = self.span(x)
        return TensorType((*x.shape[:begin], product(x.shape[begin : end + 1]), *x.shape[end + 1 :]))

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        begin, end = self.span(x)
        return ((*same_place(begin), None, *(Step(axis) for axis in range(end + 1, x.rank))),)

    def torch(self, x: TensorType) -> ModuleText:
        begin, end = self.span(x)
        usual = {"start_dim": 1, "end_dim": -1}
        return module("nn.Flatten", defaults=usual, start_dim=begin, end_dim=-1 if end == x.rank - 1 else end)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.flatten(x, *self.span(x.type))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,50,4,4 -> N,800")
        yield accepts("{}", "N,3,H,W -> N,3*H*W")
        yield accepts("{axis: 2}", "2,3,4,5 -> 2,3,20")
        yield accepts("{axis: 0, end_axis: -3}", "2,3,4,5 -> 6,4,5")
        yield accepts("{axis: -1}", "N,3 -> N,3")
        yield rejects("{axis: 2, end_axis: 1}", "N,3,4", code="NS303", at="end_axis")
        yield rejects("{axis: 3}", "N,3,4", code="NS303", at="axis")


class Reshape(Layer, type="Reshape", keeps=(), param="reshape_param", traits=("view",)):
    """Give the same elements, in the same order, another shape.

    `shape` takes the place of num_axes axes from `axis` on; 0 copies the axis in its own place, one -1 is inferred     (Caffe's Reshape)

    A negative axis counts from one past the end, so that axis: -1 with num_axes: 0 appends axes.
    """

    shape: BlobShape = param(default=BlobShape(), doc="the new sizes; 0 copies, -1 is inferred")
    axis: int = param(default=0, doc="first axis that is replaced")
    num_axes: int = param(default=-1, ge=-1, doc="how many are replaced; -1: all from axis on")

    def span(self, x: TensorType) -> tuple[int, int]:
        begin = self.axis + x.rank + 1 if self.axis < 0 else self.axis
        if not 0 <= begin <= x.rank:
            raise RuleError(
                "NS303",
                f"axis {self.axis} of a bottom with {x.rank} axes: {show_shape(x.shape)}",
                at="axis",
            )
        end = x.rank if self.num_axes == -1 else begin + self.num_axes
        if end > x.rank:
            raise RuleError(
                "NS303",
                f"axes {begin} to {end - 1} of a bottom with {x.rank} axes: {show_shape(x.shape)}",
                at="num_axes",
            )
        return begin, end

    def infer(self, x: TensorType) -> TensorType:
        begin, end = self.span(x)
        dims = list(self.shape.dim)
        if dims.count(-1) > 1:
            raise RuleError(
                "NS109",
                f"at most one size can be inferred: shape has {dims.count(-1)} times -1",
                at="shape",
            )
        made = [self.size(x, begin + i, dim) for i, dim in enumerate(dims)]
        replaced = product(x.shape[begin:end])
        if -1 in dims:
            rest = product(size for size, dim in zip(made, dims, strict=True) if dim != -1)
            divides(rest, replaced, "the sizes given must divide the elements there are", at="shape")
            made[dims.index(-1)] = replaced // rest
        else:
            same(product(made), replaced, "a reshape keeps the number of elements", at="shape")
        return TensorType((*x.shape[:begin], *made, *x.shape[end:]), x.dtype)

    def size(self, x: TensorType, place: int, dim: int | str) -> Size:
        if dim == 0 and place >= x.rank:
            raise RuleError(
                "NS303",
                f"0 copies axis {place} of a bottom with {x.rank} axes: {show_shape(x.shape)}",
                at="shape",
            )
        if dim == 0:
            return x.shape[place]
        if dim == -1:
            return 1  # until the others are known
        return size_of(dim, "shape")

    def reopen(self, x: TensorType) -> Iterator[Change]:
        """0 or -1 for a number that stands in the place of an open size."""
        begin, dims = self.span(x)[0], self.shape.dim
        free = [
            i
            for i, dim in enumerate(dims)
            if dim not in (0, -1) and begin + i < x.rank and not isinstance(x.shape[begin + i], int)
        ]
        for i, new in ((i, new) for new in (0, -1) if new == 0 or -1 not in dims for i in free):
            if new == 0:
                meant = "copies the axis"
            else:
                meant = "takes what is left"
            yield Change(
                f"dim {new} in place of {dims[i]}, which {meant}",
                {"shape": BlobShape(dim=(*dims[:i], new, *dims[i + 1 :]))},
            )

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        copied = next((i for i, dim in enumerate(self.shape.dim) if dim != 0), len(self.shape.dim))
        return (same_place(self.span(x)[0] + copied),)

    def torch(self, x: TensorType) -> ModuleText:
        begin, end = self.span(x)
        top, dims = self.infer(x), []
        for i, dim in enumerate(self.shape.dim):
            size = top.shape[begin + i]
            if dim in (0, -1):
                dims.append(dim)
            else:
                dims.append(size if isinstance(size, int) else -1)  # torch infers one open size
        if dims.count(-1) > 1:
            raise RuleError(
                "NS109",
                f"at most one size can be left to the data: shape is {list(self.shape.dim)}",
                at="shape",
            )
        return module(
            "Reshape",
            tuple(dims),
            defaults={"begin": 0, "end": None},
            begin=begin,
            end=None if end == x.rank else end,
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.reshape(x, self.infer(x.type).shape)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{shape: {dim: [0, -1]}}", "N,3,4,5 -> N,60")
        yield accepts("{shape: [0, 0, -1]}", "N,3,H,W -> N,3,H*W")
        yield accepts("{shape: [4, 6]}", "2,3,4 -> 4,6")
        yield accepts("{shape: [0, -1, 10]}", "2,3,4,5 -> 2,6,10")
        yield accepts("{shape: [2, 3], axis: 1, num_axes: 1}", "N,6,5 -> N,2,3,5")
        yield accepts("{shape: [-1, 2], axis: 1}", "N,3,4,5 -> N,30,2")
        yield accepts("{shape: [1, 1], axis: -1, num_axes: 0}", "2,3,4 -> 2,3,4,1,1")
        yield accepts("{shape: [], axis: 1, num_axes: 1}", "N,1,5 -> N,5")
        yield accepts("{shape: [-1, 7]}", "T,N,7 -> N*T,7")
        yield rejects("{shape: [4, 5]}", "2,3,4", code="NS302", at="shape")
        yield rejects("{shape: [-1, 5]}", "2,3,4", code="NS302", at="shape")
        yield rejects("{shape: [-1, -1]}", "2,3,4", code="NS109", at="shape")
        yield rejects("{shape: [0, -1, 1, 0]}", "2,3,4", code="NS303", at="shape")
        yield rejects("{shape: [-2, 12]}", "2,3,4", code="NS109", at="shape")
        yield rejects("{shape: [6], axis: 4}", "2,3,4", code="NS303", at="axis")
        yield rejects("{shape: [6], axis: 2, num_axes: 2}", "2,3,4", code="NS303", at="num_axes")


class Permute(Layer, type="Permute", keeps=(), param="permute_param"):
    """Put the axes into another order; those not named follow in their old one.

    axis i of y is axis order[i] of x     (Permute of the SSD fork: Liu et al. 2016)
    """

    order: tuple[int, ...] = param(ge=0, doc="the axes of the bottom, as they are to come")

    def full(self, x: TensorType) -> tuple[int, ...]:
        first = tuple(x.axis(axis, "order") for axis in self.order)
        exclude(
            len(set(first)) < len(first),
            f"order must name each axis once: it is {list(map(int, first))}",
            at="order",
        )
        return first + tuple(axis for axis in range(x.rank) if axis not in first)

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(tuple(x.shape[axis] for axis in self.full(x)), x.dtype)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (tuple(Step(axis) for axis in self.full(x)),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Permute", self.full(x))

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.transpose(x, self.full(x.type))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{order: [0, 2, 3, 1]}", "N,24,H,W -> N,H,W,24")
        yield accepts("{order: 1}", "N,T,C -> T,N,C")
        yield rejects("{order: [0, 0]}", "N,3", code="NS120", at="order")
        yield rejects("{order: [0, 4]}", "N,3", code="NS303", at="order")
        yield rejects("{}", "N,3", code="NS103")


class Reduction(Layer, type="Reduction", param="reduction_param"):
    """Reduce all axes from `axis` to the last to one number.

    SUM: coeff sum x;  ASUM: coeff sum |x|;  SUMSQ: coeff sum x^2;  MEAN: coeff sum x / n     (Caffe's Reduction)
    """

    operation: Literal["SUM", "ASUM", "SUMSQ", "MEAN"] = param(default="SUM", doc="what is summed")
    axis: int = param(default=0, doc="first axis that is reduced; negative counts from the back")
    coeff: float = param(default=1.0, doc="factor of the result")

    def infer(self, x: TensorType) -> TensorType:
        return TensorType(x.shape[: x.axis(self.axis)])

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(x.axis(self.axis)),)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        # a sum goes back by its shape
        return Kept((0,) if self.operation in ("ASUM", "SUMSQ") else ())

    def torch(self, x: TensorType) -> ModuleText:
        return module(
            "Reduction",
            self.operation,
            defaults={"axis": 0, "coeff": 1.0},
            axis=x.axis(self.axis),
            coeff=self.coeff,
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        kind = {"SUM": "Sum", "ASUM": "L1", "SUMSQ": "SumSquare", "MEAN": "Mean"}[self.operation]
        y = g.reduce(kind, x, range(x.type.axis(self.axis), x.type.rank))
        if self.coeff == 1:
            return y
        return g.typed(g.Mul(y, self.coeff), y.type)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,4 -> ()")
        yield accepts("{operation: MEAN, axis: 1}", "N,3,H,W -> N")
        yield accepts("{operation: ASUM, axis: 1, coeff: 2.5}", "N,3,4 -> N")
        yield accepts("{operation: sumsq, axis: -1}", "N,3,4 -> N,3")
        yield rejects("{axis: 3}", "N,3,4", code="NS303", at="axis")
        yield rejects("{operation: MAX}", "N,3,4", code="NS105", at="operation")


class Tile(Layer, type="Tile", keeps=(), param="tile_param", traits=("rearranges",)):
    """Repeat a value along an axis.

    y = [x; x; ...; x], `tiles` times     (Caffe's Tile)
    """

    axis: int = param(default=1, doc="the axis that grows; negative counts from the back")
    tiles: int = param(ge=1, doc="how many times")

    def infer(self, x: TensorType) -> TensorType:
        axis = x.axis(self.axis)
        return TensorType(tuple(size * self.tiles if i == axis else size for i, size in enumerate(x.shape)))

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(x.rank, x.axis(self.axis)),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Tile", self.tiles, defaults={"axis": 1}, axis=x.axis(self.axis))

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        axis = x.type.axis(self.axis)
        return g.typed(
            g.Tile(x, tuple(self.tiles if i == axis else 1 for i in range(x.type.rank))),
            self.infer(x.type),
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{tiles: 3}", "N,2,H -> N,6,H")
        yield accepts("{axis: -1, tiles: 2}", "2,3,4 -> 2,3,8")
        yield accepts("{axis: 0, tiles: 2}", "N -> 2*N")
        yield rejects("{tiles: 0}", "N,2", code="NS106", at="tiles")
        yield rejects("{axis: 2, tiles: 2}", "N,2", code="NS303", at="axis")
        yield rejects("{}", "N,2", code="NS103")


class ShuffleChannel(
    Layer, type="ShuffleChannel", keeps=(), param="shuffle_channel_param", traits=("rearranges",)
):
    """Deal the channels out anew, so that the next grouped convolution sees all groups.

    y[:, c g + k] = x[:, k (C/g) + c] for g groups of C/g channels     (Zhang et al. 2018)
    """

    group: int = param(default=1, ge=1, doc="how many groups the channels came in")

    def infer(self, x: TensorType) -> TensorType:
        divides(self.group, x.channels, "group must divide the channels", at="group")
        return TensorType(x.shape)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(x.rank, 1),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("ShuffleChannel", defaults={"group": 1}, group=self.group)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        n, c, *space = x.type.shape
        parted = g.reshape(x, (n, self.group, c // self.group, product(space)))
        return g.reshape(g.transpose(parted, (0, 2, 1, 3)), x.type.shape)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{group: 3}", "N,240,H,W -> N,240,H,W")
        yield accepts("{group: 2}", "N,4 -> N,4")
        yield accepts("{}", "N,5,H,W -> N,5,H,W")
        yield rejects("{group: 3}", "N,8,H,W", code="NS302", at="group")
        yield rejects("{group: 0}", "N,8", code="NS106", at="group")
