"""`netspec zoo`, `zoo:` names and `netspec init`, in a checkout and from an installed wheel."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.syntax.paths import zoo_folder, zoo_specs

ROOT = Path(__file__).parents[2]


def netspec(
    *arguments: str, folder: Path = ROOT, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "netspec", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_no_two_specs_have_one_name() -> None:
    files = [path for path in zoo_folder().rglob("*.yaml") if path.parent.name != "blocks"]
    assert len(files) == len(dict(zoo_specs()))


def test_list_has_every_spec_with_its_numbers() -> None:
    found = json.loads(CliRunner().invoke(group, ["zoo", "--json"]).stdout)
    assert [entry["name"] for entry in found] == [name for name, _ in zoo_specs()]
    assert json.loads(CliRunner().invoke(group, ["zoo", "lenet", "--json"]).stdout) in found
    entry = next(e for e in found if e["name"] == "resnet-50")
    assert Path(entry.pop("path")).is_file()
    assert entry == {
        "name": "resnet-50",
        "input": {"data": ["N", 3, 224, 224]},
        "parameters": 25557032,
        "statistics": 53173,
        "macs": 3857973248,
        "source": "He, Zhang, Ren, Sun 2015, Deep Residual Learning for Image Recognition",
    }


def test_table_tells_counts_of_open_sizes_as_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [(name, path) for name, path in zoo_specs() if name in ("lenet", "wavenet", "fcn-8s")]
    monkeypatch.setattr("netspec.syntax.paths.zoo_specs", lambda: few)
    out = CliRunner().invoke(group, ["zoo"]).stdout
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert "2,293,000" in lines["lenet"] and "271392*T" in lines["wavenet"] and " open " in lines["fcn-8s"]


def test_a_name_serves_wherever_a_spec_is_asked_for(tmp_path: Path) -> None:
    assert netspec("check", "zoo:resnet-152", folder=tmp_path).returncode == 0
    assert "431,080" in netspec("show", "zoo:lenet", folder=tmp_path).stdout


def test_an_unknown_name_is_said_with_its_nearest(tmp_path: Path) -> None:
    made = netspec("check", "zoo:resnet-151", folder=tmp_path)
    assert made.returncode == 1
    assert "the zoo has no resnet-151" in made.stdout and "resnet-152" in made.stdout


@pytest.mark.parametrize(
    "name",
    [name for name, path in zoo_specs() if "base:" in path.read_text() or name in ("lenet", "resnet-152")],
)
def test_init_makes_a_spec_that_stands_elsewhere(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(group, ["init", "--from", f"zoo:{name}"]).exit_code == 0
    said = CliRunner().invoke(group, ["check", f"{name}.yaml", "--format", "json"]).stdout
    assert {finding["code"] for finding in json.loads(said)["diagnostics"]} <= {
        "NS418"
    }  # the user's own data are not there yet


def test_init_writes_over_nothing_unasked(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine")
    made = netspec("init", "--from", "zoo:lenet", "-o", "mine.yaml", folder=tmp_path)
    assert (made.returncode, (tmp_path / "mine.yaml").read_text()) == (1, "mine") and "NS501" in made.stderr
    assert (
        netspec("init", "--from", "zoo:lenet", "-o", "mine.yaml", "--force", folder=tmp_path).returncode == 0
    )


@pytest.mark.slow
def test_works_from_an_installed_wheel(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(
        ROOT,
        source,
        ignore=shutil.ignore_patterns(
            ".git", ".venv", "build", "*.egg-info", "__pycache__", "tests", "benchmarks"
        ),
    )
    wheel = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(source),
    ]
    subprocess.run(wheel, check=True)
    venv.create(tmp_path / "venv", with_pip=False)
    python = str(tmp_path / "venv" / "bin" / "python")
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.unpack_archive(next(tmp_path.glob("netspec-*.whl")), site.stdout.strip(), "zip")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    packages = {"PYTHONPATH": os.pathsep.join([site.stdout.strip(), sysconfig.get_path("purelib")])}
    listed = json.loads(netspec("zoo", "--json", folder=elsewhere, python=python, **packages).stdout)
    assert [entry["name"] for entry in listed] == [name for name, _ in zoo_specs()]
    assert all(entry["path"].startswith(site.stdout.strip()) for entry in listed)
    assert netspec("check", "zoo:resnet-152", folder=elsewhere, python=python, **packages).returncode == 0
    assert (
        netspec("init", "--from", "zoo:vgg-16", folder=elsewhere, python=python, **packages).returncode == 0
    )
    assert netspec("check", "vgg-16.yaml", folder=elsewhere, python=python, **packages).returncode == 0
