"""What a stranger's file calls its parts does not steer the terminal on which it is shown."""

import io
import json
import sys
from pathlib import Path

import pytest

from netspec.cli import main
from netspec.cli.output.terminal import OWN, Guarded, show_controls


@pytest.mark.parametrize(
    "control",
    ["\x1b[2J", "\x1b]0;x\x07", "\r", "\b", "\x00", "\x7f", "\x9b1m", "\u202e", "\u2066", "\x1b[8m"],
)
def test_what_steers_a_terminal_is_shown(control: str) -> None:
    shown = show_controls(f"a{control}b")
    assert shown.isprintable() and shown.isascii() and shown[0] == "a" and shown[-1] == "b"


@pytest.mark.parametrize(
    "text", ["a\tb\nc\n", "größe 猫 → é\u0301", *(f"{each}error{OWN[0]}" for each in OWN)]
)
def test_everything_else_stays(text: str) -> None:
    assert show_controls(text) == text


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_commands_print_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose record names it with a sequence that clears the screen; piped, its bytes are as they were."""
    run = tmp_path / "\x1b[2Jrun"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"name": "x", "started": "\x1b[31m"}))
    monkeypatch.setattr(sys, "argv", ["netspec", "runs", "--json", str(tmp_path)])
    for stream in (Screen(), io.StringIO()):
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(SystemExit):
            main()
        assert "\x1b" not in stream.getvalue() and "2Jrun" in stream.getvalue()
    screen = Screen()
    assert Guarded(screen).write("\x1b[2J\n") == 5 and screen.getvalue() == "\\x1b[2J\n"  # type: ignore[arg-type]
