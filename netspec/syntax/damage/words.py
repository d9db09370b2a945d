"""Damage within a line: what needs a space or quotes, and the parser's own words where nothing
better is known.
"""

import re

from netspec.diagnostics import Diagnostic, Edit, Label
from netspec.syntax.damage.brackets import close_quote
from netspec.syntax.damage.parse_error import Wound, content
from netspec.syntax.yaml_slips import quote

__all__ = [
    "after_quotes",
    "colon_in_value",
    "escape",
    "find_forbidden_start",
    "list_beside_key",
    "missing_colon",
    "missing_space",
    "report_unexplained",
    "unprintable",
]

# all but c-printable (YAML 1.2, production 1)
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SIZE = re.compile(r"\d+|\$\w+")
# not before a digit: -1 is a number
_GLUED_DASH = re.compile(r" *(?:- +)*-(?=[^\s\d.\-])")
# not before a slash: https://... is a text
_GLUED_COLON = re.compile(r" *(?:- +)*[^\W\d][\w.]*:(?=[^\s:/])")


def unprintable(wound: Wound) -> list[Diagnostic] | None:
    """A control character anywhere in the text."""
    match = _UNPRINTABLE.search(wound.text) if wound.problem == "unprintable" else None
    if match is None:
        return None
    span = wound.span(match.start(), match.end())
    return wound.finding(
        "NS004",
        f"the character U+{ord(match[0]):04X} may not stand in YAML",
        span,
        fixes=wound.fix("remove it", Edit(span, "")),
    )


def missing_space(wound: Wound) -> list[Diagnostic] | None:
    """`-name` for `- name`, `key:3` for `key: 3`, on the line at fault or the one before; only
    where a space is the cure.
    """
    numbers = [wound.number, wound.previous(wound.number)]
    if wound.opened is not None:
        numbers.append(wound.source.position(wound.opened)[0])
    for number in dict.fromkeys(n for n in numbers if n > 0):
        line = wound.source.line(number)
        for pattern, code, sign in ((_GLUED_DASH, "NS019", "-"), (_GLUED_COLON, "NS011", ":")):
            match = pattern.match(line)
            if match is None:
                continue
            at = wound.start(number) + match.end()
            alone = wound.fix(f"write a space after the `{sign}`", wound.insert(at, " "), safe=True)
            if fixes := alone or wound.fix(
                f"write a space after each such `{sign}`", *_add_spaces(wound, pattern), safe=True
            ):
                return wound.finding(code, f"`{line[content(line) :].split()[0]}` is one word to YAML", wound.span(at - 1, at), fixes=fixes,
                                     label="needs a space after it")  # fmt: skip
    if wound.text[wound.at : wound.at + 1] == ":" and "unexpected ':'" in wound.problem:
        fixes = wound.fix("write a space after the colon", wound.insert(wound.at + 1, " "), safe=True)
        if fixes:
            return wound.finding(
                "NS011",
                "a colon joins a key and its value here",
                wound.span(wound.at, wound.at + 1),
                fixes=fixes,
            )
        return None
    return None


def _add_spaces(wound: Wound, pattern: re.Pattern[str]) -> list[Edit]:
    """A space for every line that has the same fault."""
    ends = ((number, pattern.match(wound.source.line(number))) for number in range(1, wound.lines + 1))
    return [wound.insert(wound.start(number) + match.end(), " ") for number, match in ends if match]


def missing_colon(wound: Wound) -> list[Diagnostic] | None:
    """`key value` on a line of a mapping, or a line that begins with the colon."""
    if wound.text[wound.at : wound.at + 1] == ":" and wound.begins_line:
        return wound.finding(
            "NS014",
            "a colon stands here without a key before it",
            wound.span(wound.at, wound.at + 1),
        )
    if "could not find expected ':'" in wound.problem and wound.opened is not None:
        number = wound.source.position(wound.opened)[0]
    elif "mapping values are not allowed" in wound.problem:
        number = wound.previous(wound.number)
    else:
        return None
    line = wound.source.line(number) if number else ""
    match = re.compile(r"([\w.]+)(?: +(\S.*?))?(?: +#.*)?$").match(line.rstrip(), content(line))
    if match is None:
        return None
    start = wound.start(number) + match.start(1)
    word = wound.span(start, start + len(match[1]))
    fixes = wound.fix(
        f"write `{match[1]}:{' ' + match[2] if match[2] else ''}`",
        wound.insert(word.end, ":"),
        key_at=start,
    )
    if not fixes:
        return None
    return wound.finding(
        "NS030",
        f"no colon after `{match[1]}`",
        word,
        label="a colon is missing after this",
        fixes=fixes,
    )


def find_forbidden_start(wound: Wound) -> list[Diagnostic] | None:
    """A plain value that begins with a sign YAML keeps for itself."""
    start = wound.at if "cannot start any token" in wound.problem else wound.opened
    kinds = (
        "cannot start any token",
        "scanning an alias",
        "scanning an anchor",
        "scanning a tag",
        "scanning a block scalar",
    )
    if (
        start is None
        or not any(kind in wound.problem for kind in kinds)
        or wound.text[start : start + 1] in ("", "\t")
    ):
        return None
    end = re.compile(r"(?:[^\n\r#,\]}]|(?<=\S)#|[,\]}](?=[^\s,\]}]))*").match(wound.text, start)
    value = wound.span(start, start + len(end[0].rstrip())) if end else wound.span(start, start + 1)
    # before a number the sign is a slip, to a word it belongs
    meant = value.text[1:] if _SIZE.fullmatch(value.text[1:]) else quote(value.text)
    fixes = wound.fix(f"write {meant}", Edit(value, meant))
    return wound.finding(
        "NS018",
        f"a plain value may not begin with {wound.text[start]}",
        wound.span(start, start + 1),
        fixes=fixes,
    )


