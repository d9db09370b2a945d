"""Layers that cut maps, turn them or spread them out: Crop, MergeCrop, Flip, Upsample."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import Size, product, untrace
from netspec.ir.field import Reads, Step, over, same_place
from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, at_least, same
from netspec.ir.types import TensorType
from netspec.layers.common.windows import PerAxis, axis_names, spread
from netspec.layers.common.words import exclude
from netspec.record import param

__all__ = ["Crop", "Flip", "MergeCrop", "Upsample"]


class Flip(Layer, type="Flip", keeps=(), param="flip_param"):
    """Turn maps left to right, upside down, or both.

    y[i, j] = x[H - 1 - i, W - 1 - j], each axis where it is asked for     (happynear's Caffe)
    """

    flip_width: bool = param(default=True, doc="left to right")
    flip_height: bool = param(default=False, doc="upside down")

    def axes(self) -> tuple[int, ...]:
        return (2,) * self.flip_height + (3,) * self.flip_width

    def infer(self, x: TensorType) -> TensorType:
        if x.rank != 4:
            raise RuleError("NS303", f"needs (N, C, H, W): it is {x}", at="bottom")
        return x

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (tuple(None if axis in self.axes() else Step(axis) for axis in range(x.rank)),)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Flip", self.axes())

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        for axis in self.axes():
            x = g.typed(g.flipped(x, axis), x.type)
        return x

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{flip_height: true}", "N,3,4,5 -> N,3,4,5")
        yield accepts("{flip_width: false}", "N,3,4,5 -> N,3,4,5")
        yield rejects("{}", "N,3", code="NS303")


class MergeCrop(Layer, type="MergeCrop", keeps=(), param="mergecrop_param", bottoms=2):
    """Cut the middle of the second bottom to the size of the first, and put it behind its channels,
    or add it: U-Net's skip.

    y = [a, b[o : o + size of a]],  o = floor((size of b - size of a) / 2) along each axis     (Ronneberger et al. 2015; naibaf7's Caffe)

    Unless backward says so, the second bottom gets no gradient. The fork's STACK needs as many
    channels in both.
    """

    operation: Literal["STACK", "ADD"] = param(default="STACK", doc="channels behind channels, or sums")
    forward: tuple[bool, ...] = param(
        default=(), doc="for each bottom, whether its values count; left out: both"
    )
    backward: tuple[bool, ...] = param(
        default=(), doc="for each bottom, whether it gets a gradient; left out: the first only"
    )

    def both(self, given: tuple[bool, ...], usual: tuple[bool, bool]) -> tuple[bool, bool]:
        first, second = (*given, *usual[len(given) :])
        return first, second

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        for name in ("forward", "backward"):
            given = len(getattr(self, name))
            if given > 2:
                raise RuleError("NS107", f"{name} has one value for each bottom: {given} for 2", at=name)
        if a.rank != b.rank or a.rank < 3:
            raise RuleError(
                "NS303", f"needs bottoms of as many axes, three or more: {a} and {b}", at="bottom.1"
            )
        same(b.batch, a.batch, "both bottoms need as many samples", at="bottom.1")
        same(b.channels, a.channels, "both bottoms need as many channels", at="bottom.1")
        for axis in range(2, a.rank):
            at_least(
                b.shape[axis],
                a.shape[axis],
                f"axis {axis} of the second bottom must hold the first's",
                at="bottom.1",
            )
        if self.operation == "STACK":
            return a.replaced(channels=a.channels + b.channels)
        return a

    def field(self, a: TensorType, b: TensorType) -> tuple[Reads, ...]:
        apart = 1 if self.operation == "STACK" else None
        offsets = [untrace((have - want) // 2) for have, want in zip(b.shape[2:], a.shape[2:], strict=True)]
        cut = [Step(i, 1, o, o) if isinstance(o, int) else None for i, o in enumerate(offsets, 2)]
        return same_place(a.rank, apart), (*same_place(2, apart), *cut)

    def torch(self, a: TensorType, b: TensorType) -> ModuleText:
        return module(
            "MergeCrop",
            defaults={"add": False, "forwards": (True, True), "backwards": (True, False)},
            add=self.operation == "ADD",
            forwards=self.both(self.forward, (True, True)),
            backwards=self.both(self.backward, (True, False)),
        )

    def onnx(self, g: OnnxBuilder, a: Any, b: Any) -> Any:
        for axis in range(2, a.type.rank):
            begin = (b.type.shape[axis] - a.type.shape[axis]) // 2
            b = g.slice(b, axis, begin, begin + a.type.shape[axis])
        sides = [
            x if passes else g.full(x.type.shape)
            for x, passes in zip((a, b), self.both(self.forward, (True, True)), strict=True)
        ]
        if self.operation == "ADD":
            return g.Add(*sides)
        return g.concat(sides, 1)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{backward: [true, true]}", "N,4,5,6; N,4,8,6 -> N,8,5,6")
        yield accepts("{backward: [true, true]}", "N,4,4,4,4; N,4,7,8,9 -> N,8,4,4,4")
        yield accepts(
            "{operation: ADD, forward: [true, true], backward: [true, true]}",
            "N,4,T; N,4,9 -> N,4,T",
        )
        yield accepts("{forward: [false, true], backward: [true, true]}", "N,2,3; N,2,5 -> N,4,3")
        yield rejects("{}", "N,4,9,6; N,4,8,6", code="NS302", at="bottom.1")
        yield rejects("{operation: ADD}", "N,4,5,6; N,3,8,6", code="NS302", at="bottom.1")
        yield rejects("{forward: [true, true, true]}", "N,4,5,6; N,4,8,6", code="NS107", at="forward")


class Crop(Layer, type="Crop", keeps=(), param="crop_param", bottoms=2, traits=("view", "no_gradient.1")):
    """Cut the first bottom to the size of the second, from axis on.

    y[..., i, j] = x[..., i + offset_0, j + offset_1]     (Caffe's Crop; Long et al. 2015 align skips with it)

    The second bottom lends its size only; no gradient reaches it.
    """

    axis: int = param(default=2, doc="the first axis that is cut; all after it are cut too")
    offset: tuple[int, ...] = param(
        default=(),
        ge=0,
        doc="where the cut begins: one number for all axes, or one for each; left out: 0",
    )

    def offsets(self, x: TensorType) -> tuple[int, ...]:
        axes = x.rank - x.axis(self.axis)
        if len(self.offset) not in (0, 1, axes):
            raise RuleError(
                "NS107", f"offset has {len(self.offset)} values: {axes} axes are cut", at="offset"
            )
        if len(self.offset) == axes:
            return self.offset
        return (self.offset or (0,)) * axes

    def infer(self, x: TensorType, like: TensorType) -> TensorType:
        first = x.axis(self.axis)
        if like.rank != x.rank:
            raise RuleError("NS303", f"needs bottoms of as many axes: {x} and {like}", at="bottom.1")
        for i, offset in enumerate(self.offsets(x), first):
            at_least(
                x.shape[i],
                like.shape[i] + offset,
                f"axis {i} must hold the cut and its offset",
                at="offset" if offset else "bottom.0",
            )
        return TensorType((*x.shape[:first], *like.shape[first:]), x.dtype)

    def field(self, x: TensorType, like: TensorType) -> tuple[Reads, ...]:
        first = x.axis(self.axis)
        return (
            (
                *same_place(first),
                *(Step(i, 1, offset, offset) for i, offset in enumerate(self.offsets(x), first)),
            ),
        )

    def torch(self, x: TensorType, like: TensorType) -> ModuleText:
        return module("Crop", x.axis(self.axis), self.offsets(x))

    def onnx(self, g: OnnxBuilder, x: Any, like: Any) -> Any:
        first = x.type.axis(self.axis)
        for i, offset in enumerate(self.offsets(x.type), first):
            x = g.slice(x, i, offset, like.type.shape[i] + offset)
        return x

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,6,7; N,3,4,5 -> N,3,4,5")
        yield accepts("{axis: 1, offset: [1, 2, 0]}", "N,5,6,7; N,3,4,5 -> N,3,4,5")
        yield accepts("{axis: -1, offset: 2}", "N,3,6,7; N,3,6,5 -> N,3,6,5")
        yield accepts("{offset: 5}", "N,3,H,W; N,2,4,V -> N,3,4,V")
        yield accepts("{offset: [1]}", "N,3,T; N,1,5 -> N,3,5")
        yield rejects("{offset: 3}", "N,3,6,7; N,3,4,5", code="NS302", at="offset")
        yield rejects("{}", "N,3,3,7; N,3,4,5", code="NS302", at="bottom.0")
        yield rejects("{offset: [1, 1, 1]}", "N,3,6,7; N,3,4,5", code="NS107", at="offset")
        yield rejects("{axis: 4}", "N,3,6,7; N,3,4,5", code="NS303", at="axis")
        yield rejects("{}", "N,3,6,7; N,3", code="NS303", at="bottom.1")
        yield rejects("{}", "N,3,6,7", code="NS205")


class Upsample(Layer, type="Upsample", param="upsample_param", bottoms=(1, 2), traits=("unpools",)):
    """Undo a MAX pooling: put every value where the mask says it came from, 0 elsewhere. Without a
    mask: repeat every value.

    y[n,c,m[n,c,i]] = x[n,c,i]     (SegNet: Badrinarayanan et al. 2015; forks of Caffe)

    The mask is the second top of the Pooling. Its indices must lie in the result: upsample_h and
    upsample_w are the pooling's input size.
    """

    scale: PerAxis = param(
        default=2,
        ge=1,
        pair=("scale_h", "scale_w"),
        doc="how many times larger the result is along each spatial axis",
    )
    upsample_size: PerAxis | None = param(
        default=None,
        ge=1,
        pair=("upsample_h", "upsample_w"),
        doc="size of the result, in place of scale",
    )
    pad_out_h: bool = param(default=False, doc="one row less, for a pooled height that was odd; scale 2")
    pad_out_w: bool = param(default=False, doc="one column less, for a pooled width that was odd; scale 2")

    def less(self, x: TensorType) -> tuple[int, ...]:
        """Rows left out at the end of each axis."""
        names = {"H": self.pad_out_h, "W": self.pad_out_w}
        return tuple(int(names.get(name, False)) for name in axis_names(x.axes))

    def indices(self, x: TensorType, mask: TensorType | None = None) -> dict[int, Size]:
        if mask is None:
            return {}
        return {1: product(self.size(x))}

    def size(self, x: TensorType) -> tuple[Size, ...]:
        if self.upsample_size is not None:
            return spread(self.upsample_size, x.axes, "upsample_size")
        return tuple(
            s * n - cut
            for s, n, cut in zip(spread(self.scale, x.axes, "scale"), x.space, self.less(x), strict=True)
        )

    def infer(self, x: TensorType, mask: TensorType | None = None) -> TensorType:
        if x.axes == 0:
            raise RuleError(
                "NS303",
                f"needs a spatial axis, after batch and channels: its bottom is {x}",
                at="bottom",
            )
        exclude(
            mask is None and self.upsample_size is not None,
            "upsample_h and upsample_w need a mask, the second bottom",
            "upsample_size",
        )
        for s, cut in zip(spread(self.scale, x.axes, "scale"), self.less(x), strict=True):
            if cut and self.upsample_size is None:
                # at another scale the pooled size does not tell how much is left out
                same(s, 2, "pad_out needs scale 2", at="scale")
        if mask is not None:
            if mask.rank != x.rank:
                raise RuleError(
                    "NS303",
                    f"needs a mask of the shape of its first bottom: {mask} is not {x}",
                    at="bottom.1",
                )
            for i in range(x.rank):
                same(
                    mask.shape[i],
                    x.shape[i],
                    f"axis {i} of the mask must be that of the values",
                    at="bottom.1",
                )
        return x.replaced(space=self.size(x))

    def field(self, x: TensorType, mask: TensorType | None = None) -> tuple[Reads, ...]:
        if mask is not None:
            return (same_place(2),) * 2
        return (
            (
                *same_place(2),
                *(
                    Step(i, over(1, s), over(1 - s, s), 0)
                    for i, s in enumerate(spread(self.scale, x.axes, "scale"), 2)
                ),
            ),
        )

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The mask, as whole numbers."""
        if len(bottoms) == 1:
            return Kept()
        if bottoms[1].dtype == "int64":
            return Kept((1,))
        return Kept(own=8 * bottoms[1].size)

    def torch(self, x: TensorType, mask: TensorType | None = None) -> ModuleText:
        if self.upsample_size is not None:
            return module("Unpool", size=self.size(x))
        less = self.less(x)
        return module(
            "Unpool",
            defaults={"less": (0,) * x.axes},
            scale=spread(self.scale, x.axes, "scale"),
            less=less,
        )

    def onnx(self, g: OnnxBuilder, x: Any, mask: Any = None) -> Any:
        top = self.infer(x.type, None if mask is None else mask.type)
        if mask is None:
            y = g.Resize(
                x,
                None,
                (1.0, 1.0, *map(float, spread(self.scale, x.type.axes, "scale"))),
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
            whole = x.type.replaced(
                space=tuple(
                    s * n for s, n in zip(spread(self.scale, x.type.axes, "scale"), x.type.space, strict=True)
                )
            )
            y = g.typed(y, whole)
            for i, size in enumerate(top.space, 2):
                if size != whole.shape[i]:
                    y = g.slice(y, i, 0, size)
            return y
        values, places = g.flatten(x, 2), g.flatten(mask, 2)
        if places.type.dtype != "int64":
            places = g.cast(places, "int64")
        count = product(top.space)
        flat = g.ScatterElements(g.full((*top.shape[:2], count)), places, values, axis=2)
        return g.reshape(g.typed(flat, TensorType((*top.shape[:2], count))), top.shape)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{scale: 2}", "N,3,4,W -> N,3,8,2*W")
        yield accepts("{scale: 2, pad_out_h: true}", "N,3,4,5; N,3,4,5 -> N,3,7,10")
        yield accepts("{upsample_h: 7, upsample_w: 9}", "N,3,4,5; N,3,4,5 -> N,3,7,9")
        yield accepts("{scale_h: 3, scale_w: 1}", "N,C,H,W; N,C,H,W -> N,C,3*H,W")
        yield accepts("{scale: 2, pad_out_w: true}", "N,3,4,5 -> N,3,8,9")
        yield accepts("{scale: 4}", "N,3,T; N,3,T -> N,3,4*T")
        yield rejects("{scale: 3, pad_out_w: true}", "N,3,4,5; N,3,4,5", code="NS302", at="scale")
        yield rejects("{}", "N,3,4,5; N,3,4,4", code="NS302", at="bottom.1")
        yield rejects("{}", "N,3,4,5; N,3,4", code="NS303", at="bottom.1")
        yield rejects("{upsample_h: 7, upsample_w: 9}", "N,3,4,5", code="NS120")
        yield rejects("{}", "N,3", code="NS303")
