"""The words that a layer type of one's own is written with: `from netspec.plugin import Layer,
param, module, ...` (docs/plugins.md).
"""

from netspec.ir.dims import Size, ceil_div, largest, product, smallest, total
from netspec.ir.layer import (
    Example,
    Filler,
    Kept,
    Layer,
    ModuleText,
    Weight,
    accepts,
    constant,
    module,
    rejects,
)
from netspec.ir.onnx import OnnxBuilder, OnnxValue
from netspec.ir.rule import RuleError, at_least, divides, require, same
from netspec.ir.types import TensorType
from netspec.layers.common.windows import windows
from netspec.record import Record, param

__all__ = [
    "Example",
    "Filler",
    "Kept",
    "Layer",
    "ModuleText",
    "OnnxBuilder",
    "OnnxValue",
    "Record",
    "RuleError",
    "Size",
    "TensorType",
    "Weight",
    "accepts",
    "at_least",
    "ceil_div",
    "constant",
    "divides",
    "largest",
    "module",
    "param",
    "product",
    "rejects",
    "require",
    "same",
    "smallest",
    "total",
    "windows",
]
