"""Did you mean: a word and the words that are known in, the nearest of these out. Knows nothing of what the words name."""

from collections.abc import Iterable

__all__ = ["clearly", "distance", "nearest"]

_BEGINS = 2
"""Rank of a word that begins another."""


def nearest(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known words that `word` most likely stands for, best first, at most `limit`.

    Equal but for case, underscores and hyphens (`numOutput`, num_output) comes first; then a word that it begins or that begins it
    (`Conv`, Convolution); then a Damerau-Levenshtein distance of at most a third of its length (one for words of three letters or fewer).
    """
    folded = _fold(word)
    if not folded:
        return []
    ranked = []
    for candidate in dict.fromkeys(known):
        rank = _rank(folded, _fold(candidate))
        if rank is not None and candidate != word:
            ranked.append((rank, candidate))
    return [candidate for _, candidate in sorted(ranked)[:limit]]


def clearly(word: str, meant: str, known: Iterable[str]) -> bool:
    """Whether `word` is a misspelling of `meant` and of no other known word: few letters apart, and nothing else is as near."""
    ranks = {candidate: _rank(_fold(word), _fold(candidate)) for candidate in known if candidate != word}
    own = ranks.pop(meant, None)
    return own is not None and own[0] != _BEGINS and all(other is None or other > own for other in ranks.values())


def distance(a: str, b: str, bound: int) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours between two words (Damerau 1964, optimal string alignment).

    Anything beyond `bound` is bound + 1.
    """
    if abs(len(a) - len(b)) > bound:
        return bound + 1
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row = [i]
        for j, right in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and right == a[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > bound:
            return bound + 1
        before, above = above, row
    return min(above[-1], bound + 1)


def _fold(word: str) -> str:
    return word.replace("_", "").replace("-", "").casefold()


def _rank(word: str, candidate: str) -> tuple[int, int] | None:
    """Class and distance, smaller is nearer; None: not near."""
    if word == candidate:
        return (0, 0)
    bound = max(1, (len(word) + 1) // 3)
    steps = distance(word, candidate, bound) if len(word) < 100 else bound + 1
    if steps <= 1:
        return (1, steps) if len(word) > 2 or len(candidate) > 2 else None
    if _begins(word, candidate):
        return (_BEGINS, abs(len(candidate) - len(word)))
    return (3, steps) if steps <= bound else None


def _begins(word: str, candidate: str) -> bool:
    shorter, longer = sorted((word, candidate), key=len)
    return len(shorter) >= 3 and longer.startswith(shorter) and (len(word) < len(candidate) or len(shorter) * 3 > len(longer))
