"""What single-shot detectors list, from forks of Caffe: DetectionOutput."""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.boxes import Boxes
from netspec.ir.dims import product, symbol
from netspec.ir.layer import Example, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import divides, same
from netspec.ir.types import TensorType
from netspec.record import Record, param

__all__ = ["DetectionOutput"]

LOWEST_SCORE = -1e30
"""Every score is above it, so that it can stand for none."""


def halves(g: OnnxBuilder, x: Any) -> tuple[Any, Any]:
    """The first and the last two numbers of boxes (..., 4)."""
    return g.Slice(x, (0,), (2,), (-1,)), g.Slice(x, (2,), (4,), (-1,))


class Suppression(Record):
    """Which boxes give way to better ones."""

    nms_threshold: float = param(
        default=0.3,
        ge=0,
        doc="overlap, intersection over union, above which a box gives way",
    )
    top_k: int = param(default=-1, doc="boxes of each class that are looked at; -1: all")
    eta: float = param(
        default=1.0,
        gt=0,
        le=1,
        doc="below 1: factor on the threshold for each box that is kept, while it is above 0.5",
    )


class DetectionOutput(
    Layer,
    type="DetectionOutput",
    param="detection_output_param",
    bottoms=3,
    traits=("no_gradient",),
):
    """Boxes from offsets, scores and priors: decode, keep those that no better box of their class
    overlaps, list them.

    Rows (image, label, score, x1, y1, x2, y2), corners as shares of the image     (Liu et al. 2016)

    How many there are is known at run time only: the size `found`. Without any, each image has a
    row of -1.
    """

    num_classes: int = param(ge=1, doc="classes, the background among them")
    share_location: bool = param(default=True, doc="one box for all classes, or one for each")
    background_label_id: int = param(default=0, doc="class that is not listed; -1: none")
    nms_param: Suppression = param(default=Suppression(), doc="suppression of overlapping boxes")
    save_output_param: Any = param(
        default=None,
        doc="where the fork writes results: accepted, without meaning here",
    )
    code_type: Literal["CORNER", "CENTER_SIZE", "CORNER_SIZE"] = param(
        default="CORNER", doc="what offsets are relative to"
    )
    variance_encoded_in_target: bool = param(
        default=False,
        doc="offsets are scaled already; otherwise the priors' variances scale them",
    )
    keep_top_k: int = param(default=-1, doc="boxes of each image; -1: all")
    confidence_threshold: float | None = param(default=None, doc="scores must be above it")

    @property
    def lists(self) -> int:
        return self.num_classes

    def infer(self, locations: TensorType, confidences: TensorType, priors: TensorType) -> TensorType:
        classes = 1 if self.share_location else self.num_classes
        same(priors.rank, 3, "priors are (1, 2, 4 boxes)", at="bottom.2")
        same(
            priors.shape[1],
            2,
            "priors are corners and variances: two rows",
            at="bottom.2",
        )
        divides(4, priors.shape[2], "priors need four numbers for each box", at="bottom.2")
        same(
            product(locations.shape[1:]),
            priors.shape[2] * classes,
            "there must be four offsets for each prior",
            at="bottom.0",
        )
        same(
            4 * product(confidences.shape[1:]),
            priors.shape[2] * self.num_classes,
            "there must be a score for each prior and class",
            at="bottom.1",
        )
        return TensorType((1, 1, symbol("found"), 7))

    def holds(self, locations: TensorType, confidences: TensorType, priors: TensorType) -> dict[int, Boxes]:
        # corners move by shares of the image, others by shares of their box
        spread = 0.3 if self.code_type == "CORNER" else 1.0
        offsets = Boxes("offsets", spread * (0.15 if self.variance_encoded_in_target else 1.0))
        scores = Boxes("scores", least=self.confidence_threshold or 0.0)
        return {0: offsets, 1: scores, 2: Boxes("priors")}

    def torch(self, locations: TensorType, confidences: TensorType, priors: TensorType) -> ModuleText:
        usual = {
            "share_location": True,
            "background": 0,
            "nms_threshold": 0.3,
            "top_k": -1,
            "eta": 1.0,
            "keep_top_k": -1,
            "confidence": None,
            "code": "CORNER",
            "in_target": False,
        }
        return module(
            "DetectionOutput",
            self.num_classes,
            defaults=usual,
            share_location=self.share_location,
            background=self.background_label_id,
            nms_threshold=self.nms_param.nms_threshold,
            top_k=self.nms_param.top_k,
            eta=self.nms_param.eta,
            keep_top_k=self.keep_top_k,
            confidence=self.confidence_threshold,
            code=self.code_type,
            in_target=self.variance_encoded_in_target,
        )

    def onnx(self, g: OnnxBuilder, locations: Any, confidences: Any, priors: Any) -> Any:
        if self.nms_param.eta != 1:
            raise g.refuse(f"ONNX suppresses by one threshold: eta must be 1, it is {self.nms_param.eta:g}")
        near, far = self.decode(g, locations, priors)
        others = [label for label in range(self.num_classes) if label != self.background_label_id]
        scores = g.Transpose(g.Reshape(confidences, (0, -1, self.num_classes)), perm=(0, 2, 1))
        scores = g.Gather(scores, tuple(others), axis=1)
        least = LOWEST_SCORE if self.confidence_threshold is None else self.confidence_threshold
        count = g.Shape(near, start=1, end=2)
        boxes = self.in_lists(g, g.Concat(near, far, axis=-1), others)
        # a box that is turned round has no area here, and one in ONNX
        upright = self.in_lists(g, g.Concat(near, g.Max(near, far), axis=-1), others)
        wanted = self.best(g, scores, count)
        if not self.share_location:
            wanted = g.Reshape(wanted, g.Concat((-1, 1), count, axis=0))
        found = g.NonMaxSuppression(
            upright,
            wanted,
            count,
            min(self.nms_param.nms_threshold, 1.0),  # ONNX's range ends at 1, as overlaps do
            least,
        )
        own, label, place = (g.Gather(found, at, axis=1) for at in range(3))
        image = own
        if not self.share_location:
            image, label = g.Div(own, len(others)), g.Mod(own, len(others))
        heads = [g.Unsqueeze(each, (1,)) for each in (image, label, place)]
        score = g.GatherND(scores, g.Concat(*heads, axis=1))
        numbers = (
            g.cast(image, "float32"),
            g.Gather(tuple(map(float, others)), label),
            score,
        )
        heads = [g.Unsqueeze(each, (1,)) for each in numbers]
        at = g.Concat(g.Unsqueeze(own, (1,)), g.Unsqueeze(place, (1,)), axis=1)
        rows = g.Concat(*heads, g.GatherND(boxes, at), axis=1)
        images = g.Shape(locations, start=0, end=1)
        if self.keep_top_k >= 0:
            rows = g.Compress(rows, self.keep_rows(g, image, score, images), axis=0)
        made = g.Unsqueeze(g.Concat(rows, self.none(g, rows, images), axis=0), (0, 1))
        return g.typed(made, TensorType((1, 1, symbol("found"), 7)))

    def decode(self, g: OnnxBuilder, locations: Any, priors: Any) -> tuple[Any, Any]:
        """The corners of the boxes, twice (N, P, 2), or (N, P, K, 2) of each class its own."""
        classes = () if self.share_location else (self.num_classes,)
        both = g.Reshape(priors, (2, -1, *(1 for _ in classes), 4))
        away = g.Reshape(locations, (0, -1, *classes, 4))
        prior, spread = (g.Slice(both, (i,), (i + 1,), (0,)) for i in (0, 1))
        if not self.variance_encoded_in_target:
            away = g.Mul(away, spread)
        low, high = halves(g, prior)
        near, far = halves(g, away)
        size = g.Sub(high, low)
        if self.code_type == "CENTER_SIZE":
            centre = g.Add(g.Div(g.Add(low, high), 2.0), g.Mul(near, size))
            half = g.Div(g.Mul(size, g.Exp(far)), 2.0)
            return g.Sub(centre, half), g.Add(centre, half)
        if self.code_type == "CORNER_SIZE":
            return g.Add(low, g.Mul(near, size)), g.Add(high, g.Mul(far, size))
        return g.Add(low, near), g.Add(high, far)

    def in_lists(self, g: OnnxBuilder, boxes: Any, others: list[int]) -> Any:
        """The boxes in the lists that suppress one another: (N, P, 4), one for each image; where
        each class has its own, (N K, P, 4), one for each image and class but the background.
        """
        if self.share_location:
            return boxes
        own = g.Transpose(g.Gather(boxes, tuple(others), axis=2), perm=(0, 2, 1, 3))
        return g.Reshape(own, g.Concat((-1,), g.Shape(boxes, start=1, end=2), (4,), axis=0))

    def best(self, g: OnnxBuilder, scores: Any, count: Any) -> Any:
        """Scores (N, K, P), those beyond the top_k of a class too low to count."""
        if self.nms_param.top_k < 0:
            return scores
        _, at = g.TopK(scores, g.Min(count, (self.nms_param.top_k,)), axis=2, outputs=2)
        # twice: below even the threshold that lets every score pass
        low = g.Expand(2 * LOWEST_SCORE, g.Shape(scores))
        return g.ScatterElements(low, at, g.GatherElements(scores, at, axis=2), axis=2)

    def keep_rows(self, g: OnnxBuilder, image: Any, score: Any, images: Any) -> Any:
        """Whether each row is among the keep_top_k best of its image."""
        _, order = g.TopK(score, g.Shape(score), axis=0, outputs=2)
        own = g.Gather(image, order)
        every = g.Range(0, g.Squeeze(images), 1)
        mine = g.cast(g.Equal(g.Unsqueeze(own, (1,)), every), "int64")
        rank = g.GatherElements(g.CumSum(mine, 0), g.Unsqueeze(own, (1,)), axis=1)
        among = g.cast(g.LessOrEqual(g.Squeeze(rank, (1,)), self.keep_top_k), "int64")
        return g.cast(g.ScatterElements(g.Mul(order, 0), order, among, axis=0), "bool")

    def none(self, g: OnnxBuilder, rows: Any, images: Any) -> Any:
        """A row of -1 for each image where there are no rows at all, else nothing."""
        number = g.Unsqueeze(g.cast(g.Range(0, g.Squeeze(images), 1), "float32"), (1,))
        lack = g.Expand(-1.0, g.Concat(images, (6,), axis=0))
        empty = g.cast(g.Equal(g.Shape(rows, start=0, end=1), (0,)), "int64")
        return g.Slice(g.Concat(number, lack, axis=1), (0,), g.Mul(images, empty), (0,))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts(
            "{num_classes: 21, nms_param: {nms_threshold: 0.45, top_k: 400}, code_type: CENTER_SIZE,"
            " keep_top_k: 200}",
            "N,40; N,210; 1,2,40 -> 1,1,found,7",
        )
        yield accepts(
            "{num_classes: 3, share_location: false, confidence_threshold: 0.5, nms_param: {nms_threshold:"
            " 0.8, eta: 0.9}}",
            "N,96; N,24; 1,2,32 -> 1,1,found,7",
        )
        yield rejects("{num_classes: 21}", "N,44; N,210; 1,2,40", code="NS302", at="bottom.0")
        yield rejects("{num_classes: 21}", "N,40; N,200; 1,2,40", code="NS302", at="bottom.1")
        yield rejects("{}", "N,40; N,210; 1,2,40", code="NS103")
