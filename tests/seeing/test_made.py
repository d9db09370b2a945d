"""Layouts, motifs, mutations, samples, shifts: held to what was planted, and drawn by a seed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from netspec.diagnostics import SpecError
from netspec.pictures.shapes import Line, Text
from netspec.seeing.sequences import draw_logo
from netspec.seeing.subject import NetSubject, open_subject
from tests.seeing.test_views import see

pytestmark = pytest.mark.torch

MOTIF = "TGACTCA"


def deepbind(folder: Path) -> NetSubject:
    """One filter that looks for MOTIF; the score is its best answer."""
    layers = [
        {"name": "motif", "type": "Convolution", "num_output": 3, "kernel_size": 7, "bias_term": False, "weight_filler": "xavier"},
        {"name": "best", "type": "Pooling", "pool": "MAX", "global_pooling": True},
        {"name": "score", "type": "InnerProduct", "num_output": 1, "weight_filler": {"type": "constant", "value": 1}},
    ]  # fmt: skip
    path = folder / "bind.yaml"
    path.write_text(
        yaml.safe_dump({"netspec": 1, "name": "bind", "input": {"data": ["N", 4, 30]}, "layers": layers})
    )
    subject = open_subject(str(path))
    assert isinstance(subject, NetSubject)
    with torch.no_grad():
        weight = subject.net.layer_parameters("motif")[0]  # type: ignore[operator]
        weight.mul_(0.01)
        for k, letter in enumerate(MOTIF):
            weight[1, "ACGT".index(letter), ..., k] = 1
    return subject


def test_planted_motifs_are_found(tmp_path: Path) -> None:
    net = deepbind(tmp_path)
    seen = see("motifs", net, unit=1)
    assert seen.values["filters"][0]["consensus"] == MOTIF
    rng = np.random.default_rng(0)
    rows = ["".join(rng.choice(list("ACGT"), 30)) for _ in range(40)]
    for i in range(0, 40, 2):
        at = int(rng.integers(0, 23))
        rows[i] = rows[i][:at] + MOTIF + rows[i][at + 7 :]
    (tmp_path / "s.fa").write_text("".join(f">{i} {i % 2}\n{row}\n" for i, row in enumerate(rows)))
    np.savez(
        tmp_path / "s.npz",
        data=np.stack([np.eye(4, dtype=np.float32)[["ACGT".index(c) for c in row]].T for row in rows]),
    )
    seen = see("motifs", net, unit=1, data=f"npz:{tmp_path / 's.npz'}", split="all")
    (row,) = seen.values["filters"]
    assert row["consensus"] == MOTIF and row["windows"] >= 15
    assert see("motifs", net, unit=1, method="TGCA").values["filters"][0]["consensus"] == MOTIF[:].translate(
        str.maketrans("ACGT", "TGCA")
    )


def test_logos_have_axes() -> None:
    """Bits at the left, the numbers of places below; a sure letter is as high as two bits."""
    shares = np.full((4, 7), 0.25)
    shares[:, 2] = (0, 0, 1, 0)
    drawing = draw_logo(shares, "f")
    words = [shape for shape in drawing.shapes if isinstance(shape, Text)]
    assert {"bits", "0", "1", "2", "5"} <= {text.text for text in words}
    (letter,) = [text for text in words if text.wide]
    lines = sorted(shape.points[0][1] for shape in drawing.shapes if isinstance(shape, Line))
    assert (
        letter.text == "G"
        and letter.y == lines[-1]
        and letter.size * 0.72 == pytest.approx(lines[-1] - lines[0])
    )
    (fifth,) = [text for text in words if text.text == "5"]
    assert fifth.x > letter.x + letter.wide and fifth.y > lines[-1]


def test_mutations_are_what_a_change_does(tmp_path: Path) -> None:
    net = deepbind(tmp_path)
    seen = see("mutations", net, seed=3)
    letters, found = seen.values["sequence"], seen.arrays["mutations"]
    assert found.shape == (4, 30) and len(letters) == 30
    for i, letter in enumerate(letters):
        assert found["ACGT".index(letter), i] == pytest.approx(0, abs=1e-6)
    x = np.eye(4, dtype=np.float32)[["ACGT".index(c) for c in letters]].T[None].copy()
    base = float(net.run({"data": x})["score"].squeeze())
    x[0, :, 11] = (0, 0, 0, 1)
    assert found[3, 11] == pytest.approx(float(net.run({"data": x})["score"].squeeze()) - base, abs=1e-5)


def test_layouts_keep_classes_together(run: Path) -> None:
    subject = open_subject(str(run))
    seen = see("embed", subject, method="pca", count=120)
    assert seen.arrays["places"].shape == (120, 2) and len(set(seen.values["labels"])) == 10
    assert seen.values["nearest"]["layer"] > 0.7  # forty iterations; chance is 0.1
    with pytest.MonkeyPatch.context() as without, pytest.raises(SpecError, match="NS754"):
        without.setitem(sys.modules, "sklearn.manifold", None)
        see("embed", subject, count=20)
    again = see("embed", subject, count=60, seed=4)
    assert np.array_equal(again.arrays["places"], see("embed", subject, count=60, seed=4).arrays["places"])


@pytest.mark.parametrize("name", ["zoo:vae-digits", "zoo:dcgan-digits"])
def test_pictures_are_drawn_by_a_seed(name: str) -> None:
    subject = open_subject(name)
    one, same, other = (see("sample", subject, count=4, seed=seed).arrays for seed in (1, 1, 2))
    assert one["sheet"].shape == (4, 1, 8, 8) and one["walk"].shape == (10, 1, 8, 8)
    assert np.array_equal(one["sheet"], same["sheet"]) and not np.array_equal(one["sheet"], other["sheet"])
    np.testing.assert_allclose(one["walk"][0], one["sheet"][0], atol=1e-6)
    np.testing.assert_allclose(one["walk"][-1], one["sheet"][-1], atol=1e-6)


def test_text_is_drawn_by_a_seed(tmp_path: Path) -> None:
    """A net that read `abababab` says so again at temperature 0."""
    from netspec.driver import load
    from netspec.training.session import train_program

    (tmp_path / "t.txt").write_text("abc" * 400)
    text = Path("specs/sequence/char-rnn.yaml").read_text()
    text = text.replace("{letters: 65, width: 128}", "{letters: 3, width: 12}").partition("expect:")[0]
    text += "train: {data: {source: text, path: t.txt, window: 12, batch_size: 16}, solver: {type: Adam, base_lr: 0.03, max_iter: 60, random_seed: 1}}\n"
    (tmp_path / "rnn.yaml").write_text(text)
    train_program(load(str(tmp_path / "rnn.yaml")), tmp_path / "run")
    subject = open_subject(str(tmp_path / "run"))
    seen = see("sample", subject, count=9, temperature=0.0, primer="ab")
    assert seen.values["text"] == "abcabcabcab"
    output = see("output", subject)  # along time: all steps of one text, not the first step
    (said,) = output.values["outputs"].values()
    assert said["kind"] == "steps" and said["shape"] == [3, 12] and len(set(said["likeliest"][2:])) == 3
    assert see("maps", subject, layer=subject.layers[-1]).arrays[subject.layers[-1]].shape == (12, 3)
    warm = [see("sample", subject, count=12, temperature=9.0, seed=seed).values["text"] for seed in (1, 1, 2)]
    assert warm[0] == warm[1] != warm[2]
    with pytest.raises(SpecError, match="NS757"):
        see("sample", subject, primer="x")


def test_shifts_are_equal_where_it_is_proven() -> None:
    seen = see("shift", "zoo:sobel", layer="magnitude")
    assert seen.values["proven"] and seen.values["compared"] > 1000 and seen.values["difference"] < 1e-3
    pooled = see("shift", "zoo:lenet-digits", layer="conv2")
    assert pooled.values["proven"] and pooled.values["difference"] < 1e-4
    odd = see("shift", "zoo:lenet", layer="pool1", window=1)
    assert not odd.values["proven"] and odd.values["difference"] > 0
