"""Runs of an ONNX file without a server: arrays in, arrays out. What the command line's `predict`
is made of.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import fail
from netspec.serving.engine import Model, open_model
from netspec.serving.tensors import RequestError, datatype_of
from netspec.strict_json import JsonError, read_json, read_object

if TYPE_CHECKING:
    import numpy as np

__all__ = ["find_boxes", "find_logistic", "image_words", "run_model", "run_once"]

IMAGE = "netspec.image."
BOXES = "netspec.boxes"
LOGISTIC = "netspec.logistic"


def run_once(
    path: str | os.PathLike[str],
    inputs: "Mapping[str, np.ndarray]",
    device: str = "auto",
    *,
    allow_uncertified: bool = False,
) -> "dict[str, np.ndarray]":
    """Load the model, run it once on inputs by name, and return every output by name.

    allow_uncertified: whatever its certificate says. Raises SpecError: NS712, NS713, NS715 and
    NS720 to NS723 as open_model, NS726 and NS727 as run_model.
    """
    return run_model(open_model(path, device, allow_uncertified=allow_uncertified), inputs, path)


def run_model(
    model: Model, inputs: "Mapping[str, np.ndarray]", path: str | os.PathLike[str] = ""
) -> "dict[str, np.ndarray]":
    """Run a loaded model once.

    Raises SpecError: NS726 where the inputs do not fit the declared names, datatypes and shapes,
    NS727 where the net does not take a size, NS634, NS654 where a row of a table is none.
    """
    try:
        model.check({name: (datatype_of(array), array.shape) for name, array in inputs.items()})
        model.check_rows(inputs)
        return model.run(inputs, [t.name for t in model.outputs])
    except RequestError as error:
        raise fail(str(error.details.get("code", "NS726")), str(error), path=os.fspath(path)) from error


def find_logistic(model_metadata: Mapping[str, str], path: str = "") -> frozenset[str]:
    """The outputs of which each value is a probability of its own, no share of one choice. Raises
    SpecError NS721 where the metadata are damaged.
    """
    try:
        names = read_json(model_metadata.get(LOGISTIC, "[]"))
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise JsonError("it must be a list of names")
    except JsonError as error:
        raise fail("NS721", f"the metadata {LOGISTIC}: {error}", path=path) from error
    return frozenset(names)


def find_boxes(
    model_metadata: Mapping[str, str], path: str | os.PathLike[str] = ""
) -> dict[str, tuple[int, int] | None]:
    """The outputs that list boxes, with the (height, width) that the model cuts from the middle of
    a picture, None where it takes all. Raises SpecError NS721 where the metadata are damaged.
    """
    try:
        found: dict[str, tuple[int, int] | None] = {}
        for name, crop in read_object(model_metadata.get(BOXES, "{}")).items():
            if crop is not None and not (isinstance(crop, list) and [type(n) for n in crop] == [int, int]):
                raise JsonError(f"{name} must be [height, width] or null")
            found[name] = (crop[0], crop[1]) if crop else None
        return found
    except JsonError as error:
        raise fail("NS721", f"the metadata {BOXES}: {error}", path=os.fspath(path)) from error


def image_words(model: Model, name: str, path: str | os.PathLike[str] = "") -> dict[str, Any]:
    """What a caller still has to do with an image for an input: color, resize, interpolation; empty
    where the file's metadata is silent.

    Raises SpecError NS721 where the metadata are damaged.
    """
    try:
        return read_object(model.metadata.get(f"{IMAGE}{name}", "{}"))
    except JsonError as error:
        raise fail(
            "NS721",
            f"the metadata {IMAGE}{name} must be a sound JSON object: {error}",
            path=os.fspath(path),
        ) from error
