"""Image files as arrays: decode, orientation, colour, resize, all uint8: the arriving half of the
input contract. Knows no torch.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from netspec.diagnostics import fail
from netspec.imaging.contract import MAX_PIXELS, ImageContract, Shape, pair
from netspec.imaging.remarks import Remarks
from netspec.imaging.wide import is_wide, to_narrow

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "arrive",
    "centre_crop",
    "decode",
    "fit_size",
    "image_input",
    "is_flat",
    "open_picture",
    "picture_faults",
    "prepare",
    "recolor",
    "resize",
    "to_pixels",
    "upright",
    "upright_size",
]

Array = np.ndarray[Any, Any]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
"""What is opened, whatever a file is called. Pillow knows 40 formats more; for EPS it starts
Ghostscript on what the file says.
"""
MAX_BYTES = 1 << 28
"""Of one file, 256 MiB: a photograph of 80 million pixels without compression has 240 million bytes."""
ORIENTATION = 0x0112  # the tag's number in Exif
SIDEWAYS = 5
"""From this value on the tag says that width and height change places."""
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}
WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
EIGHT_BIT = (
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
)


def image_input(
    data: bytes, contract: ImageContract, shape: Shape, name: str, remarks: Remarks | None = None
) -> Array:
    """The bytes of an image file as the input of a net of shape (C, H, W): (1, C, H, W) float32, by the
    whole contract.

    Raises SpecError NS647 (damaged), NS648 (too large to decode), NS652 (not what the input
    takes), NS653, NS660.
    """
    contract = contract.check_against(shape).for_files(shape)
    batch: Array = prepare(decode(data, contract, name, remarks)[None], contract, name)
    if any(want not in (None, got) for want, got in zip(shape, batch.shape[1:], strict=True)):
        raise fail(
            "NS652",
            f"the input takes {list(shape)}, the image gives {list(batch.shape[1:])}",
            path=name,
        )
    return batch


def decode(data: bytes, contract: ImageContract, name: str, remarks: Remarks | None = None) -> Array:
    """An encoded image as (C, H, W) uint8 in the contract's colour order (rgb if it names none) and
    size; what is odd about it goes to `remarks`. Raises SpecError NS647, NS648.
    """
    with picture_faults(name, len(data)):
        return to_pixels(open_picture(io.BytesIO(data), name), contract, name, remarks or Remarks())


def to_pixels(image: Image.Image, contract: ImageContract, name: str, remarks: Remarks) -> Array:
    """The same from an image that was opened. Raises what Pillow raises, SpecError NS647, NS648."""
    pixels = arrive(upright(opaque(to_eight_bit(image, name, remarks), contract)), contract, name)
    if is_flat(pixels):
        remarks.flat[name] = None
    return pixels


def is_flat(pixels: Array) -> bool:
    """Whether all of several pixels (C, h, w) have one colour. A row tells it of most pictures."""
    if pixels.size == len(pixels):
        return False
    first = pixels[:, :1, :1]
    return bool((pixels[:, :1] == first).all() and (pixels == first).all())


@contextmanager
def picture_faults(name: str, size: int) -> Iterator[None]:
    """Whatever Pillow raises for a file of `size` bytes as SpecError NS647, NS648; its warnings are
    left out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Image.DecompressionBombError as error:
        raise fail("NS648", f"its header claims more than {MAX_PIXELS} pixels", path=name) from error
    except UnidentifiedImageError as error:
        known = f"{size} bytes that none of {', '.join(FORMATS)} begins with"
        raise fail("NS647", known if size else "an empty file", path=name) from error
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        MemoryError,
        ArithmeticError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise fail("NS647", f"{str(error) or type(error).__name__} ({size} bytes)", path=name) from error


