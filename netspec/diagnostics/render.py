"""Findings in, the full text out: headline, places with carets, rule, notes, help. Owns the layout;
knows no wording.
"""

from collections.abc import Iterable, Sequence

from netspec.diagnostics.model import Diagnostic, Label
from netspec.diagnostics.snippet import Line, clean
from netspec.diagnostics.words import remarks
from netspec.source import Source

__all__ = ["render", "summary"]

_BOLD, _RED, _YELLOW, _BLUE, _RESET = "\x1b[1m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[0m"
_LABEL_END = 140  # columns: a fact that would end beyond this becomes a note


def render(diagnostics: Sequence[Diagnostic], *, color: bool) -> str:
    """Each finding in full, a blank line between two, and a line that counts them; "" for none.
    color: ANSI escapes, as rustc's.
    """
    if not diagnostics:
        return ""
    return "\n\n".join([*("\n".join(_Block(d, color).lines()) for d in diagnostics), summary(diagnostics)])


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """The count in words: "2 errors, 1 warning"."""
    counts = [(word, sum(d.severity == word for d in diagnostics)) for word in ("error", "warning")]
    return ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for word, n in counts if n) or "no findings"


class _Block:
    """One finding being laid out. `gutter` is the width of its widest line number."""

    def __init__(self, diagnostic: Diagnostic, color: bool) -> None:
        self.d = diagnostic
        self.color = color
        self.accent = _RED if diagnostic.severity == "error" else _YELLOW
        places = [label.span for label in diagnostic.others] + ([diagnostic.span] if diagnostic.span else [])
        self.gutter = max((len(str(span.begin[0])) for span in places), default=1)

    def paint(self, text: str, style: str) -> str:
        if self.color and text:
            return f"{style}{text}{_RESET}"
        return text

    def lines(self) -> list[str]:
        d = self.d
        label, notes = self._words()
        head = d.message if d.span is None else d.title
        found = [self.paint(f"{d.severity}[{d.code}]", self.accent) + self.paint(f": {clean(head)}", _BOLD)]
        found += self._places(label)
        found += self._rule()
        for note in notes:
            found += self._remark("note", note)
        for fix in d.fixes:
            found += self._remark("help", fix.text)
        return [*found, *self._remark("more", f"netspec explain {d.code}")]

    def _words(self) -> tuple[str, tuple[str, ...]]:
        """The label of the primary place and the notes; the fact is always among the two, or in a
        headline without place.
        """
        d, notes = self.d, remarks(self.d)
        if d.span is None:
            return "", (d.label, *notes) if d.label and d.label != d.fact else notes
        if d.label and d.label != d.fact:
            return d.label, notes if d.fact.endswith(d.label) else (d.fact, *notes)
        if d.span.begin[1] + len(d.fact) > _LABEL_END:
            return "", (d.fact, *notes)
        return d.fact, notes

    def _places(self, label: str) -> list[str]:
        """The primary file first, then every other file that a label stands in."""
        span = self.d.span
        if span is None:
            if self.d.path:
                return [self._arrow("-->", self.d.path)]
            return []
        marks = [(Label(span, label), True), *((other, False) for other in self.d.others)]
        found: list[str] = []
        for source in _distinct(mark.span.source for mark, _ in marks):
            here = [(mark, primary) for mark, primary in marks if mark.span.source is source]
            line, column = here[0][0].span.begin
            found.append(self._arrow("-->" if not found else ":::", f"{source.name}:{line}:{column}"))
            found += self._snippet(source, here)
        return found

    def _arrow(self, arrow: str, place: str | None) -> str:
        return f"{' ' * (self.gutter + 1)}{self.paint(arrow, _BLUE)} {clean(place or '')}"

    def _snippet(self, source: Source, marks: list[tuple[Label, bool]]) -> list[str]:
        found = [self._row("")]
        before = 0
        by_line = sorted(marks, key=lambda m: (m[0].span.begin, not m[1]))
        for number in sorted({mark.span.begin[0] for mark, _ in by_line}):
            if before and number > before + 1:
                found.append(" " + self.paint("...", _BLUE))
            here = [(mark, primary) for mark, primary in by_line if mark.span.begin[0] == number]
            focus = next((mark.span for mark, primary in here if primary), here[0][0].span)
            line = Line(
                source.line(number),
                focus.begin[1] - 1,
                focus.finish[1] - 1 if focus.finish[0] == number else None,
            )
            found.append(self._row(line.text, str(number)))
            found += [self._marks(line, mark, primary, number) for mark, primary in here]
            before = number
        return found

    def _row(self, text: str, number: str = "") -> str:
        return (self.paint(f" {number:>{self.gutter}} |", _BLUE) + f" {text}").rstrip()

    def _marks(self, line: Line, mark: Label, primary: bool, number: int) -> str:
        end = mark.span.finish[1] - 1 if mark.span.finish[0] == number else None
        indent, width = line.columns(mark.span.begin[1] - 1, end)
        sign = ("^" if primary else "-") * width
        words = f"{sign} {clean(mark.text)}".rstrip()
        return self._row(" " * indent + self.paint(words, self.accent if primary else _BLUE))

    def _rule(self) -> list[str]:
        """The rule's lines; one that begins with `=` goes under the `=` of the equation above
        it.
        """
        found: list[str] = []
        under = 0
        for text in (clean(line.strip()) for line in self.d.rule):
            if text.startswith("=") and found:
                text = " " * under + text
            else:
                under = text.find(" = ") + 1
            found.append(text)
        return self._align("rule", found)

    def _remark(self, kind: str, text: str) -> list[str]:
        return self._align(kind, [clean(line) for line in text.splitlines()] or [""])

    def _align(self, kind: str, lines: list[str]) -> list[str]:
        margin = " " * (self.gutter + 2)
        head = f"{margin}{self.paint('=', _BLUE)} {self.paint(kind, _BOLD)}: "
        blank = " " * (len(margin) + len(kind) + 4)
        return [(head if i == 0 else blank) + line for i, line in enumerate(lines)]


def _distinct(sources: Iterable[Source]) -> list[Source]:
    return list({id(source): source for source in sources}.values())
