"""From a spec to a run: seeds, shared tensors, data that do not fit, folders that load by themselves."""

import io
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner

from netspec import compiled, driver
from netspec.cli import group
from netspec.diagnostics import Diagnostic, SpecError
from netspec.exporters.export import export_model
from netspec.read_options import Reading
from netspec.source import Source
from netspec.training.batches.feeds import place_of
from netspec.training.job import TrainingResult
from netspec.training.job_building import hash_of
from netspec.training.loop import train
from netspec.training.nets import tensors_of, twins
from netspec.training.observers.judge import Judge
from netspec.training.progress import Lines, Silent
from netspec.training.run.checkpoint import Checkpoint
from netspec.training.run.folder import load_run
from netspec.training.run.named_run import find_run
from netspec.training.run.weights import read_tensors, write_tensors
from netspec.training.session import session, train_program
from netspec.training.starting import Start
from netspec.training.test import measure
from tests.training.specs import LAYERS, document, program, write

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(run: Path, spec: driver.Program | None = None, **more: Any) -> TrainingResult:
    return train_program(spec or program(**more), run, device="cpu")


def failure(**more: Any) -> list[Diagnostic]:
    with pytest.raises(SpecError) as error:
        session(program(**more), CPU)
    return error.value.diagnostics


def weights(run: Path) -> bytes:
    return (run / "weights.safetensors").read_bytes()


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        trained(tmp_path / name, solver={"random_seed": seed})
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


def test_a_training_wires_each_phase_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wired: list[str] = []
    wire = driver.wire

    def noted(resolved: Any, state: Any, diagnostics: Any, *, deploy: bool = False) -> Any:
        wired.append("DEPLOY" if deploy else state.phase)
        return wire(resolved, state, diagnostics, deploy=deploy)

    spec = program()
    monkeypatch.setattr(driver, "wire", noted)
    trained(tmp_path / "run", spec)
    assert sorted(wired) == sorted(set(wired))
    assert {"TRAIN", "TEST"} <= set(wired)


