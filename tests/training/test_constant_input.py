"""Pictures that all decode to one colour: their files are named, and NS690 does not blame the rate. A background reaches the exported model."""

import json
from pathlib import Path

import onnx
import pytest
import torch
from PIL import Image, ImageDraw

from netspec.diagnostics import Diagnostic
from netspec.training.divergence import Idle
from netspec.training.session import train_program
from tests.training.specs import Line, program, write

pytestmark = [pytest.mark.torch, pytest.mark.onnx]
LAYERS = [
    {"name": "conv", "type": "Convolution", "num_output": 4, "kernel_size": 3, "weight_filler": "xavier"},
    {"name": "relu", "type": "ReLU"},
    {"name": "ip", "type": "InnerProduct", "num_output": 2, "weight_filler": "xavier"},
    {"name": "prob", "type": "Softmax"},
]


def icons(folder: Path) -> None:
    """Two classes of black shapes before nothing."""
    for kind, name in enumerate(("bar", "dot")):
        (folder / name).mkdir(parents=True)
        for i in range(4):
            icon = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
            pen = ImageDraw.Draw(icon)
            pen.ellipse((i % 2, 1, 5, 6), fill=(0, 0, 0, 255)) if kind else pen.rectangle(
                (0, i, 7, i + 1), fill=(0, 0, 0, 255)
            )
            icon.save(folder / name / f"{i}.png")


def words(folder: str, background: int | None, **solver: object) -> dict[str, object]:
    image = {"color": "gray", "scale": 1 / 255} | ({} if background is None else {"background": background})
    return {
        "input": {"data": {"shape": ["N", 1, 8, 8], "image": image}},
        "layers": LAYERS,
        "train": {"data": {"source": "images", "path": folder, "batch_size": 4}, "test_data": None},
        "solver": {"max_iter": 12, "snapshot": 0} | solver,
    }


def notes(findings: tuple[Diagnostic, ...]) -> dict[str, str]:
    return {found.code: found.fact + " ".join(found.notes) for found in findings}


def test_a_constant_input_is_said_and_not_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On black, black icons are nothing; on white they are learned from."""
    monkeypatch.chdir(tmp_path)
    icons(Path("icons"))
    found = notes(train_program(program(**words("icons", 0)), tmp_path / "black", device="cpu").findings)
    assert "data holds 0 everywhere" in found["NS690"] and "base_lr" not in found["NS690"]
    assert "all pixels are one value in" in found["NS668"] and "and 4 more" in found["NS668"]
    assert not train_program(program(**words("icons", None)), tmp_path / "white", device="cpu").findings


def test_a_dead_net_still_blames_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    icons(Path("icons"))
    dead = words("icons", None, base_lr=1e4, momentum=0.0)
    dead["layers"] = [LAYERS[0] | {"bias_filler": {"type": "constant", "value": -50}}, *LAYERS[1:]]
    found = notes(train_program(program(**dead), tmp_path / "run", device="cpu").findings)
    assert set(found) == {"NS690"} and "base_lr" in found["NS690"]


def test_the_background_goes_with_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    icons(Path("icons"))
    line = Line(monkeypatch, capsys)
    assert line("train", write(Path("net.yaml"), **words("icons", 90)), "--run", "run") == 0
    assert line("export", "run", "-o", "m.onnx") == 0
    said = {each.key: each.value for each in onnx.load("m.onnx").metadata_props}
    assert json.loads(said["netspec.image.data"])["background"] == 90
    scores = []
    for model in ("run", "m.onnx"):
        assert line("predict", model, "icons/dot/0.png", "--json") == 0
        scores.append(json.loads(line.out)[0]["outputs"]["prob"]["top"][0]["score"])
    assert scores[0] == pytest.approx(scores[1], rel=1e-4)
    Image.new("I;16", (8, 8), 700).save("deep.png")
    assert line("predict", "run", "deep.png") == 0 and "12 are used, in deep.png" in line.err


@pytest.mark.parametrize(
    ("batch", "constant"),
    [
        ({"x": torch.ones(4, 3)}, True),
        ({"x": torch.arange(12.0).reshape(4, 3)}, False),
        ({"ids": torch.ones(4, 3, dtype=torch.int64)}, False),
        ({"wanted": torch.ones(4)}, False),
        ({"x": torch.ones(4, 3), "ids": torch.arange(12).reshape(4, 3), "wanted": torch.arange(4.0)}, True),
    ],
)
def test_inputs_are_maps_of_real_numbers(batch: dict[str, torch.Tensor], constant: bool) -> None:
    """Not tokens, which a short text repeats, and not what is to be learnt."""
    idle = Idle()
    for _ in range(3):
        idle.look([], torch.ones(()), batch)
    assert idle.constant == constant
