"""Layers that interpolate maps to another size: Interp, Resize."""

from collections.abc import Iterator
from fractions import Fraction
from math import lcm
from typing import Any, Literal

from netspec.ir.dims import Size, untrace
from netspec.ir.field import Reads, Step, over, same_place
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, at_least
from netspec.ir.types import TensorType
from netspec.layers.common.windows import PerAxis, check_axes, spread
from netspec.layers.common.words import exclude
from netspec.record import param

__all__ = ["Interp", "Resize"]


class Interp(Layer, type="Interp", keeps=(), param="interp_param", bottoms=(1, 2), traits=("no_gradient.1",)):
    """Resize maps bilinearly; the corner values keep their places.

    y[i] = (1 - t) x[k] + t x[k + 1],  k + t = i (in - 1) / (out - 1)     along each axis     (DeepLab: Chen et al. 2014; forks of Caffe)

    out = height, width; or (in - 1) zoom_factor + 1; or floor((in - 1) / shrink_factor) + 1; or the
    second bottom's size.
    """

    size: PerAxis | None = param(
        default=None,
        ge=1,
        pair=("height", "width"),
        doc="size of the result along each spatial axis",
    )
    zoom_factor: int | None = param(default=None, ge=1, doc="places between two values, after shrinking")
    shrink_factor: int | None = param(default=None, ge=1, doc="how many values one is kept of")
    pad_beg: int = param(default=0, le=0, doc="rows to cut at the beginning, negative")
    pad_end: int = param(default=0, le=0, doc="rows to cut at the end, negative")

    def infer(self, x: TensorType, like: TensorType | None = None) -> TensorType:
        check_space(x, like)
        factors = self.zoom_factor is not None or self.shrink_factor is not None
        exclude(
            like is not None and (factors or self.size is not None),
            "the second bottom gives the size: leave size and factors out",
            "size",
        )
        if like is None and not factors and self.size is None:
            raise RuleError("NS103", "needs height and width, zoom_factor, shrink_factor, or a second bottom")
        for size in x.space:
            at_least(
                size + self.pad_beg + self.pad_end,
                1,
                "cutting must leave a row",
                code="NS301",
                at="pad_beg" if self.pad_beg else "pad_end",
            )
        if like is not None:
            return x.replaced(space=like.space)
        if self.size is not None and (self.zoom_factor is None) == (self.shrink_factor is None):
            return x.replaced(space=spread(self.size, x.axes, "size"))
        sizes = []
        for size in x.space:
            n = size + self.pad_beg + self.pad_end
            steps = n - 1 if self.shrink_factor is None else (n - 1) // self.shrink_factor
            sizes.append(steps + 1 if self.zoom_factor is None else steps * self.zoom_factor + 1)
        return x.replaced(space=tuple(sizes))

    def field(self, x: TensorType, like: TensorType | None = None) -> tuple[Reads, ...]:
        if like is not None or self.shrink_factor is not None or self.zoom_factor is None:
            tops = self.infer(x, like).space
            cut = self.pad_beg + self.pad_end
            steps = [
                ratio(n + cut - 1, m - 1) if untrace(m) != 1 else None
                for n, m in zip(x.space, tops, strict=True)
            ]
        else:
            steps = [Fraction(1, self.zoom_factor)] * x.axes
        return (
            (
                *same_place(2),
                *(near(axis, step, Fraction(-self.pad_beg), 0, 1) for axis, step in enumerate(steps, 2)),
            ),
        )

    def torch(self, x: TensorType, like: TensorType | None = None) -> ModuleText:
        crop = (-self.pad_beg, -self.pad_end) if self.pad_beg or self.pad_end else None
        defaults = {"crop": None, "size": None}
        if like is not None or (
            self.size is not None and (self.zoom_factor is None) == (self.shrink_factor is None)
        ):
            size = None if like is not None else self.infer(x).space
            return module("Interpolate", "linear", defaults=defaults, size=size, align=True, crop=crop)
        return module(
            "Interpolate",
            "linear",
            defaults=defaults,
            up=(self.zoom_factor or 1,) * x.axes,
            down=(self.shrink_factor or 1,) * x.axes,
            align=True,
            grid=True,
            crop=crop,
        )

    def onnx(self, g: OnnxBuilder, x: Any, like: Any = None) -> Any:
        top = self.infer(x.type, None if like is None else like.type)
        for i, size in enumerate(x.type.space, 2):
            if self.pad_beg or self.pad_end:
                x = g.slice(x, i, -self.pad_beg, size + self.pad_end)
        return resize(g, x, top, "linear", "align_corners")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{height: 9, width: 5}", "N,3,4,W -> N,3,9,5")
        yield accepts("{zoom_factor: 8}", "N,C,H,W -> N,C,8*H-7,8*W-7")
        yield accepts("{shrink_factor: 2}", "N,3,H,6 -> N,3,(H+1)//2,3")
        yield accepts("{zoom_factor: 3, shrink_factor: 2, pad_beg: -1, pad_end: -2}", "N,3,9,8 -> N,3,7,7")
        yield accepts("{}", "N,3,4,5; N,1,H,W -> N,3,H,W")
        yield accepts("{size: 7}", "N,3,4 -> N,3,7")
        yield accepts("{zoom_factor: 2}", "N,2,2,3,4 -> N,2,3,5,7")
        yield accepts("{height: 1, width: 1}", "N,3,4,5 -> N,3,1,1")
        yield rejects("{}", "N,3,4,5", code="NS103")
        yield rejects("{height: 4}", "N,3,4,5", code="NS103")
        yield rejects("{pad_beg: 1, zoom_factor: 2}", "N,3,4,5", code="NS106", at="pad_beg")
        yield rejects("{pad_beg: -4, zoom_factor: 2}", "N,3,4,5", code="NS301", at="pad_beg")
        yield rejects("{zoom_factor: 2}", "N,3", code="NS303")
        yield rejects("{zoom_factor: 2}", "N,3,4,5; N,3,8,8", code="NS120")


