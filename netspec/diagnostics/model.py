"""What netspec has to say about an input, as data: no layout, no wording beyond the facts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from netspec.diagnostics.codes import CODES, Phase, phase_of
from netspec.diagnostics.evidence import NOTHING, About, Evidence
from netspec.source import Span

__all__ = [
    "Diagnostic",
    "Diagnostics",
    "Edit",
    "Fix",
    "Insertion",
    "Label",
    "Severity",
    "SpecError",
    "fail",
    "uses_of",
    "write_nearest",
]

Severity = Literal["error", "warning"]
FEW = 100
"""Findings of a kind, of those that a text can hold in any number, that are made; the others are
counted.
"""
USES = 3
"""Further uses of a block that are shown for what repeats in them."""


class Label(NamedTuple):
    """A second place that belongs to the finding: marked with -, not ^.

    kind: where what is read was made, a use of the block that all this stands in, or any other
    party.
    """

    span: Span
    text: str
    kind: Literal["origin", "use", "other"] = "other"


class Insertion(NamedTuple):
    """A key that an edit writes behind what stands there, and its value."""

    key: str
    value: int


class Edit(NamedTuple):
    """Replace a stretch of a source (an empty one: insert) by a text. adds: what the text holds
    beyond what stands there.
    """

    span: Span
    text: str
    adds: Insertion | None = None


class Fix(NamedTuple):
    """A concrete change that was tried and clears the finding; edits are empty where only words can
    say it.
    """

    text: str
    edits: tuple[Edit, ...] = ()
    safe: bool = False


def write_nearest(near: Sequence[str], span: Span | None, safe: bool = False) -> tuple[Fix, ...]:
    """The fix that writes the first of some names at a place, in words where the text has none;
    none where there is no name.
    """
    if not near:
        return ()
    edits = (Edit(span, near[0]),) if span is not None else ()
    return (Fix(f"write {near[0]}", edits, safe),)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. `fact` says what is the case here, with the numbers; the code's title says which
    requirement it breaks.

    code: `NSxxx`, of docs/diagnostics.md. span: where in the source; others: further places; rule:
    the arithmetic, a line each; fixes: changes that were tried. path: the file concerned where
    there is no span (a missing file, a data set). hides: what could not be looked at because of it.
    like: for one that stands for several uses of a block, the finding of each. about, evidence: the
    same as values, for passes: these never read a fact, a label or a note.

    >>> found = netspec.check("zoo:lenet-7")[0]
    >>> found.code, found.severity, found.place
    ('NS001', 'error', 'zoo:lenet-7')
    """

    code: str
    fact: str
    span: Span | None = None
    label: str = ""
    others: tuple[Label, ...] = ()
    rule: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    fixes: tuple[Fix, ...] = ()
    path: str | None = None
    hides: Span | None = None
    like: tuple["Diagnostic", ...] = ()
    about: About = NOTHING
    evidence: Evidence | None = field(default=None, compare=False)

    @property
    def title(self) -> str:
        """Which requirement is broken, the same for all findings of the code."""
        return CODES[self.code].title

    @property
    def severity(self) -> Severity:
        """Is it an "error" or a "warning"?"""
        return CODES[self.code].severity

    @property
    def phase(self) -> Phase:
        """The part of the compiler that found it."""
        return phase_of(self.code)

    @property
    def message(self) -> str:
        """Title and fact in one line."""
        if self.fact:
            return f"{self.title}: {self.fact}"
        return self.title

    @property
    def place(self) -> str | None:
        """The file that the finding is about."""
        if self.span:
            return self.span.source.name
        return self.path

    @property
    def repeats(self) -> bool:
        """Whether each copy of a block may have it: findings on sizes and lints, at a layer's
        place.
        """
        return self.span is not None and bool(self.about.layer) and self.phase in (Phase.SIZES, Phase.LINTS)

    @property
    def cause(self) -> str:
        """What tells findings of one code at one place apart; two that read the same there are
        one.
        """
        if self.repeats:
            return ""
        return (self.span and self.label) or self.fact

    @property
    def identity(self) -> tuple[str, About, str]:
        """What makes two findings the same one, wherever an edit has moved it to. Facts are
        compared nowhere else, and only as a whole.
        """
        return (self.code, self.about, self.fact)

    @property
    def order(self) -> tuple[str, int, str]:
        """Sort key: by file, then position, then code."""
        return (self.place or "", self.span.start if self.span else -1, self.code)


