"""NS418: what the data sections of a spec name and is not there; nothing is opened, and the zoo's own data are nobody's fault."""

import builtins
from pathlib import Path
from typing import Any

import pytest

import netspec
from netspec.syntax.paths import zoo_specs

NET = """input: {data: [N, 1, 8, 8]}
vars: {folder: data}
layers:
  - {name: score, type: InnerProduct, num_output: 10, weight_filler: xavier}
train:
  data: DATA
  solver: {base_lr: 0.01, max_iter: 100}
"""


@pytest.fixture(autouse=True)
def _no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)


def told(folder: Path, data: str) -> list[str]:
    spec = folder / "spec.yaml"
    spec.write_text(NET.replace("DATA", data), encoding="utf-8")
    return [d.span.text if d.span else "" for d in netspec.check(spec) if d.code == "NS418"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("{source: npz, path: a.npz}", ["a.npz"]),
        ("{source: images, path: data/train}", ["data/train"]),
        ("{source: images, path: $folder}", ["$folder"]),
        ("{source: mnist, path: mnist}", ["mnist"]),
        ("{source: idx, images: a-images, labels: a-labels}", ["a-images", "a-labels"]),
        ("{source: digits, transform_param: {mean_file: mean.npy}}", ["mean.npy"]),
        ("digits", []),
        ("mnist", []),
        ("{source: npz, path: here.npz}", []),
        ("{source: lmdb, path: here}", []),
        ("{source: 'python:toys:Toys', path: nowhere}", []),
        ("{source: npz, path: ../outside.npz}", []),
    ],
)
def test_what_is_told(tmp_path: Path, data: str, expected: list[str]) -> None:
    (tmp_path / "here.npz").write_bytes(b"no archive, and nobody looks")
    (tmp_path / "here").mkdir()
    assert told(tmp_path, data) == expected


def test_netspec_data_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.npz").touch()
    (tmp_path / "own").mkdir()
    assert told(tmp_path / "own", "{source: npz, path: a.npz}") == ["a.npz"]
    monkeypatch.setenv("NETSPEC_DATA", str(tmp_path / "elsewhere"))
    assert told(tmp_path / "own", "{source: npz, path: a.npz}") == []
    assert told(tmp_path / "own", "{source: npz, path: b.npz}") == ["b.npz"]


def test_nothing_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = builtins.open

    def watched(path: Any, *rest: Any, **more: Any) -> Any:
        opened.append(str(path))
        return real(path, *rest, **more)

    (tmp_path / "here.npz").touch()
    monkeypatch.setattr(builtins, "open", watched)
    assert told(tmp_path, "{source: npz, path: here.npz}") == []
    assert not any("here.npz" in path for path in opened)


def test_the_zoo_is_told_of_only_where_its_data_have_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = dict(zoo_specs())["fcn-shapes"]
    assert [d.code for d in netspec.check(spec)] == []
    monkeypatch.setenv("NETSPEC_DATA", str(tmp_path))
    assert [d.code for d in netspec.check(spec)] == ["NS418"]


def test_a_text_has_no_folder() -> None:
    from netspec.repair.check import check_source
    from netspec.source import Source

    text = NET.replace("DATA", "{source: npz, path: a.npz}")
    assert check_source(Source("spec.yaml", text)) == []
