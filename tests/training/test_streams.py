"""A text in parallel streams: what each batch holds, that the state goes along exactly, in training, in a test and over a resume."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from netspec import driver
from netspec.allowed_paths import allowing
from netspec.data.registry import Place
from netspec.diagnostics import SpecError
from netspec.resolve.sections.train import DataSection
from netspec.training.batches.feeding import Port, batches_of, feed_of
from netspec.training.batches.loader import Batches
from netspec.training.session import session, train_program
from netspec.training.test import measure
from tests.data.data_files import opened

pytestmark = pytest.mark.torch
LETTERS = "abcdefg"
TEXT = "".join(LETTERS[i] for i in np.random.RandomState(1).randint(0, 7, 121))
WORDS = {
    "recurrent": "type: LSTM, num_output: 6",
    "train": "window: 5, batch_size: 4, streams: true",
    "test": "window: 5, batch_size: 1, streams: true",
    "solver": "type: Adam, base_lr: 0.02, max_iter: 17, random_seed: 3",
    "more": "",
}
SPEC = """netspec: 1
name: letters
input: {{data: [T, N], cont: [T, N], label: [T, N]}}
layers:
  - {{name: embed, type: Embed, bottom: data, input_dim: 7, num_output: 6, bias_term: false, weight_filler: xavier}}
  - {{name: memory, bottom: [embed, cont], weight_filler: xavier, {recurrent}}}
  - {{name: score, type: InnerProduct, axis: 2, num_output: 7, weight_filler: xavier}}
  - {{name: loss, type: SoftmaxWithLoss, bottom: [score, label], axis: 2}}
output: score
train:
  data: {{source: text, path: t.txt, {train}}}
  test_data: {{source: text, path: u.txt, {test}}}
  solver: {{{solver}}}
{more}
"""


def program(folder: Path, **words: str) -> driver.Program:
    (folder / "t.txt").write_text(TEXT)
    (folder / "u.txt").write_text(TEXT[::-1])
    path = folder / "letters.yaml"
    path.write_text(SPEC.format(**(WORDS | words)))
    return driver.load(str(path))


def batches(folder: Path, role: Any = "train", split: str | None = None, **words: Any) -> Batches:
    (folder / "t.txt").write_text(TEXT)
    section: dict[str, Any] = {"source": "text", "path": "t.txt", "window": 5, "streams": True} | words
    source = opened(folder, split, **section)
    made = DataSection(**section)
    ports = {name: Port((made.window,)) for name in ("data", "cont", "label")}
    return batches_of(source, made, feed_of(source, made, ports, (), role, Place(folder)), role, 0)


def read(numbers: torch.Tensor) -> str:
    return "".join(LETTERS[int(i)] for i in numbers)


@pytest.mark.parametrize(("streams", "window"), [(1, 5), (4, 5), (5, 3), (7, 17), (24, 5), (120, 1)])
def test_each_stream_reads_on_from_batch_to_batch(streams: int, window: int, tmp_path: Path) -> None:
    made = batches(tmp_path, batch_size=streams, window=window)
    length = 120 // window // streams
    for epoch in range(2):
        parts = [next(made) for _ in range(length)]
        whole = {name: torch.cat([part[name] for part in parts]) for name in ("data", "label", "cont")}
        for j in range(streams):
            begin = j * length * window
            assert read(whole["data"][:, j]) == TEXT[begin : begin + length * window], (epoch, j)
            assert read(whole["label"][:, j]) == TEXT[begin + 1 : begin + length * window + 1]
        assert whole["cont"][0].tolist() == [0] * streams and bool((whole["cont"][1:] == 1).all())
    assert made.position == 2 * length * streams


def test_parts_of_one_text_are_stretches(tmp_path: Path) -> None:
    """24 windows: the last 4 are the test's."""
    texts = {}
    for role in ("train", "test"):
        made = batches(tmp_path, role, role, batch_size=2)
        count = len(made.source) // 2
        parts = torch.cat([next(made)["data"] for _ in range(count)])
        texts[role] = read(parts.T.reshape(-1))
    assert texts == {"train": TEXT[:100], "test": TEXT[100:120]}


def test_the_state_goes_along_exactly(tmp_path: Path) -> None:
    """Short windows with carried state judge a text as one long window does; windows that begin anew do not."""
    long = {"test": "window: 120, batch_size: 1"}
    train_program(program(tmp_path, **long), tmp_path / "run", device="cpu")
    found = {}
    for name, words in (
        ("long", long["test"]),
        ("streams", WORDS["test"]),
        ("anew", "window: 5, batch_size: 1"),
    ):
        program(tmp_path)
        (tmp_path / "run/spec.yaml").write_text(SPEC.format(**(WORDS | {"test": words})))
        with allowing(
            [str(tmp_path)]
        ):  # a spec that was changed in the run is no longer the one in the folder
            found[name] = measure(tmp_path / "run", device="cpu").metrics["loss"]
    assert found["streams"] == pytest.approx(found["long"], rel=1e-6)
    assert abs(found["anew"] - found["long"]) > 1e-3


