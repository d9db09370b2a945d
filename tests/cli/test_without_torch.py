"""What `pip install netspec` and `netspec[serve]` bring is enough to check, verify, predict and serve; the rest says what it needs."""

import json
import re
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

import netspec
from netspec.cli.extras import EXTRAS

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

ROOT = Path(netspec.__file__).parents[1]
BLOCKING = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

blocked = sys.argv.pop(1).split(",")
sys.meta_path.insert(0, Blocked())
from netspec.cli import main
main()
"""
"""A process in which some packages are not installed."""
TORCH = [name for name, extra in EXTRAS.items() if extra == "train"]
SERVER = [name for name, extra in EXTRAS.items() if extra == "serve"]
SPEC = """
netspec: 1
name: tiny
input: {data: {shape: [N, 1, 4, 4], image: {scale: 0.01}}}
layers:
  - {name: ip, type: InnerProduct, num_output: 3, weight_filler: xavier}
  - {name: prob, type: Softmax}
"""


def command(blocked: list[str], *words: str) -> list[str]:
    return [sys.executable, "-c", BLOCKING, ",".join(blocked), *words]


def ran(folder: Path, blocked: list[str], *words: str) -> tuple[int, str, str]:
    done = subprocess.run(command(blocked, *words), cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bare")
    (made / "tiny.yaml").write_text(SPEC)
    netspec.export(str(made / "tiny.yaml"), made / "tiny.onnx", certify="quick")
    Image.new("L", (4, 4), 77).save(made / "grey.png")
    return made


def test_verify_and_predict_need_no_extra(folder: Path) -> None:
    code, said, wrong = ran(folder, TORCH + SERVER, "verify", "tiny.onnx")
    assert (code, wrong) == (0, "")
    assert "2 probes answered" in said
    code, said, wrong = ran(folder, TORCH + SERVER, "predict", "tiny.onnx", "grey.png", "--json")
    assert (code, wrong) == (0, "")
    assert len(json.loads(said)[0]["outputs"]["prob"]["top"]) == 3


def test_a_server_needs_no_torch(folder: Path) -> None:
    server = subprocess.Popen(
        command(TORCH, "serve", "tiny.onnx", "--port", "0"), cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        address = next(found[0] for line in lines if (found := re.search(r"http://\S+", line)))
        body = {"inputs": [{"name": "data", "shape": [1, 1, 4, 4], "datatype": "FP32", "data": [77.0] * 16}]}
        asked = urllib.request.Request(f"{address}/v2/models/tiny/infer", json.dumps(body).encode())
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert sum(json.load(answer)["outputs"][0]["data"]) == pytest.approx(1, abs=1e-6)
    finally:
        server.terminate()
        assert server.wait() == 0


@pytest.mark.parametrize(
    ("line", "package", "extra"),
    [
        ("train tiny.yaml --run r", "torch", "train"),
        ("predict tiny.onnx --data digits", "scikit-learn", "train"),
        ("serve tiny.onnx", "orjson", "serve"),
    ],
)
def test_what_needs_an_extra_says_which(folder: Path, line: str, package: str, extra: str) -> None:
    code, said, wrong = ran(folder, TORCH + SERVER, *line.split())
    assert (code, said) == (1, "")
    assert f"NS657]: needs an extra package: this needs {package}: pip install 'netspec[{extra}]'" in wrong


def test_the_table_of_extras_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    spelt = {"scikit-learn": "sklearn", "prometheus-client": "prometheus_client"}

    def names(lines: list[str]) -> set[str]:
        plain = (re.split(r"[<>=;\[]", line)[0] for line in lines)
        return {spelt.get(name, name) for name in plain}

    extras = project["optional-dependencies"]
    for extra in ("train", "serve"):
        assert names(extras[extra]) == {name for name, of in EXTRAS.items() if of == extra}
    assert not names(project["dependencies"]) & EXTRAS.keys()
