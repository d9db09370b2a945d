"""A bag of runs: what its model answers, who belongs together, and that it is a run like any other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data.sources.digits import open_digits
from netspec.diagnostics import SpecError
from netspec.recipes.bag import bag
from netspec.recipes.composed import compose, write_composed
from netspec.recipes.members import load_members
from netspec.training.run.folder import load_run
from netspec.training.session import train_program
from netspec.training.test import measure
from tests.seeing.runs import train_kind
from tests.training.specs import LAYERS, Line, program

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
OVER_INPUT: list[dict[str, Any]] = [
    {"name": "negative", "type": "Power", "scale": -1, "shift": 1, "bottom": "data", "top": "data"},
    {"name": "ip", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"},
    {"name": "prob", "type": "Softmax"},
]
SHARING: list[dict[str, Any]] = [
    {"name": name, "type": "InnerProduct", "bottom": below, "num_output": 64, "weight_filler": "xavier",
     "param": [{"name": "w"}, {"name": "b"}]}
    for name, below in (("one", "data"), ("two", "one"))
] + LAYERS[3:]  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs by name: unlike nets for one task, and nets for others."""
    folder = tmp_path_factory.mktemp("runs")
    nets: dict[str, dict[str, Any]] = {
        "plain": {},
        "over": {"layers": OVER_INPUT},
        "sharing": {"layers": SHARING},
        "scores": {"layers": LAYERS[:-1], "name": "scores"},
        "white": {"input": {"data": {"shape": ["N", 1, 8, 8], "image": {"color": "gray", "scale": 1.0}}}},
        "few": {"layers": [*LAYERS[:-1], {"name": "other", "type": "Softmax"}]},
    }
    for name, more in nets.items():
        train_program(
            program(solver={"max_iter": 3, "test_interval": 0}, **more), folder / name, device="cpu"
        )
    yield folder


def pixels() -> Any:
    return open_digits("test").batch(np.arange(20))["image"].astype(np.float32)


def answers(run: Path) -> Any:
    """What a run's deployed net makes of some digits, scaled as its contract says."""
    import torch

    loaded = load_run(run)
    with torch.no_grad():
        return loaded.net(torch.from_numpy(pixels() / 255)).numpy()


def served(path: Path) -> Any:
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels()})[0]


def test_a_bag_answers_the_mean_of_its_runs(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("plain", "over", "sharing")
    line, model = Line(monkeypatch, capsys), tmp_path / "m.onnx"
    assert line("bag", *(runs / name for name in names), "-o", model, "--run", tmp_path / "bag") == 0, (
        line.err
    )
    assert (
        "NS780" not in line.err
        and "certified on cpu" in line.out
        and "best class of prob the same in 64 of 64" in line.out
    )
    wanted = np.mean([answers(runs / name) for name in names], axis=0)
    assert np.abs(served(model) - wanted).max() < 1e-5
    assert np.abs(answers(tmp_path / "bag") - wanted).max() < 1e-5
    assert line("test", tmp_path / "bag", "--json") == 0
    assert json.loads(line.out)["metrics"]["accuracy"] > 0 and line("verify", model) == 0
    assert line("predict", model, "--data", "digits", "--index", "3", "--json") == 0
    assert json.loads(line.out)[0]["outputs"]["prob"]["top"][0]["class"] in map(str, range(10))
    assert line("bag", *(runs / name for name in names), "--run", tmp_path / "bag") == 1
    assert "NS677" in line.err


@pytest.mark.parametrize("kind", ["segmentation", "text"])
def test_classes_at_places_are_measured_as_the_members_measured_them(kind: str, tmp_path: Path) -> None:
    """A run twice is the run: the same loss and metrics, by the axis of its classes."""
    run = train_kind(kind, tmp_path)
    write_composed(compose(load_members([run, run]), [0.5, 0.5], "twice"), tmp_path / "bag", {})
    once, twice = (measure(folder, device="cpu").metrics for folder in (run, tmp_path / "bag"))
    assert {*once} <= {*twice} and "loss" in once
    assert {name: twice[name] for name in once} == pytest.approx(once, abs=1e-5)


def test_scores_become_shares_before_they_are_averaged(runs: Path, tmp_path: Path) -> None:
    made = bag([runs / "scores", runs / "scores"], tmp_path / "bag", device="cpu")
    scores = answers(runs / "scores")
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    assert np.abs(served(made.model.path) - shares).max() < 1e-5
    (said,) = made.findings
    assert said.code == "NS780" and f"those of {runs / 'scores'}" in said.fact


@pytest.mark.parametrize(("name", "code"), [("nowhere/m.onnx", "NS704"), ("m.py", "NS709")])
def test_a_model_that_cannot_be_written_is_told_before_anything_is(
    runs: Path, tmp_path: Path, name: str, code: str
) -> None:
    from netspec.recipes.boost import boost

    with pytest.raises(SpecError, match=code):
        bag([runs / "plain", runs / "over"], tmp_path / "bag", tmp_path / name)
    with pytest.raises(SpecError, match=code):
        boost(str(runs / "plain/spec.yaml"), 2, tmp_path / "stages", tmp_path / name)
    assert not [*tmp_path.iterdir()]


def test_the_shares_of_members_count(runs: Path) -> None:
    import torch

    from netspec.compiled import compile as compiled

    made = compose(load_members([runs / "plain", runs / "over"]), [0.9, 0.1], "weighted")
    net: Any = compiled(made.program, "deploy")
    with torch.no_grad():
        for ref in made.program.graph("deploy").weight_refs():
            net.layer_parameters(ref.node.name)[ref.index].copy_(made.tensors[ref.name])
        found = net(torch.from_numpy(pixels() / 255)).numpy()
    assert np.abs(found - 0.9 * answers(runs / "plain") - 0.1 * answers(runs / "over")).max() < 1e-5


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ((), "two runs at least"),
        (("white",), "input data is"),
        (("few",), "output prob is in"),
        (("scores",), "output prob is in"),
    ],
)
def test_runs_that_do_not_belong_together(
    runs: Path, tmp_path: Path, others: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SpecError) as found:
        bag([runs / name for name in ("plain", *others)], tmp_path / "bag")
    assert [d.code for d in found.value.diagnostics] == ["NS612"] and said in found.value.diagnostics[0].fact
    assert not (tmp_path / "bag").exists()


def test_runs_of_other_classes_do_not_belong_together(runs: Path, tmp_path: Path) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(runs / "plain", other)
    names = json.loads((other / "classes.json").read_text())
    (other / "classes.json").write_text(json.dumps({f"digit {name}": n for name, n in names.items()}))
    with pytest.raises(SpecError, match="NS612") as found:
        bag([runs / "plain", other], tmp_path / "bag")
    assert "classes: other than in" in found.value.diagnostics[0].fact
