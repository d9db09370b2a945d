"""Torch modules of layers/spatial.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

from typing import Any

import torch
from torch import Tensor, nn


class Flip(nn.Module):
    """Maps turned left to right, upside down, or both."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(self.axes)


class MergeCrop(nn.Module):
    """The middle of b, cut to the size of a, behind a's channels or added to them; sides that pass
    no value or no gradient on.
    """

    def __init__(
        self,
        add: bool = False,
        forwards: tuple[bool, bool] = (True, True),
        backwards: tuple[bool, bool] = (True, False),
    ) -> None:
        super().__init__()
        self.add, self.forwards, self.backwards = add, forwards, backwards

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        for axis in range(2, a.dim()):
            b = b.narrow(axis, (b.shape[axis] - a.shape[axis]) // 2, a.shape[axis])
        sides = [
            # the first summand is the value, the second the gradient
            (x.detach() if passes else torch.zeros_like(x)) + (x - x.detach() if learns else 0)
            for x, passes, learns in zip((a, b), self.forwards, self.backwards, strict=True)
        ]
        if self.add:
            return sides[0] + sides[1]
        return torch.cat(sides, 1)


class Crop(nn.Module):
    """The first bottom cut to the second's size, from axis on."""

    def __init__(self, axis: int, offset: Any) -> None:
        super().__init__()
        self.axis, self.offset = axis, offset

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        for axis, offset in enumerate(self.offset, self.axis):
            x = x.narrow(axis, offset, like.shape[axis])
        return x


class Unpool(nn.Module):
    """SegNet's Upsample: every value goes where the mask says it came from, the rest is 0. Without
    a mask every value is repeated.

    size, or scale and rows to leave out at the end.
    """

    def __init__(self, size: Any = None, scale: Any = None, less: Any = None) -> None:
        super().__init__()
        self.size, self.scale, self.less = size, scale, less

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            for i, scale in enumerate(self.scale, 2):
                x = x.repeat_interleave(scale, i)
            for i, less in enumerate(self.less or (), 2):
                x = x.narrow(i, 0, x.shape[i] - less)
            return x
        size = self.size or [
            n * s - less
            for n, s, less in zip(x.shape[2:], self.scale, self.less or (0,) * len(self.scale), strict=True)
        ]
        count = 1
        for n in size:
            count *= n
        flat = x.new_zeros(*x.shape[:2], count).scatter(2, mask.flatten(2).long(), x.flatten(2))
        return flat.view(*x.shape[:2], *size)
