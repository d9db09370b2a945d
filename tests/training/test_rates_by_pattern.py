"""Layers that do not learn, and rates by pattern: what the solver gets, what stays as it is to the bit."""

from pathlib import Path
from typing import Any

import pytest
import torch

from netspec.training.run.weights import read_tensors
from netspec.training.session import session, train_program
from netspec.training.starting import Start
from tests.training.specs import program

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
LAYERS: list[dict[str, Any]] = [
    {"name": "ip1", "type": "InnerProduct", "num_output": 16, "weight_filler": "xavier"},
    {"name": "bn1", "type": "BatchNorm"},
    {"name": "ip2", "type": "InnerProduct", "num_output": 12, "weight_filler": "xavier"},
    {"name": "bn2", "type": "BatchNorm"},
    {"name": "ip3", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier",
     "param": [{"lr_mult": 2}, {"lr_mult": 4, "decay_mult": 0}]},
]  # fmt: skip
BLOCKS: dict[str, Any] = {
    "blocks": {
        "pair": {
            "layers": [{"name": "a", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"}],
            "bottom": "x",
            "top": "a",
        }
    },
    "layers": [{"name": "trunk", "block": "pair", "repeat": 2}, LAYERS[-1]],
}


def settings(train: dict[str, Any], **more: Any) -> dict[str, tuple[float, float]]:
    made = session(program(**{"layers": LAYERS} | more, train=train), CPU)
    return {each.name: (each.lr_mult, each.decay_mult) for each in made.job.parameters}


def test_patterns_multiply_what_layers_say() -> None:
    found = settings({"rates": {"ip*": {"lr_mult": 0.5}, "*.bias": {"decay_mult": 0}, "ip3": {"lr_mult": 3}}})
    assert found["ip1.weight"] == (0.5, 1) and found["ip1.bias"] == (0.5, 0)
    assert found["ip3.weight"] == (3, 1) and found["ip3.bias"] == (6, 0)
    frozen = settings({"freeze": ["ip[12]"]})
    assert [name for name, (rate, _) in frozen.items() if rate] == ["ip3.weight", "ip3.bias"]
    assert frozen["ip3.bias"] == (4, 0)


def test_the_name_of_an_instance_stands_for_its_layers() -> None:
    for pattern in ("trunk.0", "trunk.0.a", "*.0"):
        found = settings({"freeze": [pattern]}, **BLOCKS)
        assert {name for name, (rate, _) in found.items() if not rate} == {
            "trunk.0.a.weight",
            "trunk.0.a.bias",
        }


def test_the_owner_of_a_shared_weight_is_frozen_with_it() -> None:
    blocks = BLOCKS | {"layers": [{"name": "trunk", "block": "pair", "repeat": 2, "share": True}, LAYERS[-1]]}
    blocks["blocks"]["pair"]["layers"][0]["num_output"] = 64
    found = settings({"freeze": ["trunk.1"]}, **blocks)
    assert {name for name, (rate, _) in found.items() if not rate} == {"trunk.0.a.weight", "trunk.0.a.bias"}


def test_what_is_frozen_stays_to_the_bit(tmp_path: Path) -> None:
    """Statistics too, which the frozen layer uses as a test would; one that is not frozen gathers."""
    whole = train_program(program(layers=LAYERS), tmp_path / "whole", device="cpu")
    start = tmp_path / "whole/weights.safetensors"
    made = program(layers=LAYERS, train={"freeze": ["ip1", "bn1"]})
    train_program(made, tmp_path / "run", device="cpu", weights=Start(str(start)))
    before, after = (read_tensors(run / "weights.safetensors")[0] for run in (whole.run, tmp_path / "run"))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {"ip1.weight", "ip1.bias", "bn1.mean", "bn1.variance", "bn1.scale_factor"}


def test_a_frozen_batch_normalisation_takes_its_statistics(tmp_path: Path) -> None:
    made = session(program(layers=LAYERS, train={"freeze": ["bn1"]}), CPU)
    net: Any = made.job.net
    modules = {name: net.get_submodule(net.layers[name][0]) for name in ("bn1", "bn2", "ip1")}
    assert [modules[name].training for name in ("bn1", "bn2", "ip1")] == [False, True, True]
    net.train()
    assert not modules["bn1"].training
    modules["bn1"].mean.fill_(3.0)
    modules["bn1"].scale_factor.fill_(1.0)
    modules["bn1"].variance.fill_(4.0)
    x = torch.randn(5, 16)
    assert torch.allclose(modules["bn1"](x), (x - 3) / 2, atol=1e-4)


def test_a_run_goes_on_frozen_as_it_began(tmp_path: Path) -> None:
    made = [
        program(layers=LAYERS, train={"freeze": ["ip1", "bn1"]}, solver={"max_iter": n, "test_interval": 0})
        for n in (12, 7)
    ]
    train_program(made[0], tmp_path / "whole", device="cpu")
    train_program(made[1], tmp_path / "parts", device="cpu")
    train_program(made[0], tmp_path / "parts", device="cpu", resume=True)
    assert (tmp_path / "whole/weights.safetensors").read_bytes() == (
        tmp_path / "parts/weights.safetensors"
    ).read_bytes()
