"""Torch modules of layers/recurrent.py that nn lacks. Inlined into emitted files, so it needs torch
alone.
"""

from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Recurrent(nn.Module):
    """Time on axis 0, streams on axis 1; `cont` is 0 where a sequence begins, which forgets the
    state before.

    The state, `hidden` tensors, is a plain attribute, made from the first input and, where `carry`,
    kept from call to call. Caffe drops the gradients of an exposed last state; with state_gradient
    they flow.
    """

    hidden = 1
    weight_x: Tensor
    weight_static: Tensor
    bias: Tensor

    def __init__(
        self,
        outputs: int,
        expose_hidden: bool = False,
        carry: bool = True,
        state_gradient: bool = False,
    ) -> None:
        super().__init__()
        self.outputs, self.expose_hidden, self.carry, self.state_gradient = (
            outputs,
            expose_hidden,
            carry,
            state_gradient,
        )
        self.state: tuple[Tensor, ...] | None = None

    def reset_state(self) -> None:
        """Begin the next call from zero."""
        self.state = None

    def forward(self, x: Tensor, cont: Tensor, *more: Tensor) -> "Tensor | tuple[Tensor, ...]":
        given = more[len(more) - self.hidden :] if self.expose_hidden else ()
        static = more[0] if len(more) > len(given) else None
        state = tuple(s.squeeze(0) for s in given) or self.begin_state(x)
        top, state = self.walk(x.flatten(2), static, cont.to(x.dtype).unsqueeze(-1), state)
        if self.expose_hidden:
            return (top, *((s if self.state_gradient else s.detach()).unsqueeze(0) for s in state))
        if self.carry:
            self.state = tuple(s.detach() for s in state)
        return top

    def walk(
        self, x: Tensor, static: Tensor | None, cont: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """All steps, one after the other."""
        results = []
        for step, mark in zip(self.project(x, static).unbind(0), cont.unbind(0), strict=True):
            y, state = self.step(step, mark, state)
            results.append(y)
        return torch.stack(results), state

    def begin_state(self, x: Tensor) -> tuple[Tensor, ...]:
        """The state that the call before left, or zeros where there is none of this number of
        streams.
        """
        if torch.compiler.is_exporting() and self.carry:
            raise RuntimeError(
                "a layer that carries its state from call to call cannot be exported: use expose_hidden, or"
                " export to ONNX"
            )
        kept = self.state
        if (
            kept is not None
            and kept[0].shape[0] == x.shape[1]
            and kept[0].dtype == x.dtype
            and kept[0].device == x.device
        ):
            return kept
        return (x.new_zeros(x.shape[1], self.outputs),) * self.hidden

    def project(self, x: Tensor, static: Tensor | None) -> Tensor:
        """What the inputs add at each step: all steps at once."""
        steps = F.linear(x, self.weight_x, self.bias)
        if static is None:
            return steps
        return steps + F.linear(static.flatten(1), self.weight_static)

    def step(self, x: Tensor, cont: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        raise NotImplementedError


class RNN(Recurrent):
    """h = tanh(W_x x + b + W_h (cont h) [+ W_static s]), y = tanh(W_o h + b_o)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        static: int = 0,
        expose_hidden: bool = False,
        carry: bool = True,
        state_gradient: bool = False,
    ) -> None:
        super().__init__(outputs, expose_hidden, carry, state_gradient)
        self.weight_x = nn.Parameter(torch.zeros(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        if static:
            self.weight_static = nn.Parameter(torch.zeros(outputs, static))
        self.weight_h = nn.Parameter(torch.zeros(outputs, outputs))
        self.weight_o = nn.Parameter(torch.zeros(outputs, outputs))
        self.bias_o = nn.Parameter(torch.zeros(outputs))

    def step(self, x: Tensor, cont: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h = torch.tanh(x + F.linear(cont * state[0], self.weight_h))
        return torch.tanh(F.linear(h, self.weight_o, self.bias_o)), (h,)


def lstm_cell(gates: Tensor, cont: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The new h and c from gates i, f, o, g, side by side: c = cont sigmoid(f) c + sigmoid(i)
    tanh(g), h = sigmoid(o) tanh(c).
    """
    i, f, o, g = gates.chunk(4, -1)
    c = cont * torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


SHORTEST = 4
"""Steps of a stretch, on the average, from which on torch's own LSTM pays."""

LONGEST = 32
"""Steps of one call of it: its backward pass makes the gradients of all gates of a call at once."""


def reorder_gates(weight: Tensor) -> Tensor:
    """Caffe's gates i, f, o, g in torch's order i, f, g, o."""
    i, f, o, g = weight.chunk(4)
    return torch.cat([i, f, g, o])


def keep_sources(reordered: list[Tensor], sources: tuple[Tensor, ...]) -> Any:
    """A context in which the backward pass makes reordered weights again of what they were made of:
    kept for it, they would be a second copy of all weights.
    """
    made: dict[int, Tensor] = {}  # by address: the hooks outlive the forward pass, so they hold no copy

    def keep(saved: Tensor) -> Any:
        source = made.get(saved.data_ptr())
        if source is None or saved.shape != source.shape or not saved.is_contiguous():
            return saved
        return source, source._version

    def give(kept: Any) -> Tensor:
        if isinstance(kept, Tensor):
            return kept
        source, version = kept
        if source._version != version:  # as autograd asks of what it keeps itself
            raise RuntimeError("a weight that the backward pass needs was written over since")
        return reorder_gates(source.detach())

    # step by step, torch keeps them in other shapes
    if not (torch.is_grad_enabled() and torch.backends.mkldnn.is_available()):  # type: ignore[no-untyped-call]
        return nullcontext()
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, give)
    try:
        with hooks:
            made.update({w.data_ptr(): source for w, source in zip(reordered, sources, strict=False)})
    except RuntimeError:  # torch.func's transforms take no hooks
        return nullcontext()
    return hooks


class LSTM(Recurrent):
    """gates = W_x x + b + W_h (cont h) [+ W_static s], then the cell."""

    hidden = 2

    def __init__(
        self,
        inputs: int,
        outputs: int,
        static: int = 0,
        expose_hidden: bool = False,
        carry: bool = True,
        state_gradient: bool = False,
    ) -> None:
        super().__init__(outputs, expose_hidden, carry, state_gradient)
        self.weight_x = nn.Parameter(torch.zeros(4 * outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(4 * outputs))
        if static:
            self.weight_static = nn.Parameter(torch.zeros(4 * outputs, static))
        self.weight_h = nn.Parameter(torch.zeros(4 * outputs, outputs))

    def walk(
        self, x: Tensor, static: Tensor | None, cont: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As ever; on a CPU the stretches in which no sequence begins by torch's own LSTM, which is
        twice as fast: what is forgotten before a stretch is taken off its first state.
        """
        # where sequences begin is a value, which no trace may depend on
        traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if static is not None or traced or x.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().walk(x, static, cont, state)
        begins = [0, *((cont[1:] != 1).flatten(1).any(1).nonzero().flatten() + 1).tolist()]
        if len(begins) * SHORTEST > len(x):
            return super().walk(x, static, cont, state)
        lengths = [
            min(LONGEST, end - first)
            for begin, end in zip(begins, [*begins[1:], len(x)], strict=True)
            for first in range(begin, end, LONGEST)
        ]
        weights = [reorder_gates(w) for w in (self.weight_x, self.weight_h, self.bias)]
        weights.append(torch.zeros_like(self.bias))  # torch has two
        results = []
        with keep_sources(weights, (self.weight_x, self.weight_h, self.bias)):
            for steps, marks in zip(torch.split(x, lengths), torch.split(cont, lengths), strict=True):
                first = [(marks[0] * s).unsqueeze(0) for s in state]
                y, h, c = torch.lstm(steps, first, weights, True, 1, 0.0, self.training, False, False)
                state = (h.squeeze(0), c.squeeze(0))
                results.append(y)
        if len(results) > 1:
            y = torch.cat(results)
        return y, state

    def step(self, x: Tensor, cont: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, c = lstm_cell(x + F.linear(cont * state[0], self.weight_h), cont, state[1])
        return h, (h, c)


class LSTMUnit(nn.Module):
    """One step of the cell: from c, gates and cont the new c and h."""

    def forward(self, c: Tensor, gates: Tensor, cont: Tensor) -> tuple[Tensor, Tensor]:
        h, c = lstm_cell(gates, cont.to(gates.dtype).unsqueeze(-1), c)
        return c, h