def open_picture(file: BinaryIO, name: str) -> Image.Image:
    """An encoded image of one of FORMATS, its header read. The only place that opens one. Raises
    what Pillow raises, SpecError NS648.
    """
    image = Image.open(file, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise fail("NS648", f"{image.width} x {image.height} pixels are more than {MAX_PIXELS}", path=name)
    return image


def to_eight_bit(image: Image.Image, name: str, remarks: Remarks) -> Image.Image:
    """The image with 8 bits a channel, its EXIF kept, as wide.py makes them of 16."""
    if is_wide(image):
        return like(image, to_narrow(image, name, remarks, MAX_BYTES, partial(open_picture, name=name)))
    if image.mode not in EIGHT_BIT:
        raise fail("NS647", f"pixels of the kind {image.mode} are not 8 or 16 bit integers", path=name)
    return image


def opaque(image: Image.Image, contract: ImageContract) -> Image.Image:
    """The image before the contract's background, white where it names none, if it has transparent
    pixels or a colour that stands for them.
    """
    if image.mode not in WITH_ALPHA and "transparency" not in image.info:
        return image
    background = (255,) if contract.background is None else contract.background
    color = (background,) if isinstance(background, int) else background
    whole = image.convert("RGBA")
    seen = Image.new("RGB", image.size, color * 3 if len(color) == 1 else color)
    seen.paste(whole, mask=whole.getchannel("A"))
    return like(image, seen)


def like(image: Image.Image, made: Image.Image) -> Image.Image:
    """What was made of an image, with the orientation that its file says."""
    turned = image.getexif().get(ORIENTATION)
    if turned is not None:
        made.getexif()[ORIENTATION] = turned
    return made


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF tag says; itself where that says nothing, which saves a copy."""
    image.load()  # PNG may say it behind the pixels
    if image.getexif().get(ORIENTATION, 1) == 1:
        return image
    return ImageOps.exif_transpose(image)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an opened image, turned as its EXIF tag says, as far as its header
    tells.
    """
    turned = "exif" in image.info and image.getexif().get(ORIENTATION, 1) >= SIDEWAYS
    return image.size[::-1] if turned else image.size


def arrive(image: Image.Image, contract: ImageContract, name: str = "image") -> Array:
    """Colour and resize: an 8-bit image to (C, h, w) uint8, contiguous. Raises SpecError NS648."""
    image = resize(image.convert("L" if contract.color == "gray" else "RGB"), contract, name)
    pixels = np.asarray(image, dtype=np.uint8)
    if pixels.ndim == 2:
        return pixels[None].copy()
    return np.ascontiguousarray(pixels[:, :, :: -1 if contract.color == "bgr" else 1].transpose(2, 0, 1))


def resize(image: Image.Image, contract: ImageContract, name: str = "image") -> Image.Image:
    """The image at the contract's size: exactly [h, w], or its shorter side at one number and the
    other in proportion, rounded.

    Raises SpecError NS648 where that would be too large.
    """
    size = fit_size(image.size, contract)
    # Pillow resizes the width first: of that, too, there is an image
    if size[0] * max(size[1], image.height) > MAX_PIXELS:
        raise fail(
            "NS648",
            f"resized to {size[0]} x {size[1]} it would have more than {MAX_PIXELS} pixels",
            path=name,
        )
    if image.size == size:
        return image
    return image.resize(size, FILTERS[contract.interpolation])


def fit_size(size: tuple[int, int], contract: ImageContract) -> tuple[int, int]:
    """Width and height that the contract gives to an image of such a width and height."""
    if contract.resize is None:
        return size
    if isinstance(contract.resize, int) or len(contract.resize) == 1:
        side, short = pair(contract.resize)[0], min(size)
        return max(1, round(size[0] * side / short)), max(1, round(size[1] * side / short))
    return contract.resize[1], contract.resize[0]


def recolor(pixels: Array, have: str, want: str) -> Array:
    """(N, C, H, W) from one colour order to another: bgr reverses rgb, gray repeats, rgb becomes
    gray by ITU-R 601 as Pillow rounds it.
    """
    if have == want:
        return pixels
    if have == "gray":
        return np.repeat(pixels, 3, axis=1)
    if want != "gray":
        return pixels[:, ::-1]
    r, g, b = np.moveaxis((pixels if have == "rgb" else pixels[:, ::-1]).astype(np.uint32), 1, 0)
    gray: Array = ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16).astype(np.uint8)
    return gray[:, None]


def prepare(batch: Any, contract: ImageContract, name: str = "image") -> Any:
    """The arithmetic half of the contract on (N, C, h, w), an array or a tensor: centre crop, then
    (pixel - mean) / deviation * scale in float32.

    Raises SpecError NS653 where the image is smaller than the crop.
    """
    if contract.crop is not None:
        batch = centre_crop(batch, contract.crop, name)
    if isinstance(batch, np.ndarray):
        return normalize(batch.astype(np.float32), contract)
    batch = batch.float()
    if any(contract.mean_value):
        batch = batch - batch.new_tensor(contract.mean_value).reshape(-1, 1, 1)
    if contract.std_value:
        batch = batch / batch.new_tensor(contract.std_value).reshape(-1, 1, 1)
    if contract.scale == 1:
        return batch
    return batch * contract.scale


def normalize(batch: Array, contract: ImageContract) -> Array:
    """The numbers of the contract without a copy: of the largest image there would be three of 800
    MB. One channel that becomes several is copied.
    """
    mean, deviation = (
        np.asarray(values, np.float32).reshape(-1, 1, 1)
        for values in (contract.mean_value, contract.std_value)
    )
    count = max(len(mean), len(deviation))
    if count > 1 and batch.shape[-3] == 1:
        batch = np.repeat(batch, count, axis=-3)
    if mean.any():
        batch -= mean
    if deviation.size:
        batch /= deviation
    if contract.scale != 1:
        batch *= contract.scale
    return batch


def centre_crop(batch: Any, size: tuple[int, int], name: str = "image") -> Any:
    """The middle of (..., h, w), beginning at floor((h - size) / 2)."""
    (height, width), (h, w) = batch.shape[-2:], size
    if h > height or w > width:
        raise fail(
            "NS653",
            f"crop_size {h} x {w} needs an image at least as large, here are {height} x {width}",
            path=name,
        )
    top, left = (height - h) // 2, (width - w) // 2
    return batch[..., top : top + h, left : left + w]
