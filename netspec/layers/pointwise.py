"""Layers that apply a function of one number to every value: Power, Exp, Log, Clip, Threshold."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from netspec.ir.layer import Example, Kept, ModuleText, accepts, module, rejects
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.types import TensorType
from netspec.layers.activation import Elementwise
from netspec.layers.common.words import refuse_value
from netspec.record import param

__all__ = ["Clip", "Exp", "Log", "Power", "Threshold"]


class Affine(Elementwise):
    """Base of functions of shift + scale x."""

    scale: float = param(default=1.0, doc="factor of x")
    shift: float = param(default=0.0, doc="added to scale x")

    def affine(self, x: float) -> float:
        """shift + scale x of a number."""
        return self.shift + self.scale * x

    def inner(self, g: OnnxBuilder, x: Any) -> Any:
        """shift + scale x in ONNX."""
        y = x if self.scale == 1 else g.Mul(x, self.scale)
        if self.shift == 0:
            return y
        return g.Add(y, self.shift)


class Power(Affine, type="Power", param="power_param", legacy=("POWER",)):
    """A power of an affine function.

    y = (shift + scale x)^power     (Caffe's Power)

    With power 0 it is 1 everywhere. A negative base with a power that is no integer gives NaN.
    """

    power: float = param(default=1.0, doc="the exponent")

    def scaling(self, x: TensorType) -> Callable[..., tuple[Any, Any]] | None:
        if self.power != 1 or x.rank < 2:
            return None
        return lambda: (self.scale, self.shift)

    @property
    def fixed_value(self) -> float | None:
        if self.power == 0:
            return 1.0
        # 0 to a negative power is infinite, a negative base to a broken one NaN: neither is fixed
        if self.scale == 0 and (self.shift != 0 or self.power > 0):
            return float(self.shift**self.power) if self.shift >= 0 or self.power.is_integer() else None
        return None

    def maps(self, x: float) -> float | None:
        base = self.affine(x)
        if base >= 0 or self.power.is_integer():
            return float(base**self.power)
        return None

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        return Kept(own=0 if self.power == 1 else 4 * bottoms[0].size)

    def torch(self, x: TensorType) -> ModuleText:
        return module(
            "Power",
            defaults={"power": 1.0, "scale": 1.0, "shift": 0.0},
            power=self.power,
            scale=self.scale,
            shift=self.shift,
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        y = self.inner(g, x)
        if self.power == 1:
            return y
        if self.power == 0.5:
            return g.Sqrt(y)
        return g.Pow(y, self.power)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{power: 2, scale: 0.5, shift: -1}", "N,C -> N,C")
        yield accepts("{power: 0, scale: 3, shift: 2}", "N,3,T -> N,3,T")
        yield accepts("{scale: -2.5, shift: 0.75}", "N,C -> N,C")
        yield accepts("{power: 3}", "N -> N")
        yield accepts("{power: 0.5, shift: 9}", "N,C -> N,C")
        yield rejects("{power: two}", "N,C", code="NS104", at="power")


class Exp(Affine, type="Exp", keeps=("top",), param="exp_param", legacy=("EXP",)):
    """An exponential of an affine function.

    y = base^(shift + scale x); base -1 stands for e     (Caffe's Exp)
    """

    base: float = param(default=-1.0, doc="the base, greater than 0, or -1 for e")

    def infer(self, x: TensorType) -> TensorType:
        refuse_value(
            self.base != -1 and self.base <= 0,
            f"base must be greater than 0, or -1 for e: it is {self.base:g}",
            "base",
        )
        return x

    @property
    def rate(self) -> float:
        if self.base == -1:
            return 1.0
        return math.log(self.base)

    def maps(self, x: float) -> float:
        return math.exp(self.rate * self.affine(x))

    def torch(self, x: TensorType) -> ModuleText:
        return module(
            "Exponential",
            defaults={"rate": 1.0, "scale": 1.0, "shift": 0.0},
            rate=self.rate,
            scale=self.scale,
            shift=self.shift,
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        y = self.inner(g, x)
        return g.Exp(y if self.rate == 1 else g.Mul(y, self.rate))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{base: 2, scale: 1.5, shift: -0.5}", "N,C -> N,C")
        yield accepts("{base: 0.5}", "N,C -> N,C")
        yield rejects("{base: 0}", "N,C", code="NS106", at="base")
        yield rejects("{base: -2}", "N,C", code="NS106", at="base")


class Log(Affine, type="Log", keeps=("values",), param="log_param"):
    """A logarithm of an affine function.

    y = log_base(shift + scale x); base -1 stands for e     (Caffe's Log)

    Where shift + scale x is not positive the result is -inf or NaN.
    """

    base: float = param(default=-1.0, doc="the base, greater than 0 and not 1, or -1 for e")

    def infer(self, x: TensorType) -> TensorType:
        wrong = self.base != -1 and (self.base <= 0 or self.base == 1)
        refuse_value(
            wrong,
            f"base must be greater than 0 and not 1, or -1 for e: it is {self.base:g}",
            "base",
        )
        return x

    @property
    def rate(self) -> float:
        if self.base == -1:
            return 1.0
        return math.log(self.base)

    def maps(self, x: float) -> float:
        return math.log(self.affine(x)) / self.rate

    def torch(self, x: TensorType) -> ModuleText:
        return module(
            "Logarithm",
            defaults={"rate": 1.0, "scale": 1.0, "shift": 0.0},
            rate=self.rate,
            scale=self.scale,
            shift=self.shift,
        )

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        y = g.Log(self.inner(g, x))
        if self.rate == 1:
            return y
        return g.Div(y, self.rate)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{base: 10, scale: 2, shift: 1}", "N,C -> N,C")
        yield rejects("{base: 1}", "N,C", code="NS106", at="base")
        yield rejects("{base: -3}", "N,C", code="NS106", at="base")


class Clip(Elementwise, type="Clip", keeps=("bottom",), param="clip_param"):
    """Hold every value between two bounds.

    y = max(min, min(x, max))     (Caffe's Clip)

    The gradient is 1 on both bounds, 0 outside.
    """

    min: float = param(doc="the lower bound")
    max: float = param(doc="the upper bound, at least min")

    def infer(self, x: TensorType) -> TensorType:
        refuse_value(self.max < self.min, f"max must be at least min: {self.max:g} < {self.min:g}", "max")
        return x

    def maps(self, x: float) -> float:
        return max(self.min, min(x, self.max))

    def torch(self, x: TensorType) -> ModuleText:
        return module("Clip", self.min, self.max)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.Clip(x, self.min, self.max)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{min: -0.5, max: 1.25}", "N,3,H,W -> N,3,H,W")
        yield accepts("{min: 0, max: 6}", "N,C -> N,C")
        yield rejects("{min: 0}", "N,C", code="NS103")
        yield rejects("{min: 1, max: 0}", "N,C", code="NS106", at="max")


class Threshold(
    Elementwise,
    type="Threshold",
    keeps=(),
    param="threshold_param",
    legacy=("THRESHOLD",),
    traits=("no_gradient",),
):
    """Say which values are greater than a threshold.

    y = 1 for x > threshold, 0 else     (Caffe's Threshold)

    It has no gradient.
    """

    threshold: float = param(default=0.0, doc="what a value must exceed")

    def maps(self, x: float) -> float:
        return float(x > self.threshold)

    def torch(self, x: TensorType) -> ModuleText:
        return module("Threshold", defaults={"threshold": 0.0}, threshold=self.threshold)

    def onnx(self, g: OnnxBuilder, x: Any) -> Any:
        return g.cast(g.Greater(x, self.threshold), "float32")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,3,H,W -> N,3,H,W")
        yield accepts("{threshold: 0.5}", "N,C -> N,C")
        yield rejects("{threshold: low}", "N,C", code="NS104", at="threshold")
