"""Damage in the indentation: tabs, and lines that line up with nothing. The odd line out is the one
with fewer companions.
"""

import re
from collections import Counter
from itertools import pairwise

from netspec.diagnostics import Diagnostic, Edit, Fix, Label
from netspec.source import Span
from netspec.syntax.damage.parse_error import Wound, content
from netspec.syntax.located import Located, plain

__all__ = ["block_text", "indentation", "tab"]

_WIDTHS = (2, 4, 8, 0)  # of a tab, the usual ones first; 0: left out
_WINDOW = 400  # lines from which the usual step is learnt
_WIDE = 1 << 30
_NEAR = 6  # lines before the fault that are always suspected
_SUSPECTS = 14  # each is tried at every level: more would cost a reader seconds
_LEVELS = 8  # nearest first; a line is seldom more than one or two levels off
_BLOCK_TEXT = re.compile(r":\s+[|>][-+\d]*\s*(?:#.*)?$")
# in these words libyaml and PyYAML's own parser tell of a line out of place
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
    if (
        leading is None
        or "\t" not in leading[0]
        or not ("tab" in wound.problem or wound.text[wound.at : wound.at + 1] == "\t")
    ):
        return None
    first = wound.line.index("\t")
    end = first + len(leading[0][first:]) - len(leading[0][first:].lstrip("\t"))
    start = wound.start(wound.number)
    tabs = wound.span(start + first, start + max(end, first + 1))
    many = tabs.end - tabs.start
    fact = (
        f"line {wound.number} is indented with {'a tab' if many == 1 else f'{many} tabs'}; YAML takes spaces"
        " only"
    )
    return wound.finding("NS005", fact, tabs, fixes=_replace_tabs(wound))


def _replace_tabs(wound: Wound) -> tuple[Fix, ...]:
    """Spaces for tabs: a fix for each meaning that the text then has, the most regular first; a
    safe one where there is one meaning.
    """
    lines = [
        (n, m[0])
        for n in range(1, wound.lines + 1)
        if (m := re.match(r"[ -]*\t[\t -]*", wound.source.line(n)))
    ]
    beside = {
        content(wound.source.line(n))
        for n in (wound.previous(wound.number), wound.following(wound.number))
        if n
    }
    whole: dict[str, tuple[tuple[int, bool], Fix]] = {}
    further: list[Fix] = []  # of widths with which the text reads on beyond the line, and not to its end
    for width in _widths(wound, lines):
        edits = tuple(
            Edit(
                wound.span(wound.start(n), wound.start(n) + len(lead)),
                lead.replace("\t", " " * width),
            )
            for n, lead in lines
        )
        first = len(lines[0][1].replace("\t", " " * width))
        tree = wound.heals(edits, wound.start(lines[0][0]) + first)
        fix = Fix(f"write {width} spaces for each tab" if width else "remove each tab", edits)
        if tree is not None and (width or not whole):  # a tab was seen to indent
            scored = (_nulls(tree), first not in beside), fix
            meaning = repr(plain(tree))
            whole[meaning] = min(whole.get(meaning, scored), scored, key=lambda one: one[0])
        elif tree is None and wound.clears(edits):
            further.append(fix)
    if whole:
        return tuple(
            fix._replace(safe=len(whole) == 1) for _, fix in sorted(whole.values(), key=lambda one: one[0])
        )
    if further:
        return (further[0]._replace(safe=len(further) == 1),)
    if wound.previous(wound.number):
        above = wound.source.line(wound.previous(wound.number))
    else:
        above = ""
    lead = re.match(r"[ \t]*", wound.line)
    start = wound.start(wound.number)
    edit = Edit(wound.span(start, start + (lead.end() if lead else 0)), " " * content(above))
    return wound.fix(f"indent this line by {content(above)} spaces", edit, key_at=start + content(above))


