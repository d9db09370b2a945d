"""Losses of the distance between two values: MSELoss, L1Loss, SmoothL1Loss."""

from collections.abc import Iterator

from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.rule import same
from netspec.ir.types import TensorType
from netspec.layers.loss import SCALAR, Loss
from netspec.record import param

__all__ = ["Distance", "L1Loss", "MSELoss", "SmoothL1Loss"]


class Distance(Loss):
    """Base of losses that compare two values element by element."""

    def infer(self, x: TensorType, target: TensorType) -> TensorType:
        same(target.size, x.size, "both bottoms need as many elements", at="bottom.1")
        return SCALAR


class MSELoss(Distance, type="MSELoss", keeps=("bottom",)):
    """The mean squared distance of two values.

    E = 1/n sum_i (a_i - b_i)^2, n all elements     (PyTorch's MSELoss)

    EuclideanLoss, Caffe's, is half the sum over all elements, divided by the samples only.
    """

    answers = "numbers"

    def torch(self, x: TensorType, target: TensorType) -> ModuleText:
        return module("MSELoss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,2,4; N,2,4 -> ()")
        yield accepts("{}", "N,1; N -> ()")
        yield rejects("{}", "N,4; N,3", code="NS302", at="bottom.1")


class L1Loss(Distance, type="L1Loss"):
    """The mean absolute distance of two values: outliers pull no harder than others.

    E = 1/n sum_i |a_i - b_i|, n all elements     (PyTorch's L1Loss)
    """

    answers = "numbers"

    def torch(self, x: TensorType, target: TensorType) -> ModuleText:
        return module("L1Loss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W; N,3,H,W -> ()")
        yield accepts("{}", "N,1; N -> ()")
        yield rejects("{}", "N,4; N,3", code="NS302", at="bottom.1")


class SmoothL1Loss(Loss, type="SmoothL1Loss", param="smooth_l1_loss_param", bottoms=(2, 4)):
    """Squared distance near 0, absolute distance beyond: outliers pull less.

    E = 1/N sum w_out f(w_in (a - b)),  f(d) = (sigma d)^2 / 2 where |d| < 1/sigma^2, else |d| - 1/(2 sigma^2)     (Girshick 2015)

    Bottoms: a, b, then the weights w_in and w_out of Fast R-CNN's fork, both or (in SSD's) the
    first alone.
    """

    answers = "numbers"

    sigma: float = param(default=1.0, gt=0, doc="where the square ends: at 1 / sigma^2")

    def infer(self, *xs: TensorType) -> TensorType:
        xs[0].require_axes(1)
        same(xs[1].batch, xs[0].batch, "both bottoms need as many samples", at="bottom.1")
        for i, x in enumerate(xs[1:], 1):
            same(x.size, xs[0].size, "all bottoms need as many elements", at=f"bottom.{i}")
        return SCALAR

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Differences, what they are held against, and the weights."""
        return Kept(tuple(range(2, len(bottoms))), own=8 * bottoms[0].size)

    def torch(self, *xs: TensorType) -> ModuleText:
        return module("SmoothL1Loss", defaults={"sigma": 1.0}, sigma=self.sigma)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,84; N,84 -> ()")
        yield accepts("{}", "1,N; 1,N; 1,N -> ()")
        yield accepts("{sigma: 3}", "N,36,H,W; N,36,H,W; N,36,H,W; N,36,H,W -> ()")
        yield rejects("{}", "N,4; N,5", code="NS302", at="bottom.1")
        yield rejects("{sigma: 0}", "N,4; N,4", code="NS106", at="sigma")