def test_a_rate_of_0_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Where only the data tell how long an epoch is, too."""
    for length in ({"max_iter": 60}, {"max_iter": 0, "epochs": 2.0}):
        with pytest.raises(SpecError) as error:
            trained(tmp_path / "run", solver={"lr_policy": "step", "stepsize": 20, **length})
        (found,) = error.value.diagnostics
        assert found.code == "NS694"
        assert "from iteration 20 of" in found.fact
    assert not (tmp_path / "run").exists()
    assert (
        trained(tmp_path / "short", solver={"lr_policy": "step", "stepsize": 20, "max_iter": 10}).iteration
        == 10
    )


def test_odd_solver_words_are_said_before_it_begins(tmp_path: Path) -> None:
    shown = io.StringIO()
    spec = program(
        solver={
            "max_iter": 0,
            "epochs": 0.1,
            "lr_policy": "multistep",
            "gamma": 0.1,
            "stepvalue": [10000],
            "rms_decay": 0.5,
        }
    )
    train_program(spec, tmp_path / "run", device="cpu", progress=Lines(shown))
    before = shown.getvalue().partition("train ")[0]
    assert "NS425" in before
    assert "stepvalue 10000 is never reached" in before


NORMED = [
    layer
    for i in range(16)
    for layer in (
        {
            "name": f"ip{i}",
            "type": "InnerProduct",
            "num_output": 8,
            "weight_filler": "msra",
            "bias_term": False,
        },
        {"name": f"bn{i}", "type": "BatchNorm", "moving_average_fraction": 0.5},
    )
] + [{"name": "scores", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"}]


def test_a_test_before_anything_is_gathered_is_no_best(tmp_path: Path) -> None:
    """Mean 0 and variance 0 multiply by 300 in each layer: a deep net overflows, and its accuracy, of NaN, is 0."""
    shown = io.StringIO()
    solver = {"max_iter": 4, "test_interval": 4, "snapshot": 0}
    result = train_program(
        program(layers=NORMED, solver=solver), tmp_path / "run", device="cpu", progress=Lines(shown)
    )
    lines = shown.getvalue().splitlines()
    assert "bn0, bn1, bn2, bn3 and 12 more have gathered no statistics yet: this test says nothing" in lines
    (first,) = [line for line in lines if line.startswith("test 0/4")]
    assert "loss nan" in first
    assert "best" not in first
    assert result.best["iteration"] == 4
    shallow = train_program(
        program(layers=NORMED[:2] + NORMED[-1:], solver=solver), tmp_path / "shallow", device="cpu"
    )
    assert shallow.best["iteration"] == 4


def test_a_loss_that_is_not_finite_is_never_best() -> None:
    """Whatever the accuracy says."""
    judge = Judge(frozenset({"loss", "side"}))
    assert not judge.improves({"loss": 1.0, "side": math.nan, "accuracy": 0.5}, {})
    assert not judge.improves({"loss": math.nan, "accuracy": 0.5}, {})
    assert not judge.improves({"loss": math.inf, "accuracy": 0.5}, {})
    assert judge.improves({"loss": 1.0, "accuracy": 0.1}, {})


def test_of_equal_metrics_the_smaller_loss_is_better() -> None:
    """Small validation data are often told without a fault long before the training is done."""
    judge, best = Judge(frozenset({"loss"})), {"accuracy": 0.9, "loss": 0.5}
    assert judge.improves({"accuracy": 0.9, "loss": 0.4}, best)
    assert not judge.improves({"accuracy": 0.9, "loss": 0.5}, best)
    assert not judge.improves({"accuracy": 0.8, "loss": 0.1}, best)
    assert judge.improves({"accuracy": 0.95, "loss": 0.7}, best)


def test_runs_of_one_second_and_the_latest_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda form: "2026-11-29T12-00-00")
    made = []
    for _ in range(11):
        made.append(find_run("a/net", resume=False, base=tmp_path))
        assert not made[-1].exists()
        made[-1].mkdir(parents=True)
        (made[-1] / "run.json").write_text("{}")
    assert [path.name for path in made[:2] + made[-1:]] == [
        "2026-11-29T12-00-00",
        "2026-11-29T12-00-00-2",
        "2026-11-29T12-00-00-11",
    ]
    assert {path.parent for path in made} == {tmp_path / "a_net"}
    assert find_run("a/net", resume=True, base=tmp_path) == made[-1]
    (tmp_path / "a_net" / "2026-11-29T11-59-59-30").mkdir()
    (tmp_path / "a_net" / "2026-11-29T11-59-59-30" / "run.json").write_text("{}")
    (tmp_path / "a_net" / "2026-11-29T12-00-01").mkdir()  # no run
    assert find_run("a/net", resume=True, base=tmp_path) == made[-1]
    with pytest.raises(SpecError, match="NS679"):
        find_run("another", resume=True, base=tmp_path)


def test_a_run_in_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "down" / "run"
    trained(run, solver={"max_iter": 2, "snapshot": 0})
    assert read_tensors(run / "weights.safetensors")[1]["iteration"] == 2
    assert load_run(run) is not None


def test_a_snapshot_says_its_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both files, each time, and its weights are those after so many iterations."""
    seen, save = [], Checkpoint.save

    def saved(self: Checkpoint, more: Any) -> None:
        save(self, more)
        solver, weights = (
            read_tensors(self.run / "solver.safetensors")[1],
            read_tensors(self.run / "weights.safetensors"),
        )
        seen.append((solver["iteration"], weights[1]["iteration"], weights[0]["ip1.weight"]))

    monkeypatch.setattr(Checkpoint, "save", saved)
    result = trained(tmp_path / "run", solver={"max_iter": 10, "snapshot": 4, "test_interval": 5})
    assert [each[:2] for each in seen] == [(0, 0), (4, 4), (8, 8), (10, 10)]
    shorter = trained(tmp_path / "shorter", solver={"max_iter": 4, "snapshot": 0, "test_interval": 5})
    assert torch.equal(read_tensors(shorter.run / "weights.safetensors")[0]["ip1.weight"], seen[1][2])
    assert read_tensors(tmp_path / "run" / "best.safetensors")[1]["iteration"] == result.best["iteration"]