def escape(wound: Wound) -> list[Diagnostic] | None:
    """A backslash in double quotes that is no escape of YAML's."""
    if "escape" not in wound.problem or wound.opened is None:
        return None
    match = re.compile(r'"((?:[^"\\\n]|\\.)*)"').match(wound.text, wound.opened)
    single = "'" + match[1].replace("'", "''") + "'" if match else ""
    fixes = (
        wound.fix(f"write {single}", Edit(wound.span(match.start(), match.end()), single)) if match else ()
    )
    # the parsers point at the sign or behind it
    start = max(wound.text.rfind("\\", wound.opened, wound.at + 1), wound.opened)
    sign = wound.text[start : start + 2]
    return wound.finding(
        "NS018",
        f"`{sign}` is not an escape of a text in double quotes",
        wound.span(start, start + 2),
        fixes=fixes,
    )


def after_quotes(wound: Wound) -> list[Diagnostic] | None:
    """Text that follows a closing quote, or a quote inside a quoted text."""
    last = wound.last
    if (
        last.text[:1] not in ("'", '"')
        or wound.text[last.end : wound.at].strip(" ")
        or wound.at >= len(wound.text)
        or wound.begins_line
    ):
        return None
    sign = last.text[0]
    if last.begin[0] != last.finish[0]:
        here = wound.span(last.start, last.start + 1)
        others = (Label(wound.span(last.end - 1, last.end), "closed only here"),)
        return wound.finding("NS016", f"the quote {sign} is not closed on its line", here, label="opened here", others=others,
                             fixes=close_quote(wound, last.start))  # fmt: skip
    rest = re.compile(r"[^\n\r#]*").match(wound.text, last.end)
    whole = wound.span(last.start, last.end + len(rest[0].rstrip())) if rest else last
    fixes = wound.fix(f"write {quote(whole.text)}", Edit(whole, quote(whole.text)))
    return wound.finding("NS018", f"text follows the closing {sign}", wound.span(wound.at, wound.at + 1), fixes=fixes,
                         label="the quoted text has ended before this")  # fmt: skip


def list_beside_key(wound: Wound) -> list[Diagnostic] | None:
    """`key: - item`: a list in lines that begins on the line of its key."""
    if "sequence entries are not allowed" not in wound.problem:
        return None
    before = wound.line[: wound.column]
    gap = wound.span(wound.start(wound.number) + len(before.rstrip()), wound.at)
    nested = Edit(gap, "\n" + " " * wound.column)
    first_item = gap.start + 1 + content(" " * wound.column + wound.line[wound.column :])
    fixes = wound.fix("begin the list on the next line", nested, key_at=first_item)
    return wound.finding(
        "NS017",
        "a list in lines begins on a line of its own",
        wound.span(wound.at, wound.at + 1),
        fixes=fixes,
    )


def colon_in_value(wound: Wound) -> list[Diagnostic] | None:
    """`key: text: more` on one line."""
    if "mapping values are not allowed" not in wound.problem:
        return None
    first = re.compile(r"[^\s:][^:\n]*?:\s+").match(wound.line, content(wound.line))
    if first is None or first.end() > wound.column:
        return None
    value_start = wound.start(wound.number) + first.end()
    value = wound.span(
        value_start, wound.start(wound.number) + len(re.sub(r"\s+#.*$", "", wound.line).rstrip())
    )
    whole = wound.span(wound.start(wound.number) + content(wound.line), value.end)
    # `a: 1}` has rather lost its opening brace than holds one
    if value.text.endswith("}") and (fixes := wound.fix("open with `{`", wound.insert(whole.start, "{"))):
        return wound.finding(
            "NS016",
            "`}` closes nothing",
            wound.span(whole.end - 1, whole.end),
            label="nothing is open here",
            fixes=fixes,
        )
    entries = re.compile(r"[^,:]*,\s*[\w.]+:\s").match(value.text)
    if entries and (fixes := wound.fix(f"write {{{whole.text}}}", Edit(whole, "{" + whole.text + "}"))):
        return wound.finding(
            "NS018",
            "several entries on one line stand in braces",
            whole,
            fixes=fixes,
            label="no braces",
        )
    fixes = wound.fix(f"write {quote(value.text)}", Edit(value, quote(value.text)))
    return wound.finding("NS018", "a plain value may not hold a colon and a space", wound.span(wound.at, wound.at + 1), fixes=fixes,
                         label="this colon")  # fmt: skip


def report_unexplained(wound: Wound) -> Diagnostic:
    """What the parser said, at the character where it said so."""
    problem, _, context = wound.problem.rstrip(")").rpartition(" (")
    at = min(wound.at, max(len(wound.text.rstrip()) - 1, 0))
    where = f" {context}" if context not in ("", "None") else ""
    return Diagnostic("NS004", f"{problem}{where}", wound.span(at, min(at + 1, len(wound.text))))
