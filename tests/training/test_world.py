"""Several processes of one training: they take the steps that one takes, go on from each other's snapshots, and end together."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from netspec import driver
from netspec.cli.train import one_told, without_processes
from netspec.diagnostics import SpecError
from netspec.read_options import Reading
from netspec.source import Source
from netspec.training import shards
from netspec.training.batches.loader import Batches
from netspec.training.batches.order import Share
from netspec.training.job import TrainingResult
from netspec.training.launch import LEFT, tell
from netspec.training.run.named_run import find_begun, make_run
from netspec.training.run.weights import read_tensors
from netspec.training.session import session, train_program
from netspec.training.sharding import check_shard
from netspec.training.sharing import check_batch, check_rows
from netspec.training.world import Seat, World, launch_key, read_seat
from tests.children import Child
from tests.training.specs import Line, program, write

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[2]
SPEC = """netspec: 1
name: shared
input:
  data: {shape: [N, 1, 8, 8], image: {color: gray, scale: 0.06}}
layers:
  - {name: conv1, type: Convolution, num_output: 5, kernel_size: 3, weight_filler: msra}
  - {name: bn1, type: BatchNorm}
  - {name: scale1, type: Scale, bias_term: true}
  - {name: relu1, type: ReLU}
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}
  - {name: prob, type: Softmax}
output: prob
train:
  data: {source: digits, batch_size: 30}
  test_data: {source: digits, split: test, batch_size: 100}
  augment: [{crop_size: [8, 8], pad: 1}]
  loss:
    - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
    - {name: accuracy, type: Accuracy, bottom: [ip, label]}
    - {name: some, type: SoftmaxWithLoss, bottom: [ip, label], ignore_label: 3}
    - {name: rare, type: FocalLoss, bottom: [ip, label], ignore_label: 4}
    - {name: sum, type: SoftmaxWithLoss, bottom: [ip, label], normalization: NONE, loss_weight: 0.02}
    - {name: heavy, type: SoftmaxWithLoss, bottom: [ip, label],
       class_weight: [1, 9, 1, 1, 1, 1, 1, 1, 1, 5]}
    - {name: dice, type: DiceLoss, bottom: [ip, label]}
    - {name: centers, type: CenterLoss, bottom: [ip, label], num_output: 10, loss_weight: 0.01,
       center_filler: xavier}
  sync_batch_norm: true
  average: {decay: 0.9}
  solver:
    {base_lr: 0.05, momentum: 0.9, weight_decay: 0.001, iter_size: 2, clip_gradients: 1, random_seed: 3,
     max_iter: 6, test_interval: 3, display: 2, snapshot: 3}
