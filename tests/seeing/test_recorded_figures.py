"""What views say and where their figures stand, as text: `pytest tests/seeing --update` rewrites recorded.txt; read the diff.

The nets' weights are those of a seed, which every machine draws alike; numbers are rounded, and where floating point decides which
of two places wins, nothing is recorded.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.pictures.figure import Figure, Table
from netspec.pictures.shapes import Drawing
from netspec.seeing.outputs import describe_output, draw_output
from netspec.seeing.seen import Asked
from netspec.seeing.subject import open_subject
from netspec.seeing.whole import look

pytestmark = pytest.mark.torch

RECORD = Path(__file__).with_name("recorded.txt")
PICTURES = """
netspec: 1
name: small
input: {data: {shape: [N, 1, 12, 16], image: {color: gray, scale: 0.01}}}
layers:
  - {name: conv1, type: Convolution, num_output: 5, kernel_size: [3, 5], stride: 2, weight_filler: xavier}
  - {name: relu1, type: ReLU}
  - {name: conv2, type: Convolution, num_output: 6, kernel_size: 3, pad: 1, weight_filler: xavier}
  - {name: pool2, type: Pooling, pool: AVE, global_pooling: true}
  - {name: ip, type: InnerProduct, num_output: 3, weight_filler: xavier}
  - {name: prob, type: Softmax}
output: {prob: {labels: [one, two, three]}}
"""
LETTERS = """
netspec: 1
name: letters
input: {data: [N, 4, 24]}
layers:
  - {name: conv1, type: Convolution, num_output: 4, kernel_size: 5, pad: 2, weight_filler: xavier}
  - {name: pool1, type: Pooling, pool: MAX, kernel_size: 4, stride: 4}
  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}
"""
LINEAR = """
netspec: 1
name: linear
input: {data: {shape: [N, 3, 4, 6], image: {color: bgr}}}
layers:
  - {name: ip, type: InnerProduct, num_output: 5, weight_filler: xavier}
"""
VIEWS = {
    "linear": ("filters",),
    "small": ("net", "filters", "maps", "field", "matrix", "saliency", "occlusion", "output", "shift", "cam"),
    "letters": ("net", "filters", "maps", "field", "motifs", "mutations", "saliency", "output", "shift"),
}
SHAPES = {"numbers": (2, 3), "many numbers": (5, 30), "one": (1,), "a list": (30,), "wave": (2, 64), "picture": (3, 4, 9), "places": (7, 5, 6)}  # fmt: skip


def test_what_is_seen_is_what_was_recorded(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for i in range(2):
        values = (np.arange(12 * 16).reshape(12, 16) * (3 + 8 * i) + 50 * i) % 256
        Image.fromarray(values.astype(np.uint8)).save(f"p{i}.png")
    Path("a.fa").write_text(">first\nACGTACGTTTGACCATGACGTACA\n>second\nTTTTGGGGCCCCAAAATTTTGGGG\n")
    Path("small.yaml").write_text(PICTURES)
    Path("letters.yaml").write_text(LETTERS)
    Path("linear.yaml").write_text(LINEAR)
    lines: list[str] = []
    for net, views in VIEWS.items():
        subject = open_subject(f"{net}.yaml")
        inputs = {"small": ("p0.png", "p1.png"), "letters": ("a.fa",)}.get(net, ())
        for view in views:
            seen, figures = look(
                view, subject, Asked(inputs=inputs if view not in ("net", "filters", "matrix") else ())
            )
            lines += [
                f"== {view} of {net}: {seen.title}",
                *map(rounded, seen.told),
                *(line for f in figures for line in told(f)),
            ]
    for name, shape in SHAPES.items():
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) * 37 % 101
        said = describe_output(values, sorts=name == "places")
        lines += [f"== {name}, {said['kind']}", *told(draw_output(name, values, said, None))]
    text = "\n".join(lines) + "\n"
    if request.config.getoption("update", default=False):
        RECORD.write_text(text, encoding="utf-8")
    assert text.split("\n") == RECORD.read_text(encoding="utf-8").split("\n")


def told(figure: Figure) -> Iterator[str]:
    """A figure's words, size, and the sums of its places by kind of shape."""
    body = figure.body
    yield f"{figure.name}: {rounded(figure.told)}".rstrip(": ")
    if isinstance(body, str):
        yield f"  text of {len(body.splitlines())} lines"
    elif isinstance(body, Table):
        yield f"  table {[*body.heads]}, {len(body.rows)} rows, right {sorted(body.right)}"
    elif isinstance(body, Drawing):
        yield f"  drawing {body.width:.0f} x {body.height:.0f}"
        sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * 5)
        for shape in body.shapes:
            places = [v for point in getattr(shape, "points", ()) for v in point] or [*shape[:4]]
            numbers = [v for v in places if isinstance(v, (int, float))]
            kind = sums[type(shape).__name__]
            kind[0] += 1
            for i, value in enumerate(numbers):
                kind[1 + i % 4] += value
        for name, (count, *rest) in sorted(sums.items()):
            yield f"  {count:.0f} {name}: {' '.join(f'{value:.1f}' for value in rest)}"
    else:
        yield f"  pixels {body.shape[1]} x {body.shape[0]}"


def rounded(text: str) -> str:
    """Numbers with fractions to two digits, as texts write them."""
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda m: f"{float(m[0]):.2g}", text)
