"""Torch modules of layers/layer_norm.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

import torch
from torch import Tensor, nn


class LayerNormAt(nn.LayerNorm):
    """LayerNorm over axes from `first` on that are not the last ones."""

    def __init__(
        self, shape: tuple[int, ...], first: int, eps: float = 1e-5, elementwise_affine: bool = True
    ) -> None:
        super().__init__(shape, eps, elementwise_affine)
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        here = tuple(range(self.first, self.first + len(self.normalized_shape)))
        back = tuple(range(-len(here), 0))
        return super().forward(x.movedim(here, back)).movedim(back, here)


class GroupNorm(nn.GroupNorm):
    """nn.GroupNorm where a group may be a single value, which nn refuses: it becomes the bias."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)