def test_data_from_a_python_file_beside_the_spec(tmp_path: Path) -> None:
    source = "class Ramps:\n    def __len__(self):\n        return 40\n    def __getitem__(self, i):\n        return [[[i] * 8] * 8], i % 10\n"
    (tmp_path / "ramps_for_test.py").write_text(source)
    data = {"source": "python:ramps_for_test:Ramps", "batch_size": 8}
    spec = write(tmp_path / "tiny.yaml", train={"data": data, "test_data": data})
    with pytest.raises(SpecError, match="NS121"):
        trained(tmp_path / "refused", driver.load(str(spec)))
    assert not (tmp_path / "refused").exists()
    result = trained(tmp_path / "run", driver.load(str(spec), Reading(allow_code=True)))
    assert set(result.metrics) == {"loss", "accuracy"}


def test_a_layer_that_training_adds_may_own_weights(tmp_path: Path) -> None:
    """The run has its weights, the deployed net and the exported file do without."""
    more = {
        "name": "more",
        "type": "InnerProduct",
        "bottom": "ip2",
        "num_output": 11,
        "weight_filler": "xavier",
    }
    loss = [more, {"type": "SoftmaxWithLoss", "bottom": ["more", "label"]}]
    trained(tmp_path / "run", train={"loss": loss})
    assert "more.weight" in read_tensors(tmp_path / "run/weights.safetensors")[0]
    assert "more" not in load_run(tmp_path / "run").net.layers
    export_model(str(tmp_path / "run"), tmp_path / "model.onnx", certify=False)
    assert (tmp_path / "model.onnx").is_file()


def test_a_drawn_seed_is_kept_for_the_resume(tmp_path: Path) -> None:
    trained(tmp_path / "whole", solver={"random_seed": -1})
    seed = json.loads((tmp_path / "whole/run.json").read_text())["seed"]
    assert seed >= 0
    trained(tmp_path / "again", solver={"random_seed": seed})
    assert weights(tmp_path / "again") == weights(tmp_path / "whole")
    trained(tmp_path / "parts", solver={"random_seed": seed, "max_iter": 7})
    train_program(program(solver={"random_seed": -1}), tmp_path / "parts", device="cpu", resume=True)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_both_nets_hold_the_same_tensors() -> None:
    layers = [
        LAYERS[0],
        {"name": "bn", "type": "BatchNorm"},
        {"name": "scale", "type": "Scale", "bias_term": True},
        *LAYERS[1:],
    ]
    spec = program(layers=layers)
    graphs = spec.training_graph("train"), spec.training_graph("test")
    nets = twins(*graphs)
    train_tensors, test_tensors = tensors_of(nets.train, graphs[0]), tensors_of(nets.test, graphs[1])
    assert train_tensors.keys() == test_tensors.keys() == {each.name for each in nets.parameters}
    assert all(train_tensors[name] is test_tensors[name] for name in train_tensors)
    assert {
        each.name: each.trained for each in nets.parameters if each.name.startswith("bn.")
    } == dict.fromkeys(("bn.mean", "bn.variance", "bn.scale_factor"), False)


def test_multipliers_reach_the_solver(tmp_path: Path) -> None:
    layers = [{**LAYERS[0], "param": [{"lr_mult": 0}, {"lr_mult": 2, "decay_mult": 0}]}, *LAYERS[1:]]
    made = session(program(layers=layers), CPU).job
    assert {each.name: (each.lr_mult, each.decay_mult) for each in made.parameters} == {
        "ip1.weight": (0, 1),
        "ip1.bias": (2, 0),
        "ip2.weight": (1, 1),
        "ip2.bias": (1, 1),
    }


