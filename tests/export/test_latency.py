"""Times of calls and of layers, and `expect.latency` at export and `netspec time`. No test here depends on how fast a machine is."""

import json
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.cli.time import numbers
from netspec.diagnostics.model import SpecError
from netspec.driver import load_source
from netspec.exporters.timing import PROFILED, Plan, Timing, batch_of, by_layer, measure, profile
from netspec.source import Source

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
TINY = """netspec: 1
input: {data: [N, 1, H, 12]}
layers:
  - {name: c/1, type: Convolution, num_output: 64, kernel_size: 5, weight_filler: xavier}
  - {name: c/1/b, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: xavier}
  - {name: p, type: Pooling, kernel_size: 2, stride: 2, round_mode: EXACT}
"""


def run(*words: str) -> tuple[int, str, list[str]]:
    """Exit code, output, and the codes of what was raised."""
    result: Any = CliRunner().invoke(group, list(words), standalone_mode=False)
    if isinstance(result.exception, SpecError):
        return 1, result.output, [d.code for d in result.exception.diagnostics]
    assert result.exception is None, result.exception
    return result.return_value or 0, result.output, []


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "t.yaml").write_text(TINY, encoding="utf-8")
    return str(tmp_path / "t.yaml")


def test_percentiles_are_of_nearest_rank() -> None:
    timing = Timing("torch", "cpu", 1, tuple(i / 1000 for i in range(100, 0, -1)), {})
    assert timing.summary == {"mean": pytest.approx(0.0505), "p50": 0.05, "p95": 0.095, "p99": 0.099}
    assert Timing("torch", "cpu", 1, (3.0, 1.0, 2.0), {}).summary == {
        "mean": 2.0,
        "p50": 2.0,
        "p95": 3.0,
        "p99": 3.0,
    }


def test_the_batch_is_the_length_of_the_first_input_that_has_one() -> None:
    scalar, rows = np.float32(0), np.zeros((5, 3), np.float32)
    assert [batch_of(feed) for feed in ({}, {"a": scalar}, {"a": scalar, "b": rows, "c": rows.T})] == [
        1,
        1,
        5,
    ]


def test_nodes_belong_to_the_layer_of_the_longest_name() -> None:
    nodes = {
        "c/1_nchwc": 1.0,
        "c/1/Pad": 2.0,
        "fused c/1/b": 4.0,
        "c/1/b/Mul_1_token_3": 8.0,
        "Reorder_7": 16.0,
    }
    assert by_layer(nodes, ["c/1", "c/1/b", "p"]) == {"c/1": 3.0, "c/1/b": 12.0, "(between layers)": 16.0}


def test_a_profile_is_seconds_of_the_calls_but_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """onnxruntime counts microseconds; the first call prepares, and its times are no one's."""
    calls = [{"cat": "Node", "name": f"ip{end}", "dur": dur, "args": {"op_name": "Gemm"}}
             for dur in (9e9, *[3e6] * PROFILED) for end in ("_kernel_time", "_fence_before")]  # fmt: skip
    (tmp_path / "profile.json").write_text(json.dumps([{"cat": "Session", "name": "run", "dur": 7}, *calls]))

    class Profiling:
        def __init__(self, *_: Any, **__: Any) -> None:
            self.session, self.count = self, 0

        def run(self, feed: Any) -> None:
            self.count += 1

        def end_profiling(self) -> str:
            assert self.count == PROFILED + 1
            return str(tmp_path / "profile.json")

    monkeypatch.setattr("netspec.exporters.timing.Session", Profiling)
    text = "netspec: 1\ninput: {x: [N, 3]}\nlayers: [{name: ip, type: InnerProduct, num_output: 2}]\n"
    typed = load_source(Source("one.yaml", text)).graph()
    assert profile(tmp_path / "one.onnx", typed, {}, "cpu") == {"ip": 3.0}


