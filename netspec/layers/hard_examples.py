"""Online hard example mining, as R-FCN's Caffe has it: losses place by place, and the choice of the
worst places.
"""

from collections.abc import Iterator
from typing import Any, Literal

from netspec.ir.dims import product
from netspec.ir.layer import Example, Kept, Layer, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import same
from netspec.ir.types import TensorType
from netspec.layers.loss import SCALAR, USUAL, Loss, SoftmaxWithLoss
from netspec.record import param

__all__ = ["BoxAnnotatorOHEM", "SmoothL1LossOHEM", "SoftmaxWithLossOHEM"]


def maps(x: TensorType, channels: Any) -> TensorType:
    """(N, channels, H, W) for a bottom of two to four axes; those that it lacks are 1."""
    return TensorType((x.batch, channels, *x.shape[2:], *(1,) * (4 - max(x.rank, 2))))


class SoftmaxWithLossOHEM(
    SoftmaxWithLoss, type="SoftmaxWithLossOHEM", param=("softmax_param", "loss_param"), tops=(1, 3)
):
    """SoftmaxWithLoss that also gives the loss of each place.

    E = -1/Z sum_i log max(p_i[y_i], FLT_MIN),  p = softmax(x) along axis     (Shrivastava et al. 2016; R-FCN: Dai et al. 2016)

    The second top holds p, the third each place's -log p_i[y_i], 0 where the label is ignored,
    whatever class_weight says. No gradient comes from these two.
    """

    def infer(self, x: TensorType, label: TensorType) -> tuple[TensorType, ...]:
        axis = x.axis(self.axis)
        each = x.shape[:axis] + x.shape[axis + 1 :] if self.by_shares(x, label) else label.shape
        return (*super().infer(x, label), TensorType(each))

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return super().kept(bottoms, tops[:1])

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        return module(
            "SoftmaxWithLossOHEM",
            self.top_count,
            defaults=USUAL,
            **self.words(x),
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "R,21; R -> (); R,21; R")
        yield accepts("{ignore_label: -1}", "N,5,H,W; N,1,H,W -> (); N,5,H,W; N,1,H,W")
        yield accepts("{normalization: BATCH_SIZE}", "N,5; N -> ()")
        yield accepts("{}", "N,5; N,5 -> (); N,5; N")
        yield accepts("{class_weight: [1, 2, 4]}", "N,3; N -> (); N,3; N")
        yield rejects("{}", "N,10; N,2", code="NS302", at="bottom.1")


class SmoothL1LossOHEM(
    Loss,
    type="SmoothL1LossOHEM",
    param="loss_param",
    bottoms=(2, 3),
    tops=(1, 2),
    traits=("no_gradient.2",),
):
    """Smooth L1 loss that also gives the loss of each place.

    E = 1/Z sum f(w (a - b)),  f(d) = d^2 / 2 where |d| < 1, else |d| - 1/2     (Girshick 2015; R-FCN: Dai et al. 2016)

    Bottoms: a, b, and w where there is a third. Z is the places, not the numbers. The second top is
    (N, 1, H, W): sums over channels, without a gradient. The fork's gradient is f'(w (a - b)) / Z,
    without the factor w: they agree where w is 0 or 1.
    """

    normalization: Literal["FULL", "VALID", "BATCH_SIZE", "PRE_FIXED", "NONE"] | None = param(
        default=None,
        doc="divide by all places (FULL and VALID), by the samples, by pre_fixed_normalizer, or not at all",
    )
    normalize: bool | None = param(
        default=None, doc="older: true is VALID, false BATCH_SIZE; normalization comes before it"
    )
    pre_fixed_normalizer: float = param(default=1.0, doc="the divisor of PRE_FIXED; at least 1 counts")

    def infer(self, *xs: TensorType) -> tuple[TensorType, ...]:
        xs[0].require_axes(2)
        for i, x in enumerate(xs[1:], 1):
            same(x.batch, xs[0].batch, "all bottoms need as many samples", at=f"bottom.{i}")
            same(x.size, xs[0].size, "all bottoms need as many elements", at=f"bottom.{i}")
        return SCALAR, maps(xs[0], 1)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """Differences, and what they are held against."""
        return Kept(own=8 * bottoms[0].size)

    def torch(self, *xs: TensorType) -> ModuleText:
        mode = self.normalization or ("BATCH_SIZE" if self.normalize is False else "VALID")
        fixed = self.pre_fixed_normalizer if mode == "PRE_FIXED" else 1.0
        usual = {"normalization": "VALID", "fixed": 1.0, "places": False}
        return module(
            "SmoothL1LossOHEM",
            defaults=usual,
            normalization=mode,
            fixed=fixed,
            places=self.top_count > 1,
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "R,8; R,8; R,8 -> (); R,1,1,1")
        yield accepts(
            "{normalization: PRE_FIXED, pre_fixed_normalizer: 128}",
            "R,8,1,1; R,8,1,1; R,8,1,1 -> ()",
        )
        yield accepts("{normalize: false}", "N,4,H,W; N,4,H,W -> (); N,1,H,W")
        yield rejects("{}", "R,8; R,4", code="NS302", at="bottom.1")
        yield rejects("{}", "R,8; R,8; R,4", code="NS302", at="bottom.2")


