"""Damage inside brackets and braces: what is not closed, not separated, or an expression without
quotes.
"""

import re

from netspec.diagnostics import Diagnostic, Edit, Fix, Label
from netspec.syntax.damage.parse_error import Wound
from netspec.syntax.yaml_slips import quote

__all__ = [
    "close_quote",
    "closes_nothing",
    "expression",
    "missing_comma",
    "not_closed",
    "nothing_between",
]

_CLOSERS = {"[": "]", "{": "}"}
_EXPRESSIONS = 50  # where they do not help together, one fewer is tried, and so on
_NUMBER = re.compile(r"[-+]?[0-9][0-9.e+-]*|\$\w+")
_BLOCK_LINE = re.compile(r"\s*(?:- |[^\s,:{}\[\]]+:(?:\s|$))")


def expression(wound: Wound) -> list[Diagnostic] | None:
    """Every `${...}` in braces or brackets that needs quotes, from the first on which the parser
    gave up.
    """
    # the parser stops at the brace, one behind its dollar
    if not wound.flow or wound.text[wound.at - 1 : wound.at + 1] != "${":
        return None
    edits = [_quote(wound, wound.at - 1)]
    at = edits[0].span.end
    while len(edits) < _EXPRESSIONS and (at := wound.text.find("${", at)) >= 0:
        if _in_flow(wound, at):
            edits.append(_quote(wound, at))
            at = edits[-1].span.end
        else:
            at += 2
    while len(edits) > 1 and not wound.clears(edits):
        edits.pop()
    return [
        Diagnostic("NS015", f"`{edit.span.text}` holds braces of its own", edit.span, label="needs quotes here",
                   fixes=(Fix(f"write {edit.text}", (edit,), safe=True),))
        for edit in edits
    ]  # fmt: skip


def closes_nothing(wound: Wound) -> list[Diagnostic] | None:
    """A closing bracket without an opening one, or one of the other kind."""
    closer = wound.text[wound.at : wound.at + 1]
    if closer not in ("]", "}"):
        return None
    here = wound.span(wound.at, wound.at + 1)
    remove = Edit(here, "")
    if not wound.flow or wound.opened is None:
        opener = {"]": "[", "}": "{"}[closer]
        if closer in wound.line[wound.column + 1 :] and (
            fixes := wound.fix(f"write `{opener}` for `{closer}`", Edit(here, opener))
        ):
            return wound.finding(
                "NS016",
                f"`{closer}` closes nothing",
                here,
                label="nothing is open here",
                fixes=fixes,
            )
        return wound.finding("NS016", f"`{closer}` closes nothing", here, label="nothing is open here",
                             fixes=wound.fix(f"remove `{closer}`", remove, safe=True))  # fmt: skip
    opener = wound.text[wound.opened]
    wanted = _CLOSERS.get(opener, closer)
    fixes = wound.fix(f"write `{wanted}` for `{closer}`", Edit(here, wanted)) or wound.fix(
        f"close with `{wanted}` first", wound.insert(wound.at, wanted)
    )
    if not fixes:
        other = {"]": "[", "}": "{"}[closer]
        fixes = wound.fix(f"open with `{other}`", Edit(wound.span(wound.opened, wound.opened + 1), other))
    return wound.finding("NS016", f"`{closer}` stands where `{wanted}` must close `{opener}`", here, label=f"`{wanted}` expected",
                         others=(Label(wound.span(wound.opened, wound.opened + 1), "opened here"),), fixes=fixes)  # fmt: skip


def not_closed(wound: Wound) -> list[Diagnostic] | None:
    """An opening bracket or quote whose partner is missing: shown where it was opened."""
    if wound.opened is None:
        return None
    sign = wound.text[wound.opened : wound.opened + 1]
    here = wound.span(wound.opened, wound.opened + 1)
    if "quoted scalar" in wound.problem and "end of stream" in wound.problem:
        return wound.finding(
            "NS016",
            f"the quote {sign} is not closed",
            here,
            label="opened here",
            fixes=close_quote(wound, wound.opened),
        )
    if not wound.flow or sign not in _CLOSERS:
        return None
    open_at_line_end = _open_at_line_ends(wound)
    if not open_at_line_end:
        return None
    others = (
        (Label(wound.span(wound.at, wound.at + 1), "still open here"),)
        if wound.at < len(wound.text) and not wound.text[wound.at].isspace()
        else ()
    )
    return wound.finding(
        "NS016",
        f"`{sign}` is not closed",
        here,
        label="opened here",
        others=others,
        fixes=_close(wound, open_at_line_end),
    )


def nothing_between(wound: Wound) -> list[Diagnostic] | None:
    """A comma before which nothing stands."""
    if (
        not wound.flow
        or wound.text[wound.at : wound.at + 1] != ","
        or wound.text[: wound.at].rstrip()[-1:] not in ("[", "{", ",")
    ):
        return None
    here = wound.span(wound.at, wound.at + 1)
    return wound.finding(
        "NS030",
        "nothing stands before this comma",
        here,
        label="a value is missing, or the comma is one too many",
    )


def missing_comma(wound: Wound) -> list[Diagnostic] | None:
    """Two entries in brackets or braces with nothing between them."""
    if not wound.flow or wound.opened is None or wound.at >= len(wound.text):
        return None
    before = wound.text[wound.opened : wound.at]
    if wound.text[wound.at] == ":":
        match = re.compile(r"(.*\S)\s+(\S+)", re.DOTALL).match(before)
        if match is None:
            return None
        gap, word = wound.opened + match.end(1), match[2]
    else:
        gap = wound.opened + len(before.rstrip())
        tail = re.compile(r"[^\s,:\]}]+").match(wound.text, wound.at)
        word = tail[0] if tail else wound.text[wound.at]
    fixes = wound.fix(f"write a comma before `{word}`", wound.insert(gap, ","))
    place = wound.text.index(word, gap)
    return wound.finding("NS030", f"no comma before `{word}`", wound.span(place, place + len(word)), label="a comma is missing before this",
                         fixes=fixes) if fixes else None  # fmt: skip