def test_training_carries_the_state_without_its_gradient(tmp_path: Path) -> None:
    """The second batch's loss and gradient are those of a net that is given the state after the first as a constant."""
    made = session(program(tmp_path), torch.device("cpu"))
    net: Any = made.job.net
    first, second = next(made.job.train_batches), next(made.job.train_batches)
    net(**first)
    kept = [part.clone() for part in net.memory.state]
    assert not any(part.requires_grad for part in net.memory.state)
    net(**second)
    carried = net.total_loss
    net.memory.state = tuple(kept)
    net(**second)
    assert torch.equal(net.total_loss, carried)
    net.reset_state()
    net(**second)
    assert not torch.equal(net.total_loss, carried)
    carried.backward()


def same(one: Path, two: Path) -> None:
    for name in ("weights.safetensors", "solver.safetensors", "best.safetensors"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


@pytest.mark.parametrize(
    ("recurrent", "stop"),
    [
        ("LSTM", 4),
        ("RNN", 6),
        pytest.param("RNN", 4, marks=pytest.mark.slow),
        pytest.param("LSTM", 6, marks=pytest.mark.slow),
        *(pytest.param(kind, 10, marks=pytest.mark.slow) for kind in ("LSTM", "RNN")),
    ],
)
def test_a_resumed_run_is_the_same(recurrent: str, stop: int, tmp_path: Path) -> None:
    """6 batches an epoch: stopped within one, and between two."""

    def upto(count: int) -> driver.Program:
        return program(
            tmp_path,
            recurrent=f"type: {recurrent}, num_output: 6",
            solver=WORDS["solver"].replace("17", str(count)) + ", test_interval: 5",
        )

    train_program(upto(17), tmp_path / "whole", device="cpu")
    train_program(upto(stop), tmp_path / "parts", device="cpu")
    train_program(upto(17), tmp_path / "parts", device="cpu", resume=True)
    same(tmp_path / "whole", tmp_path / "parts")


def test_a_test_leaves_the_streams_alone(tmp_path: Path) -> None:
    for name, interval in (("often", 1), ("never", 0)):
        train_program(
            program(tmp_path, solver=f"{WORDS['solver']}, test_interval: {interval}"),
            tmp_path / name,
            device="cpu",
        )
    assert (tmp_path / "often/weights.safetensors").read_bytes() == (
        tmp_path / "never/weights.safetensors"
    ).read_bytes()


def test_other_streams_do_not_resume(tmp_path: Path) -> None:
    """2 streams of 12 windows are as many samples as 4 of 6, in another order."""
    train_program(program(tmp_path), tmp_path / "run", device="cpu")
    for words, fact in (
        ("batch_size: 2, streams: true", "streams is 2, in the checkpoint 4"),
        ("batch_size: 4, shuffle: false", "streams is 0"),
    ):
        with pytest.raises(SpecError, match="NS659") as error:
            train_program(
                program(tmp_path, train=f"window: 5, {words}"), tmp_path / "run", device="cpu", resume=True
            )
        assert fact in str(error.value)


FAULTS = {
    "shuffled": (
        {"train": "window: 5, batch_size: 4, streams: true, shuffle: true"},
        "NS662",
        "keep the order of the text",
    ),
    "forgetful": (
        {"recurrent": "type: LSTM, num_output: 6, carry_state: false"},
        "NS662",
        "no layer of the net carries a state",
    ),
    "short": (
        {"train": "window: 5, batch_size: 25, streams: true"},
        "NS650",
        "24 windows of 5 characters, 25 streams need 25",
    ),
    "players": (
        {"more": "  players: {one: {loss: [loss], layers: [embed, memory, score]}}"},
        "NS662",
        "each player",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_stream(name: str, tmp_path: Path) -> None:
    words, code, fact = FAULTS[name]
    with pytest.raises(SpecError, match=code) as error:
        session(program(tmp_path, **words), torch.device("cpu"))
    assert fact in str(error.value)


def test_other_sources_have_no_streams(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", data=np.zeros((8, 5)), cont=np.zeros((8, 5)), label=np.zeros((8, 5), int))
    program(tmp_path)
    path = tmp_path / "letters.yaml"
    path.write_text(
        path.read_text().replace("source: text, path: t.txt, window: 5", "source: npz, path: d.npz")
    )
    with pytest.raises(SpecError, match="NS662") as error:
        session(driver.load(str(path)), torch.device("cpu"))
    assert "npz has none" in str(error.value)
