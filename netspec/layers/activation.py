"""Layers that bend every value by itself, made of straight lines but for ELU: ReLU and its kin,
AbsVal, Insanity.
"""

from collections.abc import Iterator
from math import log
from typing import Any

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
from netspec.ir.types import TensorType
from netspec.layers.common.words import ENGINE, Engine, refuse_value
from netspec.record import param

__all__ = ["ELU", "AbsVal", "Elementwise", "Insanity", "PReLU", "ReLU", "ReLU6"]


class Elementwise(Layer, traits=("elementwise",)):
    """Base of layers whose top has the bottom's type."""

    def infer(self, x: TensorType) -> TensorType:
        return x


class ReLU(Elementwise, type="ReLU", param="relu_param", legacy=("RELU", "relu")):
    """Keep what is positive; weaken what is negative by negative_slope.

    y = max(x, 0) + negative_slope min(x, 0)     (Nair and Hinton 2010; leaky: Maas et al. 2013)

    The gradient at 0 is negative_slope.
    """

    negative_slope: float = param(default=0.0, doc="factor of negative values")
    engine: Engine = param(default="DEFAULT", doc=ENGINE)

    @property
    def rectifies(self) -> bool:
        return self.negative_slope == 0

    def maps(self, x: float) -> float:
        return max(x, 0.0) + self.negative_slope * min(x, 0.0)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        # torch's ReLU goes back by its result, LeakyReLU by its bottom
        if self.negative_slope == 0:
            return Kept(tops=(0,))
        return Kept((0,))

    def torch(self, x: TensorType) -> ModuleText:
        if self.negative_slope:
            return module("nn.LeakyReLU", self.negative_slope)
        return module("nn.ReLU")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        if self.negative_slope:
            return g.LeakyRelu(x, alpha=self.negative_slope)
        return g.Relu(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{negative_slope: 0.1}", "N,C -> N,C")
        yield accepts("{negative_slope: -0.5, engine: cudnn}", "N,3,T -> N,3,T")
        yield accepts("{}", "N -> N")
        yield rejects("{negative_slope: steep}", "N,3", code="NS104", at="negative_slope")
        yield rejects("{slope: 0.1}", "N,3", code="NS102", at="slope")


class ReLU6(Elementwise, type="ReLU6", param="relu6_param"):
    """ReLU that saturates at 6.

    y = min(max(x, 0), 6) + negative_slope min(x, 0)     (Krizhevsky 2010; MobileNets: Howard et al. 2017)

    The gradient is 0 at 6 and beyond.
    """

    negative_slope: float = param(default=0.0, doc="factor of negative values")
    engine: Engine = param(default="DEFAULT", doc=ENGINE)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept((0,), own=0 if self.negative_slope == 0 else 4 * bottoms[0].size)

    def torch(self, x: TensorType) -> ModuleText:
        if self.negative_slope:
            return module("LeakyReLU6", self.negative_slope)
        return module("nn.ReLU6")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        if not self.negative_slope:
            return g.Clip(x, 0.0, 6.0)
        # a slope below 0 turns low values up past 6, where no bound may meet them
        if self.negative_slope > 0:
            return g.Min(g.LeakyRelu(x, alpha=self.negative_slope), 6.0)
        return g.Sub(g.LeakyRelu(x, alpha=self.negative_slope), g.Relu(g.Sub(x, 6.0)))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{negative_slope: 0.1}", "N,3,T -> N,3,T")
        yield accepts("{negative_slope: -9}", "N,C -> N,C")
        yield rejects("{negative_slope: a}", "N,C", code="NS104", at="negative_slope")


class PReLU(Elementwise, type="PReLU", keeps=("bottom",), param="prelu_param"):
    """ReLU whose negative slope is trained, one per channel or one for all.

    y = max(x, 0) + a min(x, 0)     (He et al. 2015)

    The gradient at 0 is a.
    """

    filler: Filler = param(default=constant(0.25), doc="how the slopes are initialised")
    channel_shared: bool = param(default=False, doc="one slope for all channels")

    def infer(self, x: TensorType) -> TensorType:
        return x.replaced(channels=x.channels)

    def weights(self, x: TensorType) -> Iterator[Weight]:
        yield Weight("weight", () if self.channel_shared else (x.channels,), self.filler)

    def torch(self, x: TensorType) -> ModuleText:
        if self.channel_shared:
            return module("SharedPReLU")
        return module("nn.PReLU", x.channels)

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any) -> Any:
        # ONNX lines a slope up with the last axes, Caffe with axis 1
        return g.PRelu(x, weight if self.channel_shared else g.aligned(weight, 1, x.type.rank))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W", weights=3)
        yield accepts("{channel_shared: true}", "N,C,H,W -> N,C,H,W", weights=1)
        yield accepts("{filler: {type: constant, value: 0.1}}", "N,5 -> N,5", weights=5)
        yield accepts("{}", "N,2,3,3,T -> N,2,3,3,T", weights=2)
        yield rejects("{}", "N,C,4,4", code="NS304")
        yield rejects("{}", "N", code="NS303")


class ELU(Elementwise, type="ELU", keeps=("bottom",), param="elu_param"):
    """Let negative values approach -alpha.

    y = x for x > 0, alpha (e^x - 1) else     (Clevert et al. 2015)
    """

    alpha: float = param(default=1.0, doc="the bound below, negated")

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.ELU", defaults={"alpha": 1.0}, alpha=self.alpha)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Elu(x, alpha=self.alpha)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{alpha: 0.3}", "N,C -> N,C")
        yield rejects("{alpha: [1, 2]}", "N,C", code="NS104", at="alpha")


class AbsVal(Elementwise, type="AbsVal", keeps=("bottom",), legacy=("ABSVAL",)):
    """Drop the sign.

    y = |x|     (Caffe's AbsVal)

    The gradient at 0 is 0.
    """

    def maps(self, x: float) -> float:
        return abs(x)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Absolute")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Abs(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{}", "N,C -> N,C")
        yield rejects("{power: 1}", "N,C", code="NS102", at="power")


class Insanity(Elementwise, type="Insanity", param="insanity_param", traits=("stochastic",)):
    """ReLU whose negative values are divided by numbers drawn while training, and by their mean in
    test (RReLU).

    y = x where x > 0, else x / a,  a uniform on [lb, ub), in test (ub - lb) / (log |ub| - log |lb|)     (Xu et al. 2015)

    PyTorch's RReLU multiplies by numbers drawn from 1/ub to 1/lb: another distribution.
    """

    lb: float = param(default=5.0, doc="least divisor")
    ub: float = param(default=10.0, doc="greatest divisor")

    def infer(self, x: TensorType) -> TensorType:
        refuse_value(self.lb >= self.ub, f"ub must be greater than lb: {self.ub} <= {self.lb}", at="ub")
        refuse_value(
            self.lb * self.ub <= 0,
            f"lb and ub must be of one sign, and not 0: they are {self.lb} and {self.ub}",
            at="lb",
        )
        return x

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=5 * bottoms[0].size)  # a divisor in float32, a byte for the side of 0

    def torch(self, x: TensorType) -> ModuleText:
        return module("Insanity", defaults={"lb": 5.0, "ub": 10.0}, lb=self.lb, ub=self.ub)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.LeakyRelu(x, alpha=(log(abs(self.ub)) - log(abs(self.lb))) / (self.ub - self.lb))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{lb: 3, ub: 8}", "N,C -> N,C")
        yield rejects("{lb: 3, ub: 3}", "N,C", code="NS106", at="ub")
        yield rejects("{lb: -1, ub: 3}", "N,C", code="NS106", at="lb")
