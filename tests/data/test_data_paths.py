"""A spec reaches the files of its own folder and of NETSPEC_DATA, and no others."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from netspec.data.paths import resolve_path
from netspec.diagnostics import SpecError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    (tmp_path / "spec" / "data").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    return tmp_path / "spec"


def test_inside(home: Path) -> None:
    assert resolve_path("data/a.npz", home) == home / "data" / "a.npz"
    assert resolve_path("data/../b.npz", home) == home / "b.npz"
    assert resolve_path(home / "c.npz", home) == home / "c.npz"


@pytest.mark.parametrize("path", ["../data", "/etc/passwd", "data/../../data", "..", "link/x", "a\0b"])
def test_outside(home: Path, path: str) -> None:
    (home / "link").symlink_to(home.parent / "data")
    with pytest.raises(SpecError) as error:
        resolve_path(path, home)
    assert error.value.diagnostics[0].code == "NS642"


def test_allowed_on_the_command_line(home: Path) -> None:
    assert resolve_path("../data", home, allow_outside=True) == home.parent / "data"
    assert resolve_path("/etc/passwd", home, allow_outside=True) == Path("/etc/passwd")


def test_the_variable_opens_its_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = home.parent / "data"
    (store / "a.npz").write_bytes(b"")
    monkeypatch.setenv("NETSPEC_DATA", str(store))
    assert resolve_path("a.npz", home) == store / "a.npz"
    assert resolve_path(store / "a.npz", home) == store / "a.npz"
    (home / "a.npz").write_bytes(b"")
    assert resolve_path("a.npz", home) == home / "a.npz"
    with pytest.raises(SpecError, match="NS642"):
        resolve_path("../b", home)


def test_a_layer_that_no_text_holds_counts_from_the_current_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec.data.data_layers.paths import folder_of
    from netspec.ir.graph import NOWHERE, Places
    from netspec.source import Source, Span

    monkeypatch.chdir(home)
    assert folder_of(SimpleNamespace(places=NOWHERE)) == home.resolve()  # type: ignore[arg-type]
    written = Places({"name": Span(Source("sub/net.yaml", "name: a"), 6, 7)})
    assert folder_of(SimpleNamespace(places=written)) == home.resolve() / "sub"  # type: ignore[arg-type]
