"""Which function answers a request: in, patterns as `/v2/models/{name}/infer`; out, what was added for
the one that a target fits, and its names.
"""

import re
from typing import Generic, TypeVar
from urllib.parse import unquote

from netspec.serving.tensors import RequestError

__all__ = ["Routes"]

T = TypeVar("T")
# Targets that were found are remembered, since clients ask the same ones; so many at most.
REMEMBERED = 1024


class Routes(Generic[T]):
    """Patterns in the order in which they were added; the first that fits is taken."""

    def __init__(self) -> None:
        self.patterns: list[tuple[str, re.Pattern[str], T]] = []
        self.added: list[tuple[str, str, T]] = []
        self.known: dict[tuple[bytes, bytes], tuple[T, dict[str, str]]] = {}

    def add(self, method: str, pattern: str, handler: T) -> None:
        self.added.append((method, pattern, handler))
        parts = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)
        self.patterns.append((method, re.compile(parts), handler))

    def find(self, method: bytes, target: bytes) -> tuple[T, dict[str, str]]:
        """Raises RequestError: 404, and 405 where another method would do."""
        found = self.known.get((method, target))
        if found is None:
            found = self.search(method.decode("latin-1"), path_of(target))
            if len(self.known) < REMEMBERED:
                self.known[method, target] = found
        return found

    def search(self, method: str, path: str) -> tuple[T, dict[str, str]]:
        asked = "GET" if method == "HEAD" else method
        others = False
        for taken, pattern, handler in self.patterns:
            fit = pattern.fullmatch(path)
            if fit is None:
                continue
            if taken == asked:
                return handler, {name: unquote(value) for name, value in fit.groupdict().items()}
            others = True
        status, words = (405, "method not allowed") if others else (404, "not found")
        raise RequestError(f"{words}: {method} {unquote(path)[:200]}", status)


def path_of(target: bytes) -> str:
    """The path of a target, without its query; of an absolute one without scheme and host."""
    text = target.decode("latin-1").partition("?")[0]
    return re.sub(r"^https?://[^/]*", "", text)
