"""Layer types of the user's own: docs/plugins.md's plug-in, from a file, from an installed package, and through Caffe's Python layer."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import netspec
from netspec.analysis.cost import cost
from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.emit.inline import imports
from netspec.importers.caffe import convert

ROOT = Path(netspec.__file__).parents[1]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
PLUGIN, SPEC = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1] for kind in ("python", "yaml"))  # type: ignore[index]
PYTHON = SPEC.replace(
    "{name: squash, type: Softsign, scale: 2}", "{name: squash, type: Python, python_param: {PARAM}}"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's plug-in and spec, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "softsign.py").write_text(PLUGIN)
    (tmp_path / "net.yaml").write_text(SPEC)
    return tmp_path


def codes(path: str = "net.yaml", allow_code: bool = True) -> list[str]:
    return [found.code for found in netspec.check(path, allow_code=allow_code)]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-m", "netspec", *words], capture_output=True, text=True, check=False, env=variables
    )


def run_here(*words: str) -> Any:
    """The command in this process: whatever the plug-in does wrong, an answer comes."""
    return CliRunner().invoke(group, list(words), standalone_mode=False)


def forward(net: Any) -> Any:
    import torch

    return net(torch.linspace(-3, 3, 256).reshape(1, 4, 8, 8))


def test_the_page_s_spec_is_sound_and_counted(folder: Path) -> None:
    assert codes() == []
    assert cost(netspec.load("net.yaml", allow_code=True).graph()).parameters == 4 + 256 * 10 + 10


def test_nothing_runs_without_permission(folder: Path) -> None:
    (folder / "softsign.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n" + PLUGIN)
    assert codes(allow_code=False) == ["NS121"]
    assert run("check", "net.yaml").returncode == 1
    assert not (folder / "ran").exists()
    assert run("check", "--allow-code", "net.yaml").returncode == 0
    assert (folder / "ran").exists()


def test_a_check_leaves_torch_out(folder: Path) -> None:
    done = run("check", "--allow-code", "net.yaml", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0, done.stdout
    assert "| torch" not in done.stderr
    assert "softsign.py" not in done.stdout


@pytest.mark.torch
def test_numbers_and_pickles(folder: Path) -> None:
    import pickle

    import torch

    net: Any = netspec.compile(netspec.load("net.yaml", allow_code=True))
    x = torch.linspace(-3, 3, 256).reshape(1, 4, 8, 8)
    torch.testing.assert_close(net.forward_blobs({"data": x})["squash"], 2 * x / (1 + x.abs()))
    assert [tuple(w.shape) for w in net.layer_parameters("squash")] == [(4,)]
    torch.testing.assert_close(pickle.loads(pickle.dumps(net))(x), net(x))


@pytest.mark.torch
def test_the_emitted_file_needs_only_torch(folder: Path) -> None:
    done = run_here("compile", "--allow-code", "net.yaml", "-o", "net.py")
    assert done.exit_code == 0, done.output
    assert "netspec" not in re.sub(
        r"#.*|\"\"\".*?\"\"\"", "", (folder / "net.py").read_text(), flags=re.DOTALL
    )
    code = "import torch, net; print(net.Net()(torch.zeros(2, 4, 8, 8)).shape)"
    alone = subprocess.run([sys.executable, "-S", "-c", code], cwd=folder, capture_output=True, text=True, check=False,
                           env={"PYTHONPATH": os.pathsep.join(p for p in sys.path if "site-packages" in p)})  # fmt: skip
    assert "[2, 10]" in alone.stdout, alone.stderr


@pytest.mark.onnx
def test_an_exported_file_is_certified_and_served_without_the_plugin(folder: Path) -> None:
    done = run_here("export", "--allow-code", "net.yaml", "-o", "net.onnx")
    assert done.exit_code == 0, done.output
    (folder / "softsign.py").unlink()
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
    assert session.run(None, {"data": np.zeros((3, 4, 8, 8), np.float32)})[0].shape == (3, 10)


def test_a_plugin_has_a_page(folder: Path) -> None:
    done = run("layers", "softsign", "--plugin", "softsign.py")
    assert "Bergstra" in done.stdout, done.stderr
    assert "scale" in done.stdout
    assert run("layers", "Softsign").returncode == 2


def test_resolved_is_a_fixed_point(folder: Path) -> None:
    text = netspec.load("net.yaml", allow_code=True).resolved_text()
    assert "softsign.py" in text
    (folder / "net.yaml").write_text(text)
    assert netspec.load("net.yaml", allow_code=True).resolved_text() == text


def test_a_base_brings_its_plugins_from_its_own_folder(folder: Path) -> None:
    (folder / "base").mkdir()
    (folder / "softsign.py").rename(folder / "base" / "softsign.py")
    (folder / "net.yaml").rename(folder / "base" / "net.yaml")
    (folder / "net.yaml").write_text("base: base/net.yaml\noverride: {squash: {scale: 3}}\n")
    assert codes() == []
    assert codes(allow_code=False) == ["NS121"]


@pytest.mark.parametrize(
    ("wrong", "right", "code", "words"),
    [
        ("scale: 2", "scael: 2", "NS102", "did you mean scale"),
        ("scale: 2", "scale: -2", "NS106", "must be > 0"),
        ("Softsign, scale", "Sofsign, scale", "NS101", "did you mean Softsign"),
        ("[softsign.py]", "[softsing.py]", "NS001", "softsing.py"),
        ("[softsign.py]", "[../softsign.py]", "NS114", "outside"),
        ("[softsign.py]", "[softsign.py, softsign.py]", "NS122", "before it defines too"),
    ],
)
def test_a_spec_at_fault(folder: Path, wrong: str, right: str, code: str, words: str) -> None:
    (folder / "net.yaml").write_text(SPEC.replace(wrong, right))
    done = run_here("check", "--allow-code", "net.yaml")
    assert re.findall(r"^error\[(NS\d+)\]", done.stdout, re.MULTILINE) == [code], done.stdout
    assert words in done.stdout


@pytest.mark.parametrize(
    ("wrong", "right", "line"),
    [
        ("class Softsign(", "class Softsign((", "class Softsign("),
        (
            "    scale: float = param(default=1.0",
            "    scale: float = paran(default=1.0",
            "scale: float = paran",
        ),
        ("def infer(self, x):\n", "kept = nn.Linear(2, 3)\n\n    def infer(self, x):\n", "class Softsign("),
        ('type="Softsign"', 'type="Convolution"', "[softsign.py]"),
        (
            '(Layer, type="Softsign", param="softsign_param", traits=("elementwise",))',
            "(Layer)",
            "[softsign.py]",
        ),
    ],
)
def test_a_plugin_at_fault(folder: Path, wrong: str, right: str, line: str) -> None:
    assert wrong in PLUGIN
    (folder / "softsign.py").write_text(PLUGIN.replace(wrong, right))
    done = run_here("check", "--allow-code", "net.yaml")
    assert re.findall(r"^error\[(NS\d+)\]", done.stdout, re.MULTILINE) == ["NS122"], done.stdout
    assert line in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        (
            '("elementwise",)',
            '("elementwize",)',
            "'elementwize', of Softsign, is no trait of a layer: did you mean elementwise?",
        ),
        (
            '("elementwise",)',
            '("no_gradient.first",)',
            "'no_gradient.first', of Softsign, is no trait of a layer: did you mean no_gradient",
        ),
        ('("elementwise",)', '("windowed",)', "Softsign has trait windowed, which needs a method `window`"),
        ('("elementwise",)', '("takes_scores",)', "Softsign has trait takes_scores, which needs trait loss"),
        ('("elementwise",)', '("elementwise",), keeps=("botom",)', "keeps of Softsign must be of bottom, "),
        (
            "scale: float = param(",
            "macs: float = param(",
            "Softsign has a parameter called macs, as what every layer has",
        ),
    ],
)
def test_a_definition_that_says_what_cannot_be(folder: Path, wrong: str, right: str, words: str) -> None:
    """Where the class is made: a word that no pass asks for would be believed and do nothing."""
    assert wrong in PLUGIN
    (folder / "softsign.py").write_text(PLUGIN.replace(wrong, right))
    done = run_here("check", "--allow-code", "net.yaml")
    assert re.findall(r"^error\[(NS\d+)\]", done.stdout, re.MULTILINE) == ["NS122"], done.stdout
    assert words in done.stdout
    assert "class Softsign(" in done.stdout
    assert ("there are batch_statistics, data, " in done.stdout) == ("is no trait" in words)


@pytest.fixture
def site(folder: Path) -> str:
    """A folder of installed packages; one offers Softsign, and tells when it runs."""
    (folder / "site" / "mine").mkdir(parents=True)
    for name, text in {"__init__.py": "", "softsign.py": PLUGIN}.items():
        (folder / "site" / "mine" / name).write_text(f"open({str(folder / 'ran')!r}, 'a')\n{text}")
    info = folder / "site" / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[netspec.layers]\nSoftsign = mine.softsign:Softsign\nBroken = mine.nowhere:Broken\n"
    )
    (folder / "net.yaml").write_text(SPEC.replace("plugins: [softsign.py]", "#"))
    return str(folder / "site")


def test_an_installed_package_runs_with_leave(folder: Path, site: str) -> None:
    assert "no findings" in run("check", "--allow-code", "net.yaml", PYTHONPATH=site).stdout
    assert "Bergstra" in run("layers", "Softsign", "--allow-code", PYTHONPATH=site).stdout
    (folder / "net.yaml").write_text(
        SPEC.replace("plugins: [softsign.py]", "#").replace("Softsign", "Broken")
    )
    done = run("check", "--allow-code", "net.yaml", PYTHONPATH=site)
    assert "NS122" in done.stdout
    assert "mine.nowhere" in done.stdout


USE = "  - {name: squash, type: Softsign, scale: 2}\n"


@pytest.mark.parametrize(
    "text",
    [
        SPEC,
        SPEC.replace(USE, USE + USE.replace("squash", "again")),
        SPEC.replace("layers:", "defaults: {Softsign: {scale: 2}}\nlayers:").replace(USE, ""),
        SPEC.replace("layers:", f"blocks: {{unused: {{layers: [{USE.strip(' -')}]}}}}\nlayers:"),
        PYTHON.replace("PARAM", "module: m, layer: Softsign"),
    ],
)
def test_an_installed_package_does_not_run_without(folder: Path, site: str, text: str) -> None:
    (folder / "net.yaml").write_text(text.replace("plugins: [softsign.py]", "#"))
    done = run("check", "net.yaml", PYTHONPATH=site)
    assert re.findall(r"^error\[(NS\d+)\]", done.stdout, re.MULTILINE) == ["NS121"], done.stdout
    assert "the installed package mine" in done.stdout
    assert not (folder / "ran").exists()


def test_no_word_of_an_installed_package_without_leave(folder: Path, site: str) -> None:
    assert "NS121" in run("layers", "Softsign", PYTHONPATH=site).stderr
    assert not (folder / "ran").exists()
    assert "NS101" in run("check", "net.yaml", "--set", "squash.type=Sofsign", PYTHONPATH=site).stdout
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("parameters", ["{scale: 2}", '{"scale": 2}', "{'scale': 2}", "scale: 2"])
def test_caffe_s_python_layer_stands_for_the_plugin(folder: Path, parameters: str) -> None:
    direct = netspec.load("net.yaml", allow_code=True).resolved_text()
    param = f"module: pysquash, layer: Softsign, param_str: {json.dumps(parameters)}"
    (folder / "net.yaml").write_text(PYTHON.replace("PARAM", param))
    assert netspec.load("net.yaml", allow_code=True).resolved_text() == direct


def test_a_python_layer_without_its_plugin(folder: Path) -> None:
    (folder / "net.yaml").write_text(PYTHON.replace("PARAM", "module: m, layer: Softsing"))
    with pytest.raises(SpecError) as caught:
        netspec.load("net.yaml", allow_code=True)
    (found,) = caught.value.diagnostics
    assert (found.code, found.label) == ("NS123", "did you mean Softsign?")


def test_a_prototxt_with_a_python_layer_imports(folder: Path) -> None:
    text = """
        input: "data" input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }
        layer { name: "squash" type: "Python" bottom: "data" top: "squash"
                python_param { module: "pysquash" layer: "Softsign" param_str: "scale: 2" } }
    """
    (folder / "net.prototxt").write_text(text)
    made = convert(folder / "net.prototxt")
    (folder / "imported.yaml").write_text(made.text)
    assert codes("imported.yaml") == ["NS123"]
    (folder / "imported.yaml").write_text("plugins: [softsign.py]\n" + made.text)
    assert codes("imported.yaml") == []


@pytest.mark.parametrize(
    ("line", "bound"),
    [
        ("import math", {"math": "import math"}),
        ("import os.path", {"os": "import os.path"}),  # Python binds the first part
        ("import os.path as p", {"p": "import os.path as p"}),
        ("import math, cmath as c", {"math": "import math", "c": "import cmath as c"}),
        ("from os import path, sep as s", {"path": "from os import path", "s": "from os import sep as s"}),
        ("from netspec.plugin import Layer", {}),
    ],
)
def test_imports_of_a_plug_in_are_known_by_what_they_bind(line: str, bound: dict[str, str]) -> None:
    assert imports(line) == bound
