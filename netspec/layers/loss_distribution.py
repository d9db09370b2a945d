"""Losses between distributions: GaussianKLLoss, KLDivLoss."""

from collections.abc import Iterator

from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.types import TensorType
from netspec.layers.combine import alike
from netspec.layers.loss import SCALAR, Loss
from netspec.record import param

__all__ = ["GaussianKLLoss", "KLDivLoss"]


class GaussianKLLoss(Loss, type="GaussianKLLoss", keeps=("bottom.0", "values")):
    """How far normal distributions are from the unit normal: what holds the code of a variational
    autoencoder together.

    E = -1/(2N) sum_i (1 + log s_i^2 - m_i^2 - s_i^2), summed over the code, averaged over samples     (Kingma and Welling 2013)

    Bottoms: mean m, log variance log s^2.
    """

    def infer(self, mean: TensorType, log_variance: TensorType) -> TensorType:
        mean.require_axes(1)
        alike(mean, log_variance, 1, "GaussianKLLoss needs a log variance for each mean")
        return SCALAR

    def torch(self, mean: TensorType, log_variance: TensorType) -> ModuleText:
        return module("GaussianKLLoss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,20; N,20 -> ()")
        yield rejects("{}", "N,20; N,10", code="NS302", at="bottom.1")
        yield rejects("{}", "N,20", code="NS205")


class KLDivLoss(Loss, type="KLDivLoss", param="kl_div_loss_param", traits=("no_gradient.1", "takes_scores")):
    """How far the distribution of scores is from a target distribution: a small net learns from a
    large one's answers.

    E = t^2/N sum_n sum_k q_k (log q_k - log p_k),  p = softmax(x / t), q = softmax(target / t)     (Hinton, Vinyals, Dean 2015)

    Both bottoms are scores; no gradient reaches the target.
    """

    temperature: float = param(default=1.0, gt=0, doc="t, which softens both distributions")
    axis: int = param(default=1, doc="the axis of the classes; negative counts from the back")

    def infer(self, x: TensorType, target: TensorType) -> TensorType:
        x.axis(self.axis)
        alike(x, target, 1, "KLDivLoss needs a target score for each score")
        return SCALAR

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Both distributions."""
        return Kept(own=8 * bottoms[0].size)

    def torch(self, x: TensorType, target: TensorType) -> ModuleText:
        usual = {"temperature": 1.0, "axis": 1}
        return module("KLDivLoss", defaults=usual, temperature=self.temperature, axis=x.axis(self.axis))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10; N,10 -> ()")
        yield accepts("{temperature: 4, axis: -1}", "N,T,5; N,T,5 -> ()")
        yield rejects("{}", "N,10; N,5", code="NS302", at="bottom.1")
        yield rejects("{axis: 2}", "N,10; N,10", code="NS303", at="axis")
        yield rejects("{temperature: 0}", "N,10; N,10", code="NS106", at="temperature")
