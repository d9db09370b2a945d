"""Did you mean: a word and the words that are known in, the nearest of these out. Knows nothing of
what the words name.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

__all__ = ["clearly", "did_you_mean", "distance", "limit_cost", "nearest"]

_BEGINS = 2
"""Rank of a word that begins another."""
_WORK = 400_000
"""What one check may spend on comparing words, about a second; a pair takes 1, one whose letters
are alike 4 more.

Behind that no name is suggested any more.
"""
_ALIKE = 4
_HEAD = 3
"""Letters at least that one word must begin another with."""
_LONG, _SPELT = 200, 100
"""Characters of a word that are compared, and of one that is looked at letter by letter."""
_LEFT: ContextVar[list[int] | None] = ContextVar("left", default=None)


@contextmanager
def limit_cost(work: int = _WORK) -> Iterator[None]:
    """What is asked inside costs so much in all; a text with thousands of misspelt names is told of
    them soon, too.
    """
    token = _LEFT.set([work])
    try:
        yield
    finally:
        _LEFT.reset(token)


def nearest(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known words that `word` most likely stands for, best first, at most `limit`.

    Equal but for case, underscores and hyphens (`numOutput`, num_output) comes first; then a word
    that it begins or that begins it (`Conv`, Convolution); then a Damerau-Levenshtein distance of
    at most a third of its length (one for words of three letters or fewer).
    """
    left = _LEFT.get()
    if left is not None and left[0] < 0:
        return []
    ranked, cost = _rank_known(word, tuple(known))
    if left is not None:
        left[0] -= cost
    return [candidate for _, candidate in ranked[:limit]]


def did_you_mean(near: Sequence[str], otherwise: str = "") -> str:
    """The question after the nearest of some names; `otherwise` where there is none."""
    if not near:
        return otherwise
    return f"did you mean {near[0]}?"


def clearly(word: str, meant: str, known: Iterable[str]) -> bool:
    """Whether `word` is a misspelling of `meant` and of no other known word: few letters apart, and
    nothing else is as near.
    """
    ranks = {candidate: rank for rank, candidate in _rank_known(word, tuple(known))[0]}
    own = ranks.pop(meant, None)
    return own is not None and own[0] != _BEGINS and all(other > own for other in ranks.values())


@lru_cache(maxsize=64)
def _rank_known(word: str, known: tuple[str, ...]) -> tuple[tuple[tuple[tuple[int, int], str], ...], int]:
    """The known words near a word, best first, each with how near; and what it cost to know."""
    folded, letters = _fold(word)
    bound = max(1, (len(folded) + 1) // 3)
    head, spelt = folded[:_HEAD], len(folded) < _SPELT
    where = _places(folded)
    ranked: list[tuple[tuple[int, int], str]] = []
    cost = len(known)
    for candidate in dict.fromkeys(known) if folded else ():
        other, others = _fold(candidate)
        steps = bound + 1
        if (
            spelt
            and -bound <= len(other) - len(folded) <= bound
            # each letter that one word alone has is a step at least
            and (letters & ~others).bit_count() <= bound
            and (others & ~letters).bit_count() <= bound
        ):
            cost += _ALIKE
            steps = _steps(where, len(folded), other, bound)
        elif not other.startswith(head):
            continue
        rank = _rank(folded, other, bound, steps)
        if rank is not None and candidate != word:
            ranked.append((rank, candidate))
    return tuple(sorted(ranked)), cost


def distance(a: str, b: str, bound: int) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours between two words (Damerau 1964,
    optimal string alignment).

    Anything beyond `bound` is bound + 1.
    """
    if abs(len(a) - len(b)) > bound:
        return bound + 1
    if not a:
        return len(b)
    return _steps(_places(a), len(a), b, bound)


def _places(word: str) -> dict[str, int]:
    """Where in a word each letter stands, as bits."""
    where: dict[str, int] = {}
    for i, c in enumerate(word):
        where[c] = where.get(c, 0) | 1 << i
    return where


def _steps(where: dict[str, int], length: int, b: str, bound: int) -> int:
    """The distance of a word, its letters' places and its length given, and another.

    The columns of the table are bits: Hyyro, "A bit-vector algorithm for computing Levenshtein and
    Damerau edit distances", Nordic Journal of Computing 10 (2003).
    """
    every, last = (1 << length) - 1, 1 << (length - 1)
    up, down, same, here = (
        every,
        0,
        0,
        0,
    )  # steps +1 and -1 down a column; cells equal to their diagonal; where the letter stands
    steps, left = length, len(b)
    for c in b:
        before, here = here, where.get(c, 0)
        same = (((here & up) + up) ^ up) | here | down | (((~same & here) << 1) & before)
        rising, falling = (down | ~(same | up)) & every, same & up & every
        steps += (rising & last != 0) - (falling & last != 0)
        left -= 1
        if steps - left > bound:
            return bound + 1
        rising = rising << 1 | 1
        up, down = (falling << 1 | ~(same | rising)) & every, rising & same & every
    return steps


@lru_cache(maxsize=16384)
def _fold(word: str) -> tuple[str, int]:
    """A word without what is not compared, and the set of its characters as bits: far apart in
    these, two words are far apart.
    """
    folded = word[:_LONG].replace("_", "").replace("-", "").casefold()
    bits = 0
    for c in folded:
        # letters that share a bit make words look nearer: the distance then tells
        bits |= 1 << (ord(c) & 63)
    return folded, bits


def _rank(word: str, candidate: str, bound: int, steps: int) -> tuple[int, int] | None:
    """Class and distance, smaller is nearer; None: not near."""
    if word == candidate:
        return (0, 0)
    if steps <= 1:
        # one step in a word of two letters is half of it
        if len(word) > 2 or len(candidate) > 2:
            return (1, steps)
        return None
    if _begins(word, candidate):
        return (_BEGINS, abs(len(candidate) - len(word)))
    if steps <= bound:
        return (3, steps)
    return None


def _begins(word: str, candidate: str) -> bool:
    shorter, longer = sorted((word, candidate), key=len)
    return (
        len(shorter) >= _HEAD
        and longer.startswith(shorter)
        and (len(word) < len(candidate) or len(shorter) * 3 > len(longer))
    )
