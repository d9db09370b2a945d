"""Damaged and foreign snapshots, places that cannot be written, a full disk, a loss that is not finite: each has a code."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from netspec.diagnostics import Diagnostic, SpecError
from netspec.training.device import find_device
from netspec.training.loop import train
from netspec.training.run.checkpoint import read_more
from netspec.training.run.folder import read_record
from netspec.training.run.log import Log
from netspec.training.run.named_run import find_run
from netspec.training.run.weights import load_weights, read_rows, read_tensors, write_part, write_tensors
from tests.children import Child
from tests.each import each
from tests.training.tiny import TinyNet, data, job, train_in_child, words

pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished short run, of which the last snapshot alone is there."""
    train(job(words(max_iter=4)), tmp_path / "run", device="cpu")
    for path in (tmp_path / "run").glob("*.before.safetensors"):
        path.unlink()
    return tmp_path / "run"


def failure(run: Path, resume: bool = True, **more: object) -> list[Diagnostic]:
    with pytest.raises(SpecError) as error:
        train(job(words(**({"max_iter": 8} | more))), run, device="cpu", resume=resume)
    return error.value.diagnostics


@pytest.mark.parametrize("name", ["solver.safetensors", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["empty", "half", "text", "bit", "header"])
def test_damaged_snapshot(run: Path, name: str, damage: str) -> None:
    path = run / name
    content = bytearray(path.read_bytes())
    content[-5 if damage == "bit" else 2] ^= 0x10 if damage in ("bit", "header") else 0
    whole = bytes(content)
    path.write_bytes(
        {"empty": b"", "half": whole[: len(whole) // 2], "text": b"not a tensor\n" * 50}.get(damage, whole)
    )
    found = failure(run)
    assert [(d.code, d.path) for d in found] == [("NS674", str(path))]


def stored(path: Path, kind: str, shape: list[int], content: bytes) -> Path:
    """A safetensors file of one tensor, by hand: torch writes some kinds and shapes of it only."""
    header = {"conv.weight": {"dtype": kind, "shape": shape, "data_offsets": [0, len(content)]}}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return path


def parted(folder: Path, **wrong: Tensor) -> tuple[Path, list[str]]:
    """A weights file in two parts; wrong: what the second holds beside its rows."""
    path, whole = folder / "weights.safetensors", torch.arange(15.0).view(5, 3)
    rows = [{"ip.weight": whole[:3]}, {"ip.weight": whole[3:], **wrong}]
    names = [write_part(path, rank, 2, part) for rank, part in enumerate(rows)]
    write_tensors(path, {"bn.count": torch.ones(1)}, {"parts": names})
    return path, names


def test_a_file_in_parts_gives_any_rows(tmp_path: Path) -> None:
    path, _ = parted(tmp_path)
    tensors, _ = read_tensors(path)
    assert torch.equal(tensors["ip.weight"], torch.arange(15.0).view(5, 3)) and len(tensors) == 2
    for begin in range(5):
        held = read_rows(path, {"ip.weight": slice(begin, begin + 2)}.get)
        assert torch.equal(held.tensors["ip.weight"], tensors["ip.weight"][begin : begin + 2])
        assert held.shapes == {"ip.weight": (5, 3), "bn.count": (1,)}


PARTS: dict[str, Callable[[list[str]], Any]] = {
    "each of its own": lambda names: [names[0], names[0]],
    "no part is called '../": lambda names: [f"../{names[0]}"],
    "no part is called 'weights.safetensors'": lambda names: ["weights.safetensors"],
    "no part is called '7'": lambda names: [7],
    "must be a list": lambda names: dict.fromkeys(names, 0),
    "a part of a file of weights: ": lambda names: [names[0].replace("0-of", "1-of"), names[1]],
    "is not the checksum": lambda names: [names[0], names[1].replace(names[1][-20:-12], "0" * 8)],
}


@each("fact", PARTS)
def test_parts_that_are_none(fact: str, tmp_path: Path) -> None:
    path, names = parted(tmp_path)
    (tmp_path / names[1].replace(names[1][-20:-12], "0" * 8)).write_bytes((tmp_path / names[1]).read_bytes())
    write_tensors(path, {}, {"parts": PARTS[fact](names)})
    with pytest.raises(SpecError, match="NS674") as error:
        read_tensors(path)
    assert fact in error.value.diagnostics[0].fact


@each("wrong", [{"bn.count": torch.ones(1)}, {"ip.bias": torch.tensor(1.0)}])
def test_rows_that_are_none(wrong: dict[str, Tensor], tmp_path: Path) -> None:
    path, _ = parted(tmp_path, **wrong)
    with pytest.raises(SpecError, match="of which it can have no rows"):
        read_tensors(path)


def test_rows_that_do_not_go_together(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    names = [write_part(path, rank, 2, {"ip.weight": torch.ones(2, 3 + rank)}) for rank in range(2)]
    write_tensors(path, {}, {"parts": names})
    with pytest.raises(SpecError, match=r"NS674.*: the parts of ip.weight do not go together"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("kind", "shape", "content", "code"),
    [
        ("F32", [0, 1 << 62, 1 << 62], b"", "NS674"),
        ("F32", [1 << 40, 1 << 40], bytes(4), "NS674"),
        ("C64", [2], bytes(16), "NS676"),
        ("U16", [2], bytes(4), "NS676"),
        ("F4", [4], bytes(2), "NS676"),
    ],
)
def test_tensors_that_no_net_computes_with(
    kind: str, shape: list[int], content: bytes, code: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError) as error:
        read_tensors(stored(tmp_path / "w.safetensors", kind, shape, content))
    assert [d.code for d in error.value.diagnostics] == [code]


def test_small_floats_are_read_as_what_they_stand_for(tmp_path: Path) -> None:
    path = stored(tmp_path / "w.safetensors", "F8_E4M3", [3], bytes([0x38, 0xC0, 0x7E]))
    (read,) = read_tensors(path)[0].values()
    assert (read.dtype, read.tolist()) == (torch.float32, [1.0, -2.0, 448.0])


def test_no_damaged_byte_changes_the_weights(run: Path) -> None:
    """A bit flipped anywhere is refused, or (in the word that marks our metadata) leaves every tensor as it was."""
    path = run / "weights.safetensors"
    content, ours = path.read_bytes(), job(words()).parameters
    load_weights(path, ours)
    before = [each.tensor.clone() for each in ours]
    refused = 0
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x01]) + content[at + 1 :])
        try:
            load_weights(path, ours)
        except SpecError:
            refused += 1
        assert all(torch.equal(a, each.tensor) for a, each in zip(before, ours, strict=True))
    assert refused > 0.95 * len(content)
    for length in range(0, len(content), 31):
        path.write_bytes(content[:length])
        with pytest.raises(SpecError):
            load_weights(path, job(words()).parameters)


def test_files_of_two_snapshots(run: Path, tmp_path: Path) -> None:
    train(job(words(max_iter=5)), tmp_path / "other", device="cpu")
    os.replace(tmp_path / "other" / "weights.safetensors", run / "weights.safetensors")
    found = failure(run)
    assert [d.code for d in found] == ["NS674"] and "iteration 4" in found[0].fact


def test_missing_weights(run: Path) -> None:
    (run / "weights.safetensors").unlink()
    assert [d.code for d in failure(run)] == ["NS001"]


def test_foreign_snapshots(run: Path) -> None:
    assert [d.code for d in failure(run, type="Adam")] == ["NS675"]
    with pytest.raises(SpecError) as error:
        train(job(words(), spec_hash="another"), run, device="cpu", resume=True)
    assert [d.code for d in error.value.diagnostics] == ["NS675"]
    write_tensors(run / "solver.safetensors", {"x": torch.zeros(2)}, {"iteration": "four"})
    assert [d.code for d in failure(run)] == ["NS674"]


def test_weights_of_another_shape_are_named_and_not_loaded(run: Path) -> None:
    tensors, facts = read_tensors(run / "weights.safetensors")
    tensors["ip1/weight"] = torch.zeros(9, 6)
    tensors["extra"] = tensors.pop("ip2/bias")
    write_tensors(run / "weights.safetensors", tensors, facts)
    ours = job(words()).parameters
    before = [each.tensor.clone() for each in ours]
    with pytest.raises(SpecError) as error:
        load_weights(run / "weights.safetensors", ours)
    assert sorted(d.fact for d in error.value.diagnostics) == [
        "extra is in the file but not in the net",
        "ip1/weight is [9, 6] in the file, [8, 6] in the net",
        "ip2/bias is not in the file",
    ]
    assert {d.code for d in error.value.diagnostics} == {"NS676"}
    assert all(torch.equal(a, each.tensor) for a, each in zip(before, ours, strict=True))


def test_solver_tensor_of_another_shape(run: Path) -> None:
    tensors, facts = read_tensors(run / "solver.safetensors")
    tensors["ip1/weight:momentum_buffer"] = torch.zeros(3)
    write_tensors(run / "solver.safetensors", tensors, facts)
    found = failure(run)
    assert [d.code for d in found] == ["NS676"] and "ip1/weight:momentum_buffer" in found[0].fact


def test_run_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    found = failure(tmp_path / "file" / "run", resume=False)
    assert [d.code for d in found] == ["NS673"] and "Not a directory" in found[0].fact


def test_disk_full_while_saving(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the first, small snapshot fits, one with momentum does not."""
    more = {"display": 0, "test_interval": 0}
    code, _, err = Child(train_in_child, tmp_path / "run", more, folder=tmp_path, limit=6200)
    assert code == 1
    assert "SpecError" in err and "NS673" in err and "File too large" in err
    files = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"solver.safetensors", "weights.safetensors"} <= files and not [
        name for name in files if "part" in name or "next" in name
    ]
    assert train(job(words()), tmp_path / "run", device="cpu", resume=True).iteration == 40


def test_log_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").mkdir()
    assert [d.code for d in failure(tmp_path, resume=False)] == ["NS673"]


def test_log_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path)

    def full(*words: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("netspec.file_writing.os.fdopen", full)
    with pytest.raises(SpecError) as error:
        log.write({"phase": "train", "iteration": 1})
    assert [(d.code, d.fact) for d in error.value.diagnostics] == [("NS673", "No space left on device")]


def diverge(run: Path, **more: object) -> Diagnostic:
    with pytest.raises(SpecError) as error:
        train(job(words(**({"snapshot": 2, "max_iter": 30, "test_interval": 0} | more))), run, device="cpu")
    (found,) = error.value.diagnostics
    assert found.code == "NS672"
    return found


def test_too_high_a_rate(tmp_path: Path) -> None:
    found = diverge(tmp_path, base_lr=1e38, momentum=0.0)
    assert "at learning rate" in found.fact and " of 30" in found.fact
    tensors, _ = read_tensors(tmp_path / "weights.safetensors")
    assert all(bool(torch.isfinite(t).all()) for t in tensors.values())
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["reason"] == "diverged"


class Logarithm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.log(x)


class WithLog(TinyNet):
    """A net whose second layer is not defined for negative numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.logarithm = Logarithm()

    def forward(self, data: Tensor, label: Tensor) -> dict[str, Tensor]:
        self.logarithm(self.ip1(data[:, :6]))
        scores = self.ip2(self.logarithm(torch.tanh(self.ip1(data))))
        self.total_loss = nn.functional.cross_entropy(scores, label)
        return {"loss": self.total_loss}


def test_first_layer_that_is_not_finite_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        train(job(words(), net=WithLog()), tmp_path, device="cpu")
    (found,) = error.value.diagnostics
    assert "nan in iteration 1 of 40" in found.fact
    assert found.notes[0] == "logarithm is the first layer whose output is not finite"
    kept, facts = read_tensors(tmp_path / "last-finite.safetensors")
    assert facts["iteration"] == 0 and "ip1/weight" in kept


class WithoutLoss(TinyNet):
    def forward(self, data: Tensor, label: Tensor) -> dict[str, Tensor]:
        return {"scores": self.ip2(self.ip1(data))}


def test_a_net_without_a_loss(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        train(job(words(), net=WithoutLoss()), tmp_path, device="cpu")
    assert [d.code for d in error.value.diagnostics] == ["NS671"]


def test_input_that_is_not_finite_is_named(tmp_path: Path) -> None:
    tensors = data()
    tensors["data"][17, 2] = torch.inf
    with pytest.raises(SpecError) as error:
        train(job(words(), tensors=tensors), tmp_path, device="cpu")
    (found,) = error.value.diagnostics
    assert found.notes[0] == "the input data holds a value that is not finite"


def test_devices() -> None:
    assert find_device("cpu").type == "cpu"
    for word in ("cuda:99", "tpu"):
        with pytest.raises(SpecError) as error:
            find_device(word)
        assert [d.code for d in error.value.diagnostics] == ["NS678"]
    if not torch.cuda.is_available():
        assert find_device("auto").type == "cpu"


class DeadNet(TinyNet):
    """Every unit is below 0 for every sample: only the last bias learns."""

    def __init__(self) -> None:
        super().__init__()
        self.bn.bias.data.fill_(-100.0)

    def forward(self, data: Tensor, label: Tensor) -> dict[str, Tensor]:
        scores = self.ip2(torch.relu(self.bn(self.ip1(data))))
        self.total_loss = nn.functional.cross_entropy(scores, label)
        return {"loss": self.total_loss}


class SpentNet(TinyNet):
    """A loss that is 0 whatever the weights are."""

    def forward(self, data: Tensor, label: Tensor) -> dict[str, Tensor]:
        self.total_loss = 0 * self.ip2(self.bn(self.ip1(data))).sum()
        return {"loss": self.total_loss}


def test_what_is_blamed_where_nothing_learns(tmp_path: Path) -> None:
    """A rate that is too high kills units; it is not blamed where the loss itself asks for nothing more."""
    notes = [train(job(words(max_iter=12, test_interval=0), net=net()), tmp_path / net.__name__, device="cpu").findings[0].notes[0]
             for net in (DeadNet, SpentNet)]  # fmt: skip
    assert ["base_lr" in note for note in notes] == [True, False]
    assert "the loss itself is 0" in notes[1]


@pytest.mark.parametrize(
    ("net", "count", "dead"), [(DeadNet, 12, True), (DeadNet, 9, False), (TinyNet, 12, False)]
)
def test_weights_that_no_longer_learn(tmp_path: Path, net: type[TinyNet], count: int, dead: bool) -> None:
    result = train(job(words(max_iter=count, test_interval=0), net=net()), tmp_path / "run", device="cpu")
    assert [(d.code, d.severity, d.path) for d in result.findings] == [
        ("NS690", "warning", str(tmp_path / "run"))
    ] * dead
    assert not dead or "for ip1" in result.findings[0].fact


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"clip_gradients": 0.0}, "the largest gradient, clipped, 0"),
        ({"clip_gradients": 1e-30}, "the learning rate is 0.0469, the largest gradient, clipped, "),
        ({"base_lr": 1e-30}, "the learning rate is 9.37e-31, the largest"),
        ({"base_lr": 1e-9}, ""),
        ({"clip_gradients": 1e-4}, ""),
    ],
    ids=str,
)
def test_a_training_that_changes_nothing(tmp_path: Path, more: Any, told: str) -> None:
    made = job(words(max_iter=10, test_interval=0, weight_decay=0, **more))
    findings = train(made, tmp_path / "run", device="cpu").findings
    assert [found.code for found in findings] == ["NS781"] * bool(told)
    if told:
        assert findings[0].fact == "10 iterations have changed none of its 5 weights and biases"
        assert told in findings[0].notes[0]


