"""How a net runs in training: precision, memory layout, torch.compile. What is trained stays the same."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import netspec
from netspec import driver
from netspec.diagnostics import SpecError
from netspec.resolve.sections.pace import PaceWords
from netspec.source import Source
from netspec.training import compiling
from netspec.training.compiling import Choice, Trial
from netspec.training.pace import LossScale, Pace, check_precision
from netspec.training.reproduce import reproduce
from netspec.training.run.weights import read_tensors
from netspec.training.session import train_program
from netspec.training.world import ALONE

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


def logged(run: Path, word: str = "layout") -> dict[str, Any]:
    """The line that says how the net runs, with a word of it."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return next((line for line in lines if line["phase"] == "pace" and word in line), {})


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


def tried(plain: float, compiled: float | Callable[[], Any], left: int, stopped: bool = False) -> Choice:
    """Numbers are seconds of a step, which no step takes here."""
    trial = Trial(ALONE, torch.device("cpu"), lambda: stopped)
    spent = 0.0

    def step(which: float | Callable[[], Any]) -> None:
        nonlocal spent
        if callable(which):
            which()
        else:
            spent = which

    def spend(step: Callable[[], None]) -> float:
        step()
        return spent

    trial.time = spend  # type: ignore[method-assign]
    return trial.choose(lambda: step(plain), lambda: step(compiled), left)


def fail_to_compile() -> None:
    raise RuntimeError("no C++ compiler\nand much more")


@pytest.mark.parametrize(
    ("plain", "compiled", "left", "chosen", "why"),
    [
        (0.4, 0.38, 1000, True, "a step takes 0.38 s compiled, 0.4 s as it is, after 0"),
        (0.4, 0.6, 1000, False, "a step takes 0.6 s compiled, 0.4 s as it is, after 0"),
        (0.4, 0.39, 1000, False, "a step takes 0.39 s compiled, 0.4 s as it is, after 0"),
        (0.4, fail_to_compile, 1000, False, "RuntimeError: no C++ compiler; 1000 steps of 0.4 s as it is are left"),
        (0.4, pytest.fail, 99, False, "99 steps are left: measuring pays from 100 on"),
        (
            *(0.4, pytest.fail, 249, False),
            "249 steps of 0.4 s are left, 1e+02 s: trying may take a tenth of that, 10 s, and a compiler takes 10 s or more",
        ),
        (0.4, 0.3, 250, True, "a step takes 0.3 s compiled"),
    ],
    ids=["pays", "costs", "hardly differs", "fails", "few steps", "short", "just long enough"],
)  # fmt: skip
def test_what_pays_is_measured(plain: float, compiled: Any, left: int, chosen: bool, why: str) -> None:
    """Nothing is compiled to find out that a training is short."""
    choice = tried(plain, compiled, left)
    assert choice.compiled is chosen and choice.why.startswith(why), choice.why
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_compiler_has_a_tenth_of_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "LEAST", 0.1)
    begin = time.perf_counter()
    choice = tried(0.004, lambda: time.sleep(10), 1000)
    assert choice == Choice(
        False,
        "the compiler was not done after 0.4 s, which it may take; 1000 steps of 0.004 s as it is are left",
    )
    assert 0.4 < time.perf_counter() - begin < 9
    monkeypatch.setattr(compiling, "LONGEST", 0.2)
    assert "not done after 0.2 s" in tried(9, lambda: time.sleep(10), 1000).why


def test_a_compiler_ends_where_the_training_is_to_stop() -> None:
    begin = time.perf_counter()
    assert not tried(1, lambda: time.sleep(5), 10**6, stopped=True).compiled
    assert time.perf_counter() - begin < 4


def test_outside_the_main_thread_nothing_is_compiled() -> None:
    others: list[Choice] = []
    thread = threading.Thread(target=lambda: others.append(tried(1, pytest.fail, 10**6)))
    thread.start()
    thread.join()
    assert others == [Choice(False, "the time of a compiler can be bounded in the main thread alone")]


