"""Layers that leave values out at random while training: Dropout, Dropout2d, DropPath."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError
from netspec.ir.types import TensorType
from netspec.layers.activation import Elementwise
from netspec.layers.common.windows import check_axes
from netspec.record import param

__all__ = ["DropPath", "Dropout", "Dropout2d"]


class Dropout(
    Elementwise,
    type="Dropout",
    keeps=("values",),
    param="dropout_param",
    legacy=("DROPOUT", "dropout"),
    traits=("stochastic", "dropout"),
):
    """While training set values to 0 at random, each with probability dropout_ratio, and enlarge
    the rest; in test do nothing.

    y = x m / (1 - dropout_ratio), m = 0 with probability dropout_ratio, else 1     (Srivastava et al. 2014)

    scale_train: false leaves the rest as it is, and the test multiplies by 1 - dropout_ratio
    instead (forks of Caffe).
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
            raise g.refuse(
                "sample_weights_test draws at random in test: an exported model must answer the same every"
                " time"
            )
        if self.scale_train:
            return x
        return g.Mul(x, 1 - self.dropout_ratio)  # the mean of what training saw

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{dropout_ratio: 0.3}", "N,C -> N,C")
        yield accepts("{scale_train: false, dropout_ratio: 0.2}", "N,C -> N,C")
        yield accepts("{sample_weights_test: true}", "N,3,T -> N,3,T")
        yield rejects("{dropout_ratio: 1}", "N,C", code="NS106", at="dropout_ratio")
        yield rejects("{dropout_ratio: -0.1}", "N,C", code="NS106", at="dropout_ratio")


class DropPath(Elementwise, type="DropPath", param="drop_path_param", traits=("stochastic", "dropout")):
    """While training set whole samples to 0 at random and enlarge the rest; on a residual branch:
    leave the branch out. In test do nothing.

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
    """Dropout of whole maps: neighbours within a map are too alike for it to matter which of them
    is missing.

    y_{nc} = x_{nc} m_{nc} / (1 - dropout_ratio), m_{nc} = 0 with probability dropout_ratio, else 1     (Tompson et al. 2015)

    Maps of one and of three axes drop alike.
    """

    dropout_ratio: float = param(default=0.5, ge=0, lt=1, doc="probability that a map is set to 0")

    def infer(self, x: TensorType) -> TensorType:
        check_axes(x, "drops maps of 1 to 3 axes")
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