class Resize(Layer, type="Resize", keeps=(), param="resize_param", bottoms=(1, 2), traits=("no_gradient.1",)):
    """Resize maps to a size, by a factor, or to the second bottom's size.

    out = floor(in scale); NEAREST: y[i] = x[floor(i in / out)]; LINEAR, CUBIC: interpolated at (i + 1/2) in / out - 1/2     (PyTorch's)

    With align_corners the outermost values keep their places: Interp is LINEAR so. CUBIC is for
    images, with Keys' a = -3/4.
    """

    size: PerAxis | None = param(default=None, ge=1, doc="size of the result along each spatial axis")
    scale: float | tuple[float, ...] | None = param(
        default=None, gt=0, doc="factor of the size: one for all spatial axes, or one for each"
    )
    mode: Literal["NEAREST", "LINEAR", "CUBIC"] = param(
        default="NEAREST", doc="how values between are found; LINEAR is bilinear for images"
    )
    align_corners: bool = param(default=False, doc="LINEAR, CUBIC: the outermost values keep their places")
    by_scale: bool = param(
        default=False,
        dialects={"torch": True},
        doc=(
            "with scale: a place is found by dividing by scale, as PyTorch's Upsample does; false: by the"
            " ratio of the sizes, which is another where in * scale is no whole number"
        ),
    )

    def is_scaled(self, x: TensorType) -> bool:
        """Whether places are found by scale, and that may be another than the ratio of the
        sizes.
        """
        if not self.by_scale or self.scale is None or self.align_corners:
            return False
        return any(
            untrace(n * f.numerator % f.denominator) != 0
            for n, f in zip(x.space, self.factors(x), strict=True)
        )

    def factors(self, x: TensorType) -> tuple[Fraction, ...]:
        scales = self.scale if isinstance(self.scale, tuple) else (self.scale or 1.0,)
        scales = scales * x.axes if len(scales) == 1 else scales
        if len(scales) != x.axes:
            raise RuleError(
                "NS107",
                f"scale has {len(scales)} values: the bottom has {x.axes} spatial axes",
                at="scale",
            )
        # 0.1 means a tenth, not the double next to it
        return tuple(Fraction(s).limit_denominator(10000) for s in scales)

    def infer(self, x: TensorType, like: TensorType | None = None) -> TensorType:
        check_space(x, like)
        given = [self.size is not None, self.scale is not None, like is not None]
        exclude(
            sum(given) > 1,
            "size, scale and a second bottom exclude each other",
            "scale" if self.scale is not None else "size",
        )
        if not any(given):
            raise RuleError("NS103", "needs size, scale, or a second bottom")
        exclude(
            self.mode == "NEAREST" and self.align_corners,
            "align_corners needs mode LINEAR or CUBIC",
            "align_corners",
        )
        if self.mode == "CUBIC" and x.axes != 2:  # torch interpolates so in images only
            raise RuleError("NS303", f"mode CUBIC needs two spatial axes: the bottom has {x.axes}", at="mode")
        if like is not None:
            return x.replaced(space=like.space)
        if self.size is not None:
            return x.replaced(space=spread(self.size, x.axes, "size"))
        sizes = tuple(n * f.numerator // f.denominator for n, f in zip(x.space, self.factors(x), strict=True))
        for size in sizes:
            at_least(size, 1, "the result must not be empty", code="NS301", at="scale")
        return x.replaced(space=sizes)

    def field(self, x: TensorType, like: TensorType | None = None) -> tuple[Reads, ...]:
        wide = {"NEAREST": 0, "LINEAR": 1, "CUBIC": 2}[self.mode]
        steps: list[Step | None] = []
        # without scale a fraction stands in, so that the ratio of the sizes decides below
        scales = self.factors(x) if self.scale is not None else (Fraction(1, 2),) * x.axes
        for axis, (n, m, scale) in enumerate(zip(x.space, self.infer(x, like).space, scales, strict=True), 2):
            if self.align_corners:
                steps.append(
                    near(
                        axis,
                        ratio(n - 1, m - 1) if untrace(m) != 1 else None,
                        Fraction(0),
                        wide - 1,
                        wide,
                    )
                )
                continue
            step = 1 / scale if scale.denominator == 1 or self.is_scaled(x) else ratio(n, m)
            steps.append(
                near(
                    axis,
                    step,
                    Fraction(0) if not wide or step is None else (step - 1) / 2,
                    max(wide - 1, 0),
                    wide,
                )
            )
        return ((*same_place(2), *steps),)

    def torch(self, x: TensorType, like: TensorType | None = None) -> ModuleText:
        mode = {"NEAREST": "nearest", "LINEAR": "linear", "CUBIC": "bicubic"}[self.mode]
        defaults = {"size": None, "align": False}
        if self.scale is None:
            size = self.infer(x).space if like is None else None
            return module("Interpolate", mode, defaults=defaults, size=size, align=self.align_corners)
        factors = self.factors(x)
        return module(
            "Interpolate",
            mode,
            defaults={**defaults, "by_scale": False},
            by_scale=self.is_scaled(x),
            up=tuple(f.numerator for f in factors),
            down=tuple(f.denominator for f in factors),
            align=self.align_corners,
        )

    def onnx(self, g: OnnxBuilder, x: Any, like: Any = None) -> Any:
        top = self.infer(x.type, None if like is None else like.type)
        mode = {"NEAREST": "nearest", "LINEAR": "linear", "CUBIC": "cubic"}[self.mode]
        places = "align_corners" if self.align_corners else "half_pixel"
        if mode == "nearest":
            places = "asymmetric"
        scales = (
            (1.0, 1.0, *map(float, self.factors(x.type))) if like is None and self.is_scaled(x.type) else None
        )
        return resize(g, x, top, mode, places, scales)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{scale: 2}", "N,C,H,W -> N,C,2*H,2*W")
        yield accepts("{scale: [1.5, 0.5], mode: LINEAR}", "N,3,H,6 -> N,3,(3*H)//2,3")
        yield accepts("{size: [7, 9], mode: LINEAR, align_corners: true}", "N,3,4,5 -> N,3,7,9")
        yield accepts("{size: 8, mode: CUBIC}", "N,3,4,5 -> N,3,8,8")
        yield accepts("{mode: LINEAR}", "N,3,4,5; N,1,H,W -> N,3,H,W")
        yield accepts("{scale: 2, mode: LINEAR}", "N,3,T -> N,3,2*T")
        yield accepts("{scale: 1.5, mode: LINEAR}", "N,3,H,7 -> N,3,(3*H)//2,10", dialect="torch")
        yield accepts("{scale: [0.75, 2.5]}", "N,3,5,5 -> N,3,3,12", dialect="torch")
        yield accepts("{size: [5, 4, 3], mode: LINEAR}", "N,2,2,3,4 -> N,2,5,4,3")
        yield accepts("{scale: 3}", "N,2,2,3,4 -> N,2,6,9,12")
        yield rejects("{}", "N,3,4,5", code="NS103")
        yield rejects("{size: 4, scale: 2}", "N,3,4,5", code="NS120", at="scale")
        yield rejects("{scale: 2, align_corners: true}", "N,3,4,5", code="NS120", at="align_corners")
        yield rejects("{scale: 0.1}", "N,3,4,5", code="NS301", at="scale")
        yield rejects("{size: 4, mode: CUBIC}", "N,3,4", code="NS303", at="mode")
        yield rejects("{scale: [2, 2, 2]}", "N,3,4,5", code="NS107", at="scale")
        yield rejects("{scale: 2}", "N,3", code="NS303")


def ratio(size: Size, out: Size) -> Fraction | None:
    """size / out, where both are known."""
    size, out = untrace(size), untrace(out)
    if isinstance(size, int) and isinstance(out, int):
        return Fraction(size, out)
    return None


def near(axis: int, stride: Fraction | None, offset: Fraction, before: int, after: int) -> Step | None:
    """A value made of those around place stride i + offset: of the whole places there `before` more
    on the left, `after` on the right.

    A place is a multiple of 1/d, so it lies (d - 1)/d from the whole place below at most, and from
    the one above too.
    """
    if stride is None:
        return None
    d = lcm(stride.denominator, offset.denominator)
    apart = Fraction(d - 1, d)
    first, last = offset - apart - before, offset + (apart if after else 0) + max(after - 1, 0)
    return Step(axis, *(over(n.numerator, n.denominator) for n in (stride, first, last)))


def check_space(x: TensorType, like: TensorType | None) -> None:
    """One to three spatial axes, and as many in the bottom that lends its size."""
    check_axes(x, "resizes 1 to 3 spatial axes")
    if like is not None and like.rank != x.rank:
        raise RuleError("NS303", f"needs a second bottom of as many axes: {x} and {like}", at="bottom.1")


def resize(
    g: OnnxBuilder,
    x: Any,
    top: TensorType,
    mode: str,
    coordinates: str,
    scales: tuple[float, ...] | None = None,
) -> Any:
    """ONNX's Resize to the size of `top`; with scales places are found by these."""
    more: dict[str, Any] = {}
    if mode == "nearest":
        more = {"nearest_mode": "floor"}
    elif mode == "cubic":
        more = {"cubic_coeff_a": -0.75}  # torch's, as OpenCV's
    if scales is not None:
        return g.typed(
            g.Resize(
                x,
                None,
                g.const(scales),
                mode=mode,
                coordinate_transformation_mode=coordinates,
                **more,
            ),
            top,
        )
    return g.typed(
        g.Resize(
            x,
            None,
            None,
            g.sizes(top.shape),
            mode=mode,
            coordinate_transformation_mode=coordinates,
            **more,
        ),
        top,
    )