class Diagnostics:
    """The findings of one run, in the order they were made. layers: how many were looked at, once
    for each look, values: how many variables and defaults added to
    what is written: what the run cost.

    bare: nobody reads them, they are only compared with others: codes, places and facts without
    what else there is to say.
    """

    __slots__ = ("bare", "few", "found", "layers", "values")

    def __init__(self, *, bare: bool = False) -> None:
        self.bare = bare
        self.found: list[Diagnostic] = []
        self.layers = 0
        self.values = 0
        self.few: dict[str, int] = {}

    def add(self, diagnostic: Diagnostic) -> None:
        self.found.append(diagnostic)

    def error(self, code: str, fact: str, span: Span | None = None, **more: object) -> None:
        self.found.append(Diagnostic(code, fact, span, **more))  # type: ignore[arg-type]

    def may_skip(self, code: str) -> bool:
        """Whether a finding of a kind need not be made: of FEW before it one was asked for, and it
        is counted. For texts of any length.
        """
        self.few[code] = self.few.get(code, 0) + 1
        return self.few[code] > FEW

    def with_counts(self) -> list[Diagnostic]:
        """The findings, the last of each kind with the number of those that were spared."""
        found = list(self.found)
        for code, more in ((code, count - FEW) for code, count in self.few.items() if count > FEW):
            last = max((i for i, d in enumerate(found) if d.code == code), default=None)
            if last is not None:
                found[last] = replace(
                    found[last], notes=(*found[last].notes, f"and {more:,} more of this kind")
                )
        return found

    @property
    def failed(self) -> bool:
        """Whether an error (not a warning) was found."""
        return any(d.severity == "error" for d in self.found)

    def sorted(self) -> list[Diagnostic]:
        """By place; what several uses of one block repeat is said once, with how often it holds."""
        groups: dict[tuple[object, ...], list[Diagnostic]] = {}
        for d in self.with_counts():
            groups.setdefault((d.code, d.span, d.path, d.cause), []).append(d)
        return sorted(
            (d for same in [*groups.values()][::-1] for d in merge_repeats(same)),
            key=lambda d: d.order,
        )

    def mark_uses(self, since: int, name: str, uses: Iterable[Span]) -> None:
        """Give each finding from number `since` on the uses of blocks that lead to it, innermost
        first; `name` is what comes from there.
        """
        for i, d in enumerate(self.found[since:], since):
            taken = {d.span, *(label.span for label in d.others)}
            added = uses_of(name, (span for span in uses if span not in taken))
            if added and d.span is not None:
                self.found[i] = replace(d, others=(*d.others, *added))

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.sorted())

    def __len__(self) -> int:
        return len(self.found)


def uses_of(name: str, uses: Iterable[Span]) -> tuple[Label, ...]:
    """The uses of a block as labels; `name` is what comes from there."""
    return tuple(Label(span, f"{name} comes from here", "use") for span in uses)


def merge_repeats(same: list[Diagnostic]) -> list[Diagnostic]:
    """The first of some findings of one cause, and all that a lint says of its layer, with the
    number of other layers that have it.
    """
    first = same[0]
    if not first.repeats:
        return [first]
    others = list({d.about: d for d in reversed(same) if d.about.layer != first.about.layer}.values())[::-1]
    lint = first.phase == Phase.LINTS
    mine = (
        list({d.identity: d for d in reversed(same) if d.about.layer == first.about.layer}.values())
        if lint
        else [first]
    )
    if not others:
        return mine
    note = f"the same holds for {len(others)} other {'layer' if len(others) == 1 else 'layers'} made here"
    if lint:
        return [replace(d, notes=(*d.notes, note)) for d in mine]
    uses = dict.fromkeys(label for d in others for label in d.others if label.kind == "use")
    known = {label.span for label in first.others}
    more = tuple(label for label in uses if label.span not in known)[:USES]
    return [replace(first, others=(*first.others, *more), notes=(*first.notes, note), like=(first, *others))]


class SpecError(Exception):
    """An input that netspec cannot go on with. `diagnostics` says why, a Diagnostic for each cause;
    str() is the concise form.

    >>> try:
    ...     netspec.load("zoo:lenet-7")
    ... except netspec.SpecError as error:
    ...     print([found.code for found in error.diagnostics])
    ['NS001']
    """

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__(diagnostics)
        self.diagnostics = diagnostics

    def __str__(self) -> str:
        return "\n".join(f"{d.place or '-'}: {d.severity}[{d.code}]: {d.message}" for d in self.diagnostics)


def fail(
    code: str,
    fact: str,
    *,
    path: str | None = None,
    span: Span | None = None,
    notes: tuple[str, ...] = (),
    fixes: tuple[Fix, ...] = (),
) -> SpecError:
    """The exception for a single finding: `raise fail("NS610", "...", path=p)`."""
    return SpecError([Diagnostic(code, fact, span, path=path, notes=notes, fixes=fixes)])
