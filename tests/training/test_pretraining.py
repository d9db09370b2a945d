"""Layers that learn before the net does: the machine against all of its states, the error that falls, what is refused."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from netspec.analysis.recipes import recipe_faults
from netspec.diagnostics import SpecError
from netspec.training.pretraining.machine import Machine, diverge, free_energy, hidden_given, visible_given
from netspec.training.session import session, train_program
from tests.training.specs import Line, program, write

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
STACK: list[dict[str, Any]] = [
    {"name": "ip1", "type": "InnerProduct", "num_output": 32, "weight_filler": "xavier"},
    {"name": "code1", "type": "Sigmoid"},
    {"name": "drop1", "type": "Dropout", "dropout_ratio": 0.3},
    {"name": "ip2", "type": "InnerProduct", "num_output": 16, "weight_filler": "xavier"},
    {"name": "code2", "type": "Sigmoid"},
    {"name": "ip3", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"},
    {"name": "prob", "type": "Softmax"},
]
WORDS: dict[str, Any] = {"layers": ["ip1", "ip2"], "epochs": 3}


def states(count: int) -> Tensor:
    """Every state of so many units."""
    return torch.tensor([*product((0.0, 1.0), repeat=count)], dtype=torch.float64)


def machine(gaussian: bool = False) -> Machine:
    draw = torch.Generator().manual_seed(1)
    sizes = ((3, 4), (3,), (4,))
    return Machine(*(torch.randn(size, generator=draw, dtype=torch.float64) for size in sizes), gaussian)


def energy(made: Machine, v: Tensor, h: Tensor) -> Tensor:
    """E of each visible state with each hidden one."""
    both = v @ made.weight.T @ h.T + h @ made.hidden
    own = (v - made.visible).square().sum(1) / 2 if made.gaussian else -(v @ made.visible)
    return own[:, None] - both


def test_the_free_energy_is_the_sum_over_all_hidden_states() -> None:
    for gaussian in (False, True):
        made, v = machine(gaussian), states(4) + 0.3 * gaussian
        wanted = -torch.logsumexp(-energy(made, v, states(3)), 1)
        torch.testing.assert_close(free_energy(made, v), wanted)
        shares = torch.softmax(-energy(made, v, states(3)), 1) @ states(3)
        torch.testing.assert_close(hidden_given(made, v), shares)


def test_what_is_visible_by_what_is_hidden() -> None:
    made, h = machine(), states(3)
    wanted = torch.softmax(-energy(made, states(4), h), 0).T @ states(4)
    torch.testing.assert_close(visible_given(made, h), wanted)
    torch.testing.assert_close(visible_given(machine(True), h), h @ made.weight + made.visible)


def test_contrastive_divergence_goes_up_the_likelihood() -> None:
    """With many steps it is the gradient of log p(v) that all 16 states of the visible units give; with one it points the same way."""
    made = machine()
    data = torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1]], dtype=torch.float64)
    known = [each.requires_grad_() for each in made[:3]]
    likely = -free_energy(made, data).mean() - torch.logsumexp(-free_energy(made, states(4)), 0)
    wanted = torch.autograd.grad(likely, known)
    made = Machine(*(each.detach() for each in known))
    many = data.repeat(20_000, 1)
    for steps, near in ((60, 0.01), (1, None)):
        way = diverge(made, many, steps, torch.Generator().manual_seed(2))
        for found, exact in zip(way[:3], wanted, strict=True):
            if near is not None:
                assert (found - exact).abs().max() < near, (steps, found, exact)
            assert torch.cosine_similarity(found.flatten(), exact.flatten(), dim=0) > 0.7


def test_gaussian_units_learn_their_mean() -> None:
    made, draw = machine(True), torch.Generator().manual_seed(3)
    made = Machine(*(0.01 * each for each in made[:3]), True)
    v = torch.randn(2000, 4, generator=draw, dtype=torch.float64) + torch.tensor([1.0, -2, 0, 3])
    for _ in range(300):
        way = diverge(made, v, 1, draw)
        for tensor, direction in zip(made[:3], way[:3], strict=True):
            tensor.add_(direction, alpha=0.05)
    mean = visible_given(made, hidden_given(made, v)).mean(0)
    assert (mean - v.mean(0)).abs().max() < 0.1, mean


def told(folder: Path, words: dict[str, Any], **more: Any) -> dict[str, list[float]]:
    """The errors of each layer by epoch, of a training in a folder."""
    train_program(program(layers=STACK, train={"pretrain": words}, **more), folder, device="cpu")
    return {each["layer"]: each["errors"] for each in json.loads((folder / "pretrain.json").read_text())}


STILL = {"base_lr": 1e-12, "momentum": 0.0, "max_iter": 2, "test_interval": 0, "snapshot": 1}


@pytest.mark.parametrize(
    "words",
    [{"method": "autoencoder", "corruption": 0.2}, {"method": "rbm"}, {"method": "rbm", "k": 3}, {"visible": "gaussian", "base_lr": 0.01}],
    ids=["autoencoder", "rbm", "three-steps", "gaussian"],
)  # fmt: skip
def test_the_error_falls_layer_by_layer_and_the_net_begins_with_it(
    tmp_path: Path, words: dict[str, Any]
) -> None:
    errors = told(tmp_path / "run", WORDS | words, solver=STILL)
    assert [*errors] == ["ip1", "ip2"] and all(len(each) == 3 for each in errors.values())
    assert errors["ip1"][-1] < 0.9 * errors["ip1"][0] and errors["ip2"][-1] < errors["ip2"][0], errors
    train_program(program(layers=STACK, solver=STILL), tmp_path / "plain", device="cpu")
    before, after = (load_file(tmp_path / name / "weights.safetensors") for name in ("plain", "run"))
    moved = {name: float((after[name] - before[name]).abs().max()) for name in after}
    assert moved["ip1.weight"] > 0.05 and moved["ip2.weight"] > 0.01
    assert moved["ip3.weight"] < 1e-6 and moved["ip3.bias"] < 1e-6


def test_the_first_layer_learns_before_the_second_reads_it() -> None:
    """Of a layer alone, the same tensors come; the second layer's are others where the first has not learned."""
    runs = [
        session(program(layers=STACK, train={"pretrain": WORDS | {"layers": layers}}), CPU)
        for layers in (["ip1", "ip2"], ["ip1"], ["ip2"])
    ]
    both, one, two = ({each.name: each.tensor for each in run.job.parameters} for run in runs)
    assert torch.equal(both["ip1.weight"], one["ip1.weight"])
    assert not torch.allclose(both["ip2.weight"], two["ip2.weight"], atol=1e-3)


