"""docs/tutorial.md is done from its first line to its last, in an empty folder: files written, commands run, answers compared.

A comment before a block says what it is: `file:` to write, `add:` to its end, `change:` lines of it; `numbers vary` lets the numbers of an
answer differ. A line `...` of an answer stands for any lines.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from netspec.cli import group

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

TUTORIAL = (Path(__file__).parents[2] / "docs/tutorial.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(?:<!-- (.*?) -->\n)?```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ADDRESS = "http://127.0.0.1:8000"
NUMBER = r"[0-9a-f]{64}|\d+(?:[.,-]\d+)*(?:e-?\d+)?(?:\+\w+)?"


class Block(NamedTuple):
    note: str
    kind: str
    text: str


def blocks(text: str) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(text)]


def answers(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what is shown below it."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def agree(shown: str, said: str, varying: bool) -> bool:
    """Whether an answer is the one shown, with other numbers where they vary."""
    if varying:
        shown, said = (re.sub(" +", " ", re.sub(NUMBER, "#", text)) for text in (shown, said))
    lines = shown.rstrip("\n").splitlines(keepends=True)
    parts = [
        r"(?:.*\n)*?" if line.rstrip("\n") == "..." else re.escape(line.rstrip("\n")) + r"\n"
        for line in lines
    ]
    return re.fullmatch("".join(parts), said) is not None


class Reader:
    """Who does what the tutorial says, in a folder; the server gets a free port in place of the one shown."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, ADDRESS
        self.server: subprocess.Popen[str] | None = None

    def do(self, block: Block) -> None:
        task, _, name = block.note.partition(": ")
        text = block.text.replace(ADDRESS, self.address)
        if task == "file":
            (self.folder / name).write_text(text, encoding="utf-8")
        elif task == "add":
            (self.folder / name).write_text(
                (self.folder / name).read_text(encoding="utf-8") + text, encoding="utf-8"
            )
        elif task == "change":
            self.change(self.folder / name, text)
        else:
            assert (block.kind, task) in {("console", ""), ("console", "numbers vary")}, block
            for command, shown in answers(block):
                self.run(command, shown, task == "numbers vary")

    def change(self, file: Path, text: str) -> None:
        old, new = (
            "".join(line[1:] + "\n" for line in text.splitlines() if line[0] == sign) for sign in "-+"
        )
        assert file.read_text(encoding="utf-8").count(old) == 1
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    def run(self, command: str, shown: str, varying: bool) -> None:
        if command.endswith(" &"):
            said = self.serve(command)
        elif command == "kill %1":
            said = self.stop()
        elif command.startswith("netspec "):
            said, failed = self.netspec(command)
            assert failed == ("error[" in shown), (command, said)
        else:
            said = self.shell(command)
        assert agree(shown, said, varying), f"$ {command}\n{said}\n--- the tutorial shows\n{shown}"

    def netspec(self, command: str) -> tuple[str, bool]:
        """What a command prints, and whether it fails; in this process, which has imported torch already."""
        result = CliRunner().invoke(group, shlex.split(command)[1:], standalone_mode=False)
        failed = result.exit_code != 0 or bool(result.return_value)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise AssertionError(f"{command}: {result.exception!r}") from result.exception
        return result.output, failed

    def shell(self, command: str) -> str:
        words = [sys.executable if word == "python" else word for word in shlex.split(command)]
        return subprocess.run(
            words, cwd=self.folder, capture_output=True, text=True, check=True, timeout=100
        ).stdout

    def serve(self, command: str) -> str:
        words = [sys.executable, "-m", *shlex.split(command.removesuffix(" &")), "--port", "0"]
        self.server = subprocess.Popen(words, cwd=self.folder, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        said = self.server.stdout.readline()
        self.address = said.split()[-1]
        return said.replace(self.address, ADDRESS)

    def stop(self) -> str:
        assert self.server is not None
        self.server.terminate()
        assert self.server.wait(60) == 0
        return ""


def test_the_tutorial_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(
        "PYTHONPATH",
        os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")))),
    )
    reader = Reader(tmp_path)
    try:
        for block in blocks(TUTORIAL):
            reader.do(block)
    finally:
        if reader.server is not None:
            reader.server.kill()
            reader.server.wait()


def test_every_command_in_a_block_is_run() -> None:
    """A block that the reader could skip would go stale unseen."""
    told = re.findall(r"^\$ (.*)", TUTORIAL, re.MULTILINE)
    assert told == [
        command for block in blocks(TUTORIAL) if block.kind == "console" for command, _ in answers(block)
    ]
    done = {command.split()[1] for command in told if command.startswith("netspec ")}
    assert done >= {
        "check",
        "show",
        "explain",
        "train",
        "test",
        "predict",
        "init",
        "export",
        "verify",
        "serve",
    }


@pytest.mark.parametrize(
    ("shown", "said", "same"),
    [
        ("loss 0.31\n", "loss 0.29\n", True),
        ("best 5  0.97\n", "best 6  0.5\n", True),
        ("24 of 24\n", "24 of\n", False),
        ("loss 0.31\n", "accuracy 0.31\n", False),
        ("a 1\n...\nz 2\n", "a 3\nb\nc\nz 4\n", True),
        ("a 1\n...\nz 2\n", "a 3\nb\nc\n", False),
        ("a 1\n", "a 1\nb\n", False),
    ],
)
def test_how_answers_are_compared(shown: str, said: str, same: bool) -> None:
    assert agree(shown, said, varying=True) == same
