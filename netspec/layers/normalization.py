"""Layers that bring every sample to a common scale by itself: LRN, MVN, Normalize."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import Size, product
from netspec.ir.field import Reads, Step, same_place
from netspec.ir.layer import (
    Example,
    Filler,
    Kept,
    Layer,
    ModuleText,
    Weight,
    accepts,
    constant,
    module,
    rejects,
)
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError
from netspec.ir.types import TensorType
from netspec.layers.common.windows import Window
from netspec.layers.common.words import ENGINE, Engine, refuse_value
from netspec.record import param

__all__ = ["LRN", "MVN", "Normalize"]


class LRN(Layer, type="LRN", param="lrn_param", legacy=("LRN", "lrn")):
    """Divide every value by a power of its neighbours' energy: neighbours across channels, or in a
    window of its own channel.

    ACROSS_CHANNELS: y_c = x_c (k + alpha/n sum_{|c'-c| <= (n-1)/2} x_c'^2)^-beta     (Krizhevsky et al. 2012)
    WITHIN_CHANNEL:  y = x (1 + alpha/n^a sum_window x^2)^-beta, a spatial axes; k is not used     (Caffe's LRN)

    The divisor of alpha is n even where channels end. AlexNet's paper has alpha without it.
    """

    # tf.nn.lrn counts from the middle: depth_radius 5 is n = 11, and its alpha has no 1/n
    local_size: int = param(
        default=5,
        ge=1,
        dialects={"tf": 11},
        doc="n, the number of channels, or length of the window; odd",
    )
    alpha: float = param(
        default=1.0,
        dialects={"torch": 1e-4, "tf": 11.0},
        doc="factor of the mean square (tf: 1 per value, n = 11)",
    )
    beta: float = param(default=0.75, dialects={"tf": 0.5}, doc="the exponent")
    k: float = param(default=1.0, doc="added to the mean square, ACROSS_CHANNELS")
    norm_region: Literal["ACROSS_CHANNELS", "WITHIN_CHANNEL"] = param(
        default="ACROSS_CHANNELS", doc="which neighbours"
    )
    engine: Engine = param(default="DEFAULT", doc=ENGINE)

    def infer(self, x: TensorType) -> TensorType:
        refuse_value(
            self.local_size % 2 == 0,
            f"local_size must be odd: it is {self.local_size}",
            "local_size",
        )
        # torch averages over 3 axes at most; 99: any
        most = 3 if self.norm_region == "WITHIN_CHANNEL" else 99
        if not 1 <= x.axes <= most:
            raise RuleError(
                "NS303",
                f"needs 1 to {most} spatial axes, after batch and channels: its bottom is {x}",
                at="bottom",
            )
        return x

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        if self.norm_region == "ACROSS_CHANNELS":
            return (same_place(x.rank, 1),)
        half = self.local_size // 2
        return ((*same_place(2), *(Step(axis, 1, -half, half) for axis in range(2, x.rank))),)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The squares with a border, of channels or (in torch's means of three axes) of space,
        their mean and its power.
        """
        x, more = bottoms[0], self.local_size - 1
        squares = x.size + more * product([x.batch, *x.space])
        if self.norm_region == "WITHIN_CHANNEL":
            if x.axes < 3:
                squares = x.size
            else:
                squares = x.batch * x.channels * product(size + more for size in x.space)
        return Kept((0,), own=4 * (2 * x.size + squares))

    def torch(self, x: TensorType) -> ModuleText:
        if self.norm_region == "WITHIN_CHANNEL":
            return module("WithinChannelNorm", self.local_size, self.alpha, self.beta)
        return module(
            "nn.LocalResponseNorm",
            self.local_size,
            defaults={"alpha": 1e-4, "beta": 0.75, "k": 1.0},
            alpha=self.alpha,
            beta=self.beta,
            k=self.k,
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        if self.norm_region == "ACROSS_CHANNELS":
            return g.lrn(x, self.local_size, self.alpha, self.beta, self.k)
        axes = x.type.axes
        w = Window((self.local_size,) * axes, (1,) * axes, (self.local_size // 2,) * axes, (1,) * axes)
        mean = g.average_pool(g.typed(g.Mul(x, x), x.type), w, "FLOOR")
        # Caffe's 1, whatever k says
        return g.Mul(x, g.Pow(g.Add(g.Mul(mean, self.alpha), 1.0), -self.beta))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,7,3,4 -> N,7,3,4")
        yield accepts("{local_size: 5, alpha: 0.0001, beta: 0.75, k: 2}", "N,C,H,W -> N,C,H,W")
        yield accepts("{local_size: 7, alpha: 1.5}", "N,3,2,2 -> N,3,2,2")
        yield accepts("{local_size: 3}", "N,6,T -> N,6,T")
        yield accepts("{norm_region: WITHIN_CHANNEL, local_size: 3, k: 2}", "N,2,H,W -> N,2,H,W")
        yield accepts("{norm_region: WITHIN_CHANNEL}", "N,2,7,6 -> N,2,7,6", dialect="torch")
        yield accepts("{norm_region: WITHIN_CHANNEL, local_size: 3}", "N,2,4,1,D -> N,2,4,1,D")
        yield rejects("{local_size: 4}", "N,7,3,4", code="NS106", at="local_size")
        yield rejects("{}", "N,7", code="NS303")
        yield rejects("{norm_region: ACROSS}", "N,7,3,4", code="NS105", at="norm_region")


class MVN(Layer, type="MVN", param="mvn_param", legacy=("MVN",)):
    """Give every map of every sample mean 0 and standard deviation 1; across_channels: every
    sample.

    y = (x - mean) / (std + eps), std = sqrt(mean (x - mean)^2)     (Caffe's MVN; Ulyanov et al. 2016 call it instance normalisation)

    eps stands outside the root, unlike in nn.InstanceNorm.
    """

    normalize_variance: bool = param(
        default=True, doc="divide by the standard deviation; false: only take the mean away"
    )
    across_channels: bool = param(default=False, doc="one mean for all channels of a sample")
    eps: float = param(default=1e-9, ge=0, doc="added to the standard deviation")

    def infer(self, x: TensorType) -> TensorType:
        return x.replaced(channels=x.channels)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(1),)

    def population(self, x: TensorType) -> Size:
        return product(x.shape[1:] if self.across_channels else x.space)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=4 * bottoms[0].size if self.normalize_variance else 0)

    def torch(self, x: TensorType) -> ModuleText:
        return module(
            "MeanVariance",
            defaults={"normalize_variance": True, "across_channels": False, "eps": 1e-9},
            normalize_variance=self.normalize_variance,
            across_channels=self.across_channels,
            eps=self.eps,
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        axes = tuple(range(1 if self.across_channels else 2, x.type.rank))
        centred = g.typed(g.Sub(x, g.reduce("Mean", x, axes, keep=True)), x.type)
        if not self.normalize_variance:
            return centred
        variance = g.reduce("Mean", g.typed(g.Mul(centred, centred), x.type), axes, keep=True)
        return g.Div(centred, g.Add(g.Sqrt(variance), self.eps))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,4,5 -> N,3,4,5")
        yield accepts("{across_channels: true}", "N,C,H,W -> N,C,H,W")
        yield accepts("{normalize_variance: false}", "N,3,T -> N,3,T")
        yield accepts("{eps: 0.5}", "N,3,4,2,2 -> N,3,4,2,2")
        yield accepts("{across_channels: true, normalize_variance: false}", "N,6 -> N,6")
        yield rejects("{}", "N", code="NS303")
        yield rejects("{eps: tiny}", "N,3,4,5", code="NS104", at="eps")


class Normalize(Layer, type="Normalize", keeps=("bottom", "values"), param="norm_param"):
    """Scale every sample to length 1, or the channels at each place, then by a trained factor.

    y = scale x / sqrt(sum x^2 + eps)     (ParseNet: Liu et al. 2015; SSD's Normalize)

    SSD starts the factor of conv4_3 at 20; left out, it starts at 1.
    """

    across_spatial: bool = param(
        default=True, doc="the length of the whole sample; false: at each place, over the channels"
    )
    scale_filler: Filler = param(default=constant(1.0), doc="how the factor is initialised")
    channel_shared: bool = param(default=True, doc="one factor; false: one per channel")
    eps: float = param(default=1e-10, ge=0, doc="added to the sum of squares")

    def infer(self, x: TensorType) -> TensorType:
        return x.replaced(channels=x.channels)

    def weights(self, x: TensorType) -> Iterator[Weight]:
        yield Weight("scale", () if self.channel_shared else (x.channels,), self.scale_filler)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        return (same_place(1) if self.across_spatial else same_place(x.rank, 1),)

    def torch(self, x: TensorType) -> ModuleText:
        return module(
            "UnitLength",
            None if self.channel_shared else x.channels,
            defaults={"across_spatial": True, "eps": 1e-10},
            across_spatial=self.across_spatial,
            eps=self.eps,
        )

    def onnx(self, g: OnnxBuilder, x: Any, scale: Any) -> Any:
        axes = tuple(range(1, x.type.rank)) if self.across_spatial else (1,)
        norm = g.Sqrt(g.Add(g.reduce("SumSquare", x, axes, keep=True), self.eps))
        return g.Mul(g.Div(x, norm), g.aligned(scale, 1, x.type.rank) if scale.type.rank else scale)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,C,H,W -> N,C,H,W", weights=1)
        yield accepts(
            "{across_spatial: false, channel_shared: false, scale_filler: {value: 20}}",
            "N,5,H,W -> N,5,H,W",
            weights=5,
        )
        yield accepts("{across_spatial: false}", "N,5 -> N,5", weights=1)
        yield rejects("{channel_shared: false}", "N,C,4,4", code="NS304")
        yield rejects("{}", "N", code="NS303")
        yield rejects("{eps: -1}", "N,5,4,4", code="NS106", at="eps")
