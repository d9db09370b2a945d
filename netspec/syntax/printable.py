"""Which names a text may give to its parts: on one line, to be seen in full, of bounded length. In:
trees; out: findings.

Names reach messages, file names and emitted code; what they say must be what is seen. Knows no
layer type.
"""

from collections.abc import Iterable, Iterator
from unicodedata import category

from netspec.diagnostics.model import Diagnostic, Diagnostics
from netspec.source import Span
from netspec.syntax.located import Located
from netspec.syntax.spec import Instance, Item, Spec

__all__ = ["LONGEST", "check_names", "escape", "unfit"]

LONGEST = 1000
"""Characters of a name. Names are compared with one another for spelling, which takes time by their
length.
"""
NAMING = frozenset(
    (
        "name",
        "top",
        "bottom",
        "block",
        "type",
        "input",
        "output",
        "remove",
        "after",
        "import",
        "base",
        "plugins",
    )
)
"""Keys whose texts, alone or in lists, are names."""
UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters and marks to Unicode, but without a picture."""
SHOWN = 60

Named = tuple[str, Span | None, str]
"""A name, its place, and what it names."""


def check_names(spec: Spec, diagnostics: Diagnostics) -> bool:
    """Report NS213 and NS214 for every name of a spec, of its file and of the files that it takes
    in, each once.

    Whether to read on: not with names that are too long, since they are compared.
    """
    path = spec.source.name
    at = next((i for i, c in enumerate(path) if category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")), None)
    if at is not None:
        diagnostics.add(Diagnostic("NS213", f"{reason(path, at)} of the path of the spec", path=escape(path)))
    told = {d.span for d in diagnostics.found}  # a path that leads nowhere for the same character
    found = {
        (span, name): finding
        for name, span, what in names_of(spec)
        if (finding := unfit(name, what, span)) is not None
    }
    diagnostics.found += (finding for (span, _), finding in found.items() if span is None or span not in told)
    return all(len(name) <= LONGEST for _, name in found)


def unfit(name: str, what: str, span: Span | None) -> Diagnostic | None:
    """The finding on a name that may not be one; None for any other."""
    if not name.isprintable() or not (name.isascii() or UNSEEN.isdisjoint(name)):
        at = next(i for i, c in enumerate(name) if not c.isprintable() or c in UNSEEN)
        return Diagnostic(
            "NS213",
            f"{reason(name, at)} of {what} {excerpt(name, at)}",
            span,
            label="not printable",
        )
    if len(name) > LONGEST:
        fact = f"{what} has at most {LONGEST:,} characters: {excerpt(name, 0)} has {len(name):,}"
        return Diagnostic("NS214", fact, span, label="too long")
    return None


def reason(name: str, at: int) -> str:
    return f"a name holds printable characters only: U+{ord(name[at]):04X} is character {at + 1}"


def excerpt(name: str, at: int) -> str:
    """The name around a place, with what cannot be seen escaped."""
    start = max(at - SHOWN // 2, 0)
    return (
        ("..." if start else "")
        + escape(name[start : start + SHOWN])
        + ("..." if start + SHOWN < len(name) else "")
    )


def escape(text: str) -> str:
    """A text on one line, each character that cannot be seen as Python escapes it."""
    return "".join(
        c if c.isprintable() and c not in UNSEEN else c.encode("unicode_escape").decode() for c in text
    )


def names_of(spec: Spec) -> Iterator[Named]:
    seen: set[int] = set()
    for key, section in spec.root.mapping.items():
        yield key, spec.root.key_span(key), "key"
        yield from in_tree(section, key, seen)
    yield from in_items(spec.items, seen)


def in_items(items: Iterable[Item], seen: set[int]) -> Iterator[Named]:
    """Names of layers and of uses of blocks, in full as well: they grow with each block that they
    stand in.
    """
    for item in items:
        yield from in_tree(item.body, "layers", seen)
        own = item.body.get("name")
        yield item.name, own.span if own is not None else item.body.span, "name"
        if isinstance(item, Instance):
            for name in (item.template, *item.inputs, *item.outputs):
                yield name, item.span, f"name in block {escape(item.template[:SHOWN])}"
            yield from in_items(item.items, seen)


def in_tree(tree: Located, key: str, seen: set[int]) -> Iterator[Named]:
    """Keys of mappings, and the texts under keys that name."""
    if id(tree) in seen:
        return
    seen.add(id(tree))
    value = tree.value
    if isinstance(value, dict):
        for word, item in value.items():
            yield (
                word,
                tree.key_span(word),
                "key" if key in ("layers", "param") else f"name in {key}",
            )
            yield from in_tree(item, word, seen)
    elif isinstance(value, list):
        for item in value:
            yield from in_tree(item, key, seen)
    elif key in NAMING and tree.text:
        yield tree.text, tree.span, key
