"""Layers that draw at random as part of what a net computes: Reparameterization."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.types import TensorType
from netspec.layers.combine import alike

__all__ = ["Reparameterization"]


class Reparameterization(Layer, type="Reparameterization", bottoms=2, traits=("elementwise", "stochastic")):
    """Draw from a normal distribution so that gradients reach its mean and variance; in test answer
    the mean.

    z = mean + e^(log_variance / 2) eps, eps normal with mean 0 and variance 1     (Kingma and Welling 2013)

    Bottoms: mean, log_variance. The loss that keeps it near the unit normal is GaussianKLLoss.
    """

    def infer(self, mean: TensorType, log_variance: TensorType) -> TensorType:
        alike(mean, log_variance, 1, "Reparameterization needs a log variance for each mean")
        return TensorType(mean.shape)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=8 * bottoms[0].size)  # deviation and eps

    def torch(self, mean: TensorType, log_variance: TensorType) -> ModuleText:
        return module("Reparameterization")

    def onnx(self, g: OnnxBuilder, mean: Any, log_variance: Any) -> Any:
        return mean

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,20; N,20 -> N,20")
        yield accepts("{}", "N,4,H,W; N,4,H,W -> N,4,H,W")
        yield rejects("{}", "N,20; N,10", code="NS302", at="bottom.1")
        yield rejects("{}", "N,20", code="NS205")
