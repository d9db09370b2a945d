"""What commands print on a terminal: in, a stream; out, one on which no text steers the terminal. Names of
classes, runs, layers and files may be a stranger's.
"""

import re
from typing import Any, TextIO

__all__ = ["Guarded", "show_controls"]

OWN = ("\x1b[0m", "\x1b[1m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m")
"""The colours of findings."""
CONTROL = re.compile(
    "|".join([*map(re.escape, OWN), r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"])
)


def show_controls(text: str) -> str:
    """A text in which each control character, but line ends and tabs, is seen as Python escapes it."""
    return CONTROL.sub(lambda found: found[0] if found[0] in OWN else ascii(found[0])[1:-1], text)


class Guarded:
    """A stream that shows control characters in place of sending them."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(show_controls(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
