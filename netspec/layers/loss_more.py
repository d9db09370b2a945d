"""Losses of pairs, of probabilities and of boxes: ContrastiveLoss, InfogainLoss, MultinomialLogisticLoss, SmoothL1Loss."""

from collections.abc import Iterator
from typing import ClassVar

from netspec.ir.dims import Size, product, untraced
from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.layers.loss import SCALAR, Loss, NormalizedLoss, predictions
from netspec.record import param

__all__ = ["ContrastiveLoss", "InfogainLoss", "MultinomialLogisticLoss", "SmoothL1Loss"]


class ContrastiveLoss(Loss, type="ContrastiveLoss", param="contrastive_loss_param", legacy=("CONTRASTIVE_LOSS",), bottoms=3):
    """Pull like pairs together, push unlike ones apart as far as a margin.

    E = 1/(2N) sum_n (y d^2 + (1 - y) max(margin - d, 0)^2),  d = |a - b|     (Hadsell, Chopra, LeCun 2006; Caffe's ContrastiveLoss)

    Bottoms: a, b, and for each pair y, 0 for an unlike one. legacy_version has max(margin - d^2, 0) instead of the square.
    As in Caffe the gradient divides by d + 1e-4.
    """

    margin: float = param(default=1.0, doc="distance beyond which unlike pairs cost nothing")
    legacy_version: bool = param(default=False, doc="the formula of Caffe's first version")

    def infer(self, a: TensorType, b: TensorType, similar: TensorType) -> TensorType:
        a.require_axes(2)
        b.require_axes(2, "bottom.1")
        same(b.batch, a.batch, "both bottoms need as many samples", at="bottom.1")
        same(b.size, a.size, "both bottoms need as many elements", at="bottom.1")
        same(similar.size, a.batch, "there must be a number for each pair", at="bottom.2")
        return SCALAR

    def indices(self, a: TensorType, b: TensorType, similar: TensorType) -> dict[int, Size]:
        return {2: 2}

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Differences, and for each pair which side counts and how much."""
        return Kept(own=4 * bottoms[0].size + 5 * bottoms[0].batch)

    def torch(self, a: TensorType, b: TensorType, similar: TensorType) -> ModuleText:
        return module(
            "ContrastiveLoss", defaults={"margin": 1.0, "legacy_version": False}, margin=self.margin, legacy_version=self.legacy_version
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,2; N,2; N -> ()")
        yield accepts("{margin: 3, legacy_version: true}", "N,3,1,1; N,3,1,1; N,1,1,1 -> ()")
        yield rejects("{}", "N,2; N,3; N", code="NS302", at="bottom.1")
        yield rejects("{}", "N,2; N,2; N,2", code="NS302", at="bottom.2")


class InfogainLoss(
    NormalizedLoss,
    type="InfogainLoss",
    param=("infogain_loss_param", "loss_param"),
    legacy=("INFOGAIN_LOSS", "infogain_loss"),
    bottoms=(2, 3),
    tops=(1, 2),
    traits=("takes_scores",),
):
    """Cross-entropy in which a matrix says what each class is worth for each label; with the identity it is SoftmaxWithLoss.

    E = -1/Z sum_i sum_k H[y_i, k] log max(p_i[k], 1e-20),  p = softmax(x) along axis     (Caffe's InfogainLoss)

    H is the third bottom, K x K numbers, or comes from the file `source`. A second top holds p.
    """

    reads: ClassVar[str] = "matrix"

    source: str | None = param(default=None, doc="file with H, a BlobProto, where there is no third bottom")
    axis: int = param(default=1, doc="the axis of the classes; negative counts from the back")

    def infer(self, x: TensorType, label: TensorType, matrix: TensorType | None = None) -> tuple[TensorType, ...]:
        axis = x.axis(self.axis)
        predictions(x, label, axis)
        if matrix is not None:
            same(matrix.size, x.shape[axis] * x.shape[axis], "H must have a row and a column for each class", at="bottom.2")
        elif self.source is None:
            raise RuleError("NS103", "InfogainLoss needs H: a third bottom, or source", at="type")
        elif not isinstance(untraced(x.shape[axis]), int):
            raise RuleError("NS304", f"H from a file needs a number of classes: it is {x.shape[axis]}", at="bottom.0")
        return SCALAR, TensorType(x.shape)

    def indices(self, x: TensorType, label: TensorType, matrix: TensorType | None = None) -> dict[int, Size]:
        return {1: x.shape[x.axis(self.axis)]}

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The logarithms and what each is worth."""
        places = 0 if self.ignore_label is None else bottoms[1].size
        return Kept(tops=(1,) if len(tops) > 1 else (), own=8 * bottoms[0].size + places)

    def torch(self, x: TensorType, label: TensorType, matrix: TensorType | None = None) -> ModuleText:
        usual = {"axis": 1, "ignore_label": None, "normalization": "VALID", "classes": None, "probabilities": False}
        axis = x.axis(self.axis)
        return module(
            "InfogainLoss",
            defaults=usual,
            axis=axis,
            ignore_label=self.ignore_label,
            normalization=self.divisor(),
            classes=x.shape[axis] if matrix is None else None,
            probabilities=self.top_count > 1,
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,5; N; 1,1,5,5 -> ()")
        yield accepts("{ignore_label: 255, normalization: BATCH_SIZE}", "N,5,H,W; N,1,H,W; 5,5 -> ()")
        yield accepts("{axis: 2}", "T,N,5; T,N; 5,5 -> (); T,N,5")
        yield rejects("{}", "N,5; N", code="NS103", at="type")
        yield rejects("{}", "N,5; N; 4,4", code="NS302", at="bottom.2")
        yield rejects("{}", "N,5; N,2; 5,5", code="NS302", at="bottom.1")


class MultinomialLogisticLoss(Loss, type="MultinomialLogisticLoss", legacy=("MULTINOMIAL_LOGISTIC_LOSS", "multinomial_logistic_loss")):
    """Cross-entropy of probabilities against integer labels.

    E = -1/N sum_n log max(p_n[y_n], 1e-20)     (Caffe's MultinomialLogisticLoss)

    After a Softmax, SoftmaxWithLoss on its bottom is more accurate.
    """

    def infer(self, p: TensorType, label: TensorType) -> TensorType:
        p.require_axes(2)
        same(label.size, p.batch, "there must be a label for each sample", at="bottom.1")
        return SCALAR

    def indices(self, p: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: product(p.shape[1:])}

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept((0,), own=12 * bottoms[0].batch)

    def torch(self, p: TensorType, label: TensorType) -> ModuleText:
        return module("MultinomialLogisticLoss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,5; N -> ()")
        yield accepts("{}", "N,5,1,1; N,1,1,1 -> ()")
        yield rejects("{}", "N,5; N,2", code="NS302", at="bottom.1")


class SmoothL1Loss(Loss, type="SmoothL1Loss", param="smooth_l1_loss_param", bottoms=(2, 4)):
    """Squared distance near 0, absolute distance beyond: outliers pull less.

    E = 1/N sum w_out f(w_in (a - b)),  f(d) = (sigma d)^2 / 2 where |d| < 1/sigma^2, else |d| - 1/(2 sigma^2)     (Girshick 2015)

    Bottoms: a, b, then the weights w_in and w_out of Fast R-CNN's fork, both or (in SSD's) the first alone.
    """

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
