"""Pictures from strangers: which formats are opened, and that pixels are bounded before and after resizing, wherever they come from."""

import io
import json
import resource
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper
from PIL import Image

from netspec import api
from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.imaging.decode import FORMATS, decode
from netspec.resolve.sections.image import ImageContract

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n(ran) (w) file closefile\nshowpage\n%%EOF\n"


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_of_the_list_is_opened(kind: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (5, 4), (200, 100, 50)).save(file, kind)
    pixels = decode(file.getvalue(), ImageContract(), "x.png")
    assert pixels.shape == (3, 4, 5) and abs(int(pixels[0, 0, 0]) - 200) < 8


@pytest.mark.parametrize(
    "kind", ["ICO", "TGA", "PCX", "SGI", "ICNS", "JPEG2000", "DDS", "EPS", "MSP", "XBM", "SPIDER"]
)
def test_no_other_format_is_opened(kind: str) -> None:
    """What Pillow itself can write, so that the list is what refuses it."""
    file = io.BytesIO()
    mode, value = {"MSP": ("1", 1), "XBM": ("1", 1), "SPIDER": ("F", 1.0)}.get(kind, ("RGB", (200, 100, 50)))
    try:
        Image.new(mode, (16, 16), value).save(file, kind)
    except OSError:
        pytest.skip(f"this Pillow writes no {kind}")
    with pytest.raises(SpecError, match=r"NS647.*PNG, JPEG"):
        decode(file.getvalue(), ImageContract(), "x.png")


@pytest.mark.torch
def test_no_other_program_is_started(tmp_path: Path) -> None:
    """A PostScript file called .png, and a Ghostscript that leaves a mark."""
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("gs", "gswin32c", "gswin64c"):
        (fake / name).write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
        (fake / name).chmod(stat.S_IRWXU)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "a.png").write_bytes(EPS)
    words = [sys.executable, "-m", "netspec", "init", "photos"]
    done = subprocess.run(
        words, check=False, cwd=tmp_path, env={"PATH": str(fake)}, capture_output=True, text=True
    )
    assert done.returncode == 1 and "NS647" in done.stderr, done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("size", "resize"),
    [
        ((8, 8), 1_000_000),
        ((1, 4000), 8000),
        ((8, 8), (60_000, 60_000)),
        ((1, 8192), (1, 60_000)),
        ((8, 8), 2**40),
        ((3, 9), (2**40, 1)),
    ],
)
def test_no_picture_is_made_too_large(size: tuple[int, int], resize: int | tuple[int, int]) -> None:
    """Nor the one between, whose width alone is resized."""
    file = io.BytesIO()
    Image.new("L", size).save(file, "PNG")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SpecError, match=r"NS648.*resized to"):
        decode(file.getvalue(), ImageContract(resize=resize), "x.png")
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    )  # kB; one such picture takes over 268 MB


def test_enlarging_is_no_fault() -> None:
    file = io.BytesIO()
    Image.new("L", (20, 10), 7).save(file, "PNG")
    assert decode(file.getvalue(), ImageContract(resize=1000), "x.png").shape == (3, 1000, 2000)


def test_a_picture_has_so_many_pixels(tmp_path: Path) -> None:
    """Above ours and below Pillow's own bound, which is two and a half times as high."""
    from netspec.imaging.decode import MAX_PIXELS

    Image.new("1", (8193, 8192)).save(tmp_path / "large.png")
    assert MAX_PIXELS < 8193 * 8192 < Image.MAX_IMAGE_PIXELS
    with pytest.raises(SpecError, match="8193 x 8192 pixels are more than"):
        decode((tmp_path / "large.png").read_bytes(), ImageContract(color="gray", resize=(2, 2)), "large.png")


@pytest.mark.parametrize("words", ["resize: 1000000", "resize: [70000, 70000]", "crop_size: 100000"])
def test_a_spec_cannot_ask_for_it(tmp_path: Path, words: str) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        f"input: {{data: {{shape: [N, 3, H, W], image: {{{words}}}}}}}\nlayers:\n  - {{name: r, type: ReLU}}\n"
    )
    assert "NS660" in [found.code for found in api.check(str(path))]


@pytest.mark.onnx
@pytest.mark.parametrize("resize", [1_000_000, [100_000, 100_000], 2**63])
def test_a_model_cannot_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resize: object) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a.png")
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, "H", "W"]) for name in ("x", "y")
    )
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [given], [made])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, {"netspec.image.x": json.dumps({"resize": resize})})
    onnx.save(model, "m.onnx")
    result = CliRunner().invoke(
        group, ["predict", "m.onnx", "a.png", "--allow-uncertified"], standalone_mode=False
    )
    assert isinstance(result.exception, SpecError), result.output
    assert {d.code for d in result.exception.diagnostics} <= {"NS648", "NS660", "NS721"}


@pytest.mark.parametrize(("mean", "scale"), [((), 1.0), ((3.0,), 0.5), ((1.0, 2.0, 3.0), 1.0), ((0.0,), 2.0)])
def test_the_arithmetic_leaves_its_input_alone(mean: tuple[float, ...], scale: float) -> None:
    from netspec.imaging.decode import prepare

    contract = ImageContract(mean_value=mean, scale=scale)
    for dtype in (np.uint8, np.float32):
        batch = np.arange(24, dtype=dtype).reshape(2, 3, 2, 2)
        want = (batch.astype(np.float32) - np.float32(mean or (0,)).reshape(-1, 1, 1)) * np.float32(scale)
        got = prepare(batch, contract)
        np.testing.assert_array_equal(got, want)
        assert got.dtype == np.float32 and (batch == np.arange(24, dtype=dtype).reshape(2, 3, 2, 2)).all()
