"""Losses that draw samples of a class together: ContrastiveLoss, CenterLoss."""

from collections.abc import Iterator

from netspec.ir.dims import Size, product
from netspec.ir.layer import Example, Filler, Kept, ModuleText, Weight, accepts, module, rejects
from netspec.ir.rule import RuleError, same
from netspec.ir.types import TensorType
from netspec.layers.loss import SCALAR, Loss
from netspec.record import param

__all__ = ["CenterLoss", "ContrastiveLoss"]


class CenterLoss(Loss, type="CenterLoss", param="center_loss_param"):
    """Half the squared distance of each sample's features from its class's centre, which is
    learned.

    E = 1/(2N) sum_n |x_n - c_{y_n}|^2;  gradient of c_j: sum_{n: y_n = j} (c_j - x_n) / (1 + their number)     (Wen et al. 2016)

    As in the authors' Caffe, the centres' gradient does not depend on loss_weight.
    """

    num_output: int = param(ge=1, doc="number of classes")
    axis: int = param(default=1, doc="axes from here on are the features; negative counts from the back")
    center_filler: Filler = param(default=Filler(), doc="how the centres are initialised")

    def infer(self, x: TensorType, label: TensorType) -> TensorType:
        if x.axis(self.axis) != 1:
            raise RuleError(
                "NS303",
                f"axis must be 1: the first axis holds the samples; it is {self.axis}",
                at="axis",
            )
        same(label.size, x.batch, "there must be a label for each sample", at="bottom.1")
        return SCALAR

    def indices(self, x: TensorType, label: TensorType) -> dict[int, Size]:
        return {1: self.num_output}

    def weights(self, x: TensorType, label: TensorType) -> Iterator[Weight]:
        yield Weight("center", (self.num_output, product(x.shape[1:])), self.center_filler)

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """The distances, the bottom, which the centres' gradient is made of, and the labels as
        whole numbers.
        """
        return Kept((0,), own=4 * bottoms[0].size + 8 * bottoms[0].batch)

    def torch(self, x: TensorType, label: TensorType) -> ModuleText:
        return module("CenterLoss", self.num_output, product(x.shape[1:]))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{num_output: 10, center_filler: xavier}", "N,64; N -> ()", weights=640)
        yield accepts("{num_output: 3}", "N,2,2,1; N,1,1,1 -> ()", weights=12)
        yield rejects("{num_output: 3}", "N,4; N,2", code="NS302", at="bottom.1")
        yield rejects("{num_output: 3, axis: 0}", "6,4; 6", code="NS303", at="axis")


class ContrastiveLoss(
    Loss,
    type="ContrastiveLoss",
    param="contrastive_loss_param",
    legacy=("CONTRASTIVE_LOSS",),
    bottoms=3,
):
    """Pull like pairs together, push unlike ones apart as far as a margin.

    E = 1/(2N) sum_n (y d^2 + (1 - y) max(margin - d, 0)^2),  d = |a - b|     (Hadsell, Chopra, LeCun 2006; Caffe's ContrastiveLoss)

    Bottoms: a, b, and for each pair y, 0 for an unlike one. legacy_version has max(margin - d^2, 0)
    instead of the square. As in Caffe the gradient divides by d + 1e-4.
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
            "ContrastiveLoss",
            defaults={"margin": 1.0, "legacy_version": False},
            margin=self.margin,
            legacy_version=self.legacy_version,
        )

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,2; N,2; N -> ()")
        yield accepts("{margin: 3, legacy_version: true}", "N,3,1,1; N,3,1,1; N,1,1,1 -> ()")
        yield rejects("{}", "N,2; N,3; N", code="NS302", at="bottom.1")
        yield rejects("{}", "N,2; N,2; N,2", code="NS302", at="bottom.2")
