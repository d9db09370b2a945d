"""Torch modules that nets after 2015 need and nn lacks. Inlined into emitted files, so it needs torch alone."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


class LayerNormAt(nn.LayerNorm):
    """LayerNorm over axes from `first` on that are not the last ones."""

    def __init__(self, shape: tuple[int, ...], first: int, eps: float = 1e-5, elementwise_affine: bool = True) -> None:
        super().__init__(shape, eps, elementwise_affine)
        self.first = first

    def forward(self, x: Tensor) -> Tensor:
        here = tuple(range(self.first, self.first + len(self.normalized_shape)))
        back = tuple(range(-len(here), 0))
        return super().forward(x.movedim(here, back)).movedim(back, here)


class MultiHeadAttention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V in heads side by side; the mask is 0 where a key may not be seen."""

    in_bias: "Tensor | None"
    bias: "Tensor | None"

    def __init__(self, channels: int, heads: int, causal: bool = False, bias: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.in_weight = nn.Parameter(torch.zeros(3 * channels, channels))
        self.register_parameter("in_bias", nn.Parameter(torch.zeros(3 * channels)) if bias else None)
        self.out_weight = nn.Parameter(torch.zeros(channels, channels))
        self.register_parameter("bias", nn.Parameter(torch.zeros(channels)) if bias else None)

    def forward(self, x: Tensor, memory: "Tensor | None" = None, mask: "Tensor | None" = None) -> Tensor:
        q, k, v = (self.parted(value, i) for i, value in enumerate((x, *(x if memory is None else memory,) * 2)))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill((mask[:, None, None] if mask.dim() == 2 else mask[:, None]) == 0, torch.finfo(scores.dtype).min)
        if self.causal:
            scores = scores.masked_fill(scores.new_ones(scores.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
        y = F.dropout(scores.softmax(-1), self.dropout, self.training) @ v
        return F.linear(y.transpose(1, 2).flatten(2), self.out_weight, self.bias)

    def parted(self, x: Tensor, part: int) -> Tensor:
        """Queries, keys or values as (N, heads, T, width)."""
        weight, c = self.in_weight, x.shape[-1]
        bias = None if self.in_bias is None else self.in_bias[part * c : (part + 1) * c]
        rows = F.linear(x, weight[part * c : (part + 1) * c], bias)
        return rows.view(*rows.shape[:2], self.heads, -1).transpose(1, 2)


class ClassToken(nn.Module):
    """A trained token before all others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.weight.expand(x.shape[0], 1, -1), x), 1)


class Reparameterization(nn.Module):
    """mean + e^(log_variance / 2) times normal noise while training; the mean itself in test."""

    def forward(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        if not self.training:
            return mean + 0 * log_variance
        return mean + torch.exp(log_variance / 2) * torch.randn_like(mean)


class Reverse(nn.Module):
    """An axis back to front."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(self.axis)
