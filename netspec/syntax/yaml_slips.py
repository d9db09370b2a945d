"""What YAML accepts in silence and nobody means: a key or value with its span in, a finding or None
out. Knows no layer.
"""

import re

from netspec.diagnostics import Diagnostic, Edit, Fix
from netspec.diagnostics.suggest import nearest
from netspec.source import Span
from netspec.syntax.located import Located

__all__ = [
    "ODD_KEY_STARTS",
    "collection_as_key",
    "in_key",
    "in_value",
    "quote",
    "skip_properties",
    "tag",
    "unknown_alias",
]

ODD_KEY_STARTS = frozenset("-<")
# not before a digit: -1 is a number
_DASHED = re.compile(r"-(?=[^\W\d]|[\"'$])")
# not before a slash: https://... is a text
_GLUED = re.compile(r"([^\W\d][\w.]*):(?=[^\s:/])")
_PROPERTY = re.compile(r"[&!]\S*(?:\s+|\s*#.*\n)*")


def in_key(text: str, span: Span, *, plain: bool) -> Diagnostic | None:
    """An empty key, `<<`, or a key that begins with a dash which was meant for a list."""
    if not plain:
        return None
    if not text:
        return Diagnostic("NS014", "a colon stands here without a key before it", span)
    if text == "<<":
        helps = (Fix("put common parameters under `defaults:`, common layers under `blocks:`"),)
        return Diagnostic("NS013", "merge keys (`<<`) are not part of YAML 1.2", span, fixes=helps)
    return _dash(text, span)


def in_value(node: Located, key: Span | None, flow: bool) -> Diagnostic | None:
    """A plain value that holds what was meant as an entry or an item; `key` is the span of its key
    in a mapping.
    """
    span = node.span
    if span is None:
        return None
    if not node.text:
        if flow and key is not None:
            return _without_value(key, span)
        return None
    if flow:
        return None
    own_line = not span.source.text[span.source.text.rfind("\n", 0, span.start) + 1 : span.start].strip()
    # behind a key, or a dash, a word with a colon in it is a value
    if not own_line:
        return None
    glued = _GLUED.match(node.text) if key is not None else None
    if glued:
        return _report_glued(glued, span)
    return _dash(node.text, span)


def _without_value(key: Span, span: Span) -> Diagnostic | None:
    source = key.source
    # `? key` says itself that it is one
    if ":" in source.text[key.end : span.end] or source.text[key.start] in "?":
        return None
    glued = _GLUED.match(key.text)
    if glued:
        return _report_glued(glued, key)
    word, _, rest = key.text.partition(" ")
    fixes = (
        (
            Fix(
                f"write `{word}: {rest.strip()}`",
                (Edit(Span(source, key.start + len(word), key.start + len(word)), ":"),),
            ),
        )
        if rest
        else ()
    )
    return Diagnostic(
        "NS030",
        f"`{key.text}` stands in braces without a value",
        key,
        label="no colon",
        fixes=fixes,
    )


def _report_glued(match: "re.Match[str]", span: Span) -> Diagnostic:
    word = match[1]
    at = span.start + match.end()
    rest = span.text.splitlines()[0][match.end() :]
    fix = Fix(f"write `{word}: {rest}`", (Edit(Span(span.source, at, at), " "),), safe=True)
    first_line = Span(span.source, span.start, at + len(rest))
    return Diagnostic(
        "NS011",
        f"`{word}:{rest}` is one word to YAML",
        first_line,
        label="one word, no value",
        fixes=(fix,),
    )


def _dash(text: str, span: Span) -> Diagnostic | None:
    if not _DASHED.match(text):
        return None
    at = span.start + 1
    fix = Fix(f"write `- {text[1:]}`", (Edit(Span(span.source, at, at), " "),), safe=True)
    return Diagnostic(
        "NS019",
        f"`{text}` is one word to YAML, not an item of a list",
        Span(span.source, span.start, at),
        fixes=(fix,),
    )


def collection_as_key(span: Span) -> Diagnostic:
    """A list or mapping where a key belongs; `{{ x }}` is how template languages write a
    variable.
    """
    text = span.source.text
    template = re.compile(r"\{\{\s*([^{}\n]*?)\s*\}\}").match(text, span.start - 1) if span.start else None
    if template and text[span.start] == "{":
        place = Span(span.source, template.start(), template.end())
        fix = Fix(f'write "${{{template[1]}}}"', (Edit(place, f'"${{{template[1]}}}"'),))
        return Diagnostic(
            "NS014", f"`{template[0]}` is a mapping whose key is a mapping", place, fixes=(fix,)
        )
    if text[span.start : span.start + 1] in ("[", "-"):
        kind = "list"
    else:
        kind = "mapping"
    return Diagnostic(
        "NS014",
        f"the key is a {kind}",
        Span(span.source, span.start, span.start + 1),
        label=f"this {kind} is used as a key",
    )


def tag(name: str, span: Span) -> Diagnostic:
    """A YAML tag: a spec holds plain data only."""
    match = re.compile(r"(?:&\S*\s+)?(!\S*)\s*").match(span.source.text, span.start)
    if match is None:
        return Diagnostic(
            "NS013",
            f"the tag {name} makes a value of a special type; a spec holds plain data only",
            span,
        )
    edit = Edit(Span(span.source, match.start(1), match.end()), "")
    place = Span(span.source, match.start(1), match.end(1))
    return Diagnostic("NS013", f"the tag `{match[1]}` makes a value of a special type; a spec holds plain data only", place,
                      fixes=(Fix("remove the tag", (edit,)),))  # fmt: skip


def unknown_alias(name: str, span: Span, known: list[str]) -> Diagnostic:
    """`*name` where nothing is called `&name`: a misspelling, or a text that begins with an
    asterisk.
    """
    fixes = [Fix(f"write `*{near}`", (Edit(span, f"*{near}"),)) for near in nearest(name, known, limit=1)]
    fixes.append(Fix(f"write {quote(span.text)} if it is a text", (Edit(span, quote(span.text)),)))
    return Diagnostic(
        "NS018",
        f"a plain `*{name}` stands for what `&{name}` marks, and nothing above is marked so",
        span,
        fixes=tuple(fixes),
    )


def quote(text: str) -> str:
    """A text in quotes: double ones, or single ones where it holds `"` or a backslash."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def skip_properties(text: str, start: int) -> int:
    """The offset at which a value begins whose anchor and tag begin at `start`."""
    while match := _PROPERTY.match(text, start):
        start = match.end()
    return start
