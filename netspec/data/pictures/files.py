"""Image files, found and opened: in, a path; out, bytes, or the input of a net."""

from pathlib import Path

from netspec.data.paths import existing, reading_error
from netspec.data.source import Array
from netspec.diagnostics import fail
from netspec.file_reading import Roots, read_bytes
from netspec.imaging.contract import ImageContract, Shape
from netspec.imaging.decode import MAX_BYTES, image_input
from netspec.imaging.remarks import Remarks

__all__ = ["load_image", "read_encoded"]


def load_image(
    path: str | Path, contract: ImageContract, shape: Shape, remarks: Remarks | None = None
) -> Array:
    """An image file as the input of a net of shape (C, H, W): (1, C, H, W) float32, by the whole
    contract.

    Raises SpecError NS643 (no such file), NS647 (damaged), NS648 (too large to decode), NS652 (not
    what the input takes), NS653, NS660.
    """
    path = existing(Path(path))
    return image_input(read_encoded(path), contract, shape, str(path), remarks)


def read_encoded(path: Path, roots: Roots = None) -> bytes:
    """The bytes of an image file, below `roots` where it was found and not named. Raises SpecError
    NS642, NS643, NS648.
    """
    try:
        data = read_bytes(path, roots, MAX_BYTES + 1)
    except OSError as error:
        raise reading_error(path, error) from error
    if len(data) > MAX_BYTES:
        raise fail("NS648", f"more than {MAX_BYTES:,} bytes", path=str(path))
    return data