def test_a_compiler_that_swallows_its_end_is_ended() -> None:
    """As code does that tidies up."""
    rounds = []

    def deaf() -> None:
        try:
            time.sleep(10)
        except BaseException:
            rounds.append(1)
        time.sleep(10)

    signal.setitimer(signal.ITIMER_REAL, 100)  # of whoever else waits
    try:
        fault = Trial(ALONE, torch.device("cpu"), lambda: False).bound(deaf, 0.1)
        assert rounds == [1] and "not done after 0.1 s" in fault
        assert 80 < signal.getitimer(signal.ITIMER_REAL)[0] < 100
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc")
def test_processes_of_a_compiler_end_with_it(tmp_path: Path) -> None:
    """g++ starts the compiler proper, which outlives it; what ran before goes on."""
    words = ["sh", "-c", f"sleep 10 & echo $! > {tmp_path / 'pid'}; wait"]
    with subprocess.Popen(["sleep", "20"]) as other:
        Trial(ALONE, torch.device("cpu"), lambda: False).bound(lambda: subprocess.run(words, check=True), 0.5)
        inner = int((tmp_path / "pid").read_text())
        end = time.monotonic() + 3
        while inner in running() and time.monotonic() < end:
            time.sleep(0.05)
        assert inner not in running() and other.poll() is None
        other.kill()


def test_steps_leave_nothing_behind() -> None:
    net: Any = torch.nn.BatchNorm1d(2)
    weight, mean, net.state = net.weight, net.running_mean, None
    weight.grad = gradient = torch.ones(2)
    with compiling.hold_still(net, torch.device("cpu")):
        assert weight.grad is None
        net(torch.rand(5, 2)).sum().backward()
        net.state, net.more, net.running_mean = 1, 2, torch.ones(2)
    assert net.weight.grad is gradient and gradient.tolist() == [1, 1]
    assert net.running_mean is mean and mean.tolist() == [0, 0] and int(net.num_batches_tracked) == 0
    assert net.state is None and not hasattr(net, "more")


def running() -> set[int]:
    """Processes that run; one that has ended and waits to be fetched does not."""
    paths = Path("/proc").glob("[0-9]*/stat")
    found = {int(p.parent.name): p.read_text().rpartition(")")[2].split()[0] for p in paths if p.exists()}
    return {number for number, state in found.items() if state != "Z"}


@pytest.fixture
def tried_at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """`compile: auto` measures from the second step on; what is compiled is the net as it is."""
    calls: list[int] = []
    monkeypatch.setattr(compiling, "LEAST", 0)
    monkeypatch.setattr(compiling, "FEW", 2)
    monkeypatch.setattr(compiling, "SHARE", 0.001)
    monkeypatch.setattr(torch, "compile", lambda net: lambda **batch: calls.append(1) or net(**batch))
    return calls


@pytest.mark.parametrize("worth", [100, 0], ids=["compiled", "as it is"])
def test_measuring_leaves_nothing_behind(
    worth: float, tmp_path: Path, tried_at_once: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statistics of BatchNorm, draws of Dropout and gradients are what they were: the weights are, to the bit.
    A run that goes on, or is made again, does as was chosen and measures nothing.
    """
    monkeypatch.setattr(compiling, "WORTH", worth)
    drop = "  - {name: drop, type: Dropout}\n  - {name: ip,"
    monkeypatch.setitem(globals(), "SPEC", SPEC.replace("  - {name: ip,", drop))
    plain = trained(tmp_path / "plain")
    auto = trained(tmp_path / "auto", compile="auto")
    assert apart(auto, plain) == 0
    assert len(tried_at_once) == 3 + 5 + (4 if worth else 0)
    told = logged(tmp_path / "auto", "why")
    assert told["compile"] is bool(worth) and "a step takes" in told["why"]

    trained(tmp_path / "part", iterations=2, compile="auto")
    monkeypatch.setattr(compiling, "WORTH", 100 - worth)
    tried_at_once.clear()
    assert apart(trained(tmp_path / "part", resume=True), plain) == 0
    assert len(tried_at_once) == (3 + 2 if worth else 0)
    tried_at_once.clear()
    again = reproduce(tmp_path / "auto", tmp_path / "again")
    assert again.before == again.now and len(tried_at_once) == (4 if worth else 0)


def test_bits_that_are_to_be_the_same_are_not_chosen_by_time(
    tmp_path: Path, tried_at_once: list[int]
) -> None:
    spec = tmp_path / "small.yaml"
    spec.write_text(SPEC.replace("train:\n", "train:\n  compile: auto\n"), encoding="utf-8")
    train_program(driver.load(str(spec)), tmp_path / "run", device="cpu", reproducible=True)
    assert "bits are to be the same" in logged(tmp_path / "run", "why")["why"]
    assert tried_at_once == []


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


def test_a_scaled_loss_takes_the_steps_of_a_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scale, a power of two, leaves no trace in float32."""
    from netspec.training import pace

    monkeypatch.setattr(pace, "REDUCED", {})
    scaled, plain = (trained(tmp_path / word, precision=word, iterations=3) for word in ("fp16", "fp32"))
    assert all(torch.equal(scaled[name], plain[name]) for name in plain)
