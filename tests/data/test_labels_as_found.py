"""Labels as people have them: fractions and empty cells by the row that an editor shows, several classes in a row, classes that are rare."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from data_files import fails_with, write_image

from netspec import driver
from netspec.diagnostics import Diagnostic
from netspec.source import Source
from netspec.training.data_findings import data_findings
from netspec.training.session import Session, session

pytestmark = pytest.mark.torch
SPEC = """netspec: 1
input: {data: %s}
layers:
  - {name: ip, type: InnerProduct, bottom: data, num_output: 3, weight_filler: xavier}
%soutput: ip
train:
  data: {%s, batch_size: 3}
  solver: {base_lr: 0.1, max_iter: 2, random_seed: 1}
"""
DECLARED = "%s, label: [N, 3]"
LOSS = "  - {name: loss, type: %s, bottom: [ip, label]}\n"


def started(folder: Path, data: str, shape: str = "[N, 2]", loss: str = "") -> Session:
    text = SPEC % (shape, LOSS % loss if loss else "", data)
    return session(driver.load_source(Source(str(folder / "s.yaml"), text)), torch.device("cpu"))


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("a,b,label\n1,2,0\n\n\n1,2,1\n1,2,1.5\n", "line 6 has 1.5"),
        ("1,2,0\n1,2,0.5\n", "line 2 has 0.5"),
        ('a,b,label\n1,"2\n",0\n1,2,1\n1,2,7\n', "line 5 has 7"),
        ("a,b,label\n1,2,0\n\n1,2,\n1,2,1\n", "line 4: no label"),
        ("\n\na,b,label\n1,2,0\nx,2,1\n", "line 5: 'x' is not a number"),
        ("a,b,label\n1,2,0\n\n1,2\n", "line 4 has 2 cells"),
    ],
)
def test_rows_are_counted_as_an_editor_does(tmp_path: Path, text: str, fact: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert fact in fails_with(lambda: started(tmp_path, "source: csv, path: t.csv")).fact


def test_a_fraction_is_a_target(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", data=np.zeros((4, 2), np.float32), label=np.array([0, 1, 0.5, 2]))
    found = fails_with(lambda: started(tmp_path, "source: npz, path: t.npz"))
    assert found.code == "NS651" and "sample 2 has 0.5" in found.fact and "EuclideanLoss" in found.notes[0]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([-1, 1, 1], "labels are -1, 1: number them from 0 to 1; in a table `categories:"),
        ([3, 8, 7], "labels are 3, 7, 8: number them from 0 to 2;"),
        ([1, 2, 3], "labels count from 0: take 1 from labels that count from 1"),
        ([4, 5, 6, 7], "so it is with sample 1"),
    ],
)
def test_numbers_of_classes_that_are_not_from_0_on(tmp_path: Path, labels: list[int], said: str) -> None:
    data = np.arange(2 * len(labels), dtype=np.float32).reshape(-1, 2)
    np.savez(tmp_path / "t.npz", data=data, label=np.array(labels))
    found = fails_with(lambda: started(tmp_path, "source: npz, path: t.npz"))
    assert found.code == "NS651" and found.notes[0].startswith(said)


SEVERAL, ONE = [[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]], np.eye(3)[[0, 2, 1, 1]].tolist()


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.uint8])
def test_several_classes_in_a_row(tmp_path: Path, dtype: Any) -> None:
    """They are refused under SoftmaxWithLoss, whether the spec declares its labels so or not, and what the note says is done."""
    np.savez(tmp_path / "t.npz", data=np.zeros((4, 2), np.float32), label=np.array(SEVERAL, dtype))
    for shape, loss in (("[N, 2]", ""), (DECLARED % "[N, 2]", "SoftmaxWithLoss")):
        found = fails_with(lambda s=shape, n=loss: started(tmp_path, "source: npz, path: t.npz", s, n))
        assert found.code in ("NS652", "NS651") and "SigmoidCrossEntropyLoss" in found.notes[0]
    made = started(tmp_path, "source: npz, path: t.npz", DECLARED % "[N, 2]", "SigmoidCrossEntropyLoss")
    made.job.net(**next(made.job.train_batches))
    assert float(made.job.net.total_loss.detach()) > 0


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_one_class_in_a_row(tmp_path: Path, dtype: Any) -> None:
    np.savez(tmp_path / "t.npz", data=np.zeros((4, 2), np.float32), label=np.array(ONE, dtype))
    found = fails_with(lambda: started(tmp_path, "source: npz, path: t.npz"))
    assert found.code == "NS652" and "take the argmax" in found.notes[0]
    made = started(tmp_path, "source: npz, path: t.npz", DECLARED % "[N, 2]", "SoftmaxWithLoss")
    made.job.net(**next(made.job.train_batches))
    assert float(made.job.net.total_loss.detach()) > 0


def test_shares_sum_to_one(tmp_path: Path) -> None:
    rows = np.array([[0.5, 0.5, 0], [0.2, 0.2, 0.2], [1, 0, 0], [0, 0, 1]], np.float32)
    np.savez(tmp_path / "t.npz", data=np.zeros((4, 2), np.float32), label=rows)
    call = lambda: started(tmp_path, "source: npz, path: t.npz", DECLARED % "[N, 2]", "SoftmaxWithLoss")  # noqa: E731
    found = fails_with(call)
    assert "sum to 1; sample 1 has [0.2, 0.2, 0.2]" in found.fact and not found.notes


def findings(made: Session) -> list[Diagnostic]:
    return list(data_findings(made.feeds, made.program.training_graph("train")))


@pytest.mark.parametrize(("most", "told"), [(9, False), (10, True)])
def test_a_class_many_times_rarer_is_told(tmp_path: Path, most: int, told: bool) -> None:
    for name, count in (("ash", most), ("birch", 1), ("elm", 5)):
        for i in range(count):
            write_image(tmp_path / "trees" / name / f"{i}.png", (4, 4))
    data = "source: images, path: trees"
    facts = [found.fact for found in findings(started(tmp_path, data, "[N, 1, 4, 4]"))]
    assert facts == ["training samples: 1 of birch, 10 of ash"] * told
    weighed = LOSS.rstrip("}\n") + ", class_weight: balanced}\n"
    text = SPEC % ("[N, 1, 4, 4], label: [N]", weighed % "SoftmaxWithLoss", data)
    made = session(driver.load_source(Source(str(tmp_path / "s.yaml"), text)), torch.device("cpu"))
    assert findings(made) == []
    assert findings(started(tmp_path, data + ", balance: true", "[N, 1, 4, 4]")) == []
