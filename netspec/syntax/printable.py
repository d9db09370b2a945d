"""Which names a text may give to its parts: on one line, to be seen in full, of bounded length. In:
trees; out: findings.

Names reach messages, file names and emitted code; what they say must be what is seen. Knows no
layer type.
"""

from collections.abc import Iterable
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
"""Letters of a name that is quoted in a message: with code and place it fits 100 columns."""


def check_names(spec: Spec, diagnostics: Diagnostics) -> bool:
    """Report NS213 and NS214 for every name of a spec, of its file and of the files that it takes
    in, each once.

    Whether to read on: not with names that are too long, since they are compared.
    """
    path = spec.source.name
    # of a path only what breaks a line, or turns it round (Cf holds the marks of direction)
    at = next((i for i, c in enumerate(path) if category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")), None)
    if at is not None:
        diagnostics.add(Diagnostic("NS213", f"{reason(path, at)} of the path of the spec", path=escape(path)))
    told = {d.span for d in diagnostics.found}  # a path that leads nowhere for the same character
    names = Names()
    names.look_through(spec)
    diagnostics.found += (
        finding for (span, _), finding in names.found.items() if span is None or span not in told
    )
    return all(len(name) <= LONGEST for _, name in names.found)


def unfit(name: str, what: str, span: Span | None) -> Diagnostic | None:
    """The finding on a name that may not be one; None for any other."""
    # nearly all names are ASCII: the quick question first
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


class Names:
    """The names of a spec, as far as they were looked at: sound ones, and by place and name what is
    wrong with others. A large spec has many names and few words: each is judged once.
    """

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.sound: set[str] = set()
        self.found: dict[tuple[Span | None, str], Diagnostic] = {}

    def look(self, name: str, span: Span | None, what: str) -> None:
        finding = unfit(name, what, span)
        if finding is None:
            self.sound.add(name)
        else:
            self.found[span, name] = finding

    def look_through(self, spec: Spec) -> None:
        for key, section in spec.root.mapping.items():
            self.look(key, spec.root.key_span(key), "key")
            self.look_in_tree(section, key)
        self.look_in_items(spec.items)

    def look_in_items(self, items: Iterable[Item]) -> None:
        """Names of layers and of uses of blocks, in full as well: they grow with each block that
        they stand in.
        """
        for item in items:
            self.look_in_tree(item.body, "layers")
            if item.name not in self.sound:
                own = item.body.get("name")
                self.look(item.name, own.span if own is not None else item.body.span, "name")
            if isinstance(item, Instance):
                for name in (item.template, *item.inputs, *item.outputs):
                    if name not in self.sound:
                        self.look(name, item.span, f"name in block {escape(item.template[:SHOWN])}")
                self.look_in_items(item.items)

    def look_in_tree(self, tree: Located, key: str) -> None:
        """Keys of mappings, and the texts under keys that name."""
        ahead = [(tree, key)]
        while ahead:
            tree, key = ahead.pop()
            if id(tree) in self.seen:
                continue
            self.seen.add(id(tree))
            value = tree.value
            if isinstance(value, dict):
                self.look_at_keys(tree, key)
                ahead += [(item, word) for word, item in value.items() if is_worth_a_look(item, word)]
            elif isinstance(value, list):
                ahead += [(item, key) for item in value]
            elif key in NAMING and tree.text and tree.text not in self.sound:
                self.look(tree.text, tree.span, key)

    def look_at_keys(self, tree: Located, key: str) -> None:
        for word in tree.mapping:
            if word not in self.sound:
                self.look(
                    word, tree.key_span(word), "key" if key in ("layers", "param") else f"name in {key}"
                )


def is_worth_a_look(item: Located, key: str) -> bool:
    """Whether names may stand in a value."""
    return key in NAMING or isinstance(item.value, (dict, list))