class BoxAnnotatorOHEM(
    Layer,
    type="BoxAnnotatorOHEM",
    param="box_annotator_ohem_param",
    bottoms=4,
    tops=2,
    traits=("no_gradient",),
):
    """Keep the labels and the box weights of each image's roi_per_img regions of greatest loss; the
    others do not count.

    y_r = label_r where region r is among the roi_per_img of greatest loss of its image, else ignore_label     (Shrivastava et al. 2016)

    Bottoms: regions (R, 5, ...), each (image, x1, y1, x2, y2), the loss, the label and the box
    weights of each. Tops: labels (R, 1, ...), and box weights, 0 for regions that do not count. Of
    equal losses the first counts.
    """

    roi_per_img: int = param(ge=1, doc="regions of each image that count")
    ignore_label: int = param(default=-1, doc="label of those that do not")

    def infer(
        self, regions: TensorType, loss: TensorType, label: TensorType, weights: TensorType
    ) -> tuple[TensorType, TensorType]:
        places = product((regions.batch, *regions.shape[2:]))
        same(regions.channels, 5, "a region is five numbers: image, x1, y1, x2, y2", at="bottom.0")
        same(loss.size, places, "there must be a loss for each region", at="bottom.1")
        same(label.size, places, "there must be a label for each region", at="bottom.2")
        same(
            product((weights.batch, *weights.shape[2:])),
            places,
            "there must be box weights for each region",
            at="bottom.3",
        )
        return maps(regions, 1), maps(weights, weights.channels)

    def torch(self, *xs: TensorType) -> ModuleText:
        return module(
            "BoxAnnotatorOHEM",
            self.roi_per_img,
            defaults={"ignore_label": -1},
            ignore_label=self.ignore_label,
        )

    def onnx(self, g: OnnxBuilder, *xs: Any) -> Any:
        raise g.refuse("hard examples are chosen while training")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{roi_per_img: 128}", "R,5; R,1,1,1; R; R,8 -> R,1,1,1; R,8,1,1")
        yield accepts("{roi_per_img: 1, ignore_label: 255}", "R,5,1,1; R,1; R,1; R,8,1,1 -> R,1,1,1; R,8,1,1")
        yield rejects("{roi_per_img: 2}", "R,4; R; R; R,8", code="NS302", at="bottom.0", outputs=2)
        yield rejects("{roi_per_img: 2}", "6,5; 6,2; 6; 6,8", code="NS302", at="bottom.1", outputs=2)
        yield rejects("{}", "R,5; R; R; R,8", code="NS103", outputs=2)