def test_what_is_fused_into_a_convolution_counts_there(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(
        TINY.replace("  - {name: p", "  - {name: r, type: ReLU, bottom: c/1/b, top: c/1/b}\n  - {name: p"),
        encoding="utf-8",
    )
    found = json.loads(
        run(
            "time",
            str(tmp_path / "f.yaml"),
            "--device",
            "cpu",
            "--calls",
            "3",
            "--engine",
            "onnxruntime",
            "--json",
        )[1]
    )
    assert set(found[0]["layers"]) - {"(between layers)"} == {"c/1", "c/1/b", "p"}


def test_time_measures_both_engines_and_each_layer(spec: str) -> None:
    code, text, _ = run(
        "time", spec, "--device", "cpu", "--calls", "7", "--size", "N=3", "--size", "H=14", "--json"
    )
    assert code == 0
    torch_, ort = json.loads(text)
    assert (torch_["engine"], ort["engine"]) == ("torch", "onnxruntime")
    for found in (torch_, ort):
        assert (found["device"], found["batch"], found["calls"]) == ("cpu", 3, 7)
        assert 0 < found["seconds"]["p50"] <= found["seconds"]["p95"] <= found["seconds"]["p99"]
    assert set(torch_["layers"]) == {"c/1", "c/1/b", "p"}
    assert {"c/1", "c/1/b"} <= set(ort["layers"])
    table = run("time", spec, "--device", "cpu", "--calls", "5", "--engine", "torch", "--top", "1")[1]
    assert "(2 more: --top)" in table


@pytest.mark.parametrize(("words", "code"), [(("--size", "H=13"), "NS727"), (("--size", "Q=3"), "NS726")])
def test_sizes_that_will_not_do(spec: str, words: tuple[str, ...], code: str) -> None:
    assert run("time", spec, "--device", "cpu", *words)[2] == [code]


def test_a_demand_that_is_met_and_one_that_is_not(spec: str, tmp_path: Path) -> None:
    loose, tight = ("--set", "expect.latency.p95=1000s"), ("--set", "expect.latency.p95=1us")
    assert run("time", spec, "--calls", "5", "--device", "cpu", *loose)[0] == 0
    code, text, _ = run("time", spec, "--calls", "5", "--device", "cpu", *tight)
    assert code == 1
    assert "NS329" in text
    out = tmp_path / "m.onnx"
    assert run("export", spec, "-o", str(out), "--no-certify", *tight)[2] == ["NS329"]
    assert not out.exists(), "a net that is too slow is not written"
    with pytest.raises(SpecError) as found:
        CliRunner().invoke(
            group,
            ["export", spec, "-o", str(out), "--no-certify", *tight],
            standalone_mode=False,
            catch_exceptions=False,
        )
    (finding,) = found.value.diagnostics
    assert "p95 on cpu must be at most 0.001 ms" in finding.fact
    shares = re.findall(r"(?:: |, )(.+?) [\d.]+ ms \((\d+)%\)", finding.notes[0])
    assert finding.notes[0].startswith("the largest shares: ")
    assert "c/1" in [layer for layer, _ in shares]
    percents = [int(percent) for _, percent in shares]
    assert percents == sorted(percents, reverse=True), finding.notes
    assert run("export", spec, "-o", str(out), "--no-certify", *loose)[0] == 0
    assert out.exists()


def test_a_batch_of_the_demand_is_the_one_that_is_measured(spec: str) -> None:
    words = (
        "--calls",
        "3",
        "--device",
        "cpu",
        "--set",
        "expect.latency.p95=1us",
        "--set",
        "expect.latency.batch=4",
    )
    assert json.loads(run("time", spec, *words, "--json", "--engine", "torch")[1])[0]["batch"] == 4
    assert run("time", spec, *words)[0] == 1
    assert run("time", spec, *words, "--size", "N=2")[0] == 0


def test_a_device_that_is_not_here_is_said_to_be(spec: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    words = ("--set", "expect.latency.p95=1us", "--set", "expect.latency.device=cuda")
    code, text, _ = run("export", spec, "-o", str(tmp_path / "m.onnx"), "--no-certify", *words)
    assert (code, "NS332" in text) == (0, True)
    assert run("time", spec, "--device", "cuda", "--calls", "2")[2] == ["NS722"]


def test_an_unknown_device_is_a_finding(spec: str) -> None:
    result = CliRunner().invoke(
        group,
        ["check", spec, "--set", "expect.latency.device=gpu", "--format", "concise"],
        standalone_mode=False,
    )
    assert "NS105" in result.output


def test_each_layer_takes_time_and_all_together_no_more_than_the_call(spec: str) -> None:
    for engine in ("torch", "onnxruntime"):
        words = ("--device", "cpu", "--calls", "3", "--engine", engine, "--json")
        (found,) = json.loads(run("time", spec, *words)[1])
        assert len(found["layers"]) >= 3 and all(seconds > 0 for seconds in found["layers"].values())


@pytest.mark.parametrize(
    ("step", "plan", "warm", "timed"),
    [
        (1.0, Plan(calls=7, warmup=3), 3, 7),
        (2.0**-6, Plan(calls=7, warmup=3), 13, 7),  # a fifth of a second
        (1.0, Plan(calls=1, warmup=0), 0, 1),
        (1.0, Plan(warmup=1), 1, 30),
        (2.0**-6, Plan(warmup=0), 0, 64),
        (2.0**-12, Plan(warmup=0), 0, 2000),
    ],
)
def test_so_many_calls_are_timed(
    step: float, plan: Plan, warm: int, timed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that goes on by a step with each call."""
    made = 0

    def call() -> None:
        nonlocal made
        made += 1

    monkeypatch.setattr("netspec.exporters.timing.perf_counter", lambda: step * made)
    assert measure(call, plan) == (step,) * timed
    assert made == warm + timed


def test_sizes_are_whole_numbers_from_1() -> None:
    assert numbers(("N=1", "H=07", "N=3")) == {"N": 3, "H": 7}
    for wrong in ("N=0", "N=", "=1", "N", "N=-1", "N=1.0", "H=2²", ""):
        with pytest.raises(click.UsageError):
            numbers((wrong,))
