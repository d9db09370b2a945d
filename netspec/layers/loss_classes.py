"""Losses of classes that weigh or soften: InfogainLoss, MultinomialLogisticLoss,
LabelSmoothingLoss, FocalLoss, BinaryCrossEntropyLoss.
"""

from collections.abc import Iterator
from typing import ClassVar

from netspec.ir.dims import Size, product, untrace
from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.layers.loss import SCALAR, Loss, NormalizedLoss, predictions
from netspec.layers.loss_distance import Distance
from netspec.record import param

__all__ = [
    "BinaryCrossEntropyLoss",
    "FocalLoss",
    "InfogainLoss",
    "LabelSmoothingLoss",
    "MultinomialLogisticLoss",
]


class BinaryCrossEntropyLoss(Distance, type="BinaryCrossEntropyLoss"):
    """Cross-entropy of independent probabilities against targets between 0 and 1.

    E = -1/n sum_i (t_i log p_i + (1 - t_i) log(1 - p_i)), p and 1 - p at least 1e-20     (PyTorch's BCELoss)

    After a Sigmoid, SigmoidCrossEntropyLoss on its bottom is more accurate.
    """

    answers = "labels"

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Each probability and its opposite bounded, and what else they are factors of."""
        return Kept((0, 1), own=16 * bottoms[0].size)

    def torch(self, x: TensorType, target: TensorType) -> ModuleText:
        return module("BinaryCrossEntropyLoss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,6; N,6 -> ()")
        yield accepts("{}", "N,1,H,W; N,H,W -> ()")
        yield rejects("{}", "N,6; N", code="NS302", at="bottom.1")


class Labelled(Loss, traits=("takes_scores",)):
    """Base of losses of scores against integer labels, a mean over all places that are not
    ignored.
    """

    answers = "classes"

    axis: int = param(default=1, doc="the axis of the classes; negative counts from the back")
    ignore_label: int | None = param(default=None, doc="places with this label count for nothing")

    def infer(self, x: TensorType, label: TensorType) -> TensorType:
        predictions(x, label, x.axis(self.axis))
        return SCALAR

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: x.shape[x.axis(self.axis)]}


class LabelSmoothingLoss(Labelled, type="LabelSmoothingLoss", param="label_smoothing_param"):
    """Cross-entropy against labels that are not quite sure: a share of each label is spread over
    all classes.

    E = -1/Z sum_i sum_k q_ik log p_i[k],  q = 1 - e + e/K at the label, e/K elsewhere     (Szegedy et al. 2015)
    """

    smoothing: float = param(default=0.1, ge=0, lt=1, doc="e, the share that is spread")

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The logarithms and the labels as whole numbers."""
        # 8 bytes for a label, one more for whether it is ignored
        return Kept(own=4 * bottoms[0].size + (8 if self.ignore_label is None else 9) * bottoms[1].size)

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        usual = {"axis": 1, "ignore_label": None}
        return module(
            "LabelSmoothingLoss",
            self.smoothing,
            defaults=usual,
            axis=x.axis(self.axis),
            ignore_label=self.ignore_label,
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10; N -> ()")
        yield accepts("{smoothing: 0.2, ignore_label: 255}", "N,5,H,W; N,1,H,W -> ()")
        yield accepts("{axis: 2}", "T,N,5; T,N -> ()")
        yield rejects("{}", "N,10; N,2", code="NS302", at="bottom.1")
        yield rejects("{smoothing: 1}", "N,10; N", code="NS106", at="smoothing")


class FocalLoss(Labelled, type="FocalLoss", param="focal_loss_param"):
    """Cross-entropy that heeds hard places: those already right count little, however many they
    are.

    E = -alpha/Z sum_i (1 - p_i[y_i])^gamma log p_i[y_i],  p = softmax(x)     (Lin et al. 2017)
    """

    gamma: float = param(default=2.0, ge=0, doc="how fast easy places fade; 0 is plain cross-entropy")
    alpha: float = param(default=1.0, gt=0, doc="factor of the whole")

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The logarithms, the labels as whole numbers, and five numbers for each place."""
        # 8 bytes for a label, 5 times 4, one more for whether it is ignored
        return Kept(own=4 * bottoms[0].size + (28 if self.ignore_label is None else 29) * bottoms[1].size)

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        usual = {"alpha": 1.0, "axis": 1, "ignore_label": None}
        more = {"alpha": self.alpha, "axis": x.axis(self.axis), "ignore_label": self.ignore_label}
        return module("FocalLoss", self.gamma, defaults=usual, **more)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10; N -> ()")
        yield accepts("{gamma: 1.5, alpha: 0.25, ignore_label: 0}", "N,5,H,W; N,H,W -> ()")
        yield rejects("{}", "N,10; N,2", code="NS302", at="bottom.1")
        yield rejects("{gamma: -1}", "N,10; N", code="NS106", at="gamma")


class InfogainLoss(
    NormalizedLoss,
    type="InfogainLoss",
    param=("infogain_loss_param", "loss_param"),
    legacy=("INFOGAIN_LOSS", "infogain_loss"),
    bottoms=(2, 3),
    tops=(1, 2),
    traits=("takes_scores",),
):
    """Cross-entropy in which a matrix says what each class is worth for each label; with the
    identity it is SoftmaxWithLoss.

    E = -1/Z sum_i sum_k H[y_i, k] log max(p_i[k], 1e-20),  p = softmax(x) along axis     (Caffe's InfogainLoss)

    H is the third bottom, K x K numbers, or comes from the file `source`. A second top holds p.
    """

    answers = "classes"

    reads: ClassVar[str] = "matrix"

    source: str | None = param(default=None, doc="file with H, a BlobProto, where there is no third bottom")
    axis: int = param(default=1, doc="the axis of the classes; negative counts from the back")

    def infer(
        self, x: TensorType, label: TensorType, matrix: TensorType | None = None
    ) -> tuple[TensorType, ...]:
        axis = x.axis(self.axis)
        predictions(x, label, axis)
        if matrix is not None:
            same(
                matrix.size,
                x.shape[axis] * x.shape[axis],
                "H must have a row and a column for each class",
                at="bottom.2",
            )
        elif self.source is None:
            raise RuleError("NS103", "InfogainLoss needs H: a third bottom, or source", at="type")
        elif not isinstance(untrace(x.shape[axis]), int):
            raise RuleError(
                "NS304",
                f"H from a file needs a number of classes: it is {x.shape[axis]}",
                at="bottom.0",
            )
        return SCALAR, TensorType(x.shape)

    def indices(self, x: TensorType, label: TensorType, matrix: TensorType | None = None) -> dict[int, Size]:
        return {1: x.shape[x.axis(self.axis)]}

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The logarithms and what each is worth."""
        places = 0 if self.ignore_label is None else bottoms[1].size
        return Kept(tops=(1,) if len(tops) > 1 else (), own=8 * bottoms[0].size + places)

    def torch(self, x: TensorType, label: TensorType, matrix: TensorType | None = None) -> ModuleText:
        usual = {
            "axis": 1,
            "ignore_label": None,
            "normalization": "VALID",
            "classes": None,
            "probabilities": False,
        }
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


class MultinomialLogisticLoss(
    Loss,
    type="MultinomialLogisticLoss",
    legacy=("MULTINOMIAL_LOGISTIC_LOSS", "multinomial_logistic_loss"),
):
    """Cross-entropy of probabilities against integer labels.

    E = -1/N sum_n log max(p_n[y_n], 1e-20)     (Caffe's MultinomialLogisticLoss)

    After a Softmax, SoftmaxWithLoss on its bottom is more accurate.
    """

    answers = "classes"

    def infer(self, p: TensorType, label: TensorType) -> TensorType:
        p.require_axes(2)
        same(label.size, p.batch, "there must be a label for each sample", at="bottom.1")
        return SCALAR

    def indices(self, p: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: product(p.shape[1:])}

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept((0,), own=12 * bottoms[0].batch)  # labels as int64, the probabilities of these

    def torch(self, p: TensorType, label: TensorType) -> ModuleText:
        return module("MultinomialLogisticLoss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,5; N -> ()")
        yield accepts("{}", "N,5,1,1; N,1,1,1 -> ()")
        yield rejects("{}", "N,5; N,2", code="NS302", at="bottom.1")
