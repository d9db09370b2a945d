"""Torch modules of layers/sequence.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netspec.torch_modules.recurrent import Recurrent


class Reverse(nn.Module):
    """An axis back to front."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(self.axis)


class GRU(Recurrent):
    """z, r = sigmoid(W x + b + W_h h), n = tanh(W x + b + W_h (r h)), h = z h + (1 - z) n;
    reset_after: r (W_h h + bias_h) in n.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        static: int = 0,
        expose_hidden: bool = False,
        carry: bool = True,
        state_gradient: bool = False,
        reset_after: bool = False,
    ) -> None:
        super().__init__(outputs, expose_hidden, carry, state_gradient)
        self.weight_x = nn.Parameter(torch.zeros(3 * outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(3 * outputs))
        if static:
            self.weight_static = nn.Parameter(torch.zeros(3 * outputs, static))
        self.weight_h = nn.Parameter(torch.zeros(3 * outputs, outputs))
        self.bias_h = nn.Parameter(torch.zeros(outputs)) if reset_after else None

    def step(self, x: Tensor, cont: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, n = cont * state[0], 2 * self.outputs
        z, r = torch.sigmoid(x[:, :n] + F.linear(h, self.weight_h[:n])).chunk(2, -1)
        if self.bias_h is None:
            new = torch.tanh(x[:, n:] + F.linear(r * h, self.weight_h[n:]))
        else:
            new = torch.tanh(x[:, n:] + r * F.linear(h, self.weight_h[n:], self.bias_h))
        h = z * h + (1 - z) * new
        return h, (h,)
