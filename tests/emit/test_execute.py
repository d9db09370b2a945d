"""Emitted modules: shown in tracebacks, pickled as text, found by their name, and gone when nobody uses them."""

import copy
import gc
import inspect
import io
import linecache
import pickle
import sys
import traceback
import typing
from types import ModuleType
from typing import Any

import pytest
import torch

import netspec
from netspec import driver
from netspec.compiled import PROGRAMS
from netspec.emit.execute import execute
from netspec.ir.graph import TypedGraph
from netspec.source import Source

pytestmark = pytest.mark.torch

TEXT = """
input: {{data: [N, {0}]}}
blocks: {{u: {{layers: [{{name: fc, type: InnerProduct, num_output: {0}}}]}}}}
layers: [{{name: a, block: u}}]
"""


@pytest.fixture(autouse=True)
def only_what_is_new() -> None:
    """Collections here pass by what earlier tests have left: going through all of it takes half a second each time."""
    gc.freeze()


def typed(size: int) -> TypedGraph:
    return driver.load_source(Source("net.yaml", TEXT.format(size))).graph("test")


def made(size: int) -> Any:
    return netspec.compile(typed(size))


def live() -> int:
    gc.collect()
    return sum(
        issubclass(type(each), ModuleType) and each.__name__.startswith("netspec_")
        for each in gc.get_objects()
    )


def kept() -> tuple[int, int, int]:
    """What the interpreter has of emitted modules: modules, lines of source, programs."""
    return (
        sum(n.startswith("netspec_") for n in sys.modules),
        sum(n.startswith("<netspec_") for n in linecache.cache),
        len(PROGRAMS),
    )


def test_sixty_nets_leave_nothing() -> None:
    made(1)
    before, held = live(), kept()
    for size in range(2, 62):
        net = netspec.compile(driver.load_source(Source("net.yaml", TEXT.format(size))))
        assert net(torch.ones(1, size)).shape == (1, size)
    del net
    assert live() == before
    assert kept() == held


def test_the_same_text_is_the_same_module_while_it_is_used() -> None:
    one = made(3)
    assert type(made(3)) is type(one)
    name = type(one).__module__
    del one
    gc.collect()
    assert name not in sys.modules
    again = made(3)
    assert type(again).__module__ == name
    assert name in sys.modules


def test_a_class_alone_keeps_its_module() -> None:
    """Instances, classes and functions: whoever has one of them has the module."""
    for take in (lambda net: net, type, lambda net: type(net).forward, lambda net: net.a):
        kept = take(made(4))
        gc.collect()
        text = linecache.getlines(
            f"<{(type(kept) if isinstance(kept, torch.nn.Module) else kept).__module__}>"
        )
        assert "class Net(Network):\n" in text


def test_nets_pickle_and_copy() -> None:
    net = made(5)
    x = torch.rand(2, 5)
    wanted = net(x)
    data = pickle.dumps(net)
    whole = io.BytesIO()
    torch.save(net, whole)
    assert torch.equal(copy.deepcopy(net)(x), wanted)
    assert pickle.loads(pickle.dumps(type(net))) is type(net)
    del net
    gc.collect()
    whole.seek(0)
    for back in (pickle.loads(data), torch.load(whole, weights_only=False)):
        assert torch.equal(back(x), wanted)
        assert torch.equal(copy.deepcopy(back)(x), wanted)
    assert type(pickle.loads(data)) is type(back)


def test_a_net_that_trains_copies_with_its_loss_left_behind() -> None:
    """A tensor with a history cannot be copied; the attribute is as before a first call."""
    text = """
input: {data: [N, 3], label: [N, 2]}
layers: [{name: a, type: InnerProduct, bottom: data, num_output: 2}, {name: l, type: EuclideanLoss, bottom: [a, label]}]
"""
    net = netspec.compile(driver.load_source(Source("net.yaml", text)))
    net(torch.rand(2, 3), torch.rand(2, 2))
    assert net.total_loss.requires_grad
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert copied.total_loss == 0 and torch.equal(copied.a.weight, net.a.weight)


def test_a_traceback_shows_the_text() -> None:
    with pytest.raises(RuntimeError) as raised:
        made(6)(torch.ones(1, 7))
    shown = "".join(traceback.format_exception(raised.value))
    assert "h = self.a(data)" in shown
    assert "return self.a" not in shown


def test_tools_find_the_source() -> None:
    net = made(7)
    assert "class Net(Network)" in inspect.getsource(type(net))
    assert inspect.getmodule(type(net)) is sys.modules[type(net).__module__]
    assert typing.get_type_hints(type(net))["total_loss"] == torch.Tensor | float
    assert torch.jit.trace(net, torch.ones(1, 7))(torch.zeros(1, 7)).shape == (1, 7)


def test_a_text_that_fails_is_forgotten() -> None:
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            execute("1 / 0")
    gc.collect()
    assert not [
        n for n in linecache.cache if n.startswith("<netspec_") and "1 / 0\n" in linecache.getlines(n)
    ]
