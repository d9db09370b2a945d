"""Several samples in one: MixUp, CutMix, Mosaic. Their labels become shares of the classes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from netspec.augmentation.definition import Augmentation
from netspec.ir.layer import Example, accepts, rejects
from netspec.record import param

if TYPE_CHECKING:
    from torch import Tensor

    from netspec.augmentation.kernels.batch import Batch
    from netspec.augmentation.kernels.draw import Draw

__all__ = ["CutMix", "Mix", "MixUp", "Mosaic"]


class Mix(Augmentation):
    """What takes further samples in: other ones of the data, drawn by index for each sample, with
    the changes that stand before in the list. So a sample does not depend on the batch that it
    is in.
    """

    partners = 1
    parts: ClassVar[frozenset[str]] = frozenset()
    """Labels with places that it moves: mask, boxes."""

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        """Without partners there is nothing to mix: `mix` does the work."""
        return batch

    def mix(self, batch: "Batch", at: "Tensor", others: "list[Batch]", draw: "Draw") -> "Batch":
        """The batch with samples `at` mixed with those of each of `others`, in their order; the
        draws are those of the samples `at`.
        """
        raise NotImplementedError


class MixUp(Mix, type="MixUp"):
    """Blend two samples, their labels too.

    x = l x_i + (1 - l) x_j,  t = l t_i + (1 - l) t_j,  l ~ Beta(alpha, alpha)     (Zhang et al. 2018)

    The loss must take shares of the classes, as SoftmaxWithLoss does.
    """

    alpha: float = param(
        default=0.2, gt=0, doc="both parameters of the Beta distribution; small ones blend little"
    )

    def mix(self, batch: "Batch", at: "Tensor", others: "list[Batch]", draw: "Draw") -> "Batch":
        from netspec.augmentation.kernels.mixing import blend

        return blend(batch, at, others[0], draw.beta(self.alpha, "share"))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{alpha: 1, probability: 0.5}", "N,1,8,8 -> N,1,8,8")
        yield rejects("{alpha: 0}", "N,3,32,32", code="NS106", at="alpha")


class CutMix(Mix, type="CutMix"):
    """Put a rectangle of another sample in; labels count by area.

    x = M x_i + (1 - M) x_j,  t = l t_i + (1 - l) t_j,  l the area of M,  l ~ Beta(alpha, alpha)     (Yun et al. 2019)

    The rectangle has the image's shape, its middle lies anywhere, and it is cut at the edge. A mask
    is cut alike.
    """

    parts = frozenset(("mask",))
    alpha: float = param(default=1.0, gt=0, doc="both parameters of the Beta distribution; 1 is even")

    def mix(self, batch: "Batch", at: "Tensor", others: "list[Batch]", draw: "Draw") -> "Batch":
        from netspec.augmentation.kernels.mixing import draw_patches, paste

        patches = draw_patches(draw, batch.size, draw.beta(self.alpha, "share"))
        return paste(batch, at, others[0], patches)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{alpha: 0.3, probability: 0.5}", "N,1,9,14 -> N,1,9,14")
        yield rejects("{alpha: 0}", "N,3,32,32", code="NS106", at="alpha")


class Mosaic(Mix, type="Mosaic"):
    """Four samples around a point, each cut to its quarter; labels count by area.

    the point lies evenly in the middle half of both axes     (Bochkovskiy, Wang, Liao 2020)

    Each quarter shows a window of its sample at a place drawn evenly, unscaled. Masks and boxes
    move along; a label of boxes then has four times as many rows.
    """

    partners = 3
    parts = frozenset(("mask", "boxes"))

    def mix(self, batch: "Batch", at: "Tensor", others: "list[Batch]", draw: "Draw") -> "Batch":
        from netspec.augmentation.kernels.mosaic import lay_out

        return lay_out(batch, at, others, draw)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{probability: 0.5}", "N,1,9,14 -> N,1,9,14")
        yield rejects("{probability: -1}", "N,3,32,32", code="NS106", at="probability")