"""


def shared(*settings: str) -> driver.Program:
    return driver.load_source(Source("shared.yaml", SPEC), Reading(settings=settings))


def sit(rank: int, size: int, port: int) -> None:
    """What torchrun says to a process."""
    torch.set_num_threads(1)
    words = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ |= {word: str(value) for word, value in words.items()} | {"MASTER_ADDR": "127.0.0.1"}


def train_at(
    rank: int, size: int, port: int, run: Path, settings: tuple[str, ...], resume: bool, kill: int | str
) -> None:
    """What one process does; kill: the batch, or the file whose part is written, at which the last of them kills
    itself.
    """
    sit(rank, size, port)
    if isinstance(kill, str) and rank == size - 1:
        write, asked = shards.write_part, []

        def writing(path: Path, *words: Any) -> str:
            asked.append(path.name)
            if asked.count(kill) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return write(path, *words)

        shards.write_part = writing
    elif kill and rank == size - 1:
        take = Batches.__next__

        def taking(batches: Batches) -> Any:
            if batches.order.wrap and batches.position == kill * batches.batch_size:
                os.kill(os.getpid(), signal.SIGKILL)
            return take(batches)

        Batches.__next__ = taking  # type: ignore[method-assign]
    with one_told("cpu") as world:
        train_program(shared(*settings), run, device="cpu", resume=resume, world=world)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def together(
    size: int, run: Path, *settings: str, resume: bool = False, kill: int | str = 0
) -> list[tuple[int, str]]:
    """Exit codes and what was said on stderr, of all processes."""
    port = free_port()
    children = [
        Child(train_at, rank, size, port, run, settings, resume, kill, folder=make(run.parent / str(rank)))
        for rank in range(size)
    ]
    return [(code, err) for code, _, err in children]


def make(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def apart(one: Path, two: Path) -> float:
    a, b = (read_tensors(run / "weights.safetensors")[0] for run in (one, two))
    assert a.keys() == b.keys()
    return max(float((t - b[name]).abs().max() / t.abs().max().clamp(min=1)) for name, t in a.items())


def logged_tests(run: Path) -> list[list[float]]:
    import json

    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [[line["iteration"], line["loss"], line["accuracy"]] for line in lines if line["phase"] == "test"]


def alone(run: Path, *settings: str, resume: bool = False) -> TrainingResult:
    return train_program(shared(*settings), run, device="cpu", resume=resume)


LESS, MORE = (f"train.solver.max_iter={count}" for count in (3, 5))
THREE = "train.test_data.batch_size=130"
"""Batches of the test data, which two processes cannot share evenly."""


def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    """With batch normalisation and losses over what counts in all rows, random changes, sums of batches, clipping and
    an average of the weights. Spread over them (5 rows, so not evenly) the weights come to the same, and one process
    goes on from their snapshot: weights, average and momentum.
    """
    alone(tmp_path / "whole", THREE)
    alone(tmp_path / "one", LESS, THREE)
    spread = (MORE, THREE, "train.shard=true")
    for run, settings, resume in (("two", (LESS, THREE), False), ("one", spread, True)):
        assert together(2, tmp_path / run, *settings, resume=resume) == [(0, ""), (0, "")]
    for run in ("two", "one"):
        result = alone(tmp_path / run, THREE, resume=True)
        assert [each.code for each in result.findings] == ["NS607"]
    for run in ("one", "two"):
        assert apart(tmp_path / "whole", tmp_path / run) < 1e-5
        for one, two in zip(logged_tests(tmp_path / "whole"), logged_tests(tmp_path / run), strict=True):
            assert one == pytest.approx(two, rel=1e-4)


PART_NAMES = re.compile(r"(weights\.next|solver|best)\.[0-2]-of-[23]\.[0-9a-f]{8}\.safetensors")


def parts_of(run: Path) -> list[Path]:
    return sorted(path for path in run.iterdir() if "-of-" in path.name)


def test_a_snapshot_in_parts_goes_on_in_any_number_of_processes(tmp_path: Path) -> None:
    """Three are killed while the solver's last snapshot is written; two go on from the one before, and where a part of
    what they wrote is damaged, one does. Each part has a share of the rows, and all come to what one process trains.
    """
    alone(tmp_path / "whole")
    run, spread = tmp_path / "run", "train.shard=true"
    killed = together(3, run, spread, kill="solver.safetensors")
    assert killed[2][0] == -signal.SIGKILL
    assert together(2, run, spread, resume=True) == [(0, ""), (0, "")]
    assert apart(tmp_path / "whole", run) < 1e-5
    parts = parts_of(run)
    assert all(PART_NAMES.fullmatch(path.name) for path in parts)
    made = Counter(re.sub(r"\.[0-9]-|\.\w{8}\.safetensors", " ", path.name).strip() for path in parts)
    assert made == {
        "best of-2": 2,
        "solver of-2": 2,
        "weights.next of-2": 2,
        "solver of-3": 3,
        "weights.next of-3": 3,
    }
    sizes = [path.stat().st_size for path in parts if path.name.startswith("solver.") and "of-2" in path.name]
    assert max(sizes) < 0.7 * (tmp_path / "whole/solver.safetensors").stat().st_size
    last = next(path for path in parts if path.name.startswith("weights.next.1-of-2"))
    last.write_bytes(last.read_bytes()[:-4] + b"spot")
    assert {each.code for each in alone(run, resume=True).findings} == {"NS604", "NS607"}
    assert apart(tmp_path / "whole", run) < 1e-5
    assert {path.name.split("-of-")[1][0] for path in parts_of(run)} == {"3"}


def test_one_killed_ends_all_with_a_finding(tmp_path: Path) -> None:
    (first, told), (last, _) = together(2, tmp_path / "run", "train.solver.max_iter=9000", kill=10)
    assert (first, last) == (1, -signal.SIGKILL)
    assert told.count("error[NS606]") == 1 and "process 0 of 2 could not reach another" in told
    assert alone(tmp_path / "run", resume=True).iteration == 6


def batches_of(share: Share, part: str) -> list[dict[str, torch.Tensor]]:
    job = session(shared(), torch.device("cpu")).job
    batches: Any = job.train_batches if part == "train" else job.test_batches
    batches.take_share(share)
    found = [next(batches) for _ in range(3)] if part == "train" else list(batches)
    batches.close()
    return found


def test_shares_of_a_batch_are_its_rows_and_of_a_test_its_batches() -> None:
    whole, parts = batches_of(Share(), "train"), [batches_of(Share(rank, 3), "train") for rank in range(3)]
    for i, batch in enumerate(whole):
        for rank, part in enumerate(parts):
            assert all(torch.equal(part[i][name], rows[rank::3]) for name, rows in batch.items())
    whole, parts = batches_of(Share(), "test"), [batches_of(Share(rank, 3), "test") for rank in range(3)]
    assert [len(part) for part in parts] == [2, 1, 1] and len(whole) == 4
    for i, batch in enumerate(whole):
        assert all(torch.equal(parts[i % 3][i // 3][name], rows) for name, rows in batch.items())


@pytest.mark.parametrize(
    ("more", "size", "fact", "place"),
    [
        ({}, 3, "each process takes as many samples of a batch: 32 % 3 = 2", "batch_size"),
        ({"input": {"data": [32, 1, 8, 8]}}, 2, "input data takes 32 samples at a time", None),
    ],
)
def test_a_batch_that_cannot_be_shared(more: Any, size: int, fact: str, place: str | None) -> None:
    with pytest.raises(SpecError) as error:
        check_batch(program(**more), World(Seat(0, size)))
    (found,) = error.value.diagnostics
    assert found.code == "NS605" and fact in found.fact
    if place is not None:
        assert found.span is not None
        text = found.span.source.text
        assert text[: found.span.start].endswith(f"{place}: ")


@pytest.mark.parametrize(
    "said",
    [
        {"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "1"},
        {"RANK": "a", "WORLD_SIZE": "2"},
        {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "h"},
    ],
)
def test_an_environment_that_is_not_whole(said: dict[str, str]) -> None:
    with pytest.raises(SpecError) as error:
        read_seat(said)
    assert [d.code for d in error.value.diagnostics] == ["NS608"]


def test_a_seat_is_read_and_missing_it_is_alone() -> None:
    said = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "h", "MASTER_PORT": "1"}
    assert read_seat(said) == Seat(1, 2, 1, 0)
    assert read_seat({"RANK": "1"}) == Seat() and launch_key({}) == ""


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ({0: -15, 1: 1}, 1),  # what process 1 told made the launcher end the other
        ({0: 2, 1: LEFT}, 2),
        ({0: LEFT}, 1),
        ({0: -9, 1: LEFT}, None),  # nobody has told: one was killed, the other noticed
        ({0: -15, 1: LEFT}, None),
        ({0: -9, 1: 1}, None),
    ],
)
def test_of_processes_that_ended_one_thing_is_told(codes: dict[int, int], code: int | None) -> None:
    failures = {rank: SimpleNamespace(exitcode=number) for rank, number in codes.items()}
    if code is not None:
        assert tell(failures, 2) == code
        return
    with pytest.raises(SpecError) as caught:
        tell(failures, 2)
    assert (
        caught.value.diagnostics[0].code == "NS606" and "process 0 of 2" in caught.value.diagnostics[0].fact
    )


def test_words_of_the_launch_are_not_handed_on() -> None:
    words = ["train", "a.yaml", "--processes", "2", "--run", "r", "--max-restarts=3", "--quiet"]
    assert without_processes(words) == ["train", "a.yaml", "--run", "r", "--quiet"]


def test_what_all_processes_would_refuse_is_told_before_they_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred of them take minutes to start."""
    monkeypatch.setattr("netspec.training.launch.launch", lambda *words: 77)
    line = Line(monkeypatch, capsys)
    spec = write(tmp_path / "net.yaml")
    assert line("train", spec, "--processes", "100", "--run", tmp_path / "run") == 1
    assert "NS605" in line.err and "32 % 100 = 32" in line.err
    assert line("train", spec, "--processes", "2", "--run", tmp_path / "run") == 77


