"""Pictures with 16 bits a channel, all of which count. In: an opened image; out: the picture with 8
bits. Pillow reads 16 bits of gray whole, of colours one half at a time.
"""

import io
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from netspec.imaging.remarks import Remarks

__all__ = ["is_wide", "tell_mode", "to_narrow"]

Array = np.ndarray[Any, Any]

TWELVE_BITS = 4096
"""Pictures of 16 bits whose values all lie below this come from cameras of 12."""
GRAY_ALPHA = "LA;16B"
"""How Pillow says that PNG has gray and alpha, which it makes red, green, blue and alpha of."""
COLORS = {"RGB": 3, "RGBA": 3, "CMYK": 4}
"""Channels of a mode that are colours; one behind them is alpha."""
Opening = Callable[[BinaryIO], Image.Image]
"""Opens a picture as decode.py does."""
TURNED = {f"{mode};16{have}": f"{mode};16{want}" for mode in COLORS for have, want in ("BL", "LB", "NB")}
"""The layout of each mode with the two bytes of a number the other way round. N, of compressed
TIFF, is this machine's, low byte first wherever netspec runs."""


def is_wide(image: Image.Image) -> bool:
    """Whether an opened image, not yet loaded, has 16 bits in each channel, all of which can be
    read.
    """
    gray = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    return gray or has_wide_colors(image)


def has_wide_colors(image: Image.Image) -> bool:
    """The same in each of several channels."""
    words = [layout_of(tile) for tile in getattr(image, "tile", ())]
    return bool(words) and all(word in TURNED or word == GRAY_ALPHA for word in words)


def tell_mode(image: Image.Image) -> str:
    """The mode of an opened image, with its bits where Pillow does not say them."""
    return f"{mode_of(image)};16" if has_wide_colors(image) else image.mode


def mode_of(image: Image.Image) -> str:
    """The mode of an image with wide colours, once each channel has 8 bits."""
    gray = any(layout_of(tile) == GRAY_ALPHA for tile in getattr(image, "tile", ()))
    return "LA" if gray else image.mode


def layout_of(tile: Any) -> str:
    """How the bytes of a piece of an image lie: all that PNG says, the first that TIFF does."""
    return str(tile[3][0] if isinstance(tile[3], tuple) else tile[3])


def to_narrow(image: Image.Image, name: str, remarks: Remarks, most: int, opening: Opening) -> Image.Image:
    """A wide image with 8 bits a channel: the greatest value is white, 65,535, or 4,095 where no
    colour is above it, since cameras and scanners store 12 bits so. A colour that stands for
    transparency becomes alpha, by all its bits. most: bytes that are read of its file; opening: opens
    it once more.
    """
    mode = "L"
    if has_wide_colors(image):
        mode = mode_of(image)
        wide = read_colors(image, most, opening)
    else:
        wide = np.asarray(image).astype(np.int64)[..., None]
    count, key = COLORS.get(mode, 1), image.info.get("transparency")
    planes = [narrow(wide[..., :count], name, remarks)]
    if wide.shape[-1] > count:
        planes.append(narrow(wide[..., count:], name, Remarks()))
    elif isinstance(key, (int, tuple)) and mode in ("L", "RGB"):
        mode += "A"
        planes.append((wide != np.array(key)).any(-1, keepdims=True).astype(np.uint8) * 255)
    return Image.frombytes(mode, image.size, np.concatenate(planes, -1).tobytes())


def narrow(wide: Array, name: str, remarks: Remarks) -> Array:
    """Numbers of 16 bits, or of the 12 that are used, as 8."""
    if 0 < wide.max(initial=0) < TWELVE_BITS and wide.min() >= 0:
        remarks.deep[name] = None
        made = (wide * 255 + TWELVE_BITS // 2) // (TWELVE_BITS - 1)
    else:
        made = (wide + 128) // 257
    return made.clip(0, 255).astype(np.uint8)


def read_colors(image: Image.Image, most: int, opening: Opening) -> Array:
    """All bits of an image with wide colours, not yet loaded, (h, w, channels). Its pixels are
    decoded twice: as they lie, and as if the bytes of each number lay the other way round, which
    makes Pillow keep the lower one. Raises what Pillow raises.
    """
    data = read_whole(image, most)

    def load_as(layouts: dict[str, str]) -> Array:
        again: Any = opening(io.BytesIO(data))
        again.tile = [call_otherwise(tile, layouts) for tile in again.tile]
        return np.asarray(again).astype(np.int64)

    if mode_of(image) == "LA":  # its four bytes a pixel lie as 8 bits of four channels do
        each = load_as({GRAY_ALPHA: "RGBA"})
        return each[..., ::2] * 256 + each[..., 1::2]
    return load_as({}) * 256 + load_as(TURNED)


def read_whole(image: Image.Image, most: int) -> bytes:
    """The bytes of an opened image's file, which is left where it was."""
    file: Any = getattr(image, "fp", None)
    at = file.tell()
    file.seek(0)
    data: bytes = file.read(most + 1)
    file.seek(at)
    if len(data) > most:
        raise OSError(f"more than {most:,} bytes")
    return data


def call_otherwise(tile: Any, layouts: dict[str, str]) -> Any:
    """A piece of an image with another layout; of the same type, which differs by Pillow's version."""
    said, word = tile[3], layout_of(tile)
    word = layouts.get(word, word)
    whole = (*tile[:3], (word, *said[1:]) if isinstance(said, tuple) else word)
    return type(tile)(*whole) if hasattr(tile, "_fields") else whole
