"""Torch modules of layers/resize.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

LINEAR: dict[int, str] = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Interpolate(nn.Module):
    """Maps resized. size, or an output size of floor(in up / down) per axis; align: the outermost
    values keep their places.

    grid: Caffe's Interp instead: floor((in - 1) / down) up + 1. crop: rows taken from the beginning
    and the end first. by_scale: a place is found by dividing by up / down, not by the ratio of the
    sizes.
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
        self.mode, self.size, self.up, self.down, self.align, self.grid, self.crop = (
            mode,
            size,
            up,
            down,
            align,
            grid,
            crop,
        )
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
            if size == [
                int(n * scale) for n, scale in zip(x.shape[2:], scales, strict=True)
            ]:  # else all are whole, but for rounding
                if self.mode == "linear":
                    mode = LINEAR[x.dim() - 2]
                else:
                    mode = self.mode
                return F.interpolate(x, scale_factor=scales, mode=mode)
        if self.mode == "linear":
            return F.interpolate(x, size, mode=LINEAR[x.dim() - 2], align_corners=self.align)
        return F.interpolate(
            x, size, mode=self.mode, align_corners=self.align if self.mode == "bicubic" else None
        )
