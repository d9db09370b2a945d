"""What each view shows, held to what it says it is."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_sample_image

from netspec.pictures.charts import line_chart, ticks
from netspec.pictures.graphs import Box, graph_drawing
from netspec.pictures.shapes import Line as Stroke
from netspec.pictures.shapes import Rect
from netspec.seeing.gabor import fit_gabors
from netspec.seeing.registry import find_view
from netspec.seeing.seen import Asked, Seen
from netspec.seeing.subject import NetSubject, Subject, open_subject
from netspec.seeing.summary import summary
from netspec.seeing.whole import look_at_all
from netspec.training.batches.feeds import Feeds
from netspec.training.test import measure
from tests.training.specs import Line

pytestmark = pytest.mark.torch


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(monkeypatch, capsys)


def see(view: str, subject: "Subject | Path | str", **asked: Any) -> Seen:
    opened = subject if isinstance(subject, Subject) else open_subject(str(subject))
    seen = find_view(view).see(opened, Asked(**asked))
    figures = list(find_view(view).draw(seen))
    assert figures and all(figure.html() for figure in figures)
    json.dumps(dict(seen.values))
    return seen


def gabor(degrees: float, wavelength: float, width: float, side: int = 11) -> Any:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    along = x * np.cos(np.radians(degrees)) + y * np.sin(np.radians(degrees))
    return np.exp(-(x**2 + y**2) / (2 * width**2)) * np.sin(2 * np.pi * along / wavelength)


def test_planted_gabors_are_named_and_noise_is_not() -> None:
    angles = [0, 30, 45, 90, 135]
    planted = np.stack([gabor(a, 6, 2.5) + 0.3 for a in angles])
    for angle, fit in zip(angles, fit_gabors(planted), strict=True):
        assert fit.name and abs((fit.degrees - angle + 90) % 180 - 90) <= 15 and 4 < fit.wavelength < 9
    noise = np.random.default_rng(0).standard_normal((40, 7, 7))
    assert [fit.name for fit in fit_gabors(noise) if fit.name] == []


def test_filters_of_volumes_stand_slice_by_slice(tmp_path: Path) -> None:
    """A row a filter, its slices side by side; pixels that can be seen."""
    conv = {"name": "c", "type": "Convolution", "num_output": 2, "kernel_size": 2, "weight_filler": "xavier"}
    spec = {"netspec": 1, "input": {"data": ["N", 1, 4, 5, 6]}, "layers": [conv]}
    (tmp_path / "v.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    seen = see("filters", tmp_path / "v.yaml")
    assert seen.arrays["c"].shape == (2, 1, 2, 2, 2) and seen.told == ["c: 2 filters of 1x2x2x2"]
    (figure,) = find_view("filters").draw(seen)
    sheet, weight = figure.pixels(), seen.arrays["c"]
    assert sheet is not None and sheet.shape == (83, 83, 3) and "a slice of a channel" in figure.told
    for f, d in ((0, 0), (0, 1), (1, 0), (1, 1)):  # red above 0, blue below
        part = sheet[1 + 41 * f : 41 + 41 * f, 1 + 41 * d : 41 + 41 * d].astype(int)
        signs = np.sign(part[10::20, 10::20, 0] - part[10::20, 10::20, 2])
        np.testing.assert_array_equal(signs, np.sign(weight[f, 0, d]))


def test_a_net_of_two_inputs_and_outputs_that_no_training_is_told_of(tmp_path: Path) -> None:
    """What needs a loss is left out, not refused because nobody said where a loss would stand."""
    layers = [
        {"name": "c", "type": "Convolution", "bottom": "left", "num_output": 2, "kernel_size": 3},
        {"name": "a", "type": "InnerProduct", "bottom": "c", "num_output": 3},
        {"name": "b", "type": "InnerProduct", "bottom": "right", "num_output": 3},
        {"name": "s", "type": "Eltwise", "bottom": ["a", "b"]},
        {"name": "prob", "type": "Softmax"},
        {"name": "size", "type": "InnerProduct", "bottom": "s", "num_output": 1},
    ]
    spec = {"netspec": 1, "input": {"left": ["N", 1, 6, 6], "right": ["N", 2]}, "layers": layers}
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump({**spec, "output": ["prob", "size"]}, sort_keys=False))
    subject = open_subject(str(path))
    shown = look_at_all(["batch", "confusion", "mistakes", "net", "output"], subject, Asked())
    assert [seen.view for seen, _ in shown] == ["net", "output", "left-out"]
    left = shown[-1][0].values
    assert {name: left[name]["code"] for name in left} == dict.fromkeys(
        ("batch", "confusion", "mistakes"), "NS681"
    )
    assert see("occlusion", subject, label="2").values["class"] == "2", "of the scores, not of the one number"
    assert "takes left [1, 6, 6], right [2]" in summary(subject)
    assert "takes data [1, open, open]" in summary(open_subject("zoo:sobel"))


def test_filters_are_the_planted_weights(run: Path, tmp_path: Path) -> None:
    subject = open_subject(str(run))
    assert isinstance(subject, NetSubject)
    planted = torch.linspace(-1, 1, 6 * 25).reshape(6, 1, 5, 5)
    with torch.no_grad():
        subject.net.layer_parameters("conv1")[0].copy_(planted)  # type: ignore[operator]
    seen = see("filters", subject)
    np.testing.assert_array_equal(seen.arrays["conv1"], planted.numpy())
    assert [(each["layer"], each["filters"], each["shape"]) for each in seen.values["layers"]] == [
        ("conv1", 6, "1x5x5"),
        ("conv2", 8, "6x3x3"),
    ]


def test_maps_are_those_of_forward_blobs(run: Path) -> None:
    subject = open_subject(str(run))
    assert isinstance(subject, NetSubject)
    seen = see("maps", subject, index=3)
    from netspec.seeing.samples import samples_of

    (sample,) = samples_of(subject, Asked(index=3))
    blobs = subject.net.forward_blobs({k: torch.from_numpy(v) for k, v in sample.arrays.items()})  # type: ignore[operator]
    for name, blob in blobs.items():
        last = [node.name for node in subject.typed.graph.nodes if name in {top.name for top in node.tops}][
            -1:
        ]
        for layer in last:
            np.testing.assert_array_equal(seen.arrays[layer], blob[0].detach().numpy())
    assert seen.arrays["input"].shape == (8, 8, 3)


def test_confusion_and_mistakes_are_those_of_test(run: Path) -> None:
    wanted = measure(run).judged
    (judged,) = [each for each in wanted.values() if "confusion" in each]
    subject = open_subject(str(run))
    seen, mistakes = see("confusion", subject), see("mistakes", subject, count=5)
    assert seen.values["confusion"] == judged["confusion"]
    counts = np.array(judged["confusion"])
    assert mistakes.values["mistakes"] == counts.sum() - counts.trace() > 5
    assert len(mistakes.values["shown"]) == 5 and mistakes.arrays["pictures"].shape == (5, 8, 8, 3)
    with pytest.MonkeyPatch.context() as counted:
        opened: list[object] = []
        plain = Feeds.open
        counted.setattr(Feeds, "open", lambda *words: opened.append(words) or plain(*words))
        again = see("mistakes", subject, count=5)  # judged already: what is opened, is for the pictures
    assert len(opened) == 1 and np.array_equal(again.arrays["pictures"], mistakes.arrays["pictures"])
    one = mistakes.values["shown"][0]
    picked = see("output", subject, index=one["number"])
    assert picked.values["label"] == one["true"]
    (output,) = picked.values["outputs"].values()
    assert output["top"][0] == (one["answer"], pytest.approx(one["share"], rel=1e-4))


def test_curves_are_the_log(run: Path) -> None:
    seen = see("curves", run)
    lines = [json.loads(each) for each in (run / "log.jsonl").read_text().splitlines()]
    wanted = [(each["iteration"], each["loss"]) for each in lines if each["phase"] == "train"]
    assert seen.values["curves"]["loss"]["train"] == wanted
    both = see("curves", run, inputs=(str(run),))
    assert set(both.values["curves"]["loss"]) == {"run train", "run test", f"{run} train", f"{run} test"}


def test_sobel_is_scipys_to_the_bit(tmp_path: Path, line: Line) -> None:
    picture = np.asarray(Image.fromarray(load_sample_image("china.jpg")).convert("L"))
    Image.fromarray(picture).save(tmp_path / "photo.png")
    assert line("see", "output", "zoo:sobel", tmp_path / "photo.png", "--npz", tmp_path / "o.npz") == 0
    inside = (slice(1, -1), slice(1, -1))
    gx, gy = (-ndimage.sobel(picture.astype(np.float32), axis)[inside] for axis in (1, 0))
    root = ndimage.generic_gradient_magnitude(picture.astype(np.float32), ndimage.sobel)[inside]
    with np.load(tmp_path / "o.npz") as made:
        assert np.array_equal(made["gx"][0], gx) and np.array_equal(made["gy"][0], gy)
        assert np.array_equal(made["magnitude"][0], root)
    wanted = made_bytes(root)
    assert line("see", "output", "zoo:sobel", tmp_path / "photo.png", "-o", tmp_path / "o") == 0
    (shown,) = (tmp_path / "o").glob("*magnitude*.png")
    assert np.array_equal(np.asarray(Image.open(shown))[..., 0], wanted)


def made_bytes(values: Any) -> Any:
    values = values.astype(np.float64)
    return ((values - values.min()) / (values.max() - values.min()) * 255).round().astype(np.uint8)


def test_scores_of_places_are_an_overlay_where_a_loss_reads_them_so() -> None:
    """Three classes are no colours; and what three channels without a loss are, is a picture."""
    seen = see("output", "zoo:fcn-shapes")
    assert seen.values["outputs"]["score"]["kind"] == "places"
    (figure,) = [f for f in find_view("output").draw(seen) if f.name.startswith("score")]
    pixels = figure.pixels()
    assert pixels is not None and min(pixels.shape[:2]) >= 128
    assert see("output", "zoo:unsharp").values["outputs"].popitem()[1]["kind"] == "picture"


def test_predict_draws_one_answer(run: Path, tmp_path: Path, line: Line) -> None:
    assert line("predict", run, "--data", "digits", "--index", 4, "-o", tmp_path / "a.png") == 0
    assert np.asarray(Image.open(tmp_path / "a.png")).std() > 10
    assert line("predict", run, "--data", "digits", "--index", "all", "-o", tmp_path / "b.png") == 2
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize(("layer", "kind"), [("Softmax", "scores"), ("Sigmoid", "numbers")])
def test_what_normalizes_makes_shares_of_classes(layer: str, kind: str, tmp_path: Path) -> None:
    """Though no loss reads it, and no class has a name."""
    (tmp_path / "m.yaml").write_text(
        "netspec: 1\ninput: {data: [N, 4]}\nlayers:\n  - {name: ip, type: InnerProduct, num_output: 3}\n"
        f"  - {{name: end, type: {layer}}}\n"
    )
    assert see("output", tmp_path / "m.yaml").values["outputs"]["end"]["kind"] == kind


@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_planted_colours_are_drawn_as_what_they_answer_to(color: str, tmp_path: Path) -> None:
    """A filter that reads one channel on its left is red, green or blue there, and black elsewhere."""
    conv = {"name": "c", "type": "Convolution", "num_output": 3, "kernel_size": 2}
    given = {"shape": ["N", 3, 8, 8], "image": {"color": color}}
    text = json.dumps({"netspec": 1, "name": "colours", "input": {"data": given}, "layers": [conv]})
    (tmp_path / "c.yaml").write_text(text)
    subject = open_subject(str(tmp_path / "c.yaml"))
    assert isinstance(subject, NetSubject)
    planted = torch.zeros(3, 3, 2, 2)
    planted[range(3), range(3), :, 0] = 1
    with torch.no_grad():
        subject.net.layer_parameters("c")[0].copy_(planted)  # type: ignore[operator]
    seen = see("filters", subject)
    for k in range(3):
        one = see("filters", subject, unit=k)
        pixels = next(iter(find_view("filters").draw(one))).pixels()
        assert pixels is not None
        wanted = [0, 0, 0]
        wanted[k if color == "rgb" else 2 - k] = 255
        h, w = pixels.shape[:2]
        assert pixels[h // 2, w // 4].tolist() == wanted and pixels[h // 2, 3 * w // 4].tolist() == [0, 0, 0]
    assert seen.arrays["c"].shape == (3, 3, 2, 2)


def test_lines_of_a_graph_lead_down_from_box_to_box_and_through_none() -> None:
    """Each line begins at the lower edge of what is read, ends at the upper edge of the reader, and meets no other box."""
    draw = np.random.default_rng(0)
    for _ in range(20):
        boxes = [Box("0")]
        for i in range(1, 9):
            reads = draw.choice(i, size=min(i, int(draw.integers(1, 3))), replace=False)
            boxes.append(Box(str(i), reads=tuple(str(n) for n in reads)))
        made = graph_drawing(boxes)
        rects = {s.title.split(",")[0]: s for s in made.shapes if isinstance(s, Rect)}
        lines = [s for s in made.shapes if isinstance(s, Stroke)]
        ways = [(source, box.name) for box in boxes for source in box.reads]
        assert len(rects) == len(boxes) and len(lines) == len(ways)
        for (source, reader), line in zip(ways, lines, strict=True):
            xs, ys = np.array(line.points).T
            above, below = rects[source], rects[reader]
            assert (xs[0], ys[0]) == (above.x + above.w / 2, above.y + above.h)
            assert (xs[-1], ys[-1]) == (below.x + below.w / 2, below.y)
            assert (np.diff(ys) >= 0).all() and (np.diff(ys) > 0).sum() >= 2, "down, aside, down"
            assert (xs >= 0).all() and (xs < made.width).all() and (ys < made.height).all()
            for box in rects.values():
                inside_x = (np.minimum(xs[1:], xs[:-1]) < box.x + box.w) & (
                    np.maximum(xs[1:], xs[:-1]) > box.x
                )
                inside_y = (np.minimum(ys[1:], ys[:-1]) < box.y + box.h) & (
                    np.maximum(ys[1:], ys[:-1]) > box.y
                )
                assert not (inside_x & inside_y).any()


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0, 0),
        (1e-30, 1e-30),
        (2e-30, 9e-30),
        (-3e-14, 4e-14),
        (5, 5 + 4e-15),
        (2.109689786359518e-33, 2.1096897863595188e-33),
        (-1e30, 3e30),
        (0.1, 0.93),
    ],
)
def test_numbers_of_any_size_are_drawn(low: float, high: float) -> None:
    """A rate of 1e-30, a loss that has all but ended: a few ticks hold them, each above the one before."""
    found = ticks(low, high)
    assert 2 <= len(found) <= 9 and all(a < b for a, b in pairwise(found))
    rounding = 1e-9 * (found[-1] - found[0])
    assert found[0] <= low + rounding and high - rounding <= found[-1]
    assert line_chart("loss", {"loss": [(0, low), (1, high)]}, "iteration").shapes
