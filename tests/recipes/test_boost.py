"""Boosting: who draws which samples how often, what the stages count, and that they are one net in the end."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from netspec.data.place import Place
from netspec.data.registry import open_sources
from netspec.data.sample_weights import weigh, write_sample_weights
from netspec.diagnostics import SpecError
from netspec.recipes.boost import judge, reweigh, weigh_stage
from netspec.resolve.sections.train import DataSection
from netspec.training.batches.order import Indices, Order, weighted
from netspec.training.run.folder import load_run
from netspec.training.session import session, train_program
from tests.training.specs import LAYERS, Line, program, write

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
WEAK: list[dict[str, Any]] = [{**LAYERS[0], "num_output": 4}, LAYERS[1], *LAYERS[3:]]
SHORT = {"max_iter": 150, "base_lr": 0.1, "test_interval": 0, "snapshot": 0}
DIGITS = open_sources(DataSection(source="digits"), None, Place(Path()))[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A boosting of three stages, and what it said."""
    folder = tmp_path_factory.mktemp("boost")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    spec = write(Path("net.yaml"), layers=WEAK, solver=SHORT)
    from click.testing import CliRunner

    from netspec.cli import group

    words = ["boost", str(spec), "--stages", "3", "--run", "b", "--quiet", "--json"]
    found = CliRunner().invoke(group, words, standalone_mode=False)
    patch.undo()
    assert found.exception is None, found.output
    return folder, words, json.loads(found.stdout)


def answers(run: Path, part: str = "train") -> Any:
    source = DIGITS
    if part == "test":
        _, source = open_sources(DataSection(source="digits"), DataSection(source="digits"), Place(Path()))  # type: ignore[assignment]
    values = torch.from_numpy(source.batch(np.arange(len(source)))["image"].astype(np.float32) / 255)
    with torch.no_grad():
        return load_run(run).net(values).numpy(), source.labels()


def test_each_stage_weighs_what_the_one_before_got_wrong(made: Any) -> None:
    folder, _, told = made
    own = np.ones(len(DIGITS))
    for number, stage in enumerate(told["stages"], 1):
        if number > 1:
            held = np.array([*map(float, (folder / f"b/weights-{number}.txt").read_text().split())])
            assert np.allclose(held / held.sum(), own / own.sum(), rtol=1e-12)
        shares, labels = answers(folder / "b" / str(number))
        wrong = shares.argmax(1) != labels
        error = own[wrong].sum() / own.sum()
        alpha = np.log((1 - error) / error) + np.log(9)
        assert (stage["wrong"], stage["error"]) == (wrong.sum(), pytest.approx(error))
        assert stage["weight"] == pytest.approx(alpha)
        own = np.where(wrong, own * np.exp(alpha), own)
    assert len(told["stages"]) == 3 and not (folder / "b/weights-4.txt").exists()


def test_the_whole_is_the_weighted_sum_and_better_than_one_stage(made: Any) -> None:
    folder, _, told = made
    alphas = np.array([stage["weight"] for stage in told["stages"]])
    parts = [answers(folder / "b" / str(i), "test")[0] for i in (1, 2, 3)]
    whole, labels = answers(folder / "b/boosted", "test")
    wanted = np.tensordot(alphas / alphas.sum(), parts, 1)
    assert np.abs(whole - wanted).max() < 1e-5
    accuracy = [float((each.argmax(1) == labels).mean()) for each in (parts[0], whole)]
    assert accuracy[1] > accuracy[0] + 0.02, accuracy
    assert Path(folder, told["model"]).is_file()


