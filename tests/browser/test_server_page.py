"""The page that a server has at `/`: used in Chromium with a model of a hostile name, it asks nobody else and says what the model says.

Needs node, Chromium, and of npm playwright-core and axe-core (see test_page.py); without them it is skipped.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import TensorProto, helper
from PIL import Image

from tests.browser.test_page import BROWSER, MODULES, NODE

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from serving_parts import Inside, save

from netspec.serving.limits import Limits

pytestmark = [pytest.mark.browser, pytest.mark.onnx]
NAME = "<img src=x onerror=\"document.title='taken'\">"
ABSENT = [name for name in ("playwright-core", "axe-core") if not (MODULES / name).is_dir()]


@pytest.fixture
def served(tmp_path: Path) -> Inside:
    sides = [("data", TensorProto.FLOAT, ["N", 3, 1, 1])], [("prob", TensorProto.FLOAT, ["N", 3])]
    said = {"netspec.image.data": '{"resize": [1, 1]}', "netspec.labels": '["night", "<b>day</b>"]'}
    path = save(tmp_path / "m.onnx", [helper.make_node("Flatten", ["data"], ["prob"])], *sides, metadata=said)
    return Inside(path, Limits(), NAME)


def test_the_page_is_static_and_held_to_itself(served: Inside) -> None:
    with served as server:
        answer, content = server.ask("GET", "/")
        text = content.decode()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert not re.findall(
        r"https?://|//\w+\.|innerHTML|outerHTML|document\.write|<script src|@import|url\(", text
    )
    assert NAME not in text
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


@pytest.mark.skipif(
    not (NODE and BROWSER) or bool(ABSENT), reason=f"node {NODE}, Chromium {BROWSER}, no {ABSENT}"
)
def test_a_person_asks_by_json_and_by_a_picture(served: Inside, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (10, 250, 30)).save(tmp_path / "green.png")
    with served as server:
        base = f"http://{server.address}/"
        words = [
            NODE,
            Path(__file__).with_name("server.mjs"),
            base,
            BROWSER,
            MODULES / "axe-core" / "axe.min.js",
            tmp_path / "green.png",
        ]
        done = subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "NODE_MODULES": str(MODULES)},
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(url.startswith((base, "data:")) for url in found["asked"])
    assert [
        each for each in found["wrong"] if "400" not in each
    ] == []  # Chromium's own line of the refusal below
    assert found["model"] == [f"{NAME}, version 1", 0, "netspec serve"]
    assert "data\tFP32 [any, 3, 1, 1]" in found["tensors"]
    assert json.loads(found["numbers"]) == [0, 0, 0]
    assert found["classes"].split("\n")[-3:] == ["<b>day</b>\t250.0", "class 2\t30.00", "night\t10.00"]
    assert (found["dropped"], found["over"]) == (found["classes"], [True, False])
    assert found["refused"].startswith("the request must be JSON: ")
    assert found["wide"] == 390
    assert found["axe"] == {"light": [], "dark": []}
