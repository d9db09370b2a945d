"""Changes of colours: Brightness, Contrast, Saturation, Hue, ColorJitter, Gamma, CLAHE,
ChannelShift.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.augmentation.definition import ImageChange
from netspec.ir.layer import Example, accepts, rejects
from netspec.record import param

if TYPE_CHECKING:
    from torch import Tensor

    from netspec.augmentation.kernels.draw import Draw

__all__ = [
    "CLAHE",
    "Brightness",
    "ChannelShift",
    "ColorJitter",
    "Contrast",
    "Gamma",
    "Hue",
    "Saturation",
]


class Brightness(ImageChange, type="Brightness"):
    """Multiply all values by one factor.

    y = f x,  f even in [1 - amount, 1 + amount]
    """

    amount: float = param(gt=0, doc="greatest change of the factor; it is at least 0")

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.color import factor

        return x * factor(draw, self.amount, "factor").to(x.device)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{amount: 0.4}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{amount: 0.2, probability: 0.5}", "N,4,8,8 -> N,4,8,8")
        yield rejects("{amount: -1}", "N,3,32,32", code="NS106", at="amount")


class Contrast(ImageChange, type="Contrast"):
    """Move values away from the mean gray of the picture, or towards it.

    y = m + f (x - m),  f even in [1 - amount, 1 + amount],  m the mean of the luma
    """

    amount: float = param(gt=0, doc="greatest change of the factor; it is at least 0")

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.color import contrast, factor

        return contrast(x, factor(draw, self.amount, "factor"), order)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{amount: 0.4}", "N,3,32,32 -> N,3,32,32")
        yield rejects("{amount: 0}", "N,3,32,32", code="NS106", at="amount")


class Colored(ImageChange):
    """Knows gray, which it leaves alone, and three colours."""

    colors = True


class Saturation(Colored, type="Saturation"):
    """Move colours away from gray, or towards it.

    y = g + f (x - g),  f even in [1 - amount, 1 + amount],  g the luma of each pixel
    """

    amount: float = param(gt=0, doc="greatest change of the factor; it is at least 0")

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.color import factor, saturate

        return saturate(x, factor(draw, self.amount, "factor"), order)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{amount: 0.4}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{amount: 0.4}", "N,1,8,8 -> N,1,8,8")
        yield rejects("{amount: 0}", "N,3,32,32", code="NS106", at="amount")


class Hue(Colored, type="Hue"):
    """Turn the circle of colours.

    h' = h + d,  d even in [-turn, turn],  h of HSV, a whole turn being 1
    """

    turn: float = param(gt=0, le=0.5, doc="greatest part of a turn")

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.color import turn_hue

        return turn_hue(x, draw.uniform(-self.turn, self.turn, "turn"), order)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{turn: 0.1}", "N,3,32,32 -> N,3,32,32")
        yield rejects("{turn: 0.6}", "N,3,32,32", code="NS106", at="turn")


class ColorJitter(Colored, type="ColorJitter"):
    """Brightness, contrast, saturation and hue in one, in this order.

    y = hue(saturation(contrast(brightness(x))))     (Howard 2013)
    """

    neutral = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}

    brightness: float = param(default=0.0, ge=0, doc="factor drawn from 1 - b to 1 + b")
    contrast: float = param(default=0.0, ge=0, doc="factor drawn from 1 - c to 1 + c")
    saturation: float = param(default=0.0, ge=0, doc="factor drawn from 1 - s to 1 + s")
    hue: float = param(default=0.0, ge=0, le=0.5, doc="shift drawn from -h to h turns of the colour circle")

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.color import contrast, factor, saturate, turn_hue

        # limited after each step, as each is by itself
        if self.brightness:
            x = (x * factor(draw, self.brightness, "brightness").to(x.device)).clamp_(0, 255)
        if self.contrast:
            x = contrast(x, factor(draw, self.contrast, "contrast"), order).clamp_(0, 255)
        if self.saturation:
            x = saturate(x, factor(draw, self.saturation, "saturation"), order).clamp_(0, 255)
        if self.hue:
            x = turn_hue(x, draw.uniform(-self.hue, self.hue, "hue"), order)
        return x

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.1}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{brightness: 0.5}", "N,1,8,8 -> N,1,8,8")
        yield rejects("{hue: 0.7}", "N,3,32,32", code="NS106", at="hue")


class Gamma(ImageChange, type="Gamma"):
    """Brighten or darken the middle tones.

    y = 255 (x / 255)^g,  log g even in log range
    """

    neutral = {"range": (1, 1)}

    range: tuple[float, float] = param(
        default=(0.7, 1.5), gt=0, doc="least and greatest exponent; above 1 darkens"
    )

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from math import log

        exponent = draw.uniform(log(self.range[0]), log(self.range[1]), "exponent").exp()
        return 255 * (x / 255).clamp_min(0) ** exponent[:, None, None, None].to(x.device)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{range: [0.5, 2]}", "N,1,8,8 -> N,1,8,8")
        yield rejects("{range: [0, 1]}", "N,3,32,32", code="NS106", at="range")


class CLAHE(ImageChange, type="CLAHE"):
    """Equalise the histogram in each tile, with a bound on how much contrast may grow.

    y = sum_t w_t(p) C_t(x),  C_t the cumulated histogram of tile t, clipped at clip_limit     (Zuiderveld 1994)

    w: bilinear weights of the four tiles around. Each channel by itself, in 256 steps.
    """

    clip_limit: float = param(default=4.0, ge=1, doc="greatest height of the histogram, 1 being even")
    tiles: int = param(default=8, ge=1, le=64, doc="tiles along each side")

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        from netspec.augmentation.kernels.histograms import equalize_tiles

        return equalize_tiles(x, self.clip_limit, self.tiles)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{clip_limit: 2, tiles: 3, probability: 0.5}", "N,1,17,23 -> N,1,17,23")
        yield rejects("{tiles: 0}", "N,3,32,32", code="NS106", at="tiles")


class ChannelShift(ImageChange, type="ChannelShift"):
    """Add a number to each channel, drawn for each by itself.

    y_c = x_c + d_c,  d_c even in [-amount, amount]
    """

    amount: float = param(gt=0, le=255, doc="greatest change, pixels counting 0 to 255")

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        shift = draw.uniform(-self.amount, self.amount, "shift", x.shape[1])
        return x + shift[:, :, None, None].to(x.device)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{amount: 20}", "N,3,32,32 -> N,3,32,32")
        yield rejects("{amount: 256}", "N,3,32,32", code="NS106", at="amount")
