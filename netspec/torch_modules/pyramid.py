"""Torch modules of layers/pyramid.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
from torch import Tensor, nn

from netspec.torch_modules.common import average_pooled, max_pooled, pool_borders


class PyramidPool(nn.Module):
    """Spatial pyramid pooling: level i has 2^i bins along each axis; several levels come flattened,
    one after the other.
    """

    def __init__(self, levels: int, pool: str) -> None:
        super().__init__()
        self.levels, self.pool = levels, pool

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for level in range(self.levels):
            bins = 2**level
            kernel = tuple(-(-size // bins) for size in x.shape[2:])
            pads = tuple(
                ((k * bins - size + 1) // 2,) * 2 for k, size in zip(kernel, x.shape[2:], strict=True)
            )
            borders = pool_borders(x.shape[2:], kernel, kernel, pads, True)
            found.append(
                max_pooled(x, kernel, kernel, borders)
                if self.pool == "MAX"
                else average_pooled(x, kernel, kernel, borders, pads)
            )
        if self.levels == 1:
            return found[0]
        return torch.cat([y.flatten(1) for y in found], 1)
