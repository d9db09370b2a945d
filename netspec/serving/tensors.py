"""The tensors of a model in the words of the Open Inference Protocol: datatypes, declared shapes,
and what a request must fulfil.

In: declared tensors and the (datatype, shape) of given ones. Out: nothing, or a RequestError. Knows
neither HTTP nor onnxruntime.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "NUMPY_TYPES",
    "ONNX_TYPES",
    "RequestError",
    "TensorInfo",
    "batch_symbol",
    "check_inputs",
    "datatype_of",
    "shape_text",
]

# Open Inference Protocol v2, "Tensor Data Types"; BYTES holds ONNX strings (UTF-8) as Python
# objects.
NUMPY_TYPES = {
    "BOOL": "bool",
    "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64",
    "FP16": "float16", "FP32": "float32", "FP64": "float64",
    "BYTES": "object",
}  # fmt: skip
DATATYPES = {name: datatype for datatype, name in NUMPY_TYPES.items()}
# float16, float and double are ONNX's names; the integers bear numpy's.
ONNX_TYPES = {f"tensor({name})": datatype for datatype, name in NUMPY_TYPES.items() if datatype[:2] not in ("FP", "BY")} | {
    "tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(string)": "BYTES",
}  # fmt: skip

Shape = Sequence[int | str | None]


class RequestError(Exception):
    """A request that cannot be answered: an HTTP status, a sentence for the one who sent it, and
    details for the sender's program.
    """

    def __init__(self, message: str, status: int = 400, details: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.details = details or {}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A declared input or output. An axis is a number, a symbol, or None where the model says
    nothing.

    An empty shape is a scalar or a tensor of unknown rank: onnxruntime does not tell the two apart.
    """

    name: str
    datatype: str
    shape: tuple[int | str | None, ...]

    def metadata(self) -> dict[str, object]:
        """The protocol's description, open axes as -1."""
        return {
            "name": self.name,
            "datatype": self.datatype,
            "shape": [n if isinstance(n, int) else -1 for n in self.shape],
        }


def shape_text(shape: Shape) -> str:
    """`[N, 1, ?, 28]`: an axis without a name is `?`."""
    return "[" + ", ".join("?" if n is None else str(n) for n in shape) + "]"


def datatype_of(array: "np.ndarray") -> str:
    """The protocol's name of an array's dtype, or numpy's own where the protocol has none."""
    return name_dtype(array.dtype)


@lru_cache(maxsize=64)
def name_dtype(dtype: "np.dtype[Any]") -> str:
    if dtype.kind in "OUS":
        return "BYTES"
    return DATATYPES.get(dtype.name, str(dtype))


def batch_symbol(inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> str | None:
    """The symbol that is axis 0 of every input and output and no other axis: along it, requests may
    be joined and split again.
    """
    firsts = {t.shape[0] if t.shape else None for t in (*inputs, *outputs)}
    symbol = firsts.pop() if len(firsts) == 1 and inputs else None
    if not isinstance(symbol, str) or any(symbol in t.shape[1:] for t in (*inputs, *outputs)):
        return None
    return symbol


def check_inputs(
    declared: Sequence[TensorInfo], given: Mapping[str, tuple[str, Sequence[int]]]
) -> dict[str, int]:
    """Compare given (datatype, shape) by name with the declared inputs; a symbol must have one size
    throughout the request: its sizes.

    Raises RequestError (400) with the requirement, then the numbers.
    """
    names = [t.name for t in declared]
    for name in given:
        if name not in names:
            raise RequestError(f"unknown input {name!r}: the model has {', '.join(names) or 'none'}")
    symbols: dict[str, tuple[int, str]] = {}
    for tensor in declared:
        if tensor.name not in given:
            raise RequestError(f"missing input {tensor.name!r}: the model has {', '.join(names)}")
        datatype, shape = given[tensor.name]
        if datatype != tensor.datatype:
            raise RequestError(f"input {tensor.name!r} must be {tensor.datatype}: got {datatype}")
        _check_shape(tensor, shape, symbols)
    return {symbol: size for symbol, (size, _) in symbols.items()}


def _check_shape(tensor: TensorInfo, shape: Sequence[int], symbols: dict[str, tuple[int, str]]) -> None:
    if not tensor.shape:
        return
    fault = None
    if len(shape) != len(tensor.shape):
        fault = f"{len(shape)} axes instead of {len(tensor.shape)}"
    else:
        for axis, (size, want) in enumerate(zip(shape, tensor.shape, strict=True)):
            if size < 1:
                fault = f"axis {axis} is {size}: a size is at least 1"
            elif isinstance(want, str):
                bound, by = symbols.setdefault(want, (size, tensor.name))
                if size != bound:
                    fault = f"axis {axis} is {size} where {want} = {bound} by input {by!r}"
            elif want is not None and size != want:
                fault = f"axis {axis} is {size} instead of {want}" + (
                    opening(tensor) if axis == 0 and len(shape) > 1 else ""
                )
            if fault:
                break
    if fault:
        raise RequestError(
            f"input {tensor.name!r} must have shape {shape_text(tensor.shape)}: got {shape_text(shape)},"
            f" {fault}"
        )


def opening(tensor: TensorInfo) -> str:
    """How a model whose batch is a number gets an open one."""
    shape = shape_text(("N", *tensor.shape[1:]))
    return f"; for any batch, write `{tensor.name}: {shape}` under input: in the spec and export it again"
