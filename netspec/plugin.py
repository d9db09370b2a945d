"""The words that a layer type, or an augmentation, of one's own is written with: `from
netspec.plugin import Layer, param, module, ...` (docs/plugins.md).
"""

from netspec.augmentation.definition import Augmentation, ImageChange, MapChange, SequenceChange
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
    "Augmentation",
    "Example",
    "Filler",
    "ImageChange",
    "Kept",
    "Layer",
    "MapChange",
    "ModuleText",
    "OnnxBuilder",
    "OnnxValue",
    "Record",
    "RuleError",
    "SequenceChange",
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
