"""One run of an ONNX file without a server: arrays in, arrays out. What the command line's `predict` is made of."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from netspec.diagnostics import fail
from netspec.serving.engine import open_model
from netspec.serving.tensors import RequestError, check_inputs, datatype_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["run_once"]


def run_once(path: str | os.PathLike[str], inputs: "Mapping[str, np.ndarray]", device: str = "auto") -> "dict[str, np.ndarray]":
    """Load the model, run it once on inputs by name, and return every output by name.

    Raises SpecError: NS720 to NS723 as open_model, NS726 where the inputs do not fit the declared names, datatypes and shapes.
    """
    model = open_model(path, device)
    try:
        check_inputs(model.inputs, {name: (datatype_of(array), array.shape) for name, array in inputs.items()})
        return model.run(inputs, [t.name for t in model.outputs])
    except RequestError as error:
        raise fail("NS726", str(error), path=os.fspath(path)) from error