def test_it_goes_on_where_it_was_stopped(
    made: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, words, told = made
    monkeypatch.chdir(folder)
    line, kept = Line(monkeypatch, capsys), (folder / "b/2/log.jsonl").read_bytes()
    assert line(*words) == 1 and "NS677" in line.err
    for name in ("3", "boosted"):
        shutil.rmtree(folder / "b" / name)
    Path("b/weights-3.txt").unlink()
    assert line(*words[:2], "--stages", "4", *words[4:], "--resume") == 1 and "NS610" in line.err
    assert line(*words, "--resume") == 0, line.err
    assert json.loads(line.out) == told and (folder / "b/2/log.jsonl").read_bytes() == kept


def test_samples_are_drawn_by_weight_anew_in_each_epoch() -> None:
    weights = np.array([0.0, 1.0, 3.0, 0.0] * 500)
    order, again = weighted(weights, 5, 0)
    counts = np.bincount(order, minlength=len(weights))
    assert len(order) == 2000 and not counts[weights == 0].any()
    assert 2.5 < counts[weights == 3].sum() / counts[weights == 1].sum() < 3.5
    seen: dict[int, int] = {}
    for number, times in zip(order.tolist(), again.tolist(), strict=True):
        assert times == seen.get(number, 0)
        seen[number] = times + 1
    assert (weighted(weights, 5, 0).order == order).all()
    assert (weighted(weights, 5, 1).order != order).any() and (weighted(weights, 6, 0).order != order).any()
    drawn = Indices(2000, Order(True, True, 5), (), weights)
    assert (drawn.at(0, 2000) == order).all() and drawn.epochs(2000, 1)[0] & 0xFFFFFFFF == 1
    most = np.zeros(4)
    most[1] = 1e-300
    assert weighted(most, 0, 0).order.tolist() == [1] * 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1\n" * 1436, "1,436 weights, and 1,437 training samples"),
        ("1\n" * 1436 + "-1\n", "line 1437 must be a number of at least 0: -1"),
        ("1\ntwo\n" + "1\n" * 1435, "line 2 must be a number of at least 0: two"),
        ("1\n\n" + "1\n" * 1435, "line 2 must be a number of at least 0: nothing"),
        ("0\n" * 1437, "at least one weight must be above 0"),
        ("nan\n" * 1437, "line 1 must be"),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "w.txt").write_text(text)
    with pytest.raises(SpecError, match="NS617") as found:
        weigh(DIGITS, "w.txt", Place(tmp_path))
    assert said in found.value.diagnostics[0].fact


def test_a_training_by_weights_sees_those_samples_alone_and_goes_on_by_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = (DIGITS.labels() < 2).astype(float)  # type: ignore[operator]
    write_sample_weights(Path("w.txt"), weights)
    words = {"train": {"data": {"source": "digits", "batch_size": 32, "sample_weights": "w.txt"}}}
    job = session(program(**words), torch.device("cpu")).job
    assert all(int(next(job.train_batches)["label"].max()) < 2 for _ in range(50))
    train_program(program(**words, solver={"max_iter": 4}), Path("run"), device="cpu")
    write_sample_weights(Path("w.txt"), 1 - weights)
    with pytest.raises(SpecError, match="NS659"):
        train_program(program(**words), Path("run"), device="cpu", resume=True)


def test_what_ends_a_boosting() -> None:
    def found(number: int, wrong: Any) -> list[tuple[str, str]]:
        stage = weigh_stage(Path("run"), np.array(wrong), np.ones(10), 5)
        return [(each.code, each.fact) for each in judge(stage, 10, number)]

    assert found(1, [True] * 8 + [False] * 2) == [
        ("NS618", "stage 1 is no better than chance: it gets 80.0% of the weight wrong")
    ]
    assert found(1, [True] * 7 + [False] * 3) == []
    assert found(2, [True] * 10)[0][0] == "NS698" and found(2, [False] * 10)[0][0] == "NS698"
    assert "none of 10 training samples wrong" in found(1, [False] * 10)[0][1]
    stage = weigh_stage(Path("run"), np.zeros(10, bool), np.ones(10), 2)
    assert stage.weight == pytest.approx(np.log(19))
    assert reweigh(np.array([1.0, 1.0]), np.array([True, False]), np.log(3)).tolist() == pytest.approx(
        [1.5, 0.5]
    )


