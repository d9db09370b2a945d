"""What moves the frame: Crop, Pad, RandomResizedCrop, Flip."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from netspec.augmentation.definition import Augmentation
from netspec.ir.layer import Example, accepts, rejects
from netspec.record import param

if TYPE_CHECKING:
    from netspec.augmentation.kernels.batch import Batch
    from netspec.augmentation.kernels.draw import Draw

__all__ = ["Crop", "Flip", "Pad", "RandomResizedCrop"]

Size = int | tuple[int, ...]


def pair(size: Size) -> tuple[int, int]:
    """One number for both axes, or (height, width)."""
    if isinstance(size, int):
        return size, size
    return size[0], size[-1]


class Crop(Augmentation, type="Crop", moves=True):
    """Cut a window of a fixed size at a place drawn evenly among all.

    y[c,i,j] = x[c, t + i - p, l + j - p],  t, l even in what is left over     (Krizhevsky et al. 2012)

    A border of pad pixels may be put around first. It stands in place of the centre crop of the
    image contract, and takes samples of several sizes.
    """

    size: Size = param(ge=1, least=1, doc="height and width of the window, or one number for both")
    pad: int = param(default=0, ge=0, le=1024, doc="border added on each side before")
    fill: float = param(default=0.0, ge=0, le=255, doc="value of the border")

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        from netspec.augmentation.kernels.frame import place_windows

        if self.pad:
            batch = batch.pad(self.pad, self.fill)
        size, unit = pair(self.size), draw.uniform(0, 1, "place", 2)
        return batch.crop(place_windows(batch.sizes, size, unit, batch.name), size)

    def frame_size(self, height: int | None, width: int | None) -> tuple[int | None, int | None]:
        return pair(self.size)

    @property
    def frames(self) -> bool:
        return True

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{size: 24}", "N,3,32,32 -> N,3,24,24")
        yield accepts("{size: 32, pad: 4}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{size: [20, 28]}", "N,1,32,32 -> N,1,20,28")
        yield rejects("{size: 0}", "N,3,32,32", code="NS106", at="size")
        yield rejects("{pad: 4}", "N,3,32,32", code="NS103", at="size")


class Pad(Augmentation, type="Pad", moves=True):
    """Put a border of one value around.

    Boxes shrink with it. Every sample gets it: `probability` stays 1, since sizes must agree.
    """

    neutral = {"width": 0}

    width: int = param(ge=0, le=1024, doc="pixels on each side")
    fill: float = param(default=0.0, ge=0, le=255, doc="value of the border")

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        return batch.pad(self.width, self.fill)

    def frame_size(self, height: int | None, width: int | None) -> tuple[int | None, int | None]:
        more = 2 * self.width
        return height and height + more, width and width + more

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{width: 4}", "N,3,32,32 -> N,3,40,40")
        yield accepts("{width: 2, fill: 127.5}", "N,3,8,8 -> N,3,12,12")
        yield rejects("{width: -1}", "N,3,32,32", code="NS106", at="width")


class RandomResizedCrop(Augmentation, type="RandomResizedCrop", moves=True):
    """Cut a window of random area and shape and resize it.

    area = s H W,  s even in scale;  width / height = r,  log r even in log ratio     (Szegedy et al. 2015)

    A window that would not fit is limited to the image. Pixels are smoothed before they shrink;
    masks keep their values.
    """

    size: Size = param(ge=1, least=1, doc="height and width of the result, or one number for both")
    scale: tuple[float, float] = param(
        default=(0.08, 1.0), gt=0, le=1, doc="least and greatest share of the area"
    )
    ratio: tuple[float, float] = param(
        default=(0.75, 4 / 3), gt=0, doc="least and greatest width over height"
    )

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        from netspec.augmentation.kernels.windows import draw_windows, resize_windows

        ready = batch.settle()
        boxes = draw_windows(ready, draw, self.scale, self.ratio)
        return resize_windows(ready, boxes, pair(self.size))

    def frame_size(self, height: int | None, width: int | None) -> tuple[int | None, int | None]:
        return pair(self.size)

    @property
    def frames(self) -> bool:
        return True

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{size: 24}", "N,3,32,32 -> N,3,24,24")
        yield accepts("{size: [16, 40], scale: [0.3, 1]}", "N,1,32,32 -> N,1,16,40")
        yield accepts("{size: 24, ratio: [1, 1]}", "N,3,20,40 -> N,3,24,24")
        yield rejects("{size: 24, scale: [0.5]}", "N,3,32,32", code="NS107", at="scale")
        yield rejects("{size: 24, scale: [0.5, 2]}", "N,3,32,32", code="NS106", at="scale")


class Flip(Augmentation, type="Flip", moves=True):
    """Reverse left and right, or top and bottom.

    y[c,i,j] = x[c, i, W - 1 - j]     (horizontal)

    Not for digits and letters: a mirrored 2 is none.
    """

    direction: Literal["horizontal", "vertical"] = param(
        default="horizontal", doc="horizontal: left and right; vertical: top and bottom"
    )
    probability: float = param(default=0.5, ge=0, le=1, doc="share of the samples that it changes")

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        chosen = draw.chance(self.probability, "probability")
        return batch.flip(chosen, {"horizontal": -1, "vertical": -2}[self.direction])

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,32,32 -> N,3,32,32")
        yield accepts("{direction: vertical, probability: 1}", "N,3,6,9 -> N,3,6,9")
        yield rejects("{direction: diagonal}", "N,3,32,32", code="NS105", at="direction")
        yield rejects("{probability: 2}", "N,3,32,32", code="NS106", at="probability")
