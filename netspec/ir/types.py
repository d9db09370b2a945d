"""The type of a value: its shape. Axis 0 is the batch, axis 1 the channels, the rest is space."""

from collections.abc import Iterable
from typing import NamedTuple

from netspec.ir.dims import Size, product
from netspec.ir.rule import RuleError

__all__ = ["LOWEST", "MOST_AXES", "SPACE", "TensorType", "find_batch_axis", "show_shape"]

MOST_AXES = 32
"""Axes that a shape may have: as many as NumPy had, and Caffe."""

LOWEST = -3.4028234663852886e38
"""The least number of float32: what a border holds that no maximum may come from."""

BATCH = "N"
"""The size that counts samples."""

SPACE = {0: (), 1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


class TensorType(NamedTuple):
    """Shape of a tensor, sizes being integers or Dims, and its element type. Everything Caffe
    passes on is float32.

    >>> x = TensorType((2, 3, 8, 8))
    >>> x.channels, x.space, x.axes, x.size
    (3, (8, 8), 2, 384)
    """

    shape: tuple[Size, ...]
    dtype: str = "float32"

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def batch(self) -> Size:
        if self.shape:
            return self.shape[0]
        return 1

    @property
    def channels(self) -> Size:
        """Size of axis 1."""
        if len(self.shape) < 2:
            raise RuleError(
                "NS303",
                f"needs axis 1, the channels: its bottom is {show_shape(self.shape)}",
                at="bottom",
            )
        return self.shape[1]

    @property
    def space(self) -> tuple[Size, ...]:
        """Sizes of the spatial axes: all after axis 1."""
        return self.shape[2:]

    @property
    def axes(self) -> int:
        """Number of spatial axes."""
        return max(len(self.shape) - 2, 0)

    @property
    def size(self) -> Size:
        """Number of elements."""
        return product(self.shape)

    def axis(self, index: int, at: str = "axis") -> int:
        """An axis counted from the front (negative: from the back), checked: 0 <= axis < rank."""
        if not -self.rank <= index < self.rank:
            raise RuleError(
                "NS303",
                f"axis {index} of a bottom with {self.rank} axes: {show_shape(self.shape)}",
                at=at,
            )
        return int(index) % self.rank

    def require_axes(self, least: int, at: str = "bottom.0") -> None:
        """Require so many axes: 1 where samples are counted, 2 where there are classes or
        channels.
        """
        if self.rank < least:
            raise RuleError(
                "NS303",
                f"needs at least {least} ax{'i' if least == 1 else 'e'}s: it is {self}",
                at=at,
            )

    def replaced(
        self, *, channels: Size | None = None, space: tuple[Size, ...] | None = None
    ) -> "TensorType":
        """The same type with other channels or space."""
        shape = (
            self.shape[0],
            self.channels if channels is None else channels,
            *(self.space if space is None else space),
        )
        return TensorType(shape, self.dtype)

    def __str__(self) -> str:
        return show_shape(self.shape)


def show_shape(shape: tuple[Size, ...]) -> str:
    """`[N, 20, 24, 24]`."""
    return f"[{', '.join(map(str, shape))}]"


def find_batch_axis(shape: Iterable[object]) -> int | None:
    """The axis that counts samples: that of the size N, first or, along time, second; None where no
    size is called so.

    >>> find_batch_axis(("T", "N", 3))
    1
    """
    sizes = [str(size) for size in shape]
    return sizes.index(BATCH) if BATCH in sizes else None
