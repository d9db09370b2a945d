"""Activations and ways of dropping of nets after 2015: GELU, HardSigmoid, HardSwish, DropPath, Dropout2d."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError
from netspec.ir.types import TensorType
from netspec.layers.activation import Elementwise
from netspec.record import param

__all__ = ["GELU", "DropPath", "Dropout2d", "HardSigmoid", "HardSwish"]


class GELU(Elementwise, type="GELU", keeps=("bottom",), param="gelu_param"):
    """Weigh every value by the probability that a normal variable lies below it.

    y = x Phi(x) = x/2 (1 + erf(x / sqrt 2));  TANH: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))     (Hendrycks and Gimpel 2016)
    """

    approximate: Literal["NONE", "TANH"] = param(default="NONE", doc="the function itself, or the approximation that BERT and GPT use")

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


class DropPath(Elementwise, type="DropPath", param="drop_path_param", traits=("stochastic", "dropout")):
    """While training set whole samples to 0 at random and enlarge the rest; on a residual branch: leave the branch out. In test do nothing.

    y_n = x_n m_n / (1 - drop_ratio), m_n = 0 with probability drop_ratio, else 1     (stochastic depth: Huang et al. 2016)
    """

    drop_ratio: float = param(default=0.1, ge=0, lt=1, doc="probability that a sample's branch is left out")

    def infer(self, x: TensorType) -> TensorType:
        if x.rank == 0:
            raise RuleError("NS303", "needs axis 0, the batch: its bottom has no axes", at="bottom")
        return x

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=4 * bottoms[0].batch)

    def torch(self, x: TensorType) -> ModuleText:
        return module("DropPath", self.drop_ratio)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return x

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{drop_ratio: 0.5}", "N,T,4 -> N,T,4")
        yield rejects("{drop_ratio: 1}", "N,4", code="NS106", at="drop_ratio")


class Dropout2d(Elementwise, type="Dropout2d", param="dropout_param", traits=("stochastic", "dropout")):
    """Dropout of whole maps: neighbours within a map are too alike for it to matter which of them is missing.

    y_{nc} = x_{nc} m_{nc} / (1 - dropout_ratio), m_{nc} = 0 with probability dropout_ratio, else 1     (Tompson et al. 2015)

    Maps of one and of three axes drop alike.
    """

    dropout_ratio: float = param(default=0.5, ge=0, lt=1, doc="probability that a map is set to 0")

    def infer(self, x: TensorType) -> TensorType:
        if x.axes not in (1, 2, 3):
            raise RuleError("NS303", f"drops maps of 1 to 3 axes, after batch and channels: its bottom is {x}", at="bottom")
        return x

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=4 * bottoms[0].batch * bottoms[0].channels)

    def torch(self, x: TensorType) -> ModuleText:
        return module(f"nn.Dropout{x.axes}d", self.dropout_ratio)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return x

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{dropout_ratio: 0.2}", "N,3,T -> N,3,T")
        yield accepts("{}", "N,C,2,3,4 -> N,C,2,3,4")
        yield rejects("{}", "N,4", code="NS303")
        yield rejects("{dropout_ratio: 1}", "N,4,2,2", code="NS106", at="dropout_ratio")
