"""The input contract: how an image becomes the input of a net, the same in training, prediction and
export.

Declares and checks; decoding is in `images`, arithmetic in `transforms`. Knows no torch and no
numpy.

Two halves, and which part belongs to which is fixed:

* on arrival, per sample, uint8 in and uint8 out: decode, EXIF orientation, colour, resize (PIL, antialiased);
* on the batch, float32: centre crop at floor((size - crop) / 2), then `(pixel - mean_value) / std_value * scale`,
  Caffe's order; torchvision's Normalize is the same with its numbers times 255.

Training may widen the second half: a `crop_size` in `augment` replaces the centre crop by a random
one. An exported graph holds the arithmetic of the second half; whoever feeds it does the first.
"""

from collections.abc import Sequence
from typing import Literal

from netspec.diagnostics import fail
from netspec.record import Record, param

__all__ = ["MAX_PIXELS", "ImageContract", "Shape", "pair"]

Shape = tuple[int | None, ...]
"""Shape of one sample, (C, H, W) for an image; None where the size is open."""

MAX_PIXELS = 1 << 26
"""More pixels than this (67 million) are neither decoded nor made by resizing: a file of a few
bytes can ask for any size.
"""


def pair(size: int | Sequence[int]) -> tuple[int, int]:
    """One number for both axes, or (height, width)."""
    if isinstance(size, int):
        return size, size
    if len(size) == 1:
        return (size[0], size[0])
    return (size[0], size[1])


class ImageContract(Record):
    """The mapping `image:` of an input. All defaults together leave pixels as they come: 0 to 255,
    no crop.
    """

    color: Literal["rgb", "bgr", "gray"] | None = param(
        default=None,
        doc=(
            "order of the channels that the net takes; by default gray for one, rgb for three (Caffe's models"
            " want bgr)"
        ),
    )
    background: int | tuple[int, ...] | None = param(
        default=None,
        ge=0,
        le=255,
        least=1,
        doc="what transparent pixels stand before: a gray value or [red, green, blue]; else white",
    )
    resize: int | tuple[int, ...] | None = param(
        default=None,
        ge=1,
        least=1,
        doc=(
            "length of the shorter side, or [height, width] exactly; by default what the net takes, for files"
        ),
    )
    crop_size: int | tuple[int, ...] | None = param(
        default=None, ge=1, least=1, doc="height and width of the centre crop"
    )
    mean_value: tuple[float, ...] = param(
        default=(), doc="subtracted from the pixels: one number, or one per channel in its order"
    )
    std_value: tuple[float, ...] = param(
        default=(),
        gt=0,
        doc="what is left is divided by it: one number, or one per channel in its order",
    )
    scale: float = param(
        default=1.0,
        doc='factor of the pixels after mean and deviation; "${1 / 255}" brings 0..255 to 0..1',
    )
    interpolation: Literal["nearest", "bilinear", "bicubic", "area", "lanczos"] = param(
        default="bilinear", doc="how to resize"
    )

    @property
    def crop(self) -> tuple[int, int] | None:
        """Height and width of the crop, if there is one."""
        if self.crop_size is None:
            return None
        return pair(self.crop_size)

    def order(self, channels: int | None) -> Literal["rgb", "bgr", "gray"] | None:
        """The colour order for a net with so many input channels; None where neither one nor three
        are expected and none was given.
        """
        if self.color or channels not in (1, 3, None):
            return self.color
        return "gray" if channels == 1 else "rgb"

    def check_against(self, shape: Shape, name: str = "data") -> "ImageContract":
        """This contract, once it is known to fit an input of shape (C, H, W); raises SpecError
        NS660 where it does not.
        """
        problem = self.conflict(shape)
        if problem:
            raise fail("NS660", f"input {name} {list(shape)}: {problem}")
        return self

    def conflict(self, shape: Shape) -> str | None:
        """What keeps this contract from feeding an input of this shape, if anything does."""
        if len(shape) != 3:
            return f"an image needs the axes [N, C, H, W], here are {len(shape)} behind N"
        if isinstance(self.background, tuple) and len(self.background) not in (1, 3):
            return f"background takes one or three numbers, here are {len(self.background)}"
        channels = shape[0]
        expected = {"gray": 1, "rgb": 3, "bgr": 3}.get(self.color or "", channels)
        if channels is not None and expected != channels:
            said = f"color {self.color} gives {expected} channels, the input takes {channels}"
            return said + (": it has them last, they stand before the height" if shape[2] == expected else "")
        for name, values in (("mean_value", self.mean_value), ("std_value", self.std_value)):
            if len(values) > 1 and channels is not None and len(values) != channels:
                return f"{name} needs 1 or {channels} numbers, here are {len(values)}"
        if self.scale == 0:
            return "scale 0 makes every pixel 0"
        return self.crop_conflict(shape)

    def crop_conflict(self, shape: Shape) -> str | None:
        for name, size in (("crop_size", self.crop_size), ("resize", self.resize)):
            if isinstance(size, tuple) and len(size) > 2:
                return f"{name} takes one or two numbers, here are {len(size)}"
            if size is not None and pair(size)[0] * pair(size)[1] > MAX_PIXELS:
                return f"{name} {' x '.join(map(str, pair(size)))} makes more than {MAX_PIXELS:,} pixels"
        if self.crop and any(want not in (None, got) for want, got in zip(shape[1:], self.crop, strict=True)):
            return f"crop_size {list(self.crop)} is not the input's height and width {list(shape[1:])}"
        smallest = None if self.resize is None else pair(self.resize)
        if (
            self.crop
            and smallest
            and any(have < want for have, want in zip(smallest, self.crop, strict=True))
        ):
            return f"crop_size {list(self.crop)} is larger than resize {list(smallest)}"
        return None

    def for_files(self, shape: Shape) -> "ImageContract":
        """The contract with what files need filled in: the colour order, and the size where neither
        resize nor crop_size says one.

        Files come in any size, so one that the net cannot take is resized to exactly H x W; arrays
        (MNIST, npz) are not, theirs is NS652.
        """
        resize = self.resize
        if resize is None and self.crop is None and None not in shape[1:]:
            resize = tuple(int(n or 0) for n in shape[1:])
        return self.replace(color=self.order(shape[0]), resize=resize)
