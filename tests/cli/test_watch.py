"""`netspec check --watch`: every way in which a file changes, an answer each, and a clean end."""

import gc
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.cli.watch import Files

SOUND = "netspec: 1\ninput: {data: [N, 3, 8, 8]}\nlayers:\n  - {name: p, type: Pooling, kernel_size: 2, stride: 2}\n"
BROKEN = SOUND.replace("Pooling", "Poolin")
CHILD = "netspec: 1\nbase: sub/base.yaml\noverride: {p: {pad: 1}}\n"
LARGE = "".join(
    f"  - {{name: c{i}, type: Convolution, num_output: 4, kernel_size: 3, pad: 1, weight_filler: xavier}}\n"
    for i in range(1500)
)


@contextmanager
def heed_interrupts() -> Iterator[None]:
    """What is started in the background ignores them, and so would the tests there and all that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Watch:
    def __init__(self, *words: str) -> None:
        command = [sys.executable, "-m", "netspec", "check", "--watch", *words]
        with heed_interrupts():
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )

    def answer(self) -> str:
        """What is said up to the next exit code."""
        assert self.process.stdout is not None
        said = ""
        while "exit code now" not in said:
            line = self.process.stdout.readline()
            assert line, said
            said += line
        return said


@pytest.fixture
def watch() -> Iterator[Callable[..., Watch]]:
    started: list[Watch] = []

    def start(*words: str) -> Watch:
        started.append(Watch(*words))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def test_a_base_a_mended_error_and_the_end(tmp_path: Path, watch: Callable[..., Watch]) -> None:
    (tmp_path / "sub").mkdir()
    base, child = tmp_path / "sub" / "base.yaml", tmp_path / "child.yaml"
    base.write_text(SOUND, encoding="utf-8")
    child.write_text(CHILD, encoding="utf-8")
    running = watch(str(child))
    assert "exit code now 0" in running.answer()
    base.write_text(BROKEN, encoding="utf-8")
    answer = running.answer()
    assert "base.yaml:4" in answer
    assert "exit code now 1" in answer
    base.write_text(SOUND, encoding="utf-8")
    assert "exit code now 0" in running.answer()
    running.process.send_signal(signal.SIGINT)
    out, _ = running.process.communicate(timeout=120)
    assert (running.process.returncode, out.strip()) == (130, "interrupted")


def test_an_interrupt_in_a_callback_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python drops what is raised there, and imports and the collector call many."""

    class Gone:
        pass

    def interrupted() -> None:
        gone = Gone()
        watched = weakref.ref(gone, lambda _: signal.raise_signal(signal.SIGINT))
        del gone
        assert watched() is None

    def wait(_: Files) -> None:
        raise AssertionError("it waits on")

    (tmp_path / "spec.yaml").write_text(SOUND, encoding="utf-8")
    monkeypatch.setattr("netspec.cli.check.warm", interrupted)
    monkeypatch.setattr(Files, "wait", wait)
    try:
        words = ["check", "--watch", str(tmp_path / "spec.yaml")]
        with heed_interrupts():
            found = CliRunner().invoke(group, words, standalone_mode=False)
    finally:
        gc.enable()  # a watcher collects when nobody waits
    assert isinstance(found.exception, click.Abort), found.exception


def test_a_file_that_is_taken_away_and_written_again_is_waited_for(
    tmp_path: Path, watch: Callable[..., Watch]
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SOUND, encoding="utf-8")
    running = watch("--format", "concise", str(spec))
    running.answer()
    spec.rename(tmp_path / "spec.yaml~")
    spec.write_text(BROKEN, encoding="utf-8")
    answer = running.answer()
    assert "NS101" in answer
    assert "NS001" not in answer


def test_a_file_that_stays_away_is_told(tmp_path: Path, watch: Callable[..., Watch]) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(SOUND, encoding="utf-8")
    running = watch(str(spec))
    running.answer()
    spec.unlink()
    assert "NS001" in running.answer()


def test_what_is_found_in_a_large_spec_is_said_before_fixes_are_tried(
    tmp_path: Path, watch: Callable[..., Watch]
) -> None:
    spec = tmp_path / "spec.yaml"
    head = "netspec: 1\ninput: {data: [N, 3, 8, 8]}\nlayers:\n"
    spec.write_text(head + LARGE.replace("kernel_size: 3", "kernel_size: 33", 1), encoding="utf-8")
    early, _, full = watch(str(spec)).answer().partition("trying fixes ...\n")
    assert "error[NS301]" in early
    assert len(early.splitlines()) == 1
    assert "= help" in full


def test_one_file_in_the_place_of_another_is_a_change_whatever_its_time(tmp_path: Path) -> None:
    spec, other = tmp_path / "spec.yaml", tmp_path / "other"
    spec.write_text(SOUND, encoding="utf-8")
    files = Files((str(spec),))
    other.write_text(SOUND.replace("size: 2", "size: 3"), encoding="utf-8")
    os.utime(other, ns=(spec.stat().st_atime_ns, spec.stat().st_mtime_ns))
    other.replace(spec)
    files.wait()
    assert files.look() == files.seen


def test_folders_that_the_command_line_allows_are_watched_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "blocks.yaml").write_text(SOUND, encoding="utf-8")
    monkeypatch.setenv("NETSPEC_ALLOW_OUTSIDE", str(tmp_path / "there"))
    files = Files((str(tmp_path / "here" / "spec.yaml"),))
    assert any(path.endswith("blocks.yaml") for path in files.seen)


@pytest.mark.parametrize(("looks", "rounds"), [
    (["1"], 1),  # written at once
    (["1", "2", "3"], 3),  # still being written
    (["-", "1"], 2),  # taken away and written anew
    (["-", "-", "-", "1", "2"], 5),
    (["-"], None), ([*"12345678901234567890"], None),  # not for ever
])  # fmt: skip
def test_what_an_editor_writes_is_waited_for(
    looks: list[str], rounds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a look is like the one before and no spec is missing; at most as long as an editor may take."""
    from netspec.cli import watch

    clock, states = [0.0], iter(["0", "0", *looks])
    last = ["0"]

    def look(self: Files) -> dict[str, tuple[int, int, int]]:
        last.append(next(states, last[-1]))
        return {"spec": watch.GONE if last[-1] == "-" else (int(last[-1]) + 1, 0, 1)}

    monkeypatch.setattr(watch.Files, "look", look)
    time = SimpleNamespace(
        monotonic=lambda: clock[0], sleep=lambda seconds: clock.__setitem__(0, clock[0] + seconds)
    )
    monkeypatch.setattr(watch, "time", time)
    files = Files(("spec",))
    files.wait()
    waited = round(watch.SETTLING / watch.POLL)
    assert len(last) - 3 == rounds + 1 if rounds is not None else waited <= len(last) - 3 <= waited + 2
    assert files.seen == {"spec": watch.GONE if last[-1] == "-" else (int(last[-1]) + 1, 0, 1)}
