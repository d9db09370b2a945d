"""Layers that bring every channel to a common scale over the batch: BatchNorm, BN."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

from netspec.ir.dims import Size, product
from netspec.ir.field import Reads, whole_batch
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
from netspec.layers.common.words import ENGINE, Engine, exclude
from netspec.record import param

__all__ = ["BN", "BatchNorm"]


class BatchNorm(
    Layer, type="BatchNorm", param="batch_norm_param", traits=("elementwise", "batch_statistics")
):
    """Give every channel mean 0 and variance 1: by the batch's own statistics while training, by
    gathered ones in test.

    y = (x - E[x]) / sqrt(Var[x] + eps)     (Ioffe and Szegedy 2015; Caffe's BatchNorm)

    There is no scale and no shift here: a Scale with bias_term follows. The gathered tensors are
    sums that fade by moving_average_fraction m: mean <- m mean + E[x], variance <- m variance +
    n/(n-1) Var[x], scale_factor <- m scale_factor + 1.
    """

    use_global_stats: bool | None = param(
        default=None,
        doc="true: the gathered statistics; false: the batch's; left out: gathered in test only",
    )
    moving_average_fraction: float = param(
        default=0.999,
        ge=0,
        le=1,
        dialects={"torch": 0.9, "tf": 0.99},  # what torch's momentum 0.1 and Keras' 0.99 keep
        doc="what is kept of the sums per batch",
    )
    eps: float = param(
        default=1e-5, ge=0, dialects={"tf": 1e-3}, doc="added to the variance, inside the root"
    )

    def infer(self, x: TensorType) -> TensorType:
        if x.rank == 0:
            raise RuleError("NS303", "needs axis 0, the batch: its bottom has no axes", at="bottom")
        return x

    def channels(self, x: TensorType) -> Size:
        if x.rank > 1:
            return x.channels
        # as in Caffe: without axis 1 all values are one channel
        return 1

    def weights(self, x: TensorType) -> Iterator[Weight]:
        yield Weight("mean", (self.channels(x),), kind="statistic")
        yield Weight("variance", (self.channels(x),), kind="statistic")
        yield Weight("scale_factor", (1,), kind="statistic")

    @property
    def batch_in_training(self) -> bool:
        """Whether training normalises by the batch's statistics."""
        return self.use_global_stats is not True

    @property
    def remembers(self) -> tuple[str, float] | None:
        """The word for what is kept of the statistics per batch, and how much; None where test
        reads none that training gathers.
        """
        if self.use_global_stats is None:
            return ("moving_average_fraction", self.moving_average_fraction)
        return None

    @property
    def takes_factors(self) -> bool:
        return True

    def scaling(self, x: TensorType) -> Callable[..., tuple[Any, Any]] | None:
        if self.use_global_stats is False or x.rank < 2:
            return None
        return self.fold_statistics

    def fold_statistics(self, mean: Any, variance: Any, scale_factor: Any) -> tuple[Any, Any]:
        """What the gathered statistics come to; they count as 0 where none were gathered."""
        share = 1 / scale_factor if scale_factor.any() else 0 * scale_factor
        factor = 1 / root(variance * share + self.eps)
        return factor, -mean * share * factor

    def population(self, x: TensorType) -> Size:
        return values_per_channel(x)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        if self.use_global_stats is False:
            return (whole_batch(x.rank),)
        return super().field(x)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The statistics of the batch, too, and what they are divided by."""
        return Kept((0,), own=16 * self.channels(bottoms[0]))

    def torch(self, x: TensorType) -> ModuleText:
        return module(
            "BatchNorm",
            self.channels(x),
            defaults={"eps": 1e-5, "moving_average_fraction": 0.999, "use_global_stats": None},
            eps=self.eps,
            # where nothing is gathered the word is idle: left at its default, it is not written
            moving_average_fraction=self.moving_average_fraction if self.batch_in_training else 0.999,
            use_global_stats=self.use_global_stats,
        )

    def onnx(self, g: OnnxBuilder, x: Any, mean: Any, variance: Any, scale_factor: Any) -> Any:
        if self.use_global_stats is False:
            return normalize(g, x, tuple(i for i in range(x.type.rank) if i != 1), self.eps)
        # Caffe's rule: a factor of 0 means that nothing was gathered
        factor = g.Where(g.Equal(scale_factor, 0.0), 0.0, g.Reciprocal(scale_factor))
        ones, zeros = g.full((self.channels(x.type),), 1.0), g.full((self.channels(x.type),), 0.0)
        rows = x if x.type.rank > 1 else g.reshape(x, (x.type.batch, 1))
        y = g.BatchNormalization(
            rows, ones, zeros, g.Mul(mean, factor), g.Mul(variance, factor), epsilon=self.eps
        )
        if x.type.rank > 1:
            return y
        return g.reshape(y, x.type.shape)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,4,3,2 -> N,4,3,2", weights=0, statistics=9)
        yield accepts("{use_global_stats: true, eps: 0.1}", "N,4,H,W -> N,4,H,W", statistics=9)
        yield accepts(
            "{use_global_stats: false, moving_average_fraction: 0.9}",
            "N,3,H,W -> N,3,H,W",
            statistics=7,
        )
        yield accepts("{}", "N,4 -> N,4", statistics=9, dialect="torch")
        yield accepts("{}", "N,3,2,2,T -> N,3,2,2,T", statistics=7, dialect="tf")
        yield accepts("{}", "N -> N", statistics=3)
        yield rejects("{}", "N,C,3,2", code="NS304")
        yield rejects("{eps: -1}", "N,3,3,2", code="NS106", at="eps")
        yield rejects("{use_global_stats: maybe}", "N,3,3,2", code="NS104", at="use_global_stats")


class BN(Layer, type="BN", param="bn_param", traits=("elementwise", "batch_statistics", "has_bias")):
    """Batch normalisation with its own scale and shift, as forks of Caffe have it.

    y = slope (x - E[x]) / sqrt(Var[x] + eps) + bias     (Ioffe and Szegedy 2015)

    Two forks share the name. With slope_filler, bias_filler, frozen: mean and variance are
    gathered, mean <- m mean + (1 - m) E[x]. With scale_filler, shift_filler or bn_mode, SegNet's:
    LEARN always takes the batch's statistics, INFERENCE is scale x + shift.
    """

    slope_filler: Filler | None = param(
        default=None, doc="how slope is initialised; constant 1 where left out"
    )
    bias_filler: Filler | None = param(default=None, doc="how bias is initialised; constant 0 where left out")
    momentum: float = param(default=0.9, ge=0, le=1, doc="what is kept of the gathered statistics per batch")
    eps: float | None = param(
        default=None, ge=0, doc="added to the variance, inside the root; 1e-5, SegNet's 1e-9"
    )
    frozen: bool = param(default=False, doc="take the gathered statistics while training too, and leave them")
    bn_mode: Literal["LEARN", "INFERENCE"] | None = param(
        default=None, doc="SegNet's form: the batch's statistics, or scale and shift alone"
    )
    scale_filler: Filler | None = param(
        default=None, doc="SegNet's form: how scale is initialised; constant 1 where left out"
    )
    shift_filler: Filler | None = param(
        default=None, doc="SegNet's form: how shift is initialised; constant 0 where left out"
    )
    engine: Engine = param(default="DEFAULT", doc=ENGINE)

    @property
    def segnet(self) -> bool:
        return any(v is not None for v in (self.bn_mode, self.scale_filler, self.shift_filler))

    @property
    def epsilon(self) -> float:
        if self.eps is not None:
            return self.eps
        if self.segnet:
            return 1e-9
        return 1e-5

    def infer(self, x: TensorType) -> TensorType:
        exclude(
            self.segnet and (self.slope_filler is not None or self.bias_filler is not None or self.frozen),
            "scale_filler, shift_filler and bn_mode belong to one form, slope_filler, bias_filler and frozen"
            " to the other",
            "name",
        )
        return x.replaced(channels=x.channels)

    def weights(self, x: TensorType) -> Iterator[Weight]:
        # the forks' blobs have all four axes, and their files are read as they are
        shape = (1, x.channels, *(1,) * x.axes)
        if self.segnet:
            yield Weight("scale", shape, self.scale_filler or constant(1.0))
            yield Weight("shift", shape, self.shift_filler or constant(0.0))
            return
        yield Weight("slope", shape, self.slope_filler or constant(1.0))
        yield Weight("bias", shape, self.bias_filler or constant(0.0))
        yield Weight("mean", shape, kind="statistic")
        yield Weight("variance", shape, constant(1.0), kind="statistic")

    @property
    def batch_in_training(self) -> bool:
        """Whether training normalises by the batch's statistics."""
        if self.segnet:
            return self.bn_mode != "INFERENCE"
        return not self.frozen

    @property
    def remembers(self) -> tuple[str, float] | None:
        """As that of BatchNorm."""
        if not (self.segnet or self.frozen):
            return ("momentum", self.momentum)
        return None

    def scaling(self, x: TensorType) -> Callable[..., tuple[Any, Any]] | None:
        if not self.segnet:
            return self.fold_statistics
        if self.bn_mode == "INFERENCE":
            return lambda scale, shift: (scale.reshape(-1), shift.reshape(-1))
        return None

    def fold_statistics(self, slope: Any, bias: Any, mean: Any, variance: Any) -> tuple[Any, Any]:
        """What slope, bias and the gathered statistics come to."""
        factor = slope.reshape(-1) / root(variance.reshape(-1) + self.epsilon)
        return factor, bias.reshape(-1) - mean.reshape(-1) * factor

    def population(self, x: TensorType) -> Size:
        return values_per_channel(x)

    def field(self, x: TensorType) -> tuple[Reads, ...]:
        if self.segnet and self.bn_mode != "INFERENCE":
            return (whole_batch(x.rank),)
        return super().field(x)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept((0,), own=8 * bottoms[0].channels)  # mean and deviation in float32

    def torch(self, x: TensorType) -> ModuleText:
        if self.segnet:
            return module(
                "ScaleShiftNorm",
                x.channels,
                x.axes,
                defaults={"eps": 1e-9, "inference": False},
                eps=self.epsilon,
                inference=self.bn_mode == "INFERENCE",
            )
        return module(
            "SlopeBatchNorm",
            x.channels,
            x.axes,
            defaults={"eps": 1e-5, "momentum": 0.9, "frozen": False},
            eps=self.epsilon,
            momentum=self.momentum,
            frozen=self.frozen,
        )

    def onnx(self, g: OnnxBuilder, x: Any, **weights: Any) -> Any:
        if not self.segnet:
            flat = {name: g.reshape(w, (x.type.channels,)) for name, w in weights.items()}
            return g.BatchNormalization(
                x, flat["slope"], flat["bias"], flat["mean"], flat["variance"], epsilon=self.epsilon
            )
        if self.bn_mode == "INFERENCE":
            y = x
        else:
            # population variance, eps inside the root
            y = normalize(g, x, tuple(i for i in range(x.type.rank) if i != 1), self.epsilon)
        return g.Add(g.Mul(y, weights["scale"]), weights["shift"])

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,4,H,W -> N,4,H,W", weights=8, statistics=8)
        yield accepts(
            "{slope_filler: {value: 2}, momentum: 0.95, frozen: true, eps: 0.001}",
            "N,3,5,5 -> N,3,5,5",
            weights=6,
            statistics=6,
        )
        yield accepts(
            "{scale_filler: {type: constant, value: 1}, shift_filler: {value: 0.001}}",
            "N,4,H,W -> N,4,H,W",
            weights=8,
            statistics=0,
        )
        yield accepts("{bn_mode: INFERENCE}", "N,4,T -> N,4,T", weights=8, statistics=0)
        yield accepts("{}", "N,4 -> N,4", weights=8, statistics=8)
        yield rejects("{bn_mode: INFERENCE, frozen: true}", "N,4,5,5", code="NS120")
        yield rejects("{}", "N", code="NS303")
        yield rejects("{momentum: 2}", "N,4,5,5", code="NS106", at="momentum")


def root(x: Any) -> Any:
    """The square root of each number, rounded as IEEE 754 says: the same on every machine."""
    import numpy as np

    return np.sqrt(x)


def values_per_channel(x: TensorType) -> Size:
    """The values that a channel's mean is taken of."""
    return product([x.batch, *x.shape[2:]])


def normalize(g: OnnxBuilder, x: Any, axes: tuple[int, ...], eps: float) -> Any:
    """(x - mean) / sqrt(variance + eps) over some axes."""
    centred = g.typed(g.Sub(x, g.reduce("Mean", x, axes, keep=True)), x.type)
    variance = g.reduce("Mean", g.typed(g.Mul(centred, centred), x.type), axes, keep=True)
    return g.Div(centred, g.Sqrt(g.Add(variance, eps)))
