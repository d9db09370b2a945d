"""The page of `see all` in a real browser: axe finds nothing, it fits 390 pixels, and it loads nothing."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.training.specs import Line

pytestmark = [pytest.mark.torch, pytest.mark.browser]

HERE = Path(__file__).parent
MODULES = Path(os.environ.get("NETSPEC_NODE_MODULES") or HERE.parents[1] / ".ci" / "node_modules")


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Line:
    return Line(monkeypatch, capsys)


@pytest.mark.parametrize(
    "places",
    # each width and each scheme once; all of them before a release
    ["390 dark,1280 light", pytest.param("390 light,1280 dark", marks=pytest.mark.slow)],
)
def test_axe_finds_nothing(run: Path, tmp_path: Path, line: Line, places: str) -> None:
    node, browser = shutil.which("node"), shutil.which("chromium") or shutil.which("google-chrome")
    if node is None or browser is None or not (MODULES / "axe-core").is_dir():
        pytest.skip("needs node, chromium, and: npm install --prefix .ci")
    assert line("see", "all", run, "-o", tmp_path / "r.html") == 0
    words = [node, str(HERE / "axe.cjs"), str(tmp_path / "r.html"), places]
    done = subprocess.run(
        words,
        env={"NODE_PATH": str(MODULES), "CHROMIUM": browser},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    told = json.loads(done.stdout)
    assert list(told) == places.split(",")
    for place, found in told.items():
        assert found["violations"] == [], place
        assert found["requests"] == 0, place
        assert found["width"] <= int(place.split()[0]), place
