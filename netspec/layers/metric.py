"""Layers that measure a net and train nothing: Accuracy, SegAccuracy."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import Size
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import within
from netspec.ir.types import TensorType
from netspec.layers.loss import SCALAR, predictions
from netspec.record import param

__all__ = ["Accuracy", "SegAccuracy"]


class SegAccuracy(
    Layer,
    type="SegAccuracy",
    param="seg_accuracy_param",
    bottoms=2,
    traits=("metric", "no_gradient"),
):
    """Three measures of a segmentation: share of right places, mean share of each class that
    occurs, mean intersection over union.

    With n_ij places of class i taken for j: sum_i n_ii / n,  mean_i n_ii / n_i,  mean_i n_ii / (n_i + sum_j n_ji - n_ii)
    (DeepLab's Caffe: Chen et al. 2015)

    A class that neither occurs nor is guessed has an overlap of 1. The top is (1, 1, 1, 3).
    """

    metric: Literal["PixelAccuracy", "ClassAccuracy", "PixelIOU"] = param(
        default="PixelAccuracy", doc="the fork's: without meaning, all are given"
    )
    ignore_label: tuple[int, ...] = param(default=(), doc="places with these labels count for nothing")
    reset: bool = param(
        default=True,
        doc="each batch by itself; false: all since the net was made, or its state was reset",
    )

    def infer(self, x: TensorType, label: TensorType) -> TensorType:
        x.require_axes(2)
        predictions(x, label, 1)
        return TensorType((1, 1, 1, 3))

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: x.channels}

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        return module(
            "SegAccuracy",
            defaults={"ignore_label": (), "reset": True},
            ignore_label=self.ignore_label,
            reset=self.reset,
        )

    def onnx(self, g: OnnxBuilder, x: Any, label: Any) -> Any:
        raise g.refuse("SegAccuracy needs labels, which a served model has not")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{ignore_label: 255}", "N,21,H,W; N,1,H,W -> 1,1,1,3")
        yield accepts("{ignore_label: [0, 3], reset: false}", "N,4,H,W; N,H,W -> 1,1,1,3")
        yield rejects("{}", "N,4,5,6; N,1,6,6", code="NS302", at="bottom.1")


class Accuracy(
    Layer,
    type="Accuracy",
    param="accuracy_param",
    legacy=("ACCURACY", "accuracy"),
    bottoms=2,
    tops=(1, 2),
    traits=("metric", "no_gradient"),
):
    """The share of places whose label is among the top_k scores.

    A place is right if fewer than top_k other classes score at least as much as the true one     (Caffe's Accuracy)

    So a tie for the top is wrong.

    A second top holds the share for each class, 0 for one that does not occur.
    """

    top_k: int = param(default=1, ge=1, doc="how many guesses count")
    axis: int = param(default=1, doc="the axis of the classes; negative counts from the back")
    ignore_label: int | None = param(default=None, doc="places with this label count for nothing")

    def infer(self, x: TensorType, label: TensorType) -> tuple[TensorType, ...]:
        axis = x.axis(self.axis)
        predictions(x, label, axis)
        within(x.shape[axis], self.top_k, "top_k", "top_k must not exceed the classes")
        return SCALAR, TensorType((x.shape[axis],))

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: x.shape[x.axis(self.axis)]}

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        usual = {"top_k": 1, "axis": 1, "ignore_label": None, "per_class": False}
        return module(
            "Accuracy",
            defaults=usual,
            top_k=self.top_k,
            axis=x.axis(self.axis),
            ignore_label=self.ignore_label,
            per_class=self.top_count > 1,
        )

    def onnx(self, g: OnnxBuilder, x: Any, label: Any) -> Any:
        raise g.refuse("Accuracy needs labels, which a served model has not")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,10; N -> ()")
        yield accepts("{top_k: 5}", "N,1000; N,1,1,1 -> ()")
        yield accepts("{ignore_label: 255}", "N,21,H,W; N,1,H,W -> (); 21")
        yield accepts("{axis: 2, top_k: 2}", "T,N,5; T,N -> ()")
        yield rejects("{}", "N,10; N,2", code="NS302", at="bottom.1")
        yield rejects("{top_k: 11}", "N,10; N", code="NS302", at="top_k")
        yield rejects("{top_k: 0}", "N,10; N", code="NS106", at="top_k")
