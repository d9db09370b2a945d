"""The layer that summarises windows: Pooling."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from netspec.ir.dims import bounds, product, untrace
from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import Change, RuleError, at_least
from netspec.ir.types import TensorType
from netspec.layers.common.windowed import DialectPad
from netspec.layers.common.windows import (
    Pad,
    PerAxis,
    Window,
    check_axes,
    ends,
    number,
    pad_size,
    pool_sizes,
    window,
)
from netspec.layers.common.words import ENGINE, Engine, exclude
from netspec.record import param

__all__ = ["Pooling"]


class Pooling(
    DialectPad,
    type="Pooling",
    param="pooling_param",
    legacy=("POOLING", "pool"),
    tops=(1, 2),
    traits=("windowed", "pooling"),
):
    """Summarise each window, channel by channel: its greatest value, mean, p-norm, or one value
    drawn at random.

    MAX: y = max x_i;  AVE: y = sum x_i / area;  L2, LP: y = (sum |x_i|^p)^(1/p)     (Caffe's Pooling)
    STOCHASTIC: y = x_i with probability x_i / sum x_j, in test sum x_i^2 / sum x_j     (Zeiler and Fergus 2013)

    Caffe rounds the number of windows up, PyTorch down: `round_mode`. The area of AVE counts the
    padding, not what reaches past it. Of equal values the first, in row order, is MAX's; a second
    top holds its index h W + w, counted from 0 in its own map. Rounded up as Caffe does, a window
    larger than its padded input is one window, cut off at the input's end; other dialects refuse
    it. A window wholly outside, possible where stride exceeds kernel_size, gives -3.4e38 or 0/0, as
    in Caffe.
    """

    pool: Literal["MAX", "AVE", "STOCHASTIC", "L2", "LP"] = param(
        default="MAX", doc="how a window is summarised; L2 and LP are beyond Caffe"
    )
    kernel_size: PerAxis | None = param(
        default=None, ge=1, pair=("kernel_h", "kernel_w"), doc="window length along each spatial axis"
    )
    stride: PerAxis = param(default=1, ge=1, pair=("stride_h", "stride_w"), doc="step between windows")
    pad: Pad = param(
        default=0,
        ge=0,
        pair=("pad_h", "pad_w"),
        doc=(
            "border on each side, less than kernel_size: a number, [[begin, end], ...], or valid, same, full,"
            " causal, same_tf"
        ),
    )
    global_pooling: bool = param(
        default=False, doc="one window, the whole input: no kernel_size, stride or pad"
    )
    round_mode: Literal["CEIL", "FLOOR", "EXACT"] = param(
        default="CEIL",
        dialects={"torch": "FLOOR", "tf": "FLOOR"},
        doc="number of windows, rounded; EXACT makes a remainder an error; a pad word means FLOOR",
    )
    count_include_pad: bool = param(
        default=True, dialects={"tf": False}, doc="AVE: the border counts in the area (beyond Caffe: false)"
    )
    norm_type: float = param(default=2.0, ge=1, doc="the exponent p of LP")
    engine: Engine = param(default="DEFAULT", doc=ENGINE)

    over: bool = True
    """Whether a window may be larger than its padded input where the number of windows is rounded
    up: Caffe's rule.
    """

    @classmethod
    def read(cls, fields: Mapping[str, Any], dialect: str = "caffe", whole: Any = None) -> Self:
        layer = super().read(fields, dialect, whole)
        if dialect != "caffe" and layer.__dict__["round_mode"] == "CEIL":
            return layer.replace(over=False)
        return layer

    @property
    def rounding(self) -> str:
        if isinstance(self.pad, str) and self.round_mode == "CEIL":
            return "FLOOR"
        return self.round_mode

    def window(self, x: TensorType) -> Window:
        if not self.global_pooling and self.kernel_size is not None:
            return window(x.space, kernel_size=self.kernel_size, stride=self.stride, pad=self.pad)
        return Window(x.space, (1,) * x.axes, (0,) * x.axes, (1,) * x.axes)

    def infer(self, x: TensorType) -> tuple[TensorType, ...]:
        self.check(x)
        w = self.window(x)
        for kernel, pad in zip(w.kernel, w.pads, strict=True):
            for side in ends(pad):
                at_least(kernel, side + 1, "pad must be smaller than kernel_size", code="NS307", at="pad")
        y = x.replaced(
            space=(1,) * x.axes
            if self.global_pooling
            else pool_sizes(x.space, w, self.rounding, over=self.over)
        )
        if self.pool == "MAX":
            return (y, TensorType(y.shape, "int64"))
        return (y,)

    def check(self, x: TensorType) -> None:
        """What excludes what, as in Caffe."""
        check_axes(x, "pools 1 to 3 spatial axes")
        if self.global_pooling:
            exclude(
                self.kernel_size is not None,
                "global_pooling takes the whole input: kernel_size must be left out",
                "kernel_size",
            )
            exclude(
                self.stride not in (1, (1,) * x.axes),
                "global_pooling has one window: stride must be 1",
                "stride",
            )
            exclude(bordering(self.pad), "global_pooling has no border: pad must be 0", "pad")
        elif self.kernel_size is None:
            raise RuleError(
                "NS103",
                "needs kernel_size, or global_pooling: true",
                changes=[Change("add global_pooling: true", {"global_pooling": True})],
            )
        exclude(
            self.pool == "STOCHASTIC"
            and bordering(self.pad)
            and any(ends(p) != (0, 0) for p in self.window(x).pads),
            "STOCHASTIC pooling has no border: pad must be 0",
            "pad",
        )

    def plain(self, x: TensorType) -> bool:
        """Whether torch's own pooling does just this: even borders up to half the window, and no
        window wholly outside.
        """
        w = self.window(x)
        if not w.symmetric or any(
            2 * number(ends(p)[0]) > number(k) for p, k in zip(w.pads, w.kernel, strict=True)
        ):
            return False
        if (
            self.pool == "AVE"
            and x.axes == 3
            and (self.has_border(x) or self.rounding == "CEIL")
            and any(bounds(n)[0] < number(k) for n, k in zip(x.space, w.kernel, strict=True))
        ):
            return False  # nn.AvgPool3d refuses an input smaller than its window, whatever the padding
        gaps = any(number(s) > number(k) for s, k in zip(w.stride, w.kernel, strict=True)) and all(
            p == 0 for p in w.pads
        )
        return not (self.rounding == "CEIL" and gaps)

    def takes_every(self, x: TensorType) -> tuple[int, ...] | None:
        w = self.window(x)
        bare = all(k == 1 for k in w.kernel) and all(n == 0 for p in w.pads for n in ends(p))
        if self.pool not in ("MAX", "AVE") or self.top_count == 2 or not (bare and self.plain(x)):
            return None
        return tuple(s for s in w.stride if isinstance(s, int))

    @property
    def draws(self) -> bool:
        return self.pool == "STOCHASTIC"

    def averages_border(self, x: TensorType) -> bool:
        """Whether means at the border count the padding's zeros."""
        return self.pool == "AVE" and self.count_include_pad and self.has_border(x)

    def has_border(self, x: TensorType) -> bool:
        """Whether a window reaches into the border, as far as sizes are known."""
        w = self.window(x)
        if all(isinstance(untrace(n), int) and number(n) == 0 for p in w.pads for n in ends(p)):
            return False
        for size, count, k, s, pad in zip(
            x.space, pool_sizes(x.space, w, self.rounding), w.kernel, w.stride, w.pads, strict=True
        ):
            begin, end = ends(pad)
            past = (count - 1) * s + k - begin - size  # past the input
            if not (begin == 0 and isinstance(past, int) and (end == 0 or past <= 0)):
                return True
        return False

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Places of the greatest as indices, unless they are the second top; a border that reaches
        past the input is written out.
        """
        x, size = bottoms[0], tops[0].size
        if self.takes_every(x) is not None:  # it runs as a slice
            return Kept()
        more = (
            4 * x.size if self.pool == "LP" and self.norm_type != 2 else 0
        )  # without their signs, where these are not squared away
        index = Kept(tops=(1,)) if len(tops) == 2 else Kept(own=8 * size)
        if self.global_pooling:
            if self.pool == "MAX":
                return index._replace(bottoms=(0,))
            if self.pool == "AVE":
                return Kept()
            return Kept((0,), own=4 * x.size + more)
        if self.pool in ("MAX", "AVE") and self.plain(x):
            if self.pool == "MAX":
                return index._replace(bottoms=(0,))
            return Kept((0,))
        reached = 4 * pad_size(x, self.reach(x))
        if self.pool == "MAX":
            return Kept(own=reached + 8 * size)
        if self.pool == "STOCHASTIC":
            # the place drawn, and each window written out
            return Kept(own=(8 + 4 * product(self.window(x).kernel)) * size)
        return Kept(
            (0,) if self.pool != "AVE" else (), own=reached + (5 * size + more if self.pool != "AVE" else 0)
        )

    def reach(self, x: TensorType) -> Window:
        """The window, its border ending where the last window does."""
        w = self.window(x)
        counts = pool_sizes(x.space, w, self.rounding)
        begins = [ends(p)[0] for p in w.pads]
        ended = [
            (n - 1) * s + k - b - size
            for n, s, k, b, size in zip(counts, w.stride, w.kernel, begins, x.space, strict=True)
        ]
        return w._replace(pads=tuple(zip(begins, ended, strict=True)))

    def torch(self, x: TensorType) -> ModuleText:
        n, mask = x.axes, self.top_count == 2
        counted = self.count_include_pad or not self.has_border(x)
        if self.pool == "MAX" and self.global_pooling:
            return module(
                f"nn.AdaptiveMaxPool{n}d", 1, defaults={"return_indices": False}, return_indices=mask
            )
        if self.pool == "AVE" and self.global_pooling:
            return module(f"nn.AdaptiveAvgPool{n}d", 1)
        w, up = self.window(x), self.rounding == "CEIL"
        if self.pool in ("MAX", "AVE") and self.plain(x):
            name, more = (
                ("Max", {"return_indices": mask})
                if self.pool == "MAX"
                else ("Avg", {"count_include_pad": counted})
            )
            return module(
                f"nn.{name}Pool{n}d",
                w.kernel,
                stride=w.stride,
                padding=tuple(first for first, _ in map(ends, w.pads)),
                ceil_mode=up,
                **more,
                defaults={
                    "padding": (0,) * n,
                    "ceil_mode": False,
                    "return_indices": False,
                    "count_include_pad": True,
                },
            )
        pads = "same_tf" if self.pad == "same_tf" else tuple(map(ends, w.pads))
        place = () if self.global_pooling else (w.kernel, w.stride, pads)
        usual = {"round_up": False, "mask": False, "count_include_pad": True}
        if self.pool == "MAX":
            return module("MaxPool", *place, defaults=usual, round_up=up, mask=mask)
        if self.pool == "AVE":
            return module("AveragePool", *place, defaults=usual, round_up=up, count_include_pad=counted)
        rounding = {} if self.global_pooling else {"round_up": up}
        if self.pool == "STOCHASTIC":
            return module("StochasticPool", *place, defaults=usual, **rounding)
        return module(
            "LpPool", 2.0 if self.pool == "L2" else self.norm_type, *place, defaults=usual, **rounding
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        from netspec.layers.common.pooling_onnx import (
            export_average,
            export_max,
            export_norm,
            export_stochastic,
        )

        w = self.window(x.type)
        if self.pool == "MAX":
            return export_max(g, x, w, self.rounding, self.top_count == 2)
        if self.pool == "AVE":
            return export_average(g, x, w, self.rounding, self.count_include_pad)
        if self.pool == "STOCHASTIC":
            return export_stochastic(g, x, w, self.rounding)
        return export_norm(g, x, w, self.rounding, 2.0 if self.pool == "L2" else self.norm_type)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{kernel_size: 2, stride: 2}", "N,3,6,8 -> N,3,3,4")
        yield accepts("{kernel_size: 3, stride: 2}", "N,3,7,8 -> N,3,3,4")
        yield accepts("{kernel_size: 3, stride: 2}", "N,3,7,8 -> N,3,3,3", dialect="torch")
        yield accepts("{kernel_size: 2, stride: 2}", "N,C,H,W -> N,C,(H+1)//2,(W+1)//2")
        yield accepts("{kernel_size: 3, stride: 2, pad: 1}", "N,3,H,W -> N,3,H//2+1,W//2+1")
        yield accepts("{kernel_size: 2, stride: 2, pad: 1}", "N,3,5,5 -> N,3,3,3")
        yield accepts("{kernel_h: 3, kernel_w: 2, stride_h: 2, stride_w: 3, pad_h: 1}", "N,3,7,9 -> N,3,4,3")
        yield accepts("{kernel_size: 3, stride: 2}", "N,3,6,7 -> N,3,3,3; N,3,3,3")
        yield accepts("{kernel_size: 3, stride: 2, pad: 2}", "N,3,6,7 -> N,3,4,5; N,3,4,5")
        yield accepts("{kernel_size: 2, stride: 3}", "N,2,6,7 -> N,2,3,3")
        yield accepts("{kernel_size: 2, stride: 3}", "N,2,6,H -> N,2,3,H//3+1; N,2,3,H//3+1")
        yield accepts("{kernel_size: 1, stride: 2, round_mode: FLOOR}", "N,3,7,H -> N,3,4,(H+1)//2")
        yield accepts("{kernel_size: 2, stride: 2, round_mode: EXACT}", "N,3,6,H -> N,3,3,H//2")
        yield accepts("{kernel_size: 3, stride: 2, pad: same}", "N,3,H,W -> N,3,(H+1)//2,(W+1)//2")
        yield accepts("{kernel_size: 2, pad: causal}", "N,3,T -> N,3,T; N,3,T")
        yield accepts("{global_pooling: true}", "N,3,H,W -> N,3,1,1")
        yield accepts("{global_pooling: true}", "N,3,T -> N,3,1; N,3,1")
        yield accepts("{pool: AVE, kernel_size: 3, stride: 2}", "N,3,7,8 -> N,3,3,4")
        yield accepts("{pool: AVE, kernel_size: 3, stride: 2, pad: 1}", "N,3,7,8 -> N,3,4,5")
        yield accepts("{pool: AVE, kernel_size: 3, stride: 3, pad: 1}", "N,3,4,7 -> N,3,2,3")
        yield accepts("{pool: AVE, kernel_size: 3, stride: 2, pad: 2}", "N,3,4,7 -> N,3,3,5")
        yield accepts("{pool: AVE, kernel_size: 3, stride: 2, pad: [[0, 1], [1, 0]]}", "N,3,5,6 -> N,3,3,3")
        yield accepts("{pool: AVE, kernel_size: 3, pad: same}", "N,3,5,6 -> N,3,5,6", dialect="tf")
        yield accepts("{pool: AVE, kernel_size: 2, stride: 2}", "N,3,5 -> N,3,3")
        yield accepts("{pool: AVE, kernel_size: 2, stride: 2}", "N,3,5,4,3 -> N,3,3,2,2")
        yield accepts("{pool: AVE, kernel_size: 3, stride: 2, pad: 1}", "N,3,5,1,W -> N,3,3,1,W//2+1")
        yield accepts("{pool: AVE, global_pooling: true}", "N,C,H,W -> N,C,1,1")
        yield accepts("{pool: AVE, global_pooling: true}", "N,3,2,3,4 -> N,3,1,1,1")
        yield accepts("{pool: L2, kernel_size: 2, stride: 2}", "N,3,5,H -> N,3,3,(H+1)//2")
        yield accepts("{pool: LP, norm_type: 3, kernel_size: 3, pad: 1}", "N,3,5 -> N,3,5")
        yield accepts("{pool: L2, kernel_size: 2, stride: 4}", "N,2,7,8 -> N,2,3,3")
        yield accepts("{pool: AVE, kernel_size: 1, stride: 3}", "N,2,8,W -> N,2,4,(W+1)//3+1")
        yield accepts("{pool: L2, global_pooling: true}", "N,3,5,W -> N,3,1,1")
        yield accepts("{pool: STOCHASTIC, kernel_size: 3, stride: 2}", "N,3,7,8 -> N,3,3,4")
        yield accepts("{kernel_size: 9, stride: 3, pad: 1}", "N,2,6,5 -> N,2,1,1; N,2,1,1")
        yield accepts("{pool: AVE, kernel_size: 7, stride: 4, pad: 1}", "N,3,2,6 -> N,3,1,2")
        yield accepts("{pool: AVE, kernel_size: 3, stride: 2}", "N,2,2,4,4 -> N,2,1,2,2")
        yield rejects("{kernel_size: 9}", "N,3,8,8", code="NS301", at="kernel_size")
        yield rejects(
            "{kernel_size: 9, stride: 2, round_mode: CEIL}",
            "N,3,8,8",
            code="NS301",
            at="kernel_size",
            dialect="torch",
        )
        yield rejects("{kernel_size: 2, pad: 2}", "N,3,8,8", code="NS307", at="pad")
        yield rejects("{kernel_size: 2, stride: 2, round_mode: EXACT}", "N,3,7,8", code="NS305", at="stride")
        yield rejects("{global_pooling: true, stride: 2}", "N,3,8,8", code="NS120", at="stride")
        yield rejects("{global_pooling: true, pad: 1}", "N,3,8,8", code="NS120", at="pad")
        yield rejects("{global_pooling: true, kernel_size: 2}", "N,3,8,8", code="NS120", at="kernel_size")
        yield rejects("{pool: STOCHASTIC, kernel_size: 2, pad: 1}", "N,3,8,8", code="NS120", at="pad")
        yield rejects("{pool: AVE, kernel_size: 2}", "N,3,8,8", code="NS206", outputs=2)
        yield rejects("{pool: MAX}", "N,3,8,8", code="NS103")
        yield rejects("{pool: MEAN, kernel_size: 2}", "N,3,8,8", code="NS105", at="pool")
        yield rejects("{kernel_size: 2}", "N,3", code="NS303")
        yield rejects("{kernel_h: 2}", "N,3,8,8", code="NS103")


def bordering(pad: Pad) -> bool:
    """Whether a pad may be more than nothing, in whatever form it is written."""
    if isinstance(pad, str):
        return pad != "valid"
    return any(ends(p) != (0, 0) for p in (pad if isinstance(pad, tuple) else (pad,)))
