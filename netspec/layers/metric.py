"""Layers that measure a net and train nothing: Accuracy."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.dims import Size
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import within
from netspec.ir.types import TensorType
from netspec.layers.loss import SCALAR, predictions
from netspec.record import param

__all__ = ["Accuracy"]


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
