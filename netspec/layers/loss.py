"""The losses of everyday training: SoftmaxWithLoss, SigmoidCrossEntropyLoss, EuclideanLoss,
HingeLoss.
"""

import math
from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import Size, product, untrace
from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.layers.common.words import ENGINE, Engine
from netspec.record import param

__all__ = [
    "EuclideanLoss",
    "HingeLoss",
    "Loss",
    "NormalizedLoss",
    "SigmoidCrossEntropyLoss",
    "SoftmaxWithLoss",
    "predictions",
]


SCALAR = TensorType(())


class Loss(Layer, bottoms=2, traits=("loss",), keeps=("values",)):
    """What all losses share: a number without axes; there is no ONNX form, since a served model has
    no labels.
    """

    def onnx(self, g: OnnxBuilder, *xs: Any, **weights: Any) -> Any:
        raise g.refuse(f"{self.type} is for training: a served model needs no loss")


class NormalizedLoss(Loss):
    """Losses that are a sum over places, divided by a count that loss_param chooses."""

    normal: Literal["VALID", "BATCH_SIZE"] = "VALID"

    ignore_label: int | None = param(
        default=None, group="loss_param", doc="places with this label count for nothing"
    )
    normalization: Literal["FULL", "VALID", "BATCH_SIZE", "NONE"] | None = param(
        default=None,
        group="loss_param",
        doc="divide by all places, by those not ignored, by the samples, or not at all",
    )
    normalize: bool | None = param(
        default=None,
        group="loss_param",
        doc="older: true is VALID, false BATCH_SIZE; normalization comes before it",
    )

    def divisor(self) -> str:
        """The mode that holds."""
        if self.normalize is None:
            older = self.normal
        elif self.normalize:
            older = "VALID"
        else:
            older = "BATCH_SIZE"
        return self.normalization or older


USUAL = {
    "axis": 1,
    "ignore_label": None,
    "normalization": "VALID",
    "probabilities": False,
    "class_weight": None,
    "balanced": None,
}
"""The defaults of SoftmaxWithLoss's torch module."""


