"""Which test files say most about a place of the code, by the words alone: where there is no time to run all of them for the map."""

import re
from collections.abc import Iterable, Mapping
from math import log
from pathlib import PurePosixPath

from mutating.draw import Mutant

__all__ = ["nearest"]

WORD = re.compile(r"[A-Za-z]\w+")
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


def nearest(mutants: Iterable[Mutant], texts: Mapping[str, str], count: int) -> set[str]:
    """The `count` closest of test files, given by name, to each mutant, together."""
    words = {name: words_of(text) for name, text in texts.items()}
    titles = {name: words_of(name) for name in texts}
    found: set[str] = set()
    for place in {(m.module, m.function) for m in mutants}:
        asked = words_of(" ".join(place)) | {dotted(place[0])}
        weights = {w: log(len(words) / n) for w in asked if (n := sum(w in held for held in words.values()))}

        def score(name: str, weights: dict[str, float] = weights) -> float:
            """A word in a name says more, one among thousands less."""
            return sum(
                weight * (3 * (w in titles[name]) + (w in words[name]) / log(len(words[name]) + 2))
                for w, weight in weights.items()
            )

        found |= set(sorted(words, key=lambda name: (-score(name), name))[:count])
    return found


def words_of(text: str) -> set[str]:
    """Names, their parts in singular, and the modules that are imported."""
    names = set(WORD.findall(text))
    parts = {part.lower().removesuffix("s") for name in names for part in PART.findall(name)}
    modules = set(re.findall(r"[a-z_]\w*(?:\.\w+)+", text))
    for package, listed in re.findall(r"from (\w[\w.]*) import (\([^)]*|.*)", text):
        modules |= {package, *(f"{package}.{name}" for name in WORD.findall(listed))}
    return names | parts | modules


def dotted(module: str) -> str:
    return ".".join(PurePosixPath(module).with_suffix("").parts).removesuffix(".__init__")
