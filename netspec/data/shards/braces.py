"""Names that count up: `shards/{0000..0009}.tar`. In: a text; out: texts. Asks nothing of any
disk.
"""

import re
from collections.abc import Iterator

__all__ = ["MOST", "count_names", "expand_names"]

RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
MOST = 100_000


def count_names(text: str) -> int:
    """How many names a text stands for."""
    count = 1
    for first, last in RANGE.findall(text):
        count *= max(0, int(last) - int(first) + 1)
    return count


def expand_names(text: str) -> Iterator[str]:
    """The names in order, zeros in front as the first number has them; the text itself where
    nothing counts.

    >>> [*expand_names("{08..10}.tar")]
    ['08.tar', '09.tar', '10.tar']
    """
    found = RANGE.search(text)
    if found is None:
        yield text
        return
    first, last = found.groups()
    for number in range(int(first), int(last) + 1):
        yield from expand_names(f"{text[: found.start()]}{number:0{len(first)}}{text[found.end() :]}")
