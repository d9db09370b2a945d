"""Layers that bend every value by itself: ReLU and its kin, Sigmoid, TanH, AbsVal, BNLL, Swish, and Dropout."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.layer import Example, Filler, Kept, Layer, ModuleText, Weight, accepts, constant, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.types import TensorType
from netspec.layers.shared import ENGINE, Engine
from netspec.record import param

__all__ = ["BNLL", "ELU", "AbsVal", "Dropout", "Elementwise", "PReLU", "ReLU", "ReLU6", "Sigmoid", "Swish", "TanH"]


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

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(tops=(0,)) if self.negative_slope == 0 else Kept((0,))

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.LeakyReLU", self.negative_slope) if self.negative_slope else module("nn.ReLU")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.LeakyRelu(x, alpha=self.negative_slope) if self.negative_slope else g.Relu(x)

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
        return module("LeakyReLU6", self.negative_slope) if self.negative_slope else module("nn.ReLU6")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        if not self.negative_slope:
            return g.Clip(x, 0.0, 6.0)
        return (
            g.Min(g.LeakyRelu(x, alpha=self.negative_slope), 6.0)
            if self.negative_slope > 0
            else g.Sub(g.LeakyRelu(x, alpha=self.negative_slope), g.Relu(g.Sub(x, 6.0)))
        )

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
        return module("SharedPReLU") if self.channel_shared else module("nn.PReLU", x.channels)

    def onnx(self, g: OnnxBuilder, x: Any, weight: Any) -> Any:
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


class Sigmoid(
    Elementwise,
    type="Sigmoid",
    keeps=("top",),
    param="sigmoid_param",
    legacy=("SIGMOID", "sigmoid"),
    traits=("logistic",),
):
    """Press every value into (0, 1).

    y = 1 / (1 + e^-x)     (the logistic function; Caffe's Sigmoid)
    """

    engine: Engine = param(default="DEFAULT", doc=ENGINE)

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.Sigmoid")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Sigmoid(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{engine: CAFFE}", "N,C -> N,C")
        yield rejects("{engine: fast}", "N,C", code="NS105", at="engine")


class TanH(Elementwise, type="TanH", keeps=("top",), param="tanh_param", legacy=("TANH", "tanh")):
    """Press every value into (-1, 1).

    y = (e^x - e^-x) / (e^x + e^-x)     (LeCun et al. 1998; Caffe's TanH)
    """

    engine: Engine = param(default="DEFAULT", doc=ENGINE)

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.Tanh")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Tanh(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{}", "T,N,C -> T,N,C")
        yield rejects("{engine: fast}", "N,C", code="NS105", at="engine")


class AbsVal(Elementwise, type="AbsVal", keeps=("bottom",), legacy=("ABSVAL",)):
    """Drop the sign.

    y = |x|     (Caffe's AbsVal)

    The gradient at 0 is 0.
    """

    def torch(self, x: TensorType) -> ModuleText:
        return module("Absolute")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Abs(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{}", "N,C -> N,C")
        yield rejects("{power: 1}", "N,C", code="NS102", at="power")


class BNLL(Elementwise, type="BNLL", keeps=("bottom",), legacy=("BNLL", "bnll")):
    """A smooth ReLU: the binomial normal log likelihood.

    y = log(1 + e^x)     (Caffe's BNLL; Dugas et al. 2000 call it softplus)

    For large x it is x itself, without overflow.
    """

    def torch(self, x: TensorType) -> ModuleText:
        # nn.Softplus turns linear at its threshold: 40 is past what float64 can tell apart, and before e^x overflows float32
        return module("nn.Softplus", threshold=40.0)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Softplus(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{}", "N,C -> N,C")
        yield rejects("{beta: 1}", "N,C", code="NS102", at="beta")


class Swish(Elementwise, type="Swish", param="swish_param", legacy=("SiLU",)):
    """Weigh every value by its own sigmoid.

    y = x / (1 + e^(-beta x))     (Ramachandran et al. 2017; Caffe's Swish)
    """

    beta: float = param(default=1.0, doc="how steep the sigmoid is")

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept((0,), own=0 if self.beta == 1 else 4 * bottoms[0].size)

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.SiLU") if self.beta == 1 else module("Swish", self.beta)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Mul(x, g.Sigmoid(x if self.beta == 1 else g.Mul(x, self.beta)))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{beta: 2.5}", "N,C -> N,C")
        yield rejects("{beta: true}", "N,C", code="NS104", at="beta")


class Dropout(
    Elementwise, type="Dropout", keeps=("values",), param="dropout_param", legacy=("DROPOUT", "dropout"), traits=("stochastic", "dropout")
):
    """While training set values to 0 at random, each with probability dropout_ratio, and enlarge the rest; in test do nothing.

    y = x m / (1 - dropout_ratio), m = 0 with probability dropout_ratio, else 1     (Srivastava et al. 2014)

    scale_train: false leaves the rest as it is, and the test multiplies by 1 - dropout_ratio instead (forks of Caffe).
    """

    dropout_ratio: float = param(default=0.5, ge=0, lt=1, doc="probability that a value is set to 0")
    scale_train: bool = param(default=True, doc="enlarge what is kept; false: weaken the test instead")
    sample_weights_test: bool = param(default=False, doc="draw in test too (Bayesian SegNet)")

    @property
    def passes_on(self) -> bool:
        return self.scale_train and not self.sample_weights_test

    def torch(self, x: TensorType) -> ModuleText:
        if self.passes_on:
            return module("nn.Dropout", self.dropout_ratio)
        return module(
            "ForkDropout",
            self.dropout_ratio,
            defaults={"scale_train": True, "sample_weights_test": False},
            scale_train=self.scale_train,
            sample_weights_test=self.sample_weights_test,
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        if self.sample_weights_test:
            raise g.refuse("sample_weights_test draws at random in test: an exported model must answer the same every time")
        return x if self.scale_train else g.Mul(x, 1 - self.dropout_ratio)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{dropout_ratio: 0.3}", "N,C -> N,C")
        yield accepts("{scale_train: false, dropout_ratio: 0.2}", "N,C -> N,C")
        yield accepts("{sample_weights_test: true}", "N,3,T -> N,3,T")
        yield rejects("{dropout_ratio: 1}", "N,C", code="NS106", at="dropout_ratio")
        yield rejects("{dropout_ratio: -0.1}", "N,C", code="NS106", at="dropout_ratio")
