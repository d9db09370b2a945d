"""How a net runs in training: precision, memory layout, torch.compile. What is trained stays the same."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import netspec
from netspec import driver
from netspec.diagnostics import SpecError
from netspec.resolve.sections.pace import PaceWords
from netspec.source import Source
from netspec.training.pace import LossScale, Pace, check_precision
from netspec.training.run.weights import read_tensors

pytestmark = pytest.mark.torch


SPEC = """netspec: 1
name: small
input:
  data: {shape: [N, 1, 8, 8], image: {color: gray, scale: 0.06}}
layers:
  - {name: conv1, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: msra}
  - {name: bn1, type: BatchNorm}
  - {name: scale1, type: Scale, bias_term: true}
  - {name: relu1, type: ReLU}
  - {name: conv2, type: Convolution, num_output: 6, kernel_size: 3, weight_filler: msra}
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}
  - {name: prob, type: Softmax}
output: prob
train:
  data: {source: digits, batch_size: 32}
  test_data: {source: digits, split: test}
  solver: {base_lr: 0.05, momentum: 0.9, random_seed: 3, max_iter: 4}
"""


def trained(run: Path, iterations: int = 4, resume: bool = False, **words: Any) -> dict[str, torch.Tensor]:
    settings = [f"train.{word}={value}" for word, value in words.items()]
    settings += [f"train.solver.max_iter={iterations}"]
    spec = run.parent / "small.yaml"
    spec.write_text(SPEC, encoding="utf-8")
    source = str(run) if resume else str(spec)
    netspec.train(source, None if resume else run, device="cpu", resume=resume, settings=settings)
    return read_tensors(run / "weights.safetensors")[0]


def apart(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    assert one.keys() == two.keys() and all(t.dtype == torch.float32 for t in one.values())
    return max(float(((t - two[name]).abs() / t.abs().max().clamp(min=1)).max()) for name, t in one.items())


def logged(run: Path) -> dict[str, Any]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return next((line for line in lines if line["phase"] == "pace"), {})


def test_channels_last_trains_the_same(tmp_path: Path) -> None:
    plain, last = trained(tmp_path / "a"), trained(tmp_path / "b", layout="auto")
    assert apart(plain, last) < 1e-5
    assert logged(tmp_path / "a") == {} and logged(tmp_path / "b")["layout"] == "channels_last"


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 3, 1, 1), (2, 3, 8, 8), (1, 1, 4, 4)], ids=str)
def test_the_layout_holds_where_values_lie_alike_in_both(shape: tuple[int, ...]) -> None:
    """With one channel or one pixel torch takes the layout from the strides: planes go on with channels last."""
    net = torch.nn.Conv2d(shape[1], 4, 3, padding=1)
    pace = Pace(PaceWords(layout="channels_last"), torch.device("cpu"), [net], ())
    x = torch.rand(shape)
    given: list[torch.Tensor] = []
    y = pace.run(net, {"input": x}, lambda net, batch: (given.append(batch["input"]), net(**batch))[1])
    assert given[0].equal(x) and given[0].stride()[1] == 1 and given[0].stride()[3] == shape[1]
    assert y.stride()[1] == 1 and y.stride()[3] == 4


@pytest.mark.parametrize("words", [{"layout": "channels_last"}, {"precision": "bf16"}], ids=str)
def test_a_run_goes_on_exactly(words: dict[str, str], tmp_path: Path) -> None:
    whole = trained(tmp_path / "a", **words)
    trained(tmp_path / "b", iterations=2, **words)
    assert apart(trained(tmp_path / "b", resume=True), whole) == 0


def test_reduced_precision_stays_near(tmp_path: Path) -> None:
    plain, less = trained(tmp_path / "a"), trained(tmp_path / "b", precision="bf16")
    assert 0 < apart(plain, less) < 0.01
    assert logged(tmp_path / "b")["precision"] == "bf16"


def test_losses_read_float32() -> None:
    typed = driver.load_source(Source("small.yaml", SPEC)).training_graph("train")
    net: Any = netspec.compile(typed, "train")
    judges = frozenset({net.layers["loss"][0]})
    pace = Pace(PaceWords(precision="bf16"), torch.device("cpu"), [net], judges)
    seen: dict[str, torch.dtype] = {}
    for name in ("ip", "loss"):
        module = net.get_submodule(net.layers[name][0])
        module.register_forward_pre_hook(lambda m, x, name=name: seen.__setitem__(name, x[0].dtype))
    pace.run(net, {"data": torch.rand(2, 1, 8, 8), "label": torch.tensor([1, 2])})
    assert seen == {"ip": torch.bfloat16, "loss": torch.float32}
    assert net.total_loss.dtype == torch.float32


def test_a_precision_that_is_not_there_is_told_first(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        trained(tmp_path / "run", precision="tf32")
    assert [d.code for d in raised.value.diagnostics] == ["NS613"] and not (tmp_path / "run").exists()


def test_a_check_draws_nothing() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    check_precision("bf16", torch.device("cpu"))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_compiler_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(net: Any) -> Any:
        def call(**batch: Any) -> Any:
            raise RuntimeError("no C++ compiler\nand much more")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(SpecError) as raised:
        trained(tmp_path / "run", compile="true")
    assert [(d.code, d.fact) for d in raised.value.diagnostics] == [
        ("NS614", "RuntimeError: no C++ compiler")
    ]


def test_the_compiled_net_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(torch, "compile", lambda net: lambda **batch: calls.append(1) or net(**batch))
    assert apart(trained(tmp_path / "a", compile="true"), trained(tmp_path / "b")) == 0
    assert len(calls) == 4


def test_the_scale_of_the_loss_falls_and_grows() -> None:
    weight = torch.zeros(2, requires_grad=True)
    scale = LossScale()
    weight.grad = torch.tensor([scale.value, -2 * scale.value])
    assert scale.settle([weight]) and weight.grad.tolist() == [1, -2]
    weight.grad = torch.tensor([float("inf"), 0])
    assert not scale.settle([weight]) and (scale.value, scale.count) == (2.0**15, 0)
    for _ in range(2000):
        weight.grad = torch.zeros(2)
        assert scale.settle([weight])
    assert (scale.value, scale.count) == (2.0**16, 0)


def test_a_step_that_overflows_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fp16 where the device has it: here its scale alone, on float32, with one overflow planted."""
    from netspec.training import pace

    settle, seen = LossScale.settle, []

    def planted(self: LossScale, tensors: Any) -> bool:
        seen.append(self.value)
        if len(seen) == 2:
            tensors[0].grad.fill_(float("nan"))
        return settle(self, tensors)

    monkeypatch.setattr(LossScale, "settle", planted)
    monkeypatch.setattr(pace, "REDUCED", {})
    made = trained(tmp_path / "run", precision="fp16", iterations=3)
    assert seen == [2.0**16, 2.0**16, 2.0**15] and all(t.isfinite().all() for t in made.values())
    facts = read_tensors(tmp_path / "run" / "solver.safetensors")[1]
    assert "loss_scale" in json.dumps(facts) and "32768" in json.dumps(facts)