RECORD = {"root": "/", "spec": "s.yaml", "settings": [], "stages": [], "level": 0, "seed": 1}


@pytest.mark.parametrize(
    "word", ["name", "device", "versions", "threads", "processes", "reproducible", "started"]
)
@pytest.mark.parametrize("value", [None, [], 3.5])
def test_what_a_record_says_is_of_its_kind(word: str, value: object, tmp_path: Path) -> None:
    """Commands name folders by it and compare it: a word of another kind is a finding, one that is not there is none."""
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    assert read_record(tmp_path)["seed"] == 1
    (tmp_path / "run.json").write_text(json.dumps(RECORD | {word: value}))
    with pytest.raises(SpecError, match="NS683") as error:
        read_record(tmp_path)
    assert word in error.value.diagnostics[0].fact


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("LeNet-5", "LeNet-5"),
        ("größe 猫", "größe 猫"),
        ("a/b", "a_b"),
        ("..", "net"),
        (".", "net"),
        ("", "net"),
        ("../../x", ".._.._x"),
        ("a\0b\nc\x1b[2J", "a_b_c_[2J"),
        ("x" * 5000, "x" * 200),
        ("猫" * 100, "猫" * 66),
    ],
)
def test_a_net_s_name_is_one_part_of_a_path(name: str, folder: str, tmp_path: Path) -> None:
    found = find_run(name, False, tmp_path)
    assert (found.parent.parent, found.parent.name) == (tmp_path, folder)
    found.mkdir(parents=True)


@pytest.mark.parametrize("damage", [{}, {"more": 3}, {"more": {"data": []}}, {"iteration": [1]}])
def test_a_solver_file_that_says_something_else_repeats_nothing(damage: dict[str, object], run: Path) -> None:
    """Whole by its checksum, or another program's."""
    tensors, facts = read_tensors(run / "solver.safetensors")
    assert read_more(run / "solver.safetensors") == facts["more"]
    write_tensors(run / "solver.safetensors", tensors, facts | damage if damage else {})
    with pytest.raises(SpecError, match="NS674"):
        read_more(run / "solver.safetensors")


@pytest.mark.parametrize("pace", [{"compiled": 3}, {"compiled": ["yes"]}, {"loss_scale": "x"}], ids=str)
def test_how_a_net_ran_is_what_a_snapshot_says(pace: dict[str, object], run: Path) -> None:
    tensors, facts = read_tensors(run / "solver.safetensors")
    more = facts["more"] | {"pace": pace}
    write_tensors(run / "solver.safetensors", tensors, facts | {"more": more})
    assert [found.code for found in failure(run)] == ["NS674"]
