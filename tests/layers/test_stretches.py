"""An LSTM by stretches in which no sequence begins computes what it does step by step."""

import copy
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from netspec.torch_modules import recurrent
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


@pytest.mark.parametrize("longest", [10, 32])
@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_stretches_are_steps(
    longest: int, marks: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurrent, "LONGEST", longest)
    torch.manual_seed(0)
    net = LSTM(28, 7).to(dtype)  # weight_x is square: a transposed view has its shape
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0, 0.4)
    x, cont = torch.randn(24, 3, 28, dtype=dtype, requires_grad=True), torch.ones(24, 3)
    MARKS[marks](cont)
    calls, real = [], torch.lstm
    monkeypatch.setattr(torch, "lstm", lambda *words: calls.append(1) or real(*words))
    made = answer(copy.deepcopy(net), x, cont)
    assert calls
    monkeypatch.setattr(LSTM, "walk", Recurrent.walk)
    wanted = answer(copy.deepcopy(net), x, cont)
    for a, b in zip(made, wanted, strict=True):
        assert (a - b).abs().max() <= {torch.float32: 1e-5, torch.float64: 1e-12}[dtype]


def begun() -> tuple[LSTM, Tensor, Tensor]:
    torch.manual_seed(0)
    net = LSTM(5, 7, carry=False)
    with torch.no_grad():
        for weight in net.parameters():
            weight.normal_(0, 0.4)
    return net, torch.randn(24, 3, 5), torch.ones(24, 3)


BY_STEPS = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch's LSTM step by step")


@BY_STEPS
def test_the_gradients_of_all_gates_are_never_there_at_once() -> None:
    net, steps, streams = LSTM(8, 32, carry=False), 4 * recurrent.LONGEST, 64
    y = net(torch.randn(steps, streams, 8), torch.ones(steps, streams)).sum()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        y.backward()
    events = seen.profiler.kineto_results.events()  # type: ignore[union-attr]
    largest = max(event.nbytes() for event in events if event.name() == "[memory]")
    assert largest < steps * streams * 4 * 32 * 4 / 2


@BY_STEPS
def test_no_second_copy_of_the_weights_waits_for_the_backward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, cont = begun()
    copies, real = [], recurrent.reorder_gates

    def reorder(weight: Tensor) -> Tensor:
        made = real(weight)
        copies.append(weakref.ref(made))
        return made

    monkeypatch.setattr(recurrent, "reorder_gates", reorder)
    y = net(x, cont)
    assert len(copies) == 3 and all(copy() is None for copy in copies)
    y.sum().backward()
    assert len(copies) == 6 and all(copy() is None for copy in copies)


def test_a_weight_written_over_before_the_backward_pass_is_told() -> None:
    net, x, cont = begun()
    y = net(x, cont)
    with torch.no_grad():
        net.weight_h.mul_(2)
    with pytest.raises(RuntimeError, match=r"written over|modified by an inplace"):
        y.sum().backward()


def test_a_transform_of_torch_func_goes_through() -> None:
    net, x, cont = begun()
    weights = dict(net.named_parameters())
    made = torch.func.grad(lambda w: torch.func.functional_call(net, w, (x, cont)).sum())(weights)
    net(x, cont).sum().backward()
    for name, weight in weights.items():
        assert torch.allclose(made[name], weight.grad, atol=1e-5), name