def _widths(wound: Wound, lines: list[tuple[int, str]]) -> list[int]:
    """Spaces that a tab may stand for; where only one line begins with one, also those that bring
    it to where lines around it stand.
    """
    alone = len(lines) == 1 and lines[0][1].startswith("\t") and lines[0][1].count("\t") == 1
    near = _levels(wound, lines[0][0], _step(wound)) if alone else ()
    if lines:
        return sorted({*_WIDTHS, *near}, key=lambda width: (not width, width not in _WIDTHS, width))
    return []


def block_text(wound: Wound) -> list[Diagnostic] | None:
    """A line of a text in lines (`|`, `>`) that stands less deep than the first: the odd one of the
    two, by the lines between and after.
    """
    head = _head(wound)
    if not head:
        return None
    first, floor, here = wound.number, _indent(wound.source.line(head)), _indent(wound.line)
    indents: Counter[int] = Counter()
    number = head + 1
    while number <= wound.lines and (
        not (line := wound.source.line(number)).strip() or _indent(line) > floor
    ):
        if line.strip():
            first = min(first, number)
            indents[_indent(line)] += 1
        number += 1
    usual = _indent(wound.source.line(first))
    if not floor < here < usual:
        return None
    begins_odd = indents[here] > indents[usual] or (
        indents[here] == indents[usual] and here == floor + _step(wound)
    )
    odd, other, level = (first, wound.number, here) if begins_odd else (wound.number, first, usual)
    fixes = wound.fix(f"indent line {odd} by {level} spaces", _move(wound, odd, level))
    label, beside = (f"column {_indent(wound.source.line(n)) + 1}" for n in (odd, other))
    others = (Label(_first_word(wound, other), beside),)
    return wound.finding(
        "NS017",
        _fact(wound, odd, other),
        _first_word(wound, odd),
        fixes=fixes,
        label=label,
        others=others,
    )


def _head(wound: Wound) -> int:
    """The line above that begins the text in lines in which this line may stand, or 0."""
    number, indent = wound.number - 1, _indent(wound.line)
    for _ in range(_WINDOW):
        if number < 1:
            return 0
        line = wound.source.line(number)
        if line.strip() and _indent(line) < indent:
            if _BLOCK_TEXT.search(line):
                return number
            return 0
        number -= 1
    return 0


def indentation(wound: Wound) -> list[Diagnostic] | None:
    """A line whose indentation fits no open list or mapping; the finding stands at the odd line,
    the line it clashes with beside it.
    """
    if not any(sign in wound.problem for sign in _SIGNS) or wound.number < 2:
        return None
    begins = wound.begins_line or (
        "mapping values" in wound.problem and ":" not in wound.line[: wound.column]
    )
    above = wound.previous(wound.number)
    if not begins or not above:
        return None
    if wound.source.line(above).startswith("..."):
        return wound.finding(
            "NS012", "`...` ends the spec, and more follows", _first_word(wound, wound.number)
        )
    odd, fixes = _repair(wound) or (wound.number, ())
    other = wound.number if odd != wound.number else above
    label, beside = (f"column {content(wound.source.line(number)) + 1}" for number in (odd, other))
    others = (Label(_first_word(wound, other), beside),)
    return wound.finding(
        "NS017",
        _fact(wound, odd, other),
        _first_word(wound, odd),
        fixes=fixes,
        label=label,
        others=others,
    )


def _fact(wound: Wound, odd: int, other: int) -> str:
    line = wound.source.line(odd)
    word = _first_word(wound, odd).text
    if line.lstrip().startswith("- ") and _indent(line) == _indent(wound.source.line(other)):
        return f"`- {word}` is an item of a list, and the lines beside it are keys of a mapping"
    return f"`{word}` does not line up with the lines around it"


