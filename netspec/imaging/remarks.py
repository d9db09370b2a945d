"""What is odd about samples, noticed while they are read. In: names of files; out: warnings, each
kind once.
"""

import os
from collections.abc import Iterable, Iterator

from netspec.diagnostics import Diagnostic
from netspec.diagnostics.words import list_briefly

__all__ = ["Remarks"]

SHOWN = 4
FLAT = (
    "all pixels are one value",
    "such a picture teaches its colour alone: is it empty, or in another channel?",
)
DEEP = (
    "16 bits a pixel, of which 12 are used,",
    "where no value is above 4,095, 0 to 4,095 stands for 0 to 255",
)
"""What is said of each kind: a fact, and a note."""


class Remarks:
    """Files in the order in which they were first read, by any thread. deep: 16-bit pictures that
    hold 12 bits. flat: pictures of which each channel is one value. told: those that were told of.
    """

    def __init__(self) -> None:
        self.deep: dict[str, None] = {}
        self.flat: dict[str, None] = {}
        self.told: set[str] = set()

    def join(self, other: "Remarks") -> None:
        """Take over what others noticed."""
        self.deep |= other.deep
        self.flat |= other.flat
        self.told |= other.told

    def tell(self, path: str) -> tuple[Diagnostic, ...]:
        """NS668 for what was noticed in the data at a path, and was not told before."""
        said = (*self.say(path, self.flat, *FLAT), *self.of_depth(path))
        self.told |= {*self.flat, *self.deep}
        return said

    def of_depth(self, path: str) -> Iterator[Diagnostic]:
        """NS668 for pictures that were taken for 12 bits."""
        return self.say(path, self.deep, *DEEP)

    def say(self, path: str, files: Iterable[str], fact: str, note: str) -> Iterator[Diagnostic]:
        """NS668 for the files of a kind, where some were not told before."""
        named = sorted(below(path, each) for each in files if each not in self.told)
        if named:
            yield Diagnostic("NS668", f"{fact} in {list_briefly(named, SHOWN)}", path=path, notes=(note,))


def below(path: str, name: str) -> str:
    """A file's name as seen from the folder that the finding is about."""
    return name.removeprefix(path + os.sep)
