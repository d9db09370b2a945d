"""Torch modules of layers/softmax.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
from torch import Tensor, nn


class ArgMax(nn.Module):
    """Indices (as floats) or values of the greatest entries along an axis, or of the whole sample;
    of equal ones the higher index first.
    """

    def __init__(self, top_k: int = 1, axis: int | None = None, out_max_val: bool = False) -> None:
        super().__init__()
        self.top_k, self.axis, self.out_max_val = top_k, axis, out_max_val

    def forward(self, x: Tensor) -> Tensor:
        x, axis = x.detach(), 1 if self.axis is None else self.axis
        scores = x.reshape(x.shape[0], -1) if self.axis is None else x
        ordered, places = scores.flip(axis).sort(dim=axis, descending=True, stable=True)
        values = ordered.narrow(axis, 0, self.top_k)
        indices = (scores.shape[axis] - 1 - places.narrow(axis, 0, self.top_k)).to(x.dtype)
        if self.axis is not None:
            if self.out_max_val:
                return values
            return indices
        if self.out_max_val:
            y = torch.stack((indices, values), 1)
        else:
            y = indices.unsqueeze(1)
        return y.reshape(*y.shape, *(1,) * (x.dim() - 3))