class SoftmaxWithLoss(
    NormalizedLoss,
    type="SoftmaxWithLoss",
    param=("softmax_param", "loss_param"),
    legacy=("SOFTMAX_LOSS", "softmax_loss", "SoftmaxLoss"),
    tops=(1, 2),
    traits=("takes_scores", "takes_shares"),
):
    """Cross-entropy of the softmax of scores against integer labels.

    E = -1/Z sum_i log max(p_i[y_i], FLT_MIN),  p = softmax(x) along axis     (Caffe's SoftmaxWithLoss)

    The bound keeps the value finite; the gradient is p - 1 at the label as always. Bottoms: scores
    (N, K, ...), labels (N, ...), whole numbers from 0 to K - 1. A second top holds p.

    A label of the scores' own shape, K > 1, holds shares of the classes instead, real numbers that
    sum to 1: E = -1/Z sum_i sum_k t_ik log p_ik.

    With class_weight w each summand counts w[y_i], and Z is the sum of these weights: that of
    PyTorch's CrossEntropyLoss(weight). Another normalization than VALID divides by what it counts,
    without weights. Caffe has no such word; what weighs the whole loss is loss_weight.
    """

    answers = "classes"

    axis: int = param(
        default=1,
        group="softmax_param",
        doc="the axis of the classes; negative counts from the back",
    )
    engine: Engine = param(default="DEFAULT", group="softmax_param", doc=ENGINE)
    class_weight: tuple[float, ...] | Literal["balanced"] | None = param(
        default=None,
        ge=0,
        least=1,
        group="loss_param",
        doc=(
            "what each class counts: a number per class, or balanced: places / (classes * places of the class)"
            " in the training labels, counted when training starts"
        ),
    )

    def infer(self, x: TensorType, label: TensorType) -> tuple[TensorType, ...]:
        axis = x.axis(self.axis)
        if not self.by_shares(x, label):
            predictions(x, label, axis)
        weights, classes = self.class_weight, x.shape[axis]
        if isinstance(weights, tuple):
            same(
                len(weights),
                classes,
                "class_weight needs a number for each class",
                at="class_weight",
            )
        elif self.balanced and not isinstance(untrace(classes), int):
            fact = f"balanced needs a number of classes: it is {classes}"
            raise RuleError("NS304", fact, at="bottom.0")
        return SCALAR, TensorType(x.shape)

    @property
    def balanced(self) -> bool:
        return self.class_weight == "balanced"

    def by_shares(self, x: TensorType, label: TensorType) -> bool:
        """Whether labels are shares of the classes."""
        alike = [untrace(n) for n in label.shape] == [untrace(n) for n in x.shape]
        # of one class the shapes tell nothing: then a label is Caffe's whole number
        return label.dtype != "int64" and alike and untrace(x.shape[x.axis(self.axis)]) != 1

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        if self.by_shares(x, label):
            return {}
        return {1: x.shape[x.axis(self.axis)]}

    def guess(self, x: TensorType, label: TensorType) -> float | None:
        classes, divisor = untrace(x.shape[x.axis(self.axis)]), self.divisor()
        each = divisor in ("VALID", "FULL") or (divisor == "BATCH_SIZE" and label.size == x.batch)
        if not each or not isinstance(classes, int):
            return None
        return math.log(classes)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The logarithms, the labels as whole numbers, and what each of them weighs."""
        x, label = bottoms
        # 8 bytes for a label, 4 for its weight
        weighed = self.class_weight is not None and not self.by_shares(x, label)
        own = 4 * x.size + (12 if weighed else 8) * label.size
        return Kept(tops=(1,) if len(tops) > 1 else (), own=own)

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        return module(
            "SoftmaxWithLoss",
            defaults=USUAL,
            **self.words(x),
            probabilities=self.top_count > 1,
        )

    def words(self, x: TensorType) -> dict[str, Any]:
        """What its torch module is told of the parameters."""
        axis, weights = x.axis(self.axis), self.class_weight
        return {
            "axis": axis,
            "ignore_label": self.ignore_label,
            "normalization": self.divisor(),
            "class_weight": weights if isinstance(weights, tuple) else None,
            "balanced": x.shape[axis] if self.balanced else None,
        }

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10; N -> ()")
        yield accepts("{ignore_label: 255, normalization: FULL}", "N,21,H,W; N,1,H,W -> ()")
        yield accepts("{normalize: false}", "N,21,H,W; N,H,W -> ()")
        yield accepts("{axis: 2, normalization: BATCH_SIZE}", "T,N,8; T,N -> ()")
        yield accepts("{axis: -1, normalization: NONE}", "2,3,5; 2,3 -> ()")
        yield accepts("{}", "N,10; N,1,1,1 -> (); N,10")
        yield accepts("{}", "N,10; N,10 -> ()")
        yield accepts("{axis: 2}", "T,N,8; T,N,8 -> (); T,N,8")
        yield accepts("{class_weight: [1, 2, 4]}", "N,3; N,3 -> ()")
        yield accepts("{class_weight: [1, 19]}", "N,2; N -> ()")
        yield accepts(
            "{class_weight: [0.5, 2, 0], ignore_label: 2, normalization: FULL}",
            "N,3,H,W; N,H,W -> ()",
        )
        yield accepts("{class_weight: balanced, ignore_label: 255}", "N,3; N -> (); N,3")
        yield rejects("{class_weight: [1, 2]}", "N,10; N", code="NS302", at="class_weight")
        yield rejects("{class_weight: [1, -2]}", "N,2; N", code="NS106", at="class_weight.1")
        yield rejects("{class_weight: balanced}", "N,K; N", code="NS304", at="bottom.0")
        yield rejects("{}", "N,10; N,2", code="NS302", at="bottom.1")
        yield rejects("{}", "6,5; 4", code="NS302", at="bottom.1")
        yield rejects("{axis: 2}", "N,10; N", code="NS303", at="axis")
        yield rejects("{normalization: ALL}", "N,10; N", code="NS105", at="normalization")


class SigmoidCrossEntropyLoss(
    NormalizedLoss,
    type="SigmoidCrossEntropyLoss",
    param="loss_param",
    legacy=("SIGMOID_CROSS_ENTROPY_LOSS",),
    tops=(1, 2),
    traits=("takes_logits",),
):
    """Cross-entropy of independent yes-or-no scores against targets between 0 and 1.

    E = -1/Z sum_i (t_i log s_i + (1 - t_i) log(1 - s_i)),  s = 1/(1 + e^-x)     (Caffe's SigmoidCrossEntropyLoss)

    It is divided by the number of samples unless normalization says otherwise. A second top holds
    each summand.
    """

    answers = "labels"

    normal = "BATCH_SIZE"

    def infer(self, x: TensorType, target: TensorType) -> tuple[TensorType, ...]:
        x.require_axes(1)
        same(target.size, x.size, "there must be a target for each score", at="bottom.1")
        return SCALAR, TensorType(x.shape)

    def guess(self, x: TensorType, target: TensorType) -> float | None:
        divisor, targets = self.divisor(), untrace(product(x.shape[1:]))
        if divisor in ("VALID", "FULL"):
            return math.log(2)
        if divisor != "BATCH_SIZE" or not isinstance(targets, int):
            return None
        return math.log(2) * targets

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept((0, 1), own=0 if self.ignore_label is None else bottoms[0].size)

    def torch(self, x: TensorType, target: TensorType) -> ModuleText:
        usual = {"ignore_label": None, "normalization": "BATCH_SIZE", "losses": False}
        return module(
            "SigmoidCrossEntropyLoss",
            defaults=usual,
            ignore_label=self.ignore_label,
            normalization=self.divisor(),
            losses=self.top_count > 1,
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,6; N,6 -> ()")
        yield accepts("{ignore_label: -1, normalization: VALID}", "N,2,H,W; N,2,H,W -> ()")
        yield accepts("{normalize: true}", "N,6; N,6,1,1 -> (); N,6")
        yield rejects("{}", "N,6; N", code="NS302", at="bottom.1")


class EuclideanLoss(
    Loss, type="EuclideanLoss", keeps=("bottom",), legacy=("EUCLIDEAN_LOSS", "euclidean_loss")
):
    """Half the mean squared distance of two values.

    E = 1/(2N) sum_i |a_i - b_i|^2     (Caffe's EuclideanLoss)

    Both bottoms get a gradient. Divided by samples, not by elements.
    """

    answers = "numbers"

    def infer(self, a: TensorType, b: TensorType) -> TensorType:
        a.require_axes(1)
        same(b.batch, a.batch, "both bottoms need as many samples", at="bottom.1")
        same(b.size, a.size, "both bottoms need as many elements", at="bottom.1")
        return SCALAR

    def torch(self, a: TensorType, b: TensorType) -> ModuleText:
        return module("EuclideanLoss")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,2,4; N,2,4 -> ()")
        yield accepts("{}", "N,1; N -> ()")
        yield rejects("{}", "N,2,4; N,2,3", code="NS302", at="bottom.1")
        yield rejects("{}", "6; 4", code="NS302", at="bottom.1")


class HingeLoss(Loss, type="HingeLoss", param="hinge_loss_param", legacy=("HINGE_LOSS",)):
    """One class against all others, with margin 1.

    E = 1/N sum_{n,k} max(0, 1 - d_{nk} x_{nk})^p,  d = 1 for the true class, else -1; p = 1 for L1, 2 for L2     (Caffe's HingeLoss)

    Each sample is flattened; without the half that others put before the square.
    """

    answers = "classes"

    norm: Literal["L1", "L2"] = param(default="L1", doc="L1 sums the margins, L2 their squares")

    def infer(self, x: TensorType, label: TensorType) -> TensorType:
        x.require_axes(2)
        same(label.size, x.batch, "there must be a label for each sample", at="bottom.1")
        return SCALAR

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: product(x.shape[1:])}

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Signs and margins."""
        return Kept(own=8 * bottoms[0].size)

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        return module("HingeLoss", defaults={"squared": False}, squared=self.norm == "L2")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,5; N -> ()")
        yield accepts("{norm: L2}", "N,5,1,1; N,1,1,1 -> ()")
        yield rejects("{}", "N,5; N,2", code="NS302", at="bottom.1")
        yield rejects("{norm: L3}", "N,5; N", code="NS105", at="norm")


def predictions(x: TensorType, label: TensorType, axis: int) -> Size:
    """The number of places that are classified, one label for each: the product of all axes but the
    classes'.
    """
    places = product(x.shape[:axis]) * product(x.shape[axis + 1 :])
    same(label.size, places, "there must be a label for each place that is classified", at="bottom.1")
    return places