def test_what_is_left_out_has_no_weight_and_its_neighbours_keep_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that are damaged, and were before the training began: the second of nine, and the last. One stands
    in both classes, so that no net gets all right.
    """
    from PIL import Image

    from netspec.recipes import boost

    monkeypatch.setattr(boost, "join", lambda stages, folder, *_: boost.Boosted(folder, tuple(stages)))
    monkeypatch.chdir(tmp_path)
    for i in range(9):
        place = Path(f"set/{'ab'[i > 4]}/{i}.png")
        place.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.RandomState(i % 5).randint(0, 100, (8, 8, 3), np.uint8)
        Image.fromarray(noise + 100 * (i > 5)).save(place)
    for damaged in ("a/1", "b/8"):
        Path(f"set/{damaged}.png").write_bytes(b"no picture")
    layers = [{"name": "ip", "type": "InnerProduct", "num_output": 2}, {"name": "prob", "type": "Softmax"}]
    layers[0]["weight_filler"] = {"type": "gaussian", "std": 1e-4}
    data = {"source": "images", "path": "set", "split": "all", "batch_size": 7, "on_error": "skip"}
    spec = write(
        Path("net.yaml"),
        input={"data": {"shape": ["N", 3, 8, 8], "image": {"scale": 0.01}}},
        layers=layers,
        train={"data": data, "test_data": data},
        solver={"max_iter": 40, "base_lr": 0.05, "test_interval": 0, "snapshot": 0},
    )
    assert len(boost.boost(str(spec), 2, Path("b"), device="cpu").stages) == 2
    wrong, numbers, whole = boost.find_wrong(load_run(Path("b/1")), "cpu")
    assert (numbers.tolist(), whole) == ([0, 2, 3, 4, 5, 6, 7], 9)
    weights = np.array([*map(float, Path("b/weights-2.txt").read_text().split())])
    assert (weights[[1, 8]] == 0).all() and (weights[numbers] > 0).all()
    assert 0 < wrong.sum() < 7 and weights[numbers][wrong].min() > weights[numbers][~wrong].max()


@pytest.mark.parametrize(
    ("values", "iterations", "said"),
    [
        (np.repeat(np.eye(2), (60, 40), 0), 60, "stage 1 gets none of 100 training samples wrong"),
        (np.zeros((100, 2)), 60, "stage 2 is no better than chance: it gets 50.0% of the weight wrong"),
        (
            np.repeat(np.eye(2), (60, 40), 0),
            1,
            "stage 1 is no better than chance: it gets 100.0% of the weight wrong",
        ),
    ],
    ids=["perfect", "at-chance", "worse"],
)
def test_a_boosting_that_has_nothing_to_weigh(
    values: Any,
    iterations: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nets that get all right; that know but how often each class is drawn; that have them all the other way."""
    line = Line(monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    labels = np.repeat([0, 1], (60, 40))
    x = values.astype(np.float32)
    np.savez("all.npz", data_train=x, label_train=labels, data_test=x[::9], label_test=labels[::9])
    worse = {"type": "gaussian", "std": 0} if iterations > 1 else {"type": "values", "values": [0, 1, 1, 0]}
    layers = [
        {"name": "ip", "type": "InnerProduct", "num_output": 2, "weight_filler": worse},
        {"name": "prob", "type": "Softmax"},
    ]
    data = {"source": "npz", "path": "all.npz", "batch_size": 100}
    solver = {"max_iter": iterations, "base_lr": 0.3 if iterations > 1 else 1e-9}
    spec = write(
        Path("net.yaml"),
        input={"data": ["N", 2]},
        layers=layers,
        train={"data": data, "test_data": data},
        solver=solver | {"test_interval": 0, "snapshot": 0},
    )
    assert line("boost", spec, "--stages", "3", "--run", "b") == 1 and "NS618" in line.err
    assert said in line.err, line.err
    assert not Path("b/boosted").exists()


def test_a_net_without_classes_cannot_be_boosted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line(monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    layers = [
        {"name": "conv", "type": "Convolution", "num_output": 10, "kernel_size": 1, "weight_filler": "xavier"}
    ]
    spec = write(
        Path("net.yaml"),
        layers=layers,
        train={"loss": [{"type": "EuclideanLoss", "bottom": ["conv", "conv"]}]},
    )
    assert line("boost", spec, "--stages", "2", "--run", "b") == 1 and "NS618" in line.err
