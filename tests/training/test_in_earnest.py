"""From files to answers, small: U-Net's recipe on pictures with masks, a motif found in sequences. Each by the commands that the pages show."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from netspec.cli import group
from netspec.cli.output.predicted_masks import color_of

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
CELLS = """
netspec: 1
input: {data: {shape: [N, 1, 32, 32], image: {color: gray, mean_value: 100, scale: 0.02}}}
defaults: {Convolution: {kernel_size: 3, pad: 1, weight_filler: msra}}
layers:
  - {name: down, type: Convolution, num_output: 8}
  - {name: relu1, type: ReLU}
  - {name: pool, type: Pooling, pool: MAX, kernel_size: 2, stride: 2}
  - {name: bottom, type: Convolution, num_output: 16}
  - {name: relu2, type: ReLU}
  - {name: up, type: Deconvolution, num_output: 8, kernel_size: 2, stride: 2, weight_filler: msra}
  - {name: both, type: Concat, bottom: [up, relu1]}
  - {name: score, type: Convolution, num_output: 2, kernel_size: 1, pad: 0}
output: score
train:
  data: &cells {source: images, path: photos, masks: masks, colors: {ground: 0, cell: 1}, batch_size: 8}
  test_data: *cells
  split: {test: 0.25, seed: 0}
  augment: [{type: Elastic, alpha: 2, grid: 3, border: reflect}, {type: Flip}]
  solver: {type: Adam, base_lr: 0.01, momentum: 0.9, max_iter: 40, random_seed: 1}
  loss:
    - {type: SoftmaxWithLoss}
    - {name: iou, type: IoU, include: {phase: TEST}}
"""


def run(*words: str) -> str:
    """What a command prints; it must go well."""
    result: Any = CliRunner().invoke(group, list(words), standalone_mode=False)
    assert result.exception is None and not result.return_value, (result.exception, result.output)
    return str(result.output)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def draw_cells(count: int) -> None:
    """Bright ellipses on dark ground, with noise; masks by a palette."""
    random = np.random.RandomState(0)
    rows, columns = np.mgrid[:32, :32]
    for folder in ("photos", "masks"):
        Path(folder).mkdir()
    for i in range(count):
        mask = np.zeros((32, 32), np.uint8)
        for _ in range(3):
            (y, x), (a, b) = random.randint(4, 28, 2), random.randint(3, 8, 2)
            mask |= (((rows - y) / a) ** 2 + ((columns - x) / b) ** 2 <= 1).astype(np.uint8)
        pixels = 70 + 60.0 * mask + 15 * random.randn(32, 32)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(f"photos/{i:02}.png")
        image = Image.fromarray(mask, "P")
        image.putpalette([0, 0, 0, 9, 200, 9])
        image.save(f"masks/{i:02}.png")


def test_a_folder_of_masks_trains_a_net_that_draws_masks() -> None:
    draw_cells(24)
    Path("net.yaml").write_text(CELLS)
    run("train", "net.yaml", "--run", "run", "--quiet")
    run("test", "run")
    measured = json.loads(Path("run/test.json").read_text())
    assert measured["metrics"]["iou"] > 0.8
    run("export", "run", "-o", "m.onnx")
    for model, folder in (("m.onnx", "a"), ("run", "b")):
        said = run("predict", model, "photos", "-o", folder)
        assert f"score  {folder}/00.png: ground " in said and len(list(Path(folder).iterdir())) == 24
    agree = []
    for path in sorted(Path("a").iterdir()):
        with Image.open(path) as image, Image.open(Path("masks") / path.name) as mask:
            assert image.mode == "P" and (image.getpalette() or [])[3:6] == [128, 0, 0]
            agree.append(np.mean(np.asarray(image) == np.asarray(mask)))
        assert path.read_bytes() == (Path("b") / path.name).read_bytes()
    assert np.mean(agree) > 0.9


def test_masks_of_samples_that_are_called_alike_stand_beside_each_other() -> None:
    draw_cells(4)
    Path("net.yaml").write_text(CELLS)
    run("train", "net.yaml", "--run", "run", "--quiet", "--set", "train.solver.max_iter=1")
    Path("more").mkdir()
    Path("photos/00.png").rename("more/01.png")
    run("predict", "run", "photos/01.png", "more/01.png", "-o", "drawn")
    assert sorted(path.name for path in Path("drawn").iterdir()) == ["01-2.png", "01.png"]


def test_colours_of_classes_are_those_of_pascal_voc() -> None:
    assert [color_of(label) for label in (0, 1, 2, 3, 8, 20, 255)] == [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (64, 0, 0), (0, 64, 128), (224, 224, 192),
    ]  # fmt: skip


DNA = """
netspec: 1
input: {data: [N, 4, 40], label: [N, 1]}
layers:
  - {name: motif, type: Convolution, bottom: data, num_output: 8, kernel_size: 10, pad: 9, weight_filler: {type: gaussian, std: 0.1}}
  - {name: rect, type: ReLU}
  - {name: best, type: Pooling, pool: MAX, global_pooling: true}
  - {name: score, type: InnerProduct, num_output: 1, weight_filler: xavier}
  - {name: prob, type: Sigmoid}
output: prob
train:
  data: {source: sequences, path: known.fa, alphabet: ACGT, length: 40, batch_size: 32}
  augment: [{type: ReverseComplement}]
  solver: {type: Adam, base_lr: 0.02, momentum: 0.9, epochs: 15, random_seed: 1}
  loss: [{type: SigmoidCrossEntropyLoss, bottom: [score, label]}]
"""


def write_sequences(name: str, count: int, seed: int) -> None:
    """Sequences of 40 letters, every other one with a motif, on either strand."""
    random = np.random.RandomState(seed)
    motifs = ("AGCTTGAACTG", "CAGTTCAAGCT")
    with open(name, "w") as file:
        for i in range(count):
            letters = "".join(random.choice(list("ACGT"), 40))
            if i % 2:
                at = random.randint(0, 29)
                letters = letters[:at] + motifs[random.randint(2)] + letters[at + 11 :]
            file.write(f">site{i} label={i % 2}\n{letters}\n")


def test_a_fasta_file_trains_a_motif_detector_that_scores_another_one() -> None:
    write_sequences("known.fa", 320, 0)
    write_sequences("new.fa", 100, 1)
    Path("net.yaml").write_text(DNA)
    run("train", "net.yaml", "--run", "run", "--quiet")
    run("export", "run", "-o", "m.onnx")
    run("predict", "m.onnx", "new.fa", "--csv", "scores.csv")
    rows = list(csv.DictReader(Path("scores.csv").read_text().splitlines()))
    found = [[float(row["prob"]) for row in rows if row["label"] == label] for label in "01"]
    above = np.mean([[one > other for other in found[0]] for one in found[1]])
    assert [len(scores) for scores in found] == [50, 50] and above > 0.9  # the area under the curve