def siamese() -> dict[str, Any]:
    shared = [{"name": "w"}, {"name": "b"}]
    return {
        "layers": [
            {
                "name": "one",
                "type": "InnerProduct",
                "bottom": "data",
                "num_output": 10,
                "weight_filler": "xavier",
                "param": shared,
            },
            {
                "name": "two",
                "type": "InnerProduct",
                "bottom": "data",
                "num_output": 10,
                "weight_filler": "xavier",
                "param": shared,
            },
        ],
        "train": {"loss": [{"type": "SoftmaxWithLoss", "bottom": ["one", "label"]}]},
        "output": "two",
    }


def test_a_shared_tensor_is_saved_once_and_found_by_the_layer_that_is_deployed(tmp_path: Path) -> None:
    trained(tmp_path / "run", **siamese())
    tensors, _ = read_tensors(tmp_path / "run/weights.safetensors")
    assert set(tensors) == {"one.weight", "one.bias"}
    loaded = load_run(tmp_path / "run")
    assert torch.equal(loaded.net.layer_parameters("two")[0], tensors["one.weight"])  # type: ignore[operator]


def test_weights_that_all_start_at_zero_are_refused() -> None:
    bare = [{k: v for k, v in layer.items() if k != "weight_filler"} for layer in LAYERS]
    (found,) = failure(layers=bare)
    assert found.code == "NS680" and found.span is not None and found.span.text == "InnerProduct"
    assert "ip1, ip2 have no weight_filler" in found.fact and len(found.others) == 1
    assert session(program(layers=[LAYERS[0], *bare[1:]]), CPU).job.parameters


def test_one_layer_learns_from_zero(tmp_path: Path) -> None:
    """Logistic regression: nothing stands between the layer and the data, nor the loss."""
    (alone,) = [{k: v for k, v in LAYERS[3].items() if k != "weight_filler"}]
    done = trained(tmp_path / "run", layers=[alone, LAYERS[4]], solver={"base_lr": 0.5})
    assert done.metrics["accuracy"] > 0.6


def test_the_softmax_of_one_score_is_refused() -> None:
    (found,) = failure(layers=[*LAYERS[:3], {**LAYERS[3], "num_output": 1}, LAYERS[4]])
    assert found.code == "NS664" and found.span is not None and found.span.text == "1"
    assert "two classes take two scores" in found.fixes[0].text


def test_zeros_that_are_written_are_said_to_be(tmp_path: Path) -> None:
    zero = [
        {**layer, "weight_filler": {"type": "constant"}} if "weight_filler" in layer else layer
        for layer in LAYERS
    ]
    (found,) = failure(layers=zero)
    assert found.code == "NS680" and found.span is not None and "constant" in found.span.text
    assert "have a weight_filler of constant 0" in found.fact


def test_zeros_behind_weights_that_are_held_fast_learn() -> None:
    held = [
        {**layer, "param": [{"lr_mult": 0}, {"lr_mult": 0}]} if layer["name"] == "ip1" else layer
        for layer in LAYERS
    ]
    bare = [
        {k: v for k, v in layer.items() if k != "weight_filler"} if layer["name"] != "ip1" else layer
        for layer in held
    ]
    assert session(program(layers=bare), CPU).job.parameters