def _repair(wound: Wound) -> tuple[int, tuple[Fix, ...]] | None:
    """The line that, moved alone, makes the whole text read, and most regularly so; else one that
    helps the text on beyond this place.
    """
    best: tuple[tuple[int, int], int, Fix] | None = None
    step = _step(wound)
    for number in _suspects(wound):
        line = wound.source.line(number)
        for level in _levels(wound, number, step):
            key_at = wound.start(number) + level + content(line) - _indent(line)
            fix = Fix(f"indent line {number} by {level} spaces", (_move(wound, number, level),))
            tree = wound.heals(fix.edits, key_at)
            if tree is None:
                continue
            score = (
                _nulls(tree) + _irregular(wound, number, level, step),
                abs(level - _indent(line)),
            )
            if best is None or score < best[0]:
                best = score, number, fix
    if best:
        return best[1], (best[2],)
    for level in _levels(wound, wound.number, step):
        key_at = wound.start(wound.number) + level + content(wound.line) - _indent(wound.line)
        text = f"indent line {wound.number} by {level} spaces"
        if fixes := wound.fix(text, _move(wound, wound.number, level), key_at=key_at):
            return wound.number, fixes
    return None


def _move(wound: Wound, number: int, level: int) -> Edit:
    start = wound.start(number)
    return Edit(wound.span(start, start + _indent(wound.source.line(number))), " " * level)


def _suspects(wound: Wound) -> list[int]:
    """The line at which the parser stopped, the few before it, and the lines above that enclose
    them.
    """
    found = [wound.number]
    number, floor = wound.previous(wound.number), _WIDE
    while number and len(found) < _SUSPECTS:
        indent = _indent(wound.source.line(number))
        if len(found) <= _NEAR or indent < floor:
            found.append(number)
        floor = min(floor, indent)
        number = wound.previous(number)
    return found


def _levels(wound: Wound, number: int, step: int) -> list[int]:
    """Indentations at which a line might be meant, nearest first: those of the lines around it, and
    one step more.
    """
    line = wound.source.line(number)
    levels = {0}
    for beside in (*_suspects_above(wound, number), wound.following(number)):
        if beside:
            other = wound.source.line(beside)
            inner = content(other)
            levels |= {
                _indent(other),
                inner,
                _indent(other) + step,
                _indent(other) - step,
                inner - (content(line) - _indent(line)),
            }
    return sorted((n for n in levels - {_indent(line)} if n >= 0), key=lambda n: (abs(n - _indent(line)), n))[
        :_LEVELS
    ]


def _suspects_above(wound: Wound, number: int) -> list[int]:
    """The line above, and those further up that enclose it."""
    found: list[int] = []
    floor = _WIDE
    above = wound.previous(number)
    # a line is seldom off by more than a level or two: four tell where it may belong
    while above and len(found) < 4:
        indent = _indent(wound.source.line(above))
        if indent < floor:
            found.append(above)
            floor = indent
        above = wound.previous(above)
    return found


def _nulls(tree: Located) -> int:
    """Keys without a value: what a slip of indentation leaves behind."""
    return sum(item.value is None and not item.text for node in tree.walk() for item in node.mapping.values())


def _irregular(wound: Wound, number: int, level: int, step: int) -> int:
    """Lines near by, with one line moved, that stand deeper than the line above by anything but a
    step or the width of a dash.
    """
    first, last = max(number - _NEAR, 1), min(number + _NEAR, wound.lines)
    lines = [
        " " * level + wound.source.line(n).lstrip() if n == number else wound.source.line(n)
        for n in range(first, last + 1)
    ]
    lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    rises = [(a, b) for a, b in pairwise(lines) if _indent(b) > _indent(a)]
    return sum(_indent(b) not in (_indent(a) + step, content(a), content(a) + step) for a, b in rises)


def _step(wound: Wound) -> int:
    """The commonest positive difference of indentation between one line and the next; 2 where none
    is seen three times.
    """
    indents = [
        _indent(line)
        for n in range(1, min(wound.lines, _WINDOW) + 1)
        if (line := wound.source.line(n)).strip()
    ]
    rises = Counter(b - a for a, b in pairwise(indents) if b > a)
    common = rises.most_common(1)
    if common and common[0][1] > 2:
        return common[0][0]
    return 2


def _first_word(wound: Wound, number: int) -> Span:
    line = wound.source.line(number)
    at = content(line)
    match = re.compile(r"[^\s:,]+|.").match(line, at)
    return wound.span(wound.start(number) + at, wound.start(number) + (match.end() if match else at))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
