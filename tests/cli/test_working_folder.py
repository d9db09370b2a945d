"""Nothing is imported from the working folder: a stranger's archive is unpacked there, a module in it has not been asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

EARLY = (
    "re",
    "typing",
    "enum",
    "gc",
    "yaml",
    "click",
    "random",
    "json",
    "ast",
    "inspect",
    "dataclasses",
    "datetime",
    "sitecustomize",
)
LATE = (
    "torch",
    "numpy",
    "PIL",
    "onnx",
    "sklearn",
    "safetensors",
    "h5py",
    "kornia",
    "secrets",
    "zipfile",
    "queue",
    "tempfile",
    "orjson",
)
SPEC = """netspec: 1
input: {data: [N, 1, 8, 8]}
layers:
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}
train:
  data: {source: digits, batch_size: 8}
  solver: {base_lr: 0.1, max_iter: 1, random_seed: 1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A spec among modules that leave a mark when they are imported."""
    for name in (*EARLY, *LATE, "rich", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / 'ran')!r}, 'a').write('{name} ')\nraise ImportError('{name}')\n"
        )
    (tmp_path / "net.yaml").write_text(SPEC, encoding="utf-8")
    return tmp_path


def run(folder: Path, *words: str) -> None:
    done = subprocess.run([sys.executable, *words], check=False, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (folder / "ran").exists(), (folder / "ran").read_text()


def test_check_as_a_module(folder: Path) -> None:
    run(folder, "-m", "netspec", "check", "net.yaml")
    run(folder, "-P", "-m", "netspec", "check", "net.yaml")


@pytest.mark.torch
def test_train_as_a_module(folder: Path) -> None:
    run(folder, "-m", "netspec", "train", "net.yaml", "--run", "run", "--device", "cpu", "--quiet")


def test_processes_that_are_started_have_no_working_folder_on_their_path(tmp_path: Path) -> None:
    code = """
import subprocess, sys
from netspec.cli import main
sys.argv = ["netspec", "layers"]
try:
    main()
except SystemExit:
    pass
paths = subprocess.run([sys.executable, "-c", "import sys; print('' in sys.path)"], check=False, capture_output=True, text=True).stdout
assert paths.strip() == "False", paths
"""
    run(tmp_path, "-P", "-c", code)
