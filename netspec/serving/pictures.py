"""Pictures in a request: in, image files or their pixels for an input whose contract is of pictures;
out, the array that the model takes, as `predict` makes it.
"""

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from netspec.diagnostics import SpecError
from netspec.imaging.contract import ImageContract
from netspec.imaging.words import contract_of
from netspec.serving.tensors import RequestError, TensorInfo, shape_text
from netspec.strict_json import JsonError, read_object

if TYPE_CHECKING:
    import numpy as np

__all__ = ["decode_pictures", "describe_pictures", "find_pictures", "from_base64", "prepare_pixels"]

IMAGE = "netspec.image."
# So many pictures that cannot be taken are told of in words; all of them in the details.
TOLD = 3


def find_pictures(
    metadata: Mapping[str, str], inputs: Sequence[TensorInfo], path: str
) -> dict[str, ImageContract]:
    """The input that takes pictures, with what is to be done to one: the only one, of numbers
    [N, C, H, W], of which the file says it. Raises SpecError NS721 where what it says is damaged.
    """
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or not inputs[0].datatype.startswith("FP"):
        return {}
    name = inputs[0].name
    try:
        words = read_object(metadata.get(f"{IMAGE}{name}", "{}"))
    except JsonError:
        return {}  # of no use to those who send numbers
    contract = contract_of(words, name, path)
    if contract is None or contract.conflict(sample_shape(inputs[0])):
        return {}
    return {name: contract}


def sample_shape(tensor: TensorInfo) -> tuple[int | None, ...]:
    return tuple(n if isinstance(n, int) else None for n in tensor.shape[1:])


def describe_pictures(pictures: Mapping[str, ImageContract]) -> dict[str, str]:
    """What may be sent in place of numbers, in a line for each input."""
    if not pictures:
        return {}
    from netspec.imaging.decode import FORMATS

    forms = f"BYTES [N] or [N, 1]: {', '.join(FORMATS)} files (base64 in JSON); or UINT8 pixels in its shape"
    return {f"netspec.pictures.{name}": forms for name in pictures}


def from_base64(name: str, texts: Sequence[object]) -> list[bytes]:
    """Image files as JSON has them: in base64, with or without `data:image/png;base64,` before it."""
    found = []
    for number, text in enumerate(texts):
        try:
            if not isinstance(text, str):
                raise ValueError("it is no string")
            start = text.find(",") + 1 if text.startswith("data:") else 0
            found.append(base64.b64decode(text[start:], validate=True))
        except (ValueError, binascii.Error) as error:
            raise RequestError(f"picture {number} of input {name!r} must be base64: {error}") from error
    return found


def decode_pictures(
    files: Sequence[bytes], tensor: TensorInfo, contract: ImageContract, most: int
) -> "np.ndarray":
    """Image files as rows of an input. most: pixels of all together, as they came and as the net takes
    them. Raises RequestError: 400 with what is wrong of each, 413 where they are too large, before any
    is decoded.
    """
    import numpy as np

    from netspec.imaging.decode import image_input

    check_pixels(files, tensor, most)
    rows, wrong = [], {}
    for number, data in enumerate(files):
        try:
            rows.append(image_input(data, contract, sample_shape(tensor), f"picture {number}"))
        except SpecError as error:
            wrong[str(number)] = error.diagnostics[0].message
    if wrong:
        told = "; ".join(f"{number}: {words}" for number, words in list(wrong.items())[:TOLD])
        raise RequestError(
            f"{len(wrong)} of {len(files)} pictures of input {tensor.name!r} cannot be taken: {told}",
            400,
            {"pictures": wrong},
        )
    shapes = {row.shape[1:]: number for number, row in enumerate(rows)}
    if len(shapes) > 1:
        told = " and ".join(f"{shape_text(shape)} (picture {n})" for shape, n in list(shapes.items())[:2])
        raise RequestError(f"the pictures of one request must come to one size: they come to {told}")
    joined: np.ndarray = np.concatenate(rows)
    return joined


def check_pixels(files: Sequence[bytes], tensor: TensorInfo, most: int) -> None:
    """Hold what the headers say against the limit. Raises RequestError (413); a file that is none is
    told of later.
    """
    from netspec.imaging.decode import open_picture, picture_faults

    height, width = (n or 1 for n in sample_shape(tensor)[1:])
    pixels, made = 0, len(files) * height * width
    for data in files:
        try:
            with picture_faults("", len(data)):
                image = open_picture(io.BytesIO(data), "")
                pixels += image.width * image.height
        except SpecError:
            continue
    if max(pixels, made) > most:
        raise RequestError(f"a request may have {most} pixels: its pictures have {max(pixels, made)}", 413)


def prepare_pixels(pixels: "np.ndarray", contract: ImageContract) -> "np.ndarray":
    """Bytes [N, C, H, W] in the order and size that a decoded file would have."""
    from netspec.imaging.decode import prepare

    made: np.ndarray = prepare(pixels, contract)
    return made