def close_quote(wound: Wound, start: int) -> tuple[Fix, ...]:
    """The quote at `start` closed before the first comma or closing bracket after it, or at the end
    of its line; gone from a number.
    """
    line_start = wound.text.rfind("\n", 0, start) + 1
    line = re.compile(r"[^\r\n]*").match(wound.text, line_start)
    if line:
        stop = line_start + len(line[0].rstrip())
    else:
        stop = len(wound.text)
    key = re.compile(r"[\w.]+(?=:\s)").match(wound.text, start + 1)
    if key and (fixes := wound.fix(f"write {key[0]}", Edit(wound.span(start, start + 1), ""), key_at=start)):
        return fixes
    for end in [
        *(m.start() for m in re.compile(r"[,\]}]").finditer(wound.text, start, stop)),
        stop,
    ]:
        word = wound.text[start + 1 : end]
        if _NUMBER.fullmatch(word) and (
            fixes := wound.fix(f"write {word}", Edit(wound.span(start, start + 1), ""))
        ):
            return fixes
        closed = wound.text[start:end] + wound.text[start]
        if fixes := wound.fix(f"write {closed}", wound.insert(end, wound.text[start])):
            return fixes
    return ()


def _quote(wound: Wound, dollar: int) -> Edit:
    """The edit that quotes the plain text around an expression that begins at `dollar`; one of the
    quotes may stand there.
    """
    text = wound.text
    start = dollar
    while start > 0 and text[start - 1] not in ",[{\n" and text[start - 2 : start] not in (": ", "- "):
        start -= 1
    start += len(text[start:dollar]) - len(text[start:dollar].lstrip())
    end = _expression_end(text, dollar + 1)
    while end < len(text) and text[end] not in ",]}\n":
        if text[end : end + 2] == "${":
            end = _expression_end(text, end + 1)
        else:
            end = end + 1
    span = wound.span(start, start + len(text[start:end].rstrip()))
    sign = span.text[-1:]
    # a quote at the end alone: the one at the beginning was forgotten
    opened = sign in ("'", '"') and sign not in span.text[:-1]
    return Edit(span, sign + span.text if opened else quote(span.text))


def _expression_end(text: str, at: int) -> int:
    """The offset past the brace that closes the one at `at`, or the end of the line."""
    depth = 0
    while at < len(text) and text[at] != "\n":
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
        if depth == 0:
            return at
    return at


def _in_flow(wound: Wound, at: int) -> bool:
    """Whether an offset stands inside brackets on its line, outside quotes and comments."""
    line_start = wound.text.rfind("\n", 0, at) + 1
    stack, quote = _scan(wound.text[line_start:at])
    return bool(stack) and not quote


def _scan(text: str) -> tuple[list[str], str]:
    """The closers still due at the end of a text, and the quote still open."""
    stack: list[str] = []
    quote, before = "", " "
    at = 0
    while at < len(text):
        c = text[at]
        if quote:
            if c == "\\" and quote == '"':
                at += 1
            elif c == quote:
                quote = ""
        # a quote opens a text only where a value may begin: in don't it is a letter
        elif c in "\"'" and before in " \t\n,[{:":
            quote = c
        # YAML takes # for a comment only behind a blank
        elif c == "#" and before in " \t\n":
            at = _line_end(text, at)
        elif c in _CLOSERS:
            stack.append(_CLOSERS[c])
        elif c in "]}" and stack:
            stack.pop()
        before = c
        at += 1
    return stack, quote


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    if end < 0:
        return len(text)
    return end


def _line_numbers(wound: Wound) -> range:
    first = wound.source.position(wound.opened or 0)[0]
    # a bracket seldom stays open for twenty lines, and each is tried as its end
    return range(first, min(wound.lines, wound.number, first + 20) + 1)


def _open_at_line_ends(wound: Wound) -> list[tuple[int, str]]:
    """For each line on which the bracket is still open at the end: its number and the closers due,
    innermost first.

    Empty where the bracket closes before anything that looks like the next line of a block.
    """
    opened = wound.opened or 0
    start = wound.text.rfind("\n", 0, opened) + 1
    around = len(_scan(wound.text[start:opened])[0])
    found: list[tuple[int, str]] = []
    numbers = _line_numbers(wound)
    first = wound.source.line(numbers[0])
    indent = len(first) - len(first.lstrip())
    for number in numbers:
        line = wound.source.line(number)
        if found and _BLOCK_LINE.match(line) and len(line) - len(line.lstrip()) <= indent:
            return found
        stack, quote = _scan(wound.text[start : wound.start(number) + len(line)])
        if len(stack) <= around:
            return []
        if not quote:
            found.append((number, "".join(reversed(stack))))
    return found


def _close(wound: Wound, ends: list[tuple[int, str]]) -> tuple[Fix, ...]:
    """The first line at whose end (before a comment) the closers make the text read on."""
    for number, closers in ends:
        line = re.sub(r"\s+#.*$", "", wound.source.line(number)).rstrip()
        if not line.strip():
            continue
        edit = wound.insert(wound.start(number) + len(line), closers)
        if fixes := wound.fix(f"write `{closers}` at the end of line {number}", edit):
            return fixes
    return ()