def test_two_trainings_of_one_second_have_their_own_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another makes the folder between the look and the making of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "2026-12-01T00-00-00")
    there = Path.exists

    def late(path: Path, **more: Any) -> bool:
        if path.name.endswith("-2") and not there(path):
            os.mkdir(path)
            return False
        return there(path, **more)

    first = make_run("net")
    monkeypatch.setattr(Path, "exists", late)
    assert [first.name, make_run("net").name] == ["2026-12-01T00-00-00", "2026-12-01T00-00-00-3"]


def test_processes_started_anew_find_the_run_of_their_launch_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word, value in {"RUN_ID": "job"}.items():
        monkeypatch.setenv(f"TORCHELASTIC_{word}", value)
    alone(tmp_path / "ours", "train.solver.max_iter=1")
    again = World(Seat(0, 2, 0, restarts=1))
    assert find_begun("shared", tmp_path / "ours", again) == tmp_path / "ours"
    assert find_begun("shared", tmp_path / "ours", World()) is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "another")
    assert find_begun("shared", tmp_path / "ours", again) is None


def test_what_weights_in_parts_do_not_go_with_is_told_at_the_word() -> None:
    refused = ("train.shard=true", "train.compile=true", "train.precision=fp16", "train.keep_zeros=true")
    check_shard(shared(*refused), World())
    with pytest.raises(SpecError) as error:
        check_shard(shared(*refused), World(Seat(0, 2)))
    found = error.value.diagnostics
    assert {each.code for each in found} == {"NS770"} and all(each.span is not None for each in found)
    assert [each.fact.partition(":")[0] for each in found] == [
        "train.compile",
        "train.keep_zeros",
        "train.precision fp16",
    ]
    check_shard(shared("train.shard=true"), World(Seat(0, 2)))


