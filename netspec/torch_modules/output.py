"""Torch modules of layers/output.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

from typing import Any

from torch import Tensor, nn


class HDF5Output(nn.Module):
    """Hands values to `writer`, which is set from outside; without one they are dropped."""

    writer: Any = None

    def forward(self, *xs: Tensor) -> None:
        if self.writer is not None:
            self.writer(*(x.detach() for x in xs))


class Silence(nn.Module):
    """Takes values and makes none."""

    def forward(self, *xs: Tensor) -> None:
        return None
