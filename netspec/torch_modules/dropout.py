"""Torch modules of layers/dropout.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ForkDropout(nn.Module):
    """Dropout of forks of Caffe: unscaled while training (the test then weakens by 1 - ratio), or
    drawn in test too.
    """

    def __init__(self, ratio: float, scale_train: bool = True, sample_weights_test: bool = False) -> None:
        super().__init__()
        self.ratio, self.scale_train, self.sample_weights_test = (
            ratio,
            scale_train,
            sample_weights_test,
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.sample_weights_test:
            y = F.dropout(x, self.ratio)
            if self.scale_train:
                return y
            return y * (1 - self.ratio)  # F.dropout enlarged it
        if self.scale_train:
            return x
        return x * (1 - self.ratio)


class DropPath(nn.Module):
    """Whole samples set to 0 at random while training, the rest enlarged."""

    def __init__(self, drop_ratio: float) -> None:
        super().__init__()
        self.drop_ratio = drop_ratio

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop_ratio == 0:
            return x
        kept = torch.bernoulli(x.new_full((x.shape[0], *[1] * (x.dim() - 1)), 1 - self.drop_ratio))
        return x * kept / (1 - self.drop_ratio)