def test_weights_to_start_from(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    bare = [{k: v for k, v in layer.items() if k != "weight_filler"} for layer in LAYERS[:-2]]
    wider = [*bare, {"name": "fc", "type": "InnerProduct", "num_output": 12, "weight_filler": "xavier"}]
    made = session(program(layers=wider), CPU, weights=Start(str(tmp_path / "run/weights.safetensors")))
    assert made.started is not None and made.started.missing == ("fc.weight", "fc.bias")
    tensors, _ = read_tensors(tmp_path / "run/weights.safetensors")
    assert torch.equal(
        next(each.tensor for each in made.job.parameters if each.name == "ip1.weight"), tensors["ip1.weight"]
    )
    not_finite = tensors["ip1.weight"] / 0
    for tensors in ({"other": torch.zeros(2)}, {"ip1.weight": torch.zeros(2, 2)}, {"ip1.weight": not_finite}):
        write_tensors(tmp_path / "w.safetensors", tensors, {})
        with pytest.raises(SpecError) as error:
            session(program(layers=wider), CPU, weights=Start(str(tmp_path / "w.safetensors")))
        assert [d.code for d in error.value.diagnostics] == ["NS676"]


def test_weights_that_a_file_lacks_are_named(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    tensors, _ = read_tensors(tmp_path / "run/weights.safetensors")
    write_tensors(tmp_path / "w.safetensors", {"ip1.weight": tensors["ip1.weight"]}, {})
    out = io.StringIO()
    train_program(
        program(),
        tmp_path / "next",
        weights=Start(str(tmp_path / "w.safetensors")),
        progress=Lines(out),
        device="cpu",
    )
    assert out.getvalue().splitlines()[:2] == [
        f"{tmp_path / 'w.safetensors'}: 1 of 4 tensors are taken over",
        "  ip1.bias, ip2.weight, ip2.bias are not in the file: filled as the spec says",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"PK\x03\x04....", "torch.load"), (b"\x89HDF\r\n\x1a\n", "netspec import"), (b"words", None)],
)
def test_weights_of_another_format(tmp_path: Path, content: bytes, words: str | None) -> None:
    path = tmp_path / "w.bin"
    path.write_bytes(content)
    with pytest.raises(SpecError) as error:
        read_tensors(path)
    (found,) = error.value.diagnostics
    assert found.code == "NS674" and [words is not None and words in note for note in found.notes] == [
        True
    ] * (words is not None)


def test_labels_beyond_the_last_layer() -> None:
    (found,) = failure(layers=[*LAYERS[:3], {**LAYERS[3], "num_output": 7}, LAYERS[4]])
    assert (
        found.code == "NS651" and found.fact.startswith("ip2 tells 7 classes apart") and "has 7" in found.fact
    )


def test_samples_of_another_size() -> None:
    (found,) = failure(input={"data": ["N", 1, 28, 28]})
    assert found.code == "NS652" and "[N, 1, 28, 28]" in found.fact and "[N, 1, 8, 8]" in found.fact


def test_a_fixed_number_of_samples() -> None:
    fixed = {"data": {**document()["input"]["data"], "shape": [20, 1, 8, 8]}}
    (found,) = failure(input=fixed)
    assert found.code == "NS652" and "20 samples at a time, batch_size is 32" in found.fact
    twenty = {"source": "digits", "batch_size": 20}
    assert (
        session(program(input=fixed, train={"data": twenty, "test_data": twenty}), CPU).job.test_batches
        is not None
    )


def test_without_section_or_data() -> None:
    whole = document()
    for section, fact in (
        ({}, "no section train"),
        ({"train": {"solver": whole["train"]["solver"]}}, "has no data"),
    ):
        text = yaml.safe_dump({key: value for key, value in whole.items() if key != "train"} | section)
        with pytest.raises(SpecError) as error:
            session(driver.load_source(Source("s.yaml", text)), CPU)
        (found,) = error.value.diagnostics
        assert found.code == "NS681" and fact in found.fact


@pytest.mark.parametrize("data", [True, False])
@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ({"type": "MemoryData", "batch_size": 2, "channels": 1, "height": 8, "width": 8}, "[N, 1, 8, 8]"),
        ({"type": "WindowData", "batch_size": 2, "source": "w.txt", "crop_size": 8}, "[N, 3, 8, 8]"),
    ],
)
def test_layers_that_wait_for_values_are_told(layer: dict[str, Any], said: str, data: bool) -> None:
    """Nobody passes in what they give, whether or not there is a section of data."""
    own = {"name": "own", "top": ["image", "label"], **layer}
    whole = document(layers=[own, {**LAYERS[0], "bottom": "image"}, *LAYERS[1:]])
    del whole["input"]
    del whole["train"]["test_data"]
    if not data:
        del whole["train"]["data"]
    with pytest.raises(SpecError) as error:
        session(driver.load_source(Source("s.yaml", yaml.safe_dump(whole))), CPU)
    (found,) = error.value.diagnostics
    assert found.code == "NS681" and f"own ({layer['type']})" in found.fact, found
    assert f"image: {said}, label: " in found.notes[0]


