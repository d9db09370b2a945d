"""CPython 3.14 in WebAssembly, PyYAML without its C part: each command that needs no torch says there what it says here.

`npm install --prefix .ci` brings Pyodide; NETSPEC_PYODIDE names another folder. Without it the tests are skipped.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from netspec.syntax.paths import zoo_specs

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
PYODIDE = Path(os.environ.get("NETSPEC_PYODIDE") or ROOT / ".ci" / "node_modules" / "pyodide")
NODE = shutil.which("node")
MISSING = "node is not installed" if NODE is None else f"no Pyodide in {PYODIDE}: npm install --prefix .ci"
pytestmark = [
    pytest.mark.pyodide,
    pytest.mark.skipif(NODE is None or not (PYODIDE / "pyodide.mjs").is_file(), reason=MISSING),
]


def said_by(command: list[str], folder: Path, every: int, **places: str) -> dict[str, Any]:
    environment = {**os.environ, "NETSPEC_EVERY": str(every), **places}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def here(folder: Path, every: int) -> dict[str, Any]:
    return said_by(
        [sys.executable, str(HERE / "inside.py")], folder, every, NETSPEC_ROOT=str(ROOT), NETSPEC_SITE=""
    )


def there(folder: Path, every: int) -> dict[str, Any]:
    packages = {package.__name__: Path(str(package.__file__)).parent for package in (yaml, click)}
    mounts = [f"{ROOT}=/checkout", *(f"{path}=/site/{name}" for name, path in packages.items())]
    command = [str(NODE), str(HERE / "run.mjs"), str(PYODIDE), str(HERE / "inside.py"), *mounts]
    return said_by(command, folder, every, NETSPEC_ROOT="/checkout", NETSPEC_SITE="/site")


@pytest.mark.parametrize(
    "every", [36, pytest.param(1, marks=pytest.mark.slow)], ids=["some of the zoo", "the whole zoo"]
)
def test_says_the_same(every: int, tmp_path: Path) -> None:
    browser, native = there(tmp_path, every), here(tmp_path, every)
    assert browser["python"] >= "3.14" and not browser["libyaml"]
    nets = len(list(zoo_specs())[::every])
    assert len(native["said"]) == 7 * nets + 9
    assert browser["said"] == native["said"]
    assert all(code == 0 for name, (code, *_) in native["said"].items() if name.startswith("check zoo:"))
    codes = {name: code for name, (code, *_) in native["said"].items() if name.startswith("check spec")}
    assert set(codes.values()) == {1}
    fault = native["said"]["check spec0.yaml"][1]
    assert all(code in fault for code in ("NS101", "NS104", "NS105", "NS102", "NS103")), fault
