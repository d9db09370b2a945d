"""An LSTM by stretches in which no sequence begins computes what it does step by step."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from netspec.torch_modules.recurrent import LSTM, Recurrent

pytestmark = pytest.mark.torch

MARKS = {
    "one text": lambda cont: None,
    "begins": lambda cont: cont.__setitem__(([12, 8], [1, 2]), 0),
    "a state that is halved": lambda cont: cont.__setitem__((8, 2), 0.5),
    "all begin": lambda cont: cont.__setitem__(slice(0, 24, 8), 0),
}


def answer(net: Any, x: Tensor, cont: Tensor) -> list[Tensor]:
    """Tops of two calls, whose state goes on, with all gradients."""
    x.grad = None
    first, second = net(x, cont), net(x, cont)
    (first * second).sum().backward()
    return [first.detach(), second.detach(), x.grad, *(p.grad for p in net.parameters()), *net.state]


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_stretches_are_steps(marks: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    net = LSTM(5, 7).to(dtype)
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0, 0.4)
    x, cont = torch.randn(24, 3, 5, dtype=dtype, requires_grad=True), torch.ones(24, 3)
    MARKS[marks](cont)
    calls, real = [], torch.lstm
    monkeypatch.setattr(torch, "lstm", lambda *words: calls.append(1) or real(*words))
    made = answer(copy.deepcopy(net), x, cont)
    assert calls
    monkeypatch.setattr(LSTM, "walk", Recurrent.walk)
    wanted = answer(copy.deepcopy(net), x, cont)
    for a, b in zip(made, wanted, strict=True):
        assert (a - b).abs().max() <= {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]
