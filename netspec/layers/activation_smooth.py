"""Activations with a curve, and the straight lines that stand in for one: Sigmoid, TanH, BNLL,
Swish, GELU, HardSigmoid, HardSwish.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.types import TensorType
from netspec.layers.activation import Elementwise
from netspec.layers.common.words import ENGINE, Engine
from netspec.record import param

__all__ = ["BNLL", "GELU", "HardSigmoid", "HardSwish", "Sigmoid", "Swish", "TanH"]


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

    def maps(self, x: float) -> float:
        return 1 / (1 + math.exp(-x))

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

    def maps(self, x: float) -> float:
        return math.tanh(x)

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.Tanh")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Tanh(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{}", "T,N,C -> T,N,C")
        yield rejects("{engine: fast}", "N,C", code="NS105", at="engine")


class BNLL(Elementwise, type="BNLL", keeps=("bottom",), legacy=("BNLL", "bnll")):
    """A smooth ReLU: the binomial normal log likelihood.

    y = log(1 + e^x)     (Caffe's BNLL; Dugas et al. 2000 call it softplus)

    For large x it is x itself, without overflow.
    """

    def torch(self, x: TensorType) -> ModuleText:
        # nn.Softplus turns linear at its threshold: 40 is past what float64 can tell apart, and
        # before e^x overflows float32
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
        if self.beta == 1:
            return module("nn.SiLU")
        return module("Swish", self.beta)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Mul(x, g.Sigmoid(x if self.beta == 1 else g.Mul(x, self.beta)))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{beta: 2.5}", "N,C -> N,C")
        yield rejects("{beta: true}", "N,C", code="NS104", at="beta")


class GELU(Elementwise, type="GELU", keeps=("bottom",), param="gelu_param"):
    """Weigh every value by the probability that a normal variable lies below it.

    y = x Phi(x) = x/2 (1 + erf(x / sqrt 2));  TANH: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))     (Hendrycks and Gimpel 2016)
    """

    approximate: Literal["NONE", "TANH"] = param(
        default="NONE", doc="the function itself, or the approximation that BERT and GPT use"
    )

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.GELU", defaults={"approximate": "none"}, approximate=self.approximate.lower())

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Gelu(x, approximate=self.approximate.lower())

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{approximate: tanh}", "N,T,4 -> N,T,4")
        yield rejects("{approximate: erf}", "N,4", code="NS105", at="approximate")


class HardSigmoid(Elementwise, type="HardSigmoid", keeps=("bottom",)):
    """A sigmoid made of three straight lines.

    y = min(max(x/6 + 1/2, 0), 1)     (Howard et al. 2019, MobileNetV3)
    """

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.Hardsigmoid")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.HardSigmoid(x, alpha=1 / 6, beta=0.5)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{}", "N,C -> N,C")
        yield rejects("{slope: 0.2}", "N,C", code="NS102", at="slope")


class HardSwish(Elementwise, type="HardSwish", keeps=("bottom",)):
    """A Swish without exponential: every value weighed by its hard sigmoid.

    y = x min(max(x/6 + 1/2, 0), 1)     (Howard et al. 2019, MobileNetV3)
    """

    def torch(self, x: TensorType) -> ModuleText:
        return module("nn.Hardswish")

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.HardSwish(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{}", "N,C -> N,C")
        yield rejects("{beta: 2}", "N,C", code="NS102", at="beta")
