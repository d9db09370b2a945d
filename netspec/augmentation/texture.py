"""Changes of what is fine in an image: Sharpen, Blur, Noise."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.augmentation.definition import ImageChange
from netspec.ir.layer import Example, accepts, rejects
from netspec.record import param

if TYPE_CHECKING:
    from torch import Tensor

    from netspec.augmentation.kernels.draw import Draw

__all__ = ["Blur", "Noise", "Sharpen"]

Range = tuple[float, float]


class Sharpen(ImageChange, type="Sharpen"):
    """Add what a blur would take away.

    y = x + a (x - b * x),  a even in amount,  b = [1 1 1; 1 5 1; 1 1 1] / 13     (unsharp masking)

    The outermost pixels stay as they are.
    """

    neutral = {"amount": (0, 0)}

    amount: Range = param(
        default=(0.0, 1.0), ge=0, doc="least and greatest share of the details that is added"
    )

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.texture import soften

        a = draw.uniform(*self.amount, "amount")[:, None, None, None].to(x.device)
        return x + a * (x - soften(x))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{amount: [1, 3]}", "N,1,8,8 -> N,1,8,8")
        yield rejects("{amount: [-1, 0]}", "N,3,32,32", code="NS106", at="amount")


class Blur(ImageChange, type="Blur"):
    """Smooth by a Gaussian.

    y = G_s * x,  s even in sigma

    The image is mirrored at its edges.
    """

    sigma: Range = param(default=(0.1, 2.0), gt=0, le=100, doc="least and greatest deviation, in pixels")

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.fields import smooth

        return smooth(x, draw.uniform(*self.sigma, "sigma"), self.sigma[1])

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{sigma: [1, 1], probability: 0.5}", "N,1,9,14 -> N,1,9,14")
        yield rejects("{sigma: [0, 1]}", "N,3,32,32", code="NS106", at="sigma")


class Noise(ImageChange, type="Noise"):
    """Add normal noise to each value.

    y = x + s n,  n normal,  s even in std
    """

    neutral = {"std": (0, 0)}

    std: Range = param(
        default=(0.0, 10.0),
        ge=0,
        le=255,
        doc="least and greatest deviation, pixels counting 0 to 255",
    )

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        noise = draw.noise(tuple(x.shape[1:]), "noise") * draw.uniform(*self.std, "std")[:, None, None, None]
        return x + noise.to(x.device)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{std: [5, 5]}", "N,1,8,8 -> N,1,8,8")
        yield rejects("{std: [-1, 1]}", "N,3,32,32", code="NS106", at="std")
