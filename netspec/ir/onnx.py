"""What a layer's `onnx(g, ...)` builds with, as a Protocol: `emit/onnx_idioms.Builder` is one.
Knows neither ONNX nor a layer.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from netspec.ir.dims import Size
from netspec.ir.field import Window
from netspec.ir.types import TensorType

__all__ = ["OnnxBuilder", "OnnxValue"]


class OnnxValue(Protocol):
    """A tensor of the model that is being built: a bottom, a weight, what an operator made."""

    @property
    def type(self) -> TensorType:
        """Shape and element type; a bare operator's result has none until `g.typed` says it."""


class OnnxBuilder(Protocol):
    """`g`: any operator of ONNX by its name, `g.Conv(x, weight, kernel_shape=(3, 3))`, and what is
    made of several.

    Where a value is asked for, a number or a tuple of numbers is a constant, None an input left
    out. Sizes may be symbols in the idioms, not in attributes. An operator answers an untyped
    value: what asks for its type needs `typed` before.
    """

    def __getattr__(self, op: str) -> Callable[..., Any]:
        """An operator of ONNX: inputs, `outputs=` how many it makes where not one, attributes by
        name.
        """

    def call(self, op: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """The same with the operator's name as a text."""

    def refuse(self, why: str) -> Exception:
        """The exception to raise where ONNX cannot hold the layer; `why` states the requirement,
        then the numbers.
        """

    def typed(self, x: Any, type_: TensorType) -> OnnxValue:
        """The value with its type said."""

    def const(self, value: Any, dtype: str = "") -> OnnxValue:
        """A constant of a number, nested tuples or an array; equal ones are one tensor."""

    def state(self, name: str) -> OnnxValue:
        """What the call before left under a name that `state()` declares."""

    def keep(self, name: str, value: Any) -> None:
        """Leave a value for the next call."""

    def body(self, function: Callable[..., Any], *types: TensorType | None) -> Any:
        """A subgraph for an attribute of Loop or If: the function is called with a value of each
        type.
        """

    def scan(
        self,
        step: Callable[..., Any],
        states: Sequence[Any],
        inputs: Sequence[Any],
        *,
        axis: int = 0,
        reverse: bool = False,
        outputs: int = 1,
    ) -> Any:
        """Run `step(*states, *slices) -> (*new_states, *results)` along an axis: the final states,
        then the stacked results.
        """

    def size(self, size: Size) -> OnnxValue:
        """A size as a whole number, computed at run time where it is a symbol."""

    def sizes(self, shape: Sequence[Size]) -> OnnxValue:
        """Sizes as one value of whole numbers."""

    def reshape(self, x: Any, shape: Sequence[Size]) -> OnnxValue:
        """The same numbers in another shape."""

    def flatten(self, x: Any, axis: int = 1, end: int = -1) -> OnnxValue:
        """Axes `axis` to `end` as one."""

    def matrix(self, x: Any, axis: int = 1) -> OnnxValue:
        """Two axes: those before `axis`, the others."""

    def aligned(self, w: Any, axis: int, rank: int) -> OnnxValue:
        """w with as many axes as `rank`, its own from `axis` on, the others 1."""

    def expand(self, x: Any, shape: Sequence[Size]) -> OnnxValue:
        """Repeated along axes of length 1 to a shape."""

    def full(self, shape: Sequence[Size], value: float = 0.0) -> OnnxValue:
        """A shape full of one number."""

    def transpose(self, x: Any, order: Sequence[int]) -> OnnxValue:
        """The axes in another order."""

    def slice(self, x: Any, axis: int, begin: Size, end: Size) -> OnnxValue:
        """Places begin to end - 1 along an axis."""

    def split(self, x: Any, axis: int, parts: Sequence[Size]) -> tuple[OnnxValue, ...]:
        """Consecutive stretches along an axis."""

    def concat(self, xs: Sequence[Any], axis: int) -> OnnxValue:
        """Values side by side along an axis."""

    def reduce(self, kind: str, x: Any, axes: Sequence[int], *, keep: bool = False) -> OnnxValue:
        """Sum, Mean, Max, ... over axes; `keep` leaves them with length 1."""

    def cast(self, x: Any, dtype: str) -> OnnxValue:
        """Of another element type."""

    def pad(
        self,
        x: Any,
        borders: Sequence[tuple[Size, Size]],
        mode: str = "constant",
        value: float = 0.0,
    ) -> OnnxValue:
        """A border along each spatial axis, in the modes of pad_mode."""

    def padded(
        self, x: Any, window: Window, mode: str = "constant", value: float = 0.0
    ) -> tuple[OnnxValue, list[int]]:
        """x with what of its border an operator's `pads` cannot say, and those pads."""

    def flipped(self, x: Any, axis: int) -> OnnxValue:
        """Backwards along an axis."""

    def max_pool(self, x: Any, window: Window, rounding: str) -> OnnxValue:
        """The greatest of each window; rounding FLOOR, CEIL or EXACT."""

    def max_pool_indices(self, x: Any, window: Window, rounding: str) -> tuple[OnnxValue, OnnxValue]:
        """The greatest of each window and its place in the plane."""

    def average_pool(
        self, x: Any, window: Window, rounding: str, *, count_include_pad: bool = True
    ) -> OnnxValue:
        """The mean of each window."""

    def lrn(self, x: Any, size: int, alpha: float, beta: float, k: float) -> OnnxValue:
        """Local response normalisation across channels."""
