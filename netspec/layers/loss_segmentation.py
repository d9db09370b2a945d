"""What segmentation is measured by: DiceLoss, IoU, F1."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.dims import Size
from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.types import TensorType
from netspec.layers.loss import SCALAR, predictions
from netspec.layers.loss_classes import Labelled
from netspec.record import param

__all__ = ["F1", "DiceLoss", "IoU"]


class DiceLoss(Labelled, type="DiceLoss", param="dice_loss_param"):
    """How little the predicted regions overlap the true ones, class by class, so that small regions
    count as much as large ones.

    E = 1 - 1/K sum_k (2 sum_i p_ik t_ik + s) / (sum_i p_ik + sum_i t_ik + s),  p = softmax(x), t one-hot     (Milletari et al. 2016)

    Their denominator has squares; this is the common form without.
    """

    smooth: float = param(
        default=1.0, ge=0, doc="s, which keeps a class that does not occur from dividing by 0"
    )

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Shares and labels as such."""
        # a byte each for whether a label is ignored
        return Kept(own=8 * bottoms[0].size + (0 if self.ignore_label is None else bottoms[1].size))

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        usual = {"smooth": 1.0, "axis": 1, "ignore_label": None}
        return module(
            "DiceLoss",
            defaults=usual,
            smooth=self.smooth,
            axis=x.axis(self.axis),
            ignore_label=self.ignore_label,
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,5,H,W; N,1,H,W -> ()")
        yield accepts("{smooth: 0.5, ignore_label: 0}", "N,4,T; N,T -> ()")
        yield rejects("{}", "N,5,4,4; N,4", code="NS302", at="bottom.1")
        yield rejects("{smooth: -1}", "N,5; N", code="NS106", at="smooth")


class ByClass(Layer, bottoms=2, tops=(1, 2), traits=("metric", "no_gradient")):
    """Base of metrics: a mean over the classes that occur among labels or answers; a second top has
    each class, 0 for the others.
    """

    axis: int = param(default=1, doc="the axis of the classes; negative counts from the back")
    ignore_label: int | None = param(default=None, doc="places with this label count for nothing")

    def infer(self, x: TensorType, label: TensorType) -> tuple[TensorType, ...]:
        axis = x.axis(self.axis)
        predictions(x, label, axis)
        return SCALAR, TensorType((x.shape[axis],))

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: x.shape[x.axis(self.axis)]}

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        usual = {"axis": 1, "ignore_label": None, "per_class": False}
        more = {
            "axis": x.axis(self.axis),
            "ignore_label": self.ignore_label,
            "per_class": self.top_count > 1,
        }
        return module(self.type, defaults=usual, **more)

    def onnx(self, g: OnnxBuilder, x: Any, label: Any) -> Any:
        raise g.refuse(f"{self.type} needs labels, which a served model has not")


class IoU(ByClass, type="IoU", param="iou_param"):
    """Intersection over union: of all places that are of a class or are taken for it, the share
    that are both; the mean over classes.

    IoU = 1/K sum_k TP_k / (TP_k + FP_k + FN_k)     (Jaccard 1901; PASCAL VOC: Everingham et al. 2010)

    It is taken of a batch; a test averages its batches.
    """

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,5,H,W; N,1,H,W -> ()")
        yield accepts("{ignore_label: 255}", "N,4,T; N,T -> (); 4")
        yield accepts("{axis: 2}", "T,N,5; T,N -> ()")
        yield rejects("{}", "N,5; N,2", code="NS302", at="bottom.1")


class F1(ByClass, type="F1", param="f1_param"):
    """The harmonic mean of precision and recall, class by class; the mean over classes (macro F1).

    F1 = 1/K sum_k 2 TP_k / (2 TP_k + FP_k + FN_k)     (van Rijsbergen 1979)

    It is taken of a batch; a test averages its batches.
    """

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10; N -> ()")
        yield accepts("{ignore_label: 0}", "N,4; N,1,1,1 -> (); 4")
        yield rejects("{}", "N,5; N,2", code="NS302", at="bottom.1")
