"""`export --to web`: the page says what predict says, asks no other host, and can be used by keyboard and by eye.

Needs node, Chromium, and of npm onnxruntime-web, playwright-core and axe-core (`npm install --prefix .ci`; NETSPEC_NODE_MODULES names another
folder); without them the tests that need them are skipped.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import netspec
from netspec.cli import group
from netspec.exporters.sizes import sizes_of
from netspec.exporters.web.site import PAGE
from netspec.serving.sizes import conditions
from tests.export.nets import COLOURS

ROOT = Path(__file__).resolve().parents[2]
MODULES = Path(os.environ.get("NETSPEC_NODE_MODULES") or ROOT / ".ci" / "node_modules")
NODE = shutil.which("node")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PACKAGES = ("onnxruntime-web", "playwright-core", "axe-core")
ABSENT = [name for name in PACKAGES if not (MODULES / name).is_dir()]
needs_browser = pytest.mark.skipif(
    not (NODE and BROWSER) or bool(ABSENT), reason=f"node {NODE}, Chromium {BROWSER}, no {', '.join(ABSENT)}"
)
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.onnx, pytest.mark.torch]

SPEC = (
    COLOURS
    + """\
  - {name: conv1, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: xavier}
  - {name: relu1, type: ReLU}
  - {name: ip1, type: InnerProduct, num_output: 3, weight_filler: xavier}
  - {name: prob, type: Softmax}
"""
)
METHODS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "area": 4}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "colours.yaml").write_text(SPEC)
    netspec.export(str(folder / "colours.yaml"), folder / "colours.onnx", certify="quick")
    return folder / "colours.onnx"


def pictures(folder: Path) -> list[Path]:
    """Wide and high, grey, and one with transparent pixels."""
    rng = np.random.default_rng(0)
    made = {
        "wide": rng.integers(0, 256, (23, 41, 3)),
        "high": rng.integers(0, 256, (60, 17, 3)),
        "grey": rng.integers(0, 256, (15, 15)),
        "clear": np.dstack([rng.integers(0, 256, (20, 20, 3)), 255 * rng.integers(0, 2, (20, 20))]),
    }
    paths = [folder / f"{name}.png" for name in made]
    for path, pixels in zip(paths, made.values(), strict=True):
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return paths


def meet(model: Path, files: list[Path], page: Path) -> Any:
    """What a browser sees of the page of a model, given pictures."""
    words = ["export", str(model), "--to", "web", str(page), "--runtime", str(MODULES / "onnxruntime-web")]
    done = CliRunner().invoke(group, words, standalone_mode=False)
    assert done.exception is None, done.exception
    command = [str(NODE), str(Path(__file__).parent / "page.mjs"), str(page), str(BROWSER)]
    command += [str(MODULES / "axe-core" / "axe.min.js"), *map(str, files)]
    ran = subprocess.run(
        command, env={**os.environ, "NODE_MODULES": str(MODULES)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


@needs_browser
def test_the_page_in_a_browser(model: Path, tmp_path: Path) -> None:
    files = pictures(tmp_path)
    predicted = CliRunner().invoke(group, ["predict", str(model), *map(str, files), "--json"])
    found = meet(model, files, tmp_path / "page")
    for file, said in zip(files, json.loads(predicted.stdout), strict=True):
        wanted = {each["index"]: each["score"] for each in said["outputs"]["prob"]["top"]}
        got = found["answers"][file.name]["prob"]
        assert got == pytest.approx([wanted[i] for i in range(3)], abs=1e-4), file.name
    assert found["dropped"]["prob"] == pytest.approx(found["answers"][files[0].name]["prob"], abs=1e-6)
    assert found["over"] == [True, False]
    assert {url.startswith(found["base"]) for url in found["asked"]} == {True}
    assert found["wrong"] == [] and found["axe"] == {"light": [], "dark": []}
    assert found["wide"] <= 390
    assert found["focus"] == "clear" and sum(found["drawn"]["prob"]) == pytest.approx(1, abs=1e-5)


@needs_browser
@pytest.mark.slow
def test_a_size_that_the_net_does_not_take_is_told_and_the_next_picture_has_its_turn(tmp_path: Path) -> None:
    """The drop of a picture on such a page once seemed lost: it was refused, in the runtime's words."""
    files = pictures(tmp_path)
    netspec.export("zoo:fcn-shapes", tmp_path / "fcn.onnx", certify="quick")
    found = meet(tmp_path / "fcn.onnx", files, tmp_path / "page")
    said = CliRunner().invoke(group, ["predict", str(tmp_path / "fcn.onnx"), str(files[0])])
    refused = found["answers"]["wide.png"]["refused"]
    assert refused == found["dropped"]["refused"] and refused.startswith("The model does not take wide.png")
    assert refused.rpartition("; ")[2].rstrip(".") in said.output and "H = 16 or 24, W = 40 or 48" in refused
    assert len(found["drawn"]["score"]) == 3 * 280 * 280 and found["wrong"] == []


