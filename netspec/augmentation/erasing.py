"""Parts that are hidden: Erase, HideAndSeek."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from netspec.augmentation.definition import ImageChange
from netspec.ir.layer import Example, accepts, rejects
from netspec.record import param

if TYPE_CHECKING:
    from torch import Tensor

    from netspec.augmentation.kernels.draw import Draw

__all__ = ["Erase", "HideAndSeek"]


class Erase(ImageChange, type="Erase"):
    """Hide one rectangle of random place, area and shape.

    area = s H W,  s even in scale;  height / width = r,  log r even in log ratio     (Zhong et al. 2017)

    The mask stays: what is hidden is still there.
    """

    scale: tuple[float, float] = param(
        default=(0.02, 0.33), gt=0, le=1, doc="least and greatest share of the area"
    )
    ratio: tuple[float, float] = param(default=(0.3, 3.3), gt=0, doc="least and greatest height over width")
    value: Literal["random"] | float = param(
        default=0.0,
        ge=0,
        le=255,
        doc="what is put there: a value, or random for a value for each pixel",
    )

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.hiding import draw_rectangles, hide

        inside = draw_rectangles(draw, (x.shape[2], x.shape[3]), self.scale, self.ratio)
        if self.value == "random":
            noise = draw.noise(tuple(x.shape[1:]), "value", normal=False)
            return hide(x, inside, (noise + 1) * 127.5)  # -1..1 to 0..255
        return hide(x, inside, float(self.value))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{value: random, probability: 0.5}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{scale: [0.1, 0.1], ratio: [1, 1], value: 127}", "N,1,9,14 -> N,1,9,14")
        yield rejects("{scale: [0.1, 2]}", "N,3,32,32", code="NS106", at="scale")
        yield rejects("{value: mean}", "N,3,32,32", code="NS105", at="value")


class HideAndSeek(ImageChange, type="HideAndSeek"):
    """Divide the image into squares and hide each with a chance of its own.

    y = x outside hidden squares, m in them,  m the mean of the image     (Singh, Lee 2017)
    """

    tiles: int = param(default=4, ge=1, le=64, doc="squares along each side")
    hidden: float = param(default=0.5, gt=0, le=1, doc="chance of each square")

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.hiding import draw_tiles, hide

        inside = draw_tiles(draw, (x.shape[2], x.shape[3]), self.tiles, self.hidden)
        # float64, so that the order of summing does not show
        return hide(x, inside, x.double().mean((2, 3), keepdim=True).float())

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{tiles: 5, hidden: 0.2}", "N,1,17,23 -> N,1,17,23")
        yield rejects("{hidden: 0}", "N,3,32,32", code="NS106", at="hidden")
