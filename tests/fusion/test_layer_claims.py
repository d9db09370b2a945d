"""What layers say of themselves to the passes, against their modules: of every example row, none listed by hand."""

import copy
from functools import cache
from typing import Any

import pytest
import torch

from netspec.ir.types import TensorType
from netspec.layers.pointwise import Power
from tests.each import each
from tests.layers import rows
from tests.layers.rows import Row

pytestmark = pytest.mark.torch


def claims(row: Row) -> dict[str, Any]:
    """What the row's layer claims, by question."""
    graph = rows.typed(row)
    node = rows.node(graph)
    if node is None or not node.bottoms or not node.tops:
        return {}
    layer, bottoms = node.layer, graph.bottoms(node)
    found = {
        "overwritable": layer.overwritable(*bottoms),
        "takes_every": layer.takes_every(*bottoms),
        "fixed_value": layer.fixed_value,
        "maps": map_numbers(layer),
        "scales_channels": layer.scales_channels(*bottoms),
        "rectifies": layer.rectifies,
        "takes_factors": layer.takes_factors,
    }
    return {name: said for name, said in found.items() if said not in (False, None)}


def map_numbers(layer: Any) -> "tuple[tuple[float, float], ...] | None":
    """Numbers, and what the layer says that it makes of them."""
    found = []
    for x in (-1.75, 0.0, 0.3, 2.5):
        try:
            y = layer.maps(x)
        except (ArithmeticError, ValueError):
            continue
        found += [(x, y)] if y is not None else []
    return tuple(found) or None


@cache
def claiming() -> list[Row]:
    return [row for row in rows.running() if claims(row)]


def test_each_question_is_answered_by_some_row() -> None:
    assert {name for row in claiming() for name in claims(row)} == {
        "overwritable",
        "takes_every",
        "fixed_value",
        "maps",
        "scales_channels",
        "rectifies",
        "takes_factors",
    }


@each("row", claiming, parts=2)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_claims_hold(row: Row, training: bool) -> None:
    net = copy.deepcopy(rows.net(row)).double().train(training)
    module = net.get_submodule(net.layers["l"][0])
    feed = [x.double().requires_grad_() for x in rows.data(row, rows.sizes_of(row)[0]).values()]
    made = module(*feed)
    y = made[0] if isinstance(made, tuple) else made
    for name, said in claims(row).items():
        CHECKS[name](said, module, feed, y)


def check_overwritable(said: bool, module: Any, feed: list[torch.Tensor], y: torch.Tensor) -> None:
    held = {x.untyped_storage().data_ptr() for x in (*feed, *module.parameters(), *module.buffers())}
    assert y.untyped_storage().data_ptr() not in held
    wanted = torch.autograd.grad(torch.relu(module(*feed)).square().sum(), feed)
    found = torch.autograd.grad(torch.relu_(module(*feed)).square().sum(), feed)
    assert all(map(torch.equal, found, wanted))


def check_takes_every(said: tuple[int, ...], module: Any, feed: list[torch.Tensor], y: torch.Tensor) -> None:
    places = (slice(None), slice(None), *(slice(None, None, step) for step in said))
    assert torch.equal(y, feed[0][places])


def check_maps(
    said: tuple[tuple[float, float], ...], module: Any, feed: list[torch.Tensor], y: torch.Tensor
) -> None:
    for x, wanted in said:
        made = module(torch.full_like(feed[0], x))
        assert (made - wanted).abs().max() <= 1e-12 * max(1.0, abs(wanted)), x


def check_fixed_value(said: float, module: Any, feed: list[torch.Tensor], y: torch.Tensor) -> None:
    assert (y == said).all()


@pytest.mark.parametrize("power", [-2.0, -0.5, 0.0, 0.5, 3.0])
@pytest.mark.parametrize("shift", [-1.5, 0.0, 0.5, 1.0, 2.0])
def test_a_power_of_a_number_is_fixed_where_it_is_a_number(power: float, shift: float) -> None:
    value = torch.tensor(shift, dtype=torch.float64).pow(power)
    wanted = pytest.approx(value.item()) if value.isfinite() else None
    assert Power(scale=0.0, shift=shift, power=power).fixed_value == wanted
    assert Power(scale=2.0, shift=shift, power=power).fixed_value == (1.0 if power == 0 else None)


@pytest.mark.parametrize(
    "shape, folds", [((), False), ((3,), False), ((2, 3), True), ((2, 3, 4), True), ((2, 3, 4, 5), True)]
)
def test_an_affine_map_scales_the_channels_where_there_are_some(shape: tuple[int, ...], folds: bool) -> None:
    x = TensorType(shape)
    made = Power(scale=2.0, shift=0.5).scaling(x)
    assert (made() if made is not None else None) == ((2.0, 0.5) if folds else None)
    assert Power(power=2.0).scaling(x) is None


def check_scales_channels(said: bool, module: Any, feed: list[torch.Tensor], y: torch.Tensor) -> None:
    shape = (-1, *(1,) * (y.dim() - 2))
    bias = 0 if module.bias is None else module.bias.view(shape)
    assert torch.allclose(y, feed[0] * module.weight.view(shape) + bias)


def check_rectifies(said: bool, module: Any, feed: list[torch.Tensor], y: torch.Tensor) -> None:
    assert type(module) is torch.nn.ReLU and torch.equal(y, feed[0].clamp(min=0))


def check_takes_factors(said: bool, module: Any, feed: list[torch.Tensor], y: torch.Tensor) -> None:
    if feed[0].dim() > 1:
        weight = torch.rand(feed[0].shape[1], dtype=torch.float64)
        scaled = module.normalize(feed[0], weight, weight)
        shape = (-1, *(1,) * (y.dim() - 2))
        assert torch.allclose(scaled, module(feed[0]) * weight.view(shape) + weight.view(shape))


CHECKS = {
    name.removeprefix("check_"): check for name, check in globals().items() if name.startswith("check_")
}
