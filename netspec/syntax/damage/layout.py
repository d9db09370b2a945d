"""Damage in the indentation: tabs, and lines that line up with nothing. The odd line out is the one with fewer companions."""

import re
from collections import Counter
from itertools import pairwise

from netspec.diagnostics import Diagnostic, Edit, Fix, Label
from netspec.source import Span
from netspec.syntax.damage.wound import Wound, content

__all__ = ["indentation", "tab"]

_WIDTHS = (2, 4, 8)
_WINDOW = 200  # lines looked at above and below
_SIGNS = (
    "did not find expected key",
    "expected '-' indicator",
    "<document start>",
    "mapping values are not allowed",
    "<block end>",
)


def tab(wound: Wound) -> list[Diagnostic] | None:
    """Tabs before the content of a line."""
    leading = re.match(r"[ \t-]*", wound.line)
    if leading is None or "\t" not in leading[0] or not ("tab" in wound.problem or wound.text[wound.at : wound.at + 1] == "\t"):
        return None
    first = wound.line.index("\t")
    end = first + len(leading[0][first:]) - len(leading[0][first:].lstrip("\t"))
    start = wound.start(wound.number)
    tabs = wound.span(start + first, start + max(end, first + 1))
    many = tabs.end - tabs.start
    fact = f"line {wound.number} is indented with {'a tab' if many == 1 else f'{many} tabs'}; YAML takes spaces only"
    return wound.finding("NS005", fact, tabs, fixes=_untabbed(wound))


def _untabbed(wound: Wound) -> tuple[Fix, ...]:
    lines = [(n, m[0]) for n in range(1, wound.lines + 1) if (m := re.match(r"[ -]*\t[\t -]*", wound.source.line(n)))]
    for width in _WIDTHS:
        edits = [Edit(wound.span(wound.start(n), wound.start(n) + len(lead)), lead.replace("\t", " " * width)) for n, lead in lines]
        if fixes := wound.fix(f"write {width} spaces for each tab", *edits, safe=True):
            return fixes
    above = wound.source.line(wound.previous(wound.number)) if wound.previous(wound.number) else ""
    lead = re.match(r"[ \t]*", wound.line)
    start = wound.start(wound.number)
    edit = Edit(wound.span(start, start + (lead.end() if lead else 0)), " " * content(above))
    return wound.fix(f"indent this line by {content(above)} spaces", edit, key_at=start + content(above))


def indentation(wound: Wound) -> list[Diagnostic] | None:
    """A line whose indentation fits no open list or mapping; the finding stands at the odd line, the line it clashes with beside it."""
    if not any(sign in wound.problem for sign in _SIGNS) or wound.number < 2:
        return None
    begins = wound.begins_line or ("mapping values" in wound.problem and ":" not in wound.line[: wound.column])
    above = wound.previous(wound.number)
    if not begins or not above:
        return None
    if wound.source.line(above).startswith("..."):
        return wound.finding("NS012", "`...` ends the spec, and more follows", _first_word(wound, wound.number))
    odd, other = (above, wound.number) if _above_is_odd(wound, above) else (wound.number, above)
    fixes = _reindented(wound, odd)
    if not fixes and odd == above:
        odd, other = wound.number, above
        fixes = _reindented(wound, odd)
    label, beside = (f"column {content(wound.source.line(number)) + 1}" for number in (odd, other))
    others = (Label(_first_word(wound, other), beside),)
    return wound.finding("NS017", _fact(wound, odd, other), _first_word(wound, odd), fixes=fixes, label=label, others=others)


def _fact(wound: Wound, odd: int, other: int) -> str:
    line = wound.source.line(odd)
    word = _first_word(wound, odd).text
    if line.lstrip().startswith("- ") and _indent(line) == _indent(wound.source.line(other)):
        return f"`- {word}` is an item of a list, and the lines beside it are keys of a mapping"
    return f"`{word}` lines up with nothing that is open"


def _above_is_odd(wound: Wound, above: int) -> bool:
    """Whether the line above, rather than the line where the parser stopped, is out of line."""
    mine, its = _indent(wound.line), _indent(wound.source.line(above))
    if its <= mine:
        return False
    companions = Counter(_indent(wound.source.line(n)) for n in _around(wound, above, mine) if n not in (above, wound.number))
    if companions[mine] != companions[its]:
        return companions[mine] > companions[its]
    step = _step(wound)
    return mine % step == 0 and its % step != 0


def _around(wound: Wound, above: int, floor: int) -> list[int]:
    """The lines of the same parent: from the last line above with a smaller indentation to the next one below."""
    found: list[int] = []
    for numbers in (range(above, max(above - _WINDOW, 0), -1), range(wound.number, min(wound.number + _WINDOW, wound.lines) + 1)):
        for number in numbers:
            line = wound.source.line(number)
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if _indent(line) < floor:
                break
            found.append(number)
    return found


def _step(wound: Wound) -> int:
    """The commonest positive difference of indentation between one line and the next."""
    indents = [_indent(line) for n in range(1, min(wound.lines, 2 * _WINDOW) + 1) if (line := wound.source.line(n)).strip()]
    rises = Counter(b - a for a, b in pairwise(indents) if b > a)
    return rises.most_common(1)[0][0] if rises else 2


def _reindented(wound: Wound, number: int) -> tuple[Fix, ...]:
    """The nearest indentation of the lines around at which this line makes the text read on, as a line of its own."""
    line = wound.source.line(number)
    indent, start = _indent(line), wound.start(number)
    levels = {0}
    for n in range(max(number - _WINDOW, 1), min(number + 3, wound.lines) + 1):
        if n != number and wound.source.line(n).strip():
            levels |= {_indent(wound.source.line(n)), content(wound.source.line(n))}
    for level in sorted(levels - {indent}, key=lambda k: (abs(k - indent), -k))[:8]:
        edit = Edit(wound.span(start, start + indent), " " * level)
        if fixes := wound.fix(f"indent line {number} by {level} spaces", edit, key_at=start + level + content(line) - indent):
            return fixes
    return ()


def _first_word(wound: Wound, number: int) -> Span:
    line = wound.source.line(number)
    at = content(line)
    match = re.compile(r"[^\s:,]+|.").match(line, at)
    return wound.span(wound.start(number) + at, wound.start(number) + (match.end() if match else at))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
