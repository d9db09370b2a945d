"""Torch modules of layers/attention.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MultiHeadAttention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V in heads side by side; the mask is 0 where a key may not be
    seen.
    """

    in_bias: "Tensor | None"
    bias: "Tensor | None"

    def __init__(
        self,
        channels: int,
        heads: int,
        causal: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads, self.causal, self.dropout = heads, causal, dropout
        self.in_weight = nn.Parameter(torch.zeros(3 * channels, channels))
        self.register_parameter("in_bias", nn.Parameter(torch.zeros(3 * channels)) if bias else None)
        self.out_weight = nn.Parameter(torch.zeros(channels, channels))
        self.register_parameter("bias", nn.Parameter(torch.zeros(channels)) if bias else None)

    def forward(self, x: Tensor, memory: "Tensor | None" = None, mask: "Tensor | None" = None) -> Tensor:
        q, k, v = (
            self.split_heads(value, i) for i, value in enumerate((x, *(x if memory is None else memory,) * 2))
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(
                (mask[:, None, None] if mask.dim() == 2 else mask[:, None]) == 0,
                torch.finfo(scores.dtype).min,  # of -inf alone softmax makes 0/0
            )
        if self.causal:
            scores = scores.masked_fill(
                scores.new_ones(scores.shape[-2:], dtype=torch.bool).triu(1), -math.inf
            )
        y = F.dropout(scores.softmax(-1), self.dropout, self.training) @ v
        return F.linear(y.transpose(1, 2).flatten(2), self.out_weight, self.bias)

    def split_heads(self, x: Tensor, part: int) -> Tensor:
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
