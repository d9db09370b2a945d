"""Pixels as PNG. In: bytes (h, w, 3) or (h, w); out: a file, its bytes, or an address that holds
them.
"""

import io
from base64 import b64encode
from pathlib import Path

from netspec.file_writing import replacing
from netspec.pictures.colors import Array

__all__ = ["data_address", "encode", "write_png"]


EFFORT = 6
"""Of the compression, 0 to 9, as zlib has it by default: 3 makes curves half as large again in two thirds of the time."""


def encode(pixels: Array) -> bytes:
    from PIL import Image

    made = io.BytesIO()
    Image.fromarray(pixels).save(made, "PNG", compress_level=EFFORT)
    return made.getvalue()


def data_address(pixels: Array) -> str:
    """`data:image/png;base64,...`."""
    return f"data:image/png;base64,{b64encode(encode(pixels)).decode()}"


def write_png(path: str | Path, pixels: Array, code: str = "NS501", *, follow: bool = True) -> None:
    """Write a picture whole or not at all. Raises SpecError with `code`."""
    data = encode(pixels)
    with replacing(path, code, follow=follow) as draft:
        draft.write_bytes(data)
