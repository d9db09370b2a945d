"""What stands at the head of a page about a net: what it is, and how good. In: a Subject; out:
lines.
"""

from netspec.diagnostics import SpecError
from netspec.diagnostics.words import count_of
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["summary"]


def summary(subject: Subject) -> list[str]:
    """Lines of words."""
    found = [f"{subject.kind}: {subject.path}"]
    shapes = [
        f"{name} [{', '.join(str(n or 'open') for n in each.shape)}]" for name, each in subject.taken.items()
    ]
    found.append(f"takes {', '.join(shapes)}")
    if not isinstance(subject, NetSubject):
        return [*found, count_of(len(subject.layers), "node")]
    from netspec.analysis.cost import cost

    counted = cost(subject.typed)
    macs = f"{counted.macs:,}" if isinstance(counted.macs, int) else str(counted.macs)
    found.append(
        f"{count_of(len(subject.layers), 'layer')}, {count_of(counted.parameters, 'parameter')}, {macs} MACs"
    )
    return found + results(subject)


def results(subject: NetSubject) -> list[str]:
    """How good a run is, by its log."""
    if subject.folder is None:
        return ["not trained: its weights are what the fillers give"]
    from netspec.seeing.log import best_line, read_log

    try:
        return best_line(read_log(subject.folder))
    except SpecError:
        return []
