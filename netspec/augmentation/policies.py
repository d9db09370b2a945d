"""Changes that are drawn from a list for each sample: RandAugment, AutoAugment, TrivialAugment."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from netspec.augmentation.definition import Augmentation
from netspec.ir.layer import Example, accepts, rejects
from netspec.record import param

if TYPE_CHECKING:
    from netspec.augmentation.kernels.batch import Batch
    from netspec.augmentation.kernels.draw import Draw

__all__ = ["AutoAugment", "RandAugment", "TrivialAugment"]


class Policy(Augmentation, moves=True):
    """Some of its changes move places, some change colours."""

    colors = True


class RandAugment(Policy, type="RandAugment"):
    """Several changes in a row, each drawn evenly from a list of 14, all of one strength.

    y = o_n(... o_1(x)),  o_k even among identity, stretching, equalising, turning, solarising, saturation,
    posterising, contrast, brightness, sharpness, and slant and shift along both axes     (Cubuk et al. 2020)
    """

    count: int = param(default=2, ge=1, le=14, doc="changes in a row (n)")
    magnitude: float = param(default=9.0, ge=0, le=30, doc="strength of each (m), of 30")

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        from netspec.augmentation.kernels.policies import rand_augment

        return rand_augment(batch, draw, self.probability, self.count, self.magnitude / 30)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{count: 3, magnitude: 15, probability: 0.5}", "N,1,17,23 -> N,1,17,23")
        yield rejects("{magnitude: 31}", "N,3,32,32", code="NS106", at="magnitude")


class AutoAugment(Policy, type="AutoAugment"):
    """One of 25 pairs of changes, each with the chance and the strength that a search found.

    y = o_2(o_1(x)),  (o_1, o_2) even among the policy's pairs     (Cubuk et al. 2019)
    """

    policy: Literal["cifar10", "imagenet"] = param(
        default="imagenet", doc="the data that the pairs were found on"
    )

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        from netspec.augmentation.kernels.policies import auto_augment

        return auto_augment(batch, draw, self.probability, self.policy)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{policy: cifar10}", "N,1,17,23 -> N,1,17,23")
        yield rejects("{policy: svhn}", "N,3,32,32", code="NS105", at="policy")


class TrivialAugment(Policy, type="TrivialAugment"):
    """One change, drawn evenly from RandAugment's list, of a strength drawn evenly.

    y = o(x, m),  m even in 0 .. 30     (Müller, Hutter 2021; the wide space of strengths)
    """

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        from netspec.augmentation.kernels.policies import trivial_augment

        return trivial_augment(batch, draw, self.probability)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{probability: 0.5}", "N,1,17,23 -> N,1,17,23")
        yield rejects("{probability: 2}", "N,3,32,32", code="NS106", at="probability")
