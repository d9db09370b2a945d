"""Views of one net, one after another, as `see all` has them: what has no meaning for the net is left
out, and told. In: names of views, a Subject, what is asked; out: Seens with their figures, and what is
missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from netspec.diagnostics import Diagnostic, SpecError
from netspec.pictures.figure import Figure
from netspec.pictures.words import only
from netspec.seeing.fitting import within_memory
from netspec.seeing.registry import find_view
from netspec.seeing.samples import samples_of
from netspec.seeing.seen import Asked, Seen
from netspec.seeing.subject import Subject

__all__ = ["look", "look_at_all"]

SKIPPED = frozenset(("NS681", "NS684", "NS685", "NS750", "NS753", "NS754", "NS790"))
"""What `see all` goes on without: views without a meaning for the net, its data, its extra, its size or
its numbers.
"""
LEFT = "left-out"
Shown = tuple[Seen, list[Figure]]


def look(name: str, subject: Subject, asked: Asked) -> Shown:
    """One view and its figures. Raises SpecError as the view does, and NS753 where memory ends."""
    view = find_view(name)
    with within_memory(subject.path):
        seen = view.see(subject, asked)
        return seen, list(view.draw(seen))


def look_at_all(names: Sequence[str], subject: Subject, asked: Asked) -> list[Shown]:
    """Every view that is part of the whole; at the end what is left out, as a Seen that nothing is
    drawn of. Raises SpecError for what is wrong with what was asked, and where nothing at all has a
    meaning.
    """
    if asked.layer is not None:
        subject.layer(asked.layer)
    if asked.inputs or asked.data is not None:
        samples_of(subject, asked)
    shown: list[Shown] = []
    left: dict[str, Diagnostic] = {}
    for name in [each for each in names if find_view(each).WHOLE]:
        try:
            shown.append(look(name, subject, narrow(name, subject, asked)))
        except SpecError as error:
            first = error.diagnostics[0]
            if not is_left_out(first, subject):
                raise
            left[name] = first
    if not shown:
        raise SpecError([*left.values()][:1])
    return shown + only(left, (tell_left(left), []))


def narrow(name: str, subject: Subject, asked: Asked) -> Asked:
    """What is asked of one view: INPUT is a sample, no other net; and of many samples, where it is one,
    those of a run's own data are shown.
    """
    view = find_view(name)
    many = getattr(view, "MANY", False) and subject.kind == "run"
    if many or "data" not in view.TAKES:
        return replace(asked, inputs=())
    return asked


def is_left_out(found: Diagnostic, subject: Subject) -> bool:
    """Whether the others are worth a look all the same: data that a spec names may be elsewhere."""
    return found.code in SKIPPED or (subject.kind == "spec" and "NS640" <= found.code <= "NS663")


def tell_left(left: Mapping[str, Diagnostic]) -> Seen:
    """What is missing, and why."""
    told = [f"{name}: {found.fact} ({found.code})" for name, found in left.items()]
    values = {name: {"code": found.code, "fact": found.fact} for name, found in left.items()}
    return Seen(LEFT, "Left out", told, values)
