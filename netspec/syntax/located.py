"""The tree that reading a spec leaves: plain values, each with the place it stands at. Knows no
layer and no YAML.
"""

from collections.abc import Iterator
from typing import Any, Union

from netspec.source import Span

__all__ = ["Located", "Scalar", "Tree", "place", "plain"]

Scalar = Union[str, int, float, bool, None]
Tree = Union[Scalar, "list[Located]", "dict[str, Located]"]


class Located:
    """A value and its span.

    value: a scalar, a list of Located, or a dict of Located by key (in the file's order).
    text:  a scalar as it was written (`1e-3`, `no`, `0x10`); names count as written, so `name: 1e3` is called "1e3". Quoted: the content.
    plain_style: the scalar stood without quotes.
    keys:  for a mapping, the span of each key.
    used:  the places that brought this value here (block instances, includes), innermost first; empty where it was written in place.
    why:   for a value that came from elsewhere, a word on it ("default", "var width", "override"); else "".
    sources: for a value made of variables, where these were given their values; empty where it was written in place.
    """

    __slots__ = ("keys", "plain_style", "sources", "span", "text", "used", "value", "why")

    def __init__(
        self,
        value: Tree,
        span: Span | None = None,
        *,
        text: str = "",
        plain_style: bool = False,
        keys: dict[str, Span] | None = None,
        used: tuple[Span, ...] = (),
        why: str = "",
        sources: tuple[Span, ...] = (),
    ) -> None:
        self.value = value
        self.span = span
        self.text = text
        self.plain_style = plain_style
        self.keys = keys if keys is not None else {}
        self.used = used
        self.why = why
        self.sources = sources

    def __repr__(self) -> str:
        return f"Located({self.value!r})"

    @property
    def mapping(self) -> "dict[str, Located]":
        """The value as a mapping; empty if it is something else (schema checks have said so by
        then).
        """
        if isinstance(self.value, dict):
            return self.value
        return {}

    @property
    def items(self) -> "list[Located]":
        """The value as a list; a scalar or mapping counts as a list of one."""
        if isinstance(self.value, list):
            return self.value
        return [self]

    def get(self, key: str) -> "Located | None":
        if isinstance(self.value, dict):
            return self.value.get(key)
        return None

    @property
    def written(self) -> tuple[Span, ...]:
        """Where to change the value: its own place, or those that its variables got their values
        at.
        """
        return self.sources or ((self.span,) if self.span is not None else ())

    def key_span(self, key: str) -> Span | None:
        return self.keys.get(key, self.span)

    def walk(self) -> "Iterator[Located]":
        """This value and everything in it, in the file's order."""
        yield self
        if isinstance(self.value, list):
            for item in self.value:
                yield from item.walk()
        elif isinstance(self.value, dict):
            for item in self.value.values():
                yield from item.walk()


def plain(tree: Located) -> Any:
    """The tree as ordinary Python values, without places."""
    value = tree.value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def place(value: Any) -> Located:
    """Ordinary Python values as a tree without places: what importers and tests start from."""
    if isinstance(value, dict):
        return Located({str(key): place(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return Located([place(item) for item in value])
    return Located(value, text=str(value), plain_style=not isinstance(value, str))