@pytest.mark.parametrize(
    ("words", "codes"), [({}, ["NS771"]), ({"ignore_label": 3}, []), ({"normalization": "NONE"}, [])]
)
def test_a_mean_over_rows_that_values_decide_on(words: dict[str, Any], codes: list[str]) -> None:
    """Of the samples without class 0 each process has another number; a count that all make is right."""
    kept = {"name": "some", "type": "Filter", "bottom": ["ip2", "label", "label"], "top": ["rows", "classes"]}
    loss = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["rows", "classes"], **words}
    made = program(train={"loss": [kept, loss]})
    check_rows(made, World())
    found = []
    try:
        check_rows(made, World(Seat(0, 2)))
    except SpecError as error:
        found = [each.code for each in error.diagnostics if each.span is not None]
    assert found == codes


def test_a_weight_of_two_layers_is_not_spread() -> None:
    one = {
        "type": "InnerProduct",
        "num_output": 64,
        "weight_filler": "xavier",
        "param": [{"name": "w"}, {"name": "b"}],
    }
    layers = [{"name": name, **one} for name in ("first", "second")]
    made = program(
        layers=[
            *layers,
            {"name": "ip", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"},
            {"name": "prob", "type": "Softmax"},
        ],
        train={"shard": True},
    )
    with pytest.raises(SpecError) as error:
        check_shard(made, World(Seat(0, 2)))
    assert [each.fact.partition(":")[0] for each in error.value.diagnostics] == [
        "second and first have one weight",
        "second and first have one bias",
    ]


@pytest.mark.slow
def test_torchrun_itself_starts_a_training(tmp_path: Path) -> None:
    """As README and docs/language/train.md say it: two processes, one folder, one that speaks."""
    (tmp_path / "shared.yaml").write_text(SPEC)
    words = ["--standalone", "--nproc-per-node=2", "-m", "netspec", "train", "shared.yaml", "--folder", "run"]
    made = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *words, "--device", "cpu", "--quiet"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.count("trained 6 iterations") == 1
    alone(tmp_path / "whole")
    assert apart(tmp_path / "whole", tmp_path / "run") < 1e-5