@needs_node
def test_sizes_are_refused_as_predict_refuses_them(tmp_path: Path) -> None:
    """The same sizes for the same layer, with the same sizes near by; where axes are coupled, the layer alone."""
    cases, wanted = [], []
    for name in ("fcn-shapes", "u-net-shapes", "segnet-shapes", "sobel"):
        text = sizes_of(netspec.load(f"zoo:{name}").graph())
        held = conditions(text)
        assert text is not None and held is not None
        for high, wide in [(n, 64) for n in range(1, 66)] + [(64, 7), (3, 3), (188, 204), (1, 1)]:
            found = held.refusal({"H": high, "W": wide})
            cases.append([json.loads(text), {"H": high, "W": wide}])
            near = found and [
                f"{axis} = {' or '.join(map(str, n))}" for axis, n in found.nearest.items() if n
            ]
            wanted.append(found and [f"{found.type} {found.layer},", ", ".join(near or [])])
    shutil.copy(PAGE / "sizes.js", tmp_path / "sizes.mjs")
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    (tmp_path / "run.mjs").write_text("""
import fs from "node:fs";
import { refusal } from "./sizes.mjs";
const cases = JSON.parse(fs.readFileSync(new URL("./cases.json", import.meta.url)));
console.log(JSON.stringify(cases.map(([words, sizes]) => refusal(words, sizes))));
""")
    done = subprocess.run([str(NODE), "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    for case, told, right in zip(cases, json.loads(done.stdout), wanted, strict=True):
        assert bool(told) == bool(right), case[1]
        if right:
            assert right[0] in told and told.partition("; the nearest legal sizes are ")[2] == right[1], told
    assert len({bool(each) for each in wanted}) == 2


@needs_node
def test_pictures_are_resized_as_pillow_does(tmp_path: Path) -> None:
    """The very values, for every filter and any size."""
    rng, cases = np.random.default_rng(1), []
    for i in range(90):
        width, height, wide, high = (int(n) for n in rng.integers(1, 40, 4))
        name, color = list(METHODS)[i % 5], ("gray", "rgb", "bgr")[i % 3]
        pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        image = Image.fromarray(pixels).convert("L" if color == "gray" else "RGB")
        if image.size != (wide, high):
            image = image.resize((wide, high), Image.Resampling(METHODS[name]))
        made = np.atleast_3d(np.asarray(image))[:, :, :: -1 if color == "bgr" else 1].transpose(2, 0, 1)
        rgba = np.dstack([pixels, np.full((height, width), 255, np.uint8)])
        words = {"color": color, "resize": [high, wide], "interpolation": name}
        cases.append([rgba.ravel().tolist(), width, height, words, made.ravel().tolist()])
    shutil.copy(PAGE / "picture.js", tmp_path / "picture.mjs")
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    (tmp_path / "run.mjs").write_text("""
import fs from "node:fs";
import { prepared } from "./picture.mjs";
const cases = JSON.parse(fs.readFileSync(new URL("./cases.json", import.meta.url)));
const off = cases.filter(([rgba, w, h, words, made]) => {
  const { data } = prepared(Uint8ClampedArray.from(rgba), w, h, words);
  return data.length !== made.length || made.some((value, i) => value !== data[i]);
});
console.log(JSON.stringify(off.map(([, w, h, words]) => [w, h, words])));
""")
    done = subprocess.run([str(NODE), "run.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
