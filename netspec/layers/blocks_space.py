"""Torch modules that change the size of maps: cropping, unpooling, resizing. Inlined into emitted files."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

LINEAR: dict[int, str] = {1: "linear", 2: "bilinear", 3: "trilinear"}


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
    """SegNet's Upsample: every value goes where the mask says it came from, the rest is 0. Without a mask every value is repeated.

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
        size = self.size or [n * s - less for n, s, less in zip(x.shape[2:], self.scale, self.less or (0,) * len(self.scale), strict=True)]
        count = 1
        for n in size:
            count *= n
        flat = x.new_zeros(*x.shape[:2], count).scatter(2, mask.flatten(2).long(), x.flatten(2))
        return flat.view(*x.shape[:2], *size)


class Interpolate(nn.Module):
    """Maps resized. size, or an output size of floor(in up / down) per axis; align: the outermost values keep their places.

    grid: Caffe's Interp instead: floor((in - 1) / down) up + 1. crop: rows taken from the beginning and the end first. by_scale: a place is
    found by dividing by up / down, not by the ratio of the sizes.
    """

    def __init__(
        self,
        mode: str,
        size: Any = None,
        up: Any = None,
        down: Any = None,
        align: bool = False,
        grid: bool = False,
        crop: Any = None,
        by_scale: bool = False,
    ) -> None:
        super().__init__()
        self.mode, self.size, self.up, self.down, self.align, self.grid, self.crop = mode, size, up, down, align, grid, crop
        self.by_scale = by_scale

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        for i in range(2, x.dim()):
            if self.crop is not None:
                x = x.narrow(i, self.crop[0], x.shape[i] - self.crop[0] - self.crop[1])
        if like is not None:
            size = list(like.shape[2:])
        elif self.size is not None:
            size = list(self.size)
        else:
            pairs = zip(x.shape[2:], self.up, self.down, strict=True)
            size = [(n - 1) // down * up + 1 if self.grid else n * up // down for n, up, down in pairs]
        if self.by_scale:
            scales = [up / down for up, down in zip(self.up, self.down, strict=True)]
            if size == [int(n * scale) for n, scale in zip(x.shape[2:], scales, strict=True)]:  # else all are whole, but for rounding
                mode = LINEAR[x.dim() - 2] if self.mode == "linear" else self.mode
                return F.interpolate(x, scale_factor=scales, mode=mode)
        if self.mode == "linear":
            return F.interpolate(x, size, mode=LINEAR[x.dim() - 2], align_corners=self.align)
        return F.interpolate(x, size, mode=self.mode, align_corners=self.align if self.mode == "bicubic" else None)