def test_a_deep_net_of_sigmoids_learns_what_it_does_not_without(tmp_path: Path) -> None:
    """Gradients vanish in three layers of sigmoids from small weights; not from those that draw the digits."""
    names = ["ip1", "ip2", "ip3"]
    deep = [
        each | {"name": f"{each['name'][:-1]}{i}", "num_output": 32} for i in (1, 2, 3) for each in STACK[:1]
    ]
    codes = [{"name": f"code{i}", "type": "Sigmoid"} for i in (1, 2, 3)]
    layers = [each for pair in zip(deep, codes, strict=True) for each in pair]
    layers += [STACK[-2] | {"name": "ip4"}, STACK[-1]]
    pretrained = [
        {"pretrain": {"layers": names, "epochs": 3, "method": method}} for method in ("rbm", "autoencoder")
    ]
    found = []
    for words in ({}, *pretrained):
        solver = {"base_lr": 0.1, "max_iter": 200, "test_interval": 0, "snapshot": 0}
        spec = program(layers=layers, train=words, solver=solver)
        found.append(train_program(spec, tmp_path / str(len(found)), device="cpu").metrics["accuracy"])
    assert found[0] < 0.25 and found[1] > 0.45 and found[2] > 0.8, found


def test_a_run_that_goes_on_or_starts_from_weights_does_not_pretrain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = Line(monkeypatch, capsys)
    write(Path("net.yaml"), layers=STACK, train={"pretrain": WORDS}, solver=STILL)
    assert line("train", "net.yaml", "--run", "a") == 0 and "pretrain ip2: epoch 3 of 3" in line.err
    kept = Path("a/pretrain.json").read_bytes()
    assert line("train", "a", "--resume", "--set", "train.solver.max_iter=3") == 0, line.err
    assert "pretrain" not in line.err and Path("a/pretrain.json").read_bytes() == kept
    assert line("train", "net.yaml", "--run", "b", "--weights", "a") == 0
    assert "pretrain is left out" in line.err and not Path("b/pretrain.json").exists()
    before, after = (load_file(f"{name}/weights.safetensors")["ip1.weight"] for name in "ab")
    assert (before - after).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("words", "more", "said"),
    [
        ({"layers": ["ip4"]}, {}, "there is no layer ip4"),
        ({"layers": ["code1"]}, {}, "code1 is no full matrix"),
        ({"layers": ["ip3"], "method": "rbm"}, {}, "what follows ip3 must be a sigmoid"),
        (
            {},
            {"input": {"data": ["N", 1, 8, 8]}},
            "ip1 must read numbers from 0 to 1: they reach from 0 to 255",
        ),
        ({"base_lr": 1e30, "visible": "gaussian"}, {}, "no longer finite in epoch 1"),
        ({"layers": ["ip2", "ip1"]}, {}, "ip2 reads what ip1 makes, which is named later"),
    ],
)
def test_layers_that_cannot(words: dict[str, Any], more: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match="NS639") as found:
        session(program(layers=STACK, train={"pretrain": WORDS | words}, **more), CPU)
    assert said in found.value.diagnostics[0].fact


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"layers": ["ip1", "ip2", "ip1"]}, ["ip1 is pre-trained once: it is named twice"]),
        ({"k": 3}, ["k is a word of method rbm: the method is autoencoder"]),
        (
            {"method": "rbm", "corruption": 0.5},
            ["corruption is a word of method autoencoder: the method is rbm"],
        ),
        ({"method": "rbm", "corruption": 0, "k": 2}, []),
    ],
)
def test_words_of_pretraining_that_do_not_go_together(words: dict[str, Any], said: list[str]) -> None:
    found = recipe_faults(program(layers=STACK, train={"pretrain": WORDS | words}).resolved)
    assert [each.fact for each in found] == said
