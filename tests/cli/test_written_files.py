"""What is written takes the place of a file without changing what it is: links, permissions, devices and pipes."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.exporters.model_file import publishing
from netspec.file_writing import replacing, write_text

SPEC = "netspec: 1\ninput: {data: [N, 4]}\nlayers:\n  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links, permissions and pipes of POSIX")


def write_model_file(path: Path, text: str) -> None:
    with publishing(path) as draft:
        draft.write_text(text)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    kept = tmp_path / "store" / "v1.txt"
    kept.write_text("old")
    link = tmp_path / "now.txt"
    link.symlink_to(kept)
    write_text(link, "new")
    assert link.is_symlink()
    assert kept.read_text() == "new"
    assert [p.name for p in tmp_path.rglob("*.part")] == []


def test_permissions_are_kept_and_else_the_usual_ones(tmp_path: Path) -> None:
    plain, old, new = (tmp_path / name for name in ("plain", "old", "new"))
    plain.write_text("")
    old.write_text("")
    old.chmod(0o640)
    for path in (old, new):
        with replacing(path) as draft:
            draft.unlink()
            os.close(
                os.open(draft, os.O_CREAT | os.O_WRONLY, 0o600)
            )  # as writers do that make a file of their own
    assert (mode(old), mode(new)) == (0o640, mode(plain))


@pytest.mark.parametrize("write", [write_text, write_model_file])
def test_what_is_moved_to_its_place_is_on_the_disk_before_and_the_folder_after(
    write: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a loss of power leaves an empty file under the name."""
    done: list[tuple[str, int]] = []
    replace = Path.replace

    def replacing(draft: Path, target: Path) -> Path:
        done.append(("move", draft.stat().st_ino))
        return replace(draft, target)

    monkeypatch.setattr(os, "fsync", lambda fd: done.append(("sync", os.fstat(fd).st_ino)))
    monkeypatch.setattr(Path, "replace", replacing)
    path = tmp_path / "made"
    write(path, "words")
    file, folder = path.stat().st_ino, tmp_path.stat().st_ino
    assert done == [("sync", file), ("move", file), ("sync", folder)]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, "words")
    assert os.read(reader, 100) == b"words"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_a_full_device_is_an_error_and_stays_a_device() -> None:
    with pytest.raises(SpecError) as error:
        write_text("/dev/full", "words")
    assert [(d.code, d.path) for d in error.value.diagnostics] == [("NS501", "/dev/full")]
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.torch
@pytest.mark.onnx
def test_a_model_is_no_pipe(tmp_path: Path) -> None:
    spec, pipe = tmp_path / "net.yaml", tmp_path / "pipe.onnx"
    spec.write_text(SPEC)
    os.mkfifo(pipe)
    result = CliRunner().invoke(group, ["export", str(spec), "-o", str(pipe)])
    assert isinstance(result.exception, SpecError)
    assert [d.code for d in result.exception.diagnostics] == ["NS704"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        write_text(tmp_path / "none" / "deeper" / "a.txt", "words")
    assert [d.fact for d in error.value.diagnostics] == [f"there is no folder {tmp_path / 'none'}"]
