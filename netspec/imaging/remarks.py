"""What is odd about samples, noticed while they are read. In: names of files; out: warnings, each
kind once.
"""

import os

from netspec.diagnostics import Diagnostic
from netspec.diagnostics.words import list_briefly

__all__ = ["Remarks"]

SHOWN = 4


class Remarks:
    """Files in the order in which they were first read, by any thread. deep: 16-bit pictures that
    hold 12 bits. flat: pictures of which each channel is one value. told: those that were told of.
    """

    def __init__(self) -> None:
        self.deep: dict[str, None] = {}
        self.flat: dict[str, None] = {}
        self.told: set[str] = set()

    def tell(self, path: str) -> tuple[Diagnostic, ...]:
        """NS668 for what was noticed in the data at a path, and was not told before."""
        said = (*self.of_flatness(path), *self.of_depth(path))
        self.told |= {*self.flat, *self.deep}
        return said

    def of_flatness(self, path: str) -> tuple[Diagnostic, ...]:
        """NS668 for pictures of one value."""
        flat = sorted(below(path, each) for each in self.flat if each not in self.told)
        if not flat:
            return ()
        fact = f"all pixels are one value in {list_briefly(flat, SHOWN)}"
        note = "such a picture teaches its colour alone: is it empty, or in another channel?"
        return (Diagnostic("NS668", fact, path=path, notes=(note,)),)

    def of_depth(self, path: str) -> tuple[Diagnostic, ...]:
        """NS668 for pictures that were taken for 12 bits."""
        deep = sorted(below(path, each) for each in self.deep if each not in self.told)
        if not deep:
            return ()
        fact = f"16 bits a pixel, of which 12 are used, in {list_briefly(deep, SHOWN)}"
        note = "where no value is above 4,095, 0 to 4,095 stands for 0 to 255"
        return (Diagnostic("NS668", fact, path=path, notes=(note,)),)


def below(path: str, name: str) -> str:
    """A file's name as seen from the folder that the finding is about."""
    return name.removeprefix(path + os.sep)