@pytest.mark.parametrize("shape", [(60,), (60, 1), (60, 1, 1, 1)])
@pytest.mark.parametrize("dtype", ["int64", "uint8", "int32"])
def test_label_layouts(shape: tuple[int, ...], dtype: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    np.savez(
        tmp_path / "d.npz",
        data=generator.random((60, 6), np.float32),
        label=generator.integers(0, 3, 60).astype(dtype).reshape(shape),
    )
    fc = {"name": "fc", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"}
    path = write(
        tmp_path / "s.yaml",
        input={"data": ["N", 6]},
        layers=[fc],
        train={
            "data": {"source": "npz", "path": "d.npz", "batch_size": 8},
            "test_data": {"source": "npz", "path": "d.npz", "batch_size": 7},
        },
    )
    result = train_program(driver.load(str(path)), tmp_path / "run", device="cpu")
    found = measure(tmp_path / "run")
    assert found.samples == 12 and found.metrics == pytest.approx(dict(result.metrics))
    with np.load(tmp_path / "d.npz") as file:
        scores = load_run(tmp_path / "run").net(torch.from_numpy(file["data"][::5]))
        assert found.metrics["accuracy"] == pytest.approx(
            float((scores.argmax(1).numpy() == file["label"].reshape(-1)[::5]).mean())
        )


def test_labels_for_each_place(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    image = generator.integers(0, 2, (40, 1, 6, 6)).astype(np.float32)
    np.savez(tmp_path / "d.npz", data=image, label=image[:, 0].astype(np.int64))
    score = {
        "name": "score",
        "type": "Convolution",
        "num_output": 2,
        "kernel_size": 1,
        "weight_filler": "xavier",
    }
    path = write(
        tmp_path / "s.yaml",
        input={"data": ["N", 1, "H", "W"]},
        layers=[score],
        solver={"max_iter": 60, "base_lr": 0.5},
        train={
            "data": {"source": "npz", "path": "d.npz", "batch_size": 8},
            "test_data": {"source": "npz", "path": "d.npz"},
        },
    )
    assert train_program(driver.load(str(path)), tmp_path / "run", device="cpu").metrics["accuracy"] == 1.0


def test_regression(tmp_path: Path) -> None:
    x = np.random.default_rng(1).random((80, 4), np.float32)
    np.savez(tmp_path / "d.npz", data=x, label=x @ np.float32([[1, 0], [2, 1], [0, -1], [1, 1]]))
    fc = {"name": "fc", "type": "InnerProduct", "num_output": 2, "weight_filler": "xavier"}
    path = write(
        tmp_path / "s.yaml",
        input={"data": ["N", 4]},
        layers=[fc],
        solver={"max_iter": 300, "base_lr": 0.1, "snapshot": 0, "test_interval": 100},
        train={
            "loss": "EuclideanLoss",
            "data": {"source": "npz", "path": "d.npz"},
            "test_data": {"source": "npz", "path": "d.npz"},
        },
    )
    assert train_program(driver.load(str(path)), tmp_path / "run", device="cpu").metrics["loss"] < 1e-3


def test_a_run_loads_from_its_folder_alone(tmp_path: Path) -> None:
    """The spec stands on a base with blocks, and has settings; all its files are gone when the run is loaded."""
    home = tmp_path / "home"
    home.mkdir()
    block = {
        "vars": {"width": "required"},
        "bottom": "x",
        "top": "out",
        "layers": [
            {
                "name": "fc",
                "type": "InnerProduct",
                "bottom": "x",
                "num_output": "$width",
                "weight_filler": "xavier",
            },
            {"name": "out", "type": "ReLU", "bottom": "fc"},
        ],
    }
    (home / "blocks.yaml").write_text(yaml.safe_dump({"blocks": {"dense": block}}))
    layers = [{"name": "a", "block": "dense", "vars": {"width": 12}}, *LAYERS[2:]]
    write(home / "base.yaml", layers=layers, **{"import": ["blocks.yaml"]})
    (home / "spec.yaml").write_text(
        "netspec: 1\nname: $$derived\nbase: base.yaml\noverride: {a: {vars: {width: 9}}}\n"
    )
    settings = ("train.solver.max_iter=5", "drop1.dropout_ratio=0.1")
    spec = driver.load(str(home / "spec.yaml"), Reading(settings=settings))
    result = train_program(spec, tmp_path / "run", device="cpu")
    assert result.iteration == 5
    x = torch.rand(3, 1, 8, 8)
    net = compiled.compile(spec.graph("deploy"))
    for name, tensor in read_tensors(tmp_path / "run/weights.safetensors")[0].items():
        layer, _, weight = name.rpartition(".")
        net.layer_parameters(layer)[["weight", "bias"].index(weight)].data.copy_(tensor)  # type: ignore[operator]
    shutil.rmtree(home)
    loaded = load_run(tmp_path / "run")
    assert torch.equal(loaded.net(x), net(x))
    assert (
        loaded.program.resolved.file.train is not None
        and loaded.program.resolved.file.train.solver.max_iter == 5
    )
    assert loaded.program.name == "$derived" and loaded.classes == tuple("0123456789")
    assert measure(tmp_path / "run").metrics == pytest.approx(dict(result.metrics))


def test_the_spec_is_kept_as_it_was_written(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml")
    path.write_text("# a comment\n" + path.read_text())
    train_program(driver.load(str(path)), tmp_path / "run", device="cpu")
    assert (tmp_path / "run/spec.yaml").read_text() == path.read_text()


def test_the_hash_tells_nets_apart_and_texts_not() -> None:
    one = hash_of(program().training_graph())
    assert one == hash_of(program(description="otherwise", solver={"base_lr": 1.0}).training_graph())
    assert one != hash_of(program(layers=[{**LAYERS[0], "num_output": 17}, *LAYERS[1:]]).training_graph())
    assert one != hash_of(
        program(layers=[*LAYERS[:2], {**LAYERS[2], "dropout_ratio": 0.4}, *LAYERS[3:]]).training_graph()
    )


def recurrent(tmp_path: Path, max_iter: int) -> driver.Program:
    """Streams of 4 steps with no mark of their beginning: what the net carries from batch to batch counts."""
    generator = np.random.default_rng(1)
    np.savez(
        tmp_path / "d.npz",
        data=generator.random((40, 4), np.float32),
        label=generator.integers(0, 3, (40, 4)),
    )
    layers = [
        {"name": "x", "type": "Permute", "bottom": "data", "order": [1, 0]},
        {"name": "ones", "type": "Power", "scale": 0, "shift": 1},
        {"name": "steps", "type": "Reshape", "bottom": "x", "shape": {"dim": [0, 0, 1]}},
        {
            "name": "rnn",
            "type": "RNN",
            "bottom": ["steps", "ones"],
            "num_output": 5,
            "weight_filler": "xavier",
        },
        {"name": "fc", "type": "InnerProduct", "axis": 2, "num_output": 3, "weight_filler": "xavier"},
        {"name": "prob", "type": "Permute", "order": [1, 2, 0]},
    ]
    path = write(
        tmp_path / "r.yaml",
        input={"data": ["N", 4]},
        layers=layers,
        solver={"max_iter": max_iter, "base_lr": 0.1},
        output="prob",
        train={
            "data": {"source": "npz", "path": "d.npz", "batch_size": 8},
            "test_data": {"source": "npz", "path": "d.npz", "batch_size": 8},
        },
    )
    return driver.load(str(path))


def test_what_recurrent_layers_carry_survives_a_resume(tmp_path: Path) -> None:
    train_program(recurrent(tmp_path, 12), tmp_path / "whole", device="cpu")
    train_program(recurrent(tmp_path, 7), tmp_path / "parts", device="cpu")
    tensors, _ = read_tensors(tmp_path / "parts/solver.safetensors")
    assert any(name.startswith("carried:rnn") and bool(tensor.any()) for name, tensor in tensors.items())
    train_program(recurrent(tmp_path, 12), tmp_path / "parts", device="cpu", resume=True)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert (tmp_path / "parts/best.safetensors").read_bytes() == (
        tmp_path / "whole/best.safetensors"
    ).read_bytes()


def test_a_net_learns_from_its_own_data_layers(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    generator = np.random.default_rng(1)
    label = generator.integers(0, 2, 40)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["data"], file["label"] = (
            label[:, None] + 0.1 * generator.random((40, 3)),
            label.astype(np.float32),
        )
    (tmp_path / "list.txt").write_text("d.h5\n")
    data = {
        "name": "data",
        "type": "HDF5Data",
        "top": ["data", "label"],
        "source": "list.txt",
        "batch_size": 8,
    }
    layers = [
        data,
        {"name": "fc", "type": "InnerProduct", "bottom": "data", "num_output": 2, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["fc", "label"]},
        {"name": "accuracy", "type": "Accuracy", "bottom": ["fc", "label"], "include": {"phase": "TEST"}},
    ]
    whole = {
        "netspec": 1,
        "name": "own",
        "layers": layers,
        "train": {"solver": document()["train"]["solver"] | {"max_iter": 60, "base_lr": 0.5}},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))
    spec = driver.load(str(tmp_path / "s.yaml"))
    result = train_program(spec, tmp_path / "whole", device="cpu")
    assert result.metrics["accuracy"] == 1.0
    train_program(
        driver.load(str(tmp_path / "s.yaml"), Reading(settings=("train.solver.max_iter=21",))),
        tmp_path / "parts",
        device="cpu",
    )
    train_program(spec, tmp_path / "parts", device="cpu", resume=True)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    assert measure(tmp_path / "whole").samples == 40


def test_the_job_is_what_the_loop_takes(tmp_path: Path) -> None:
    made = session(program(), CPU)
    assert made.job.losses >= {"loss"} and made.job.layer_of["ip1"] == "ip1" and made.seed == 3
    with Silent() as silent:
        assert train(made.job, tmp_path / "run", device="cpu", progress=silent).iteration == 12


def test_what_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").touch()
    for name, why in (
        ("none", "there is no such folder"),
        ("file.yaml", "it is a file, not the folder of a run"),
        ("", "run.json"),
    ):
        with pytest.raises(SpecError) as error:
            load_run(tmp_path / name)
        (found,) = error.value.diagnostics
        assert found.code == "NS683" and found.fact.startswith(why)


def test_transplant_takes_a_run(tmp_path: Path) -> None:
    result = trained(tmp_path / "run")
    spec, out = str(tmp_path / "run" / "spec.yaml"), tmp_path / "w.safetensors"
    done = CliRunner().invoke(group, ["transplant", str(result.run), spec, spec, "-o", str(out)])
    assert done.exit_code == 0, done.output
    before, after = read_tensors(tmp_path / "run/weights.safetensors")[0], read_tensors(out)[0]
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("settings", "recorded", "outside"),
    [
        ((), 0, False),
        (("train.data.path=../d.npz",), 0, True),
        (("train.data.path=../d.npz", "train.solver.max_iter=1"), 0, True),
        (("train.solver.max_iter=1", "train.test_data.path=../d.npz"), 0, True),
        (("train.data.path=../d.npz", "train.solver.max_iter=1"), 1, False),  # a run's word
        (("train.solver.max_iter=1", "train.val_data.path=../d.npz"), 1, True),
        (("train.solver.max_iter=1", "name=other"), 0, False),
    ],
)
def test_only_the_command_line_may_name_data_outside(
    settings: tuple[str, ...], recorded: int, outside: bool
) -> None:
    """All settings are the command line's, but those that a run's folder remembers."""
    program = SimpleNamespace(
        reading=Reading(settings=settings, **({"recorded": recorded} if recorded else {})),
        resolved=SimpleNamespace(
            spec=SimpleNamespace(folder="."), file=SimpleNamespace(train=SimpleNamespace(fill={}, data=1))
        ),
    )
    graph = SimpleNamespace(graph=SimpleNamespace(inputs=(), nodes=(), sources=()))
    assert place_of(program, graph).allow_outside == outside  # type: ignore[arg-type]
