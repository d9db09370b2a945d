"""Torch modules of layers/loss_pairs.py that nn lacks. Inlined into emitted files, so it needs
torch alone.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netspec.torch_modules.loss import Counted


class CenterGradient(torch.autograd.Function):
    """The centres themselves; their gradient is sum (c - x) / (1 + n) for a class with n samples,
    whatever the loss's weight. divisor: 1 + n of each class.
    """

    @staticmethod
    def forward(ctx: Any, centers: Tensor, x: Tensor, label: Tensor, divisor: Tensor) -> Tensor:
        ctx.save_for_backward(centers, x, label, divisor)
        return centers.index_select(0, label)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None, None]:
        centers, x, label, divisor = ctx.saved_tensors
        away = torch.zeros_like(centers).index_add(0, label, centers.index_select(0, label) - x)
        return away / divisor[:, None], None, None, None


class CenterLoss(Counted):
    """sum |x - c_label|^2 / (2 N); centers (classes, features)."""

    def __init__(self, classes: int, features: int) -> None:
        super().__init__()
        self.center = nn.Parameter(torch.empty(classes, features))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        rows, target = x.flatten(1), label.reshape(-1).long()
        own: Any = CenterGradient.apply(self.center, rows.detach(), target, self.divisor(target))  # type: ignore[no-untyped-call]
        loss: Tensor = (rows - own).square().sum() / (2 * x.shape[0])
        return loss

    def divisor(self, target: Tensor) -> Any:
        """1 + n of each class."""
        count = torch.zeros_like(self.center[:, 0]).index_add(
            0, target, torch.ones_like(self.center[target, 0])
        )
        return self.by_count(count.detach(), 0) + self.by_count(1)


DISTANCE_EPSILON = 1e-4  # Caffe's


class ContrastiveLoss(nn.Module):
    """1/(2N) sum of d^2 for like pairs and max(margin - d, 0)^2 for others (legacy: max(margin -
    d^2, 0)), d the distance of a and b.

    As in Caffe the gradient of d has d + 1e-4 below the line.
    """

    def __init__(self, margin: float = 1.0, legacy_version: bool = False) -> None:
        super().__init__()
        self.margin, self.legacy_version = margin, legacy_version

    def forward(self, a: Tensor, b: Tensor, same: Tensor) -> Tensor:
        squared = (a - b).square().flatten(1).sum(1)
        if self.legacy_version:
            apart = F.relu(self.margin - squared)
        else:
            distance = squared.detach().sqrt()
            missing = F.relu(self.margin - distance)
            slope = -missing / (distance + DISTANCE_EPSILON)
            apart = missing.square() + slope * (squared - squared.detach())
        return torch.where(same.reshape(-1) != 0, squared, apart).sum() / (2 * a.shape[0])
