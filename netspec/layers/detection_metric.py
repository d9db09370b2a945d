"""The measure of single-shot detectors, from a fork of Caffe: DetectionEvaluate."""

from collections.abc import Iterator
from typing import Any

from netspec.ir.dims import Size, product, symbol
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import divides, same
from netspec.ir.types import TensorType
from netspec.layers.common.words import refuse_value
from netspec.record import param

__all__ = ["DetectionEvaluate"]


class DetectionEvaluate(
    Layer,
    type="DetectionEvaluate",
    param="detection_evaluate_param",
    bottoms=2,
    traits=("metric", "no_gradient"),
):
    """Which boxes found are right: a row for each class with the number of its true boxes, then a
    row for each box found. A test makes average precision of them, over all its batches.

    Rows (-1, label, true boxes, -1, -1), then (image, label, score, right, wrong)     (Liu et al. 2016)

    Bottoms: what DetectionOutput lists, and the truth as MultiBoxLoss has it. Best scores first, a
    box is right where the true box of its class that it overlaps most, by overlap_threshold at
    least, was not found before.

    AP is the area under precision by recall as `ap_version` of the solver says; a test shows its
    mean over the classes that occur.
    """

    answers = "boxes"

    num_classes: int = param(ge=1, doc="classes, the background among them")
    background_label_id: int = param(default=0, ge=0, doc="class that is not measured")
    overlap_threshold: float = param(default=0.5, gt=0, doc="least overlap, intersection over union")
    evaluate_difficult_gt: bool = param(
        default=True,
        doc="count boxes that are marked difficult; else finding them is neither right nor wrong",
    )
    name_size_file: str | None = param(
        default=None,
        doc="the fork's file of sizes: accepted, overlaps are the same in shares",
    )

    def infer(self, found: TensorType, truth: TensorType) -> TensorType:
        refuse_value(
            self.background_label_id >= self.num_classes,
            "the background must be one of the classes",
            at="background_label_id",
        )
        divides(7, found.size, "a box found is seven numbers", at="bottom.0")
        divides(8, truth.size, "a box of the truth is eight numbers", at="bottom.1")
        same(found.shape[-1], 7, "a box found is seven numbers", at="bottom.0")
        # a row for each class but the background, then one for each box found
        return TensorType((1, 1, product(found.shape[:-1]) + self.num_classes - 1, 5))

    def indices(self, found: TensorType, truth: TensorType) -> dict[int, Size]:
        return {1: 1}

    def truth(self) -> TensorType:
        return TensorType((1, 1, symbol("G"), 8))

    def torch(self, found: TensorType, truth: TensorType) -> ModuleText:
        return module(
            "DetectionEvaluate",
            self.num_classes,
            defaults={"background": 0, "overlap": 0.5, "difficult": True},
            background=self.background_label_id,
            overlap=self.overlap_threshold,
            difficult=self.evaluate_difficult_gt,
        )

    def onnx(self, g: OnnxBuilder, found: Any, truth: Any) -> Any:
        raise g.refuse("boxes are held against the truth in a test, not in a model")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_classes: 21}", "1,1,F,7; 1,1,G,8 -> 1,1,F+20,5")
        yield accepts(
            "{num_classes: 3, overlap_threshold: 0.7, evaluate_difficult_gt: false, background_label_id: 1}",
            "1,1,6,7; 1,1,3,8 -> 1,1,8,5",
        )
        yield rejects("{num_classes: 21}", "1,1,6,5; 1,1,3,8", code="NS302", at="bottom.0")
        yield rejects("{num_classes: 2, background_label_id: 2}", "1,1,6,7; 1,1,3,8", code="NS106")
        yield rejects("{}", "1,1,6,7; 1,1,3,8", code="NS103")
