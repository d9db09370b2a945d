"""What stands at the head of a page about a net: what it is, and how good. In: a Subject; out:
lines.
"""

from netspec.diagnostics import SpecError
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["summary"]


def summary(subject: Subject) -> list[str]:
    """Lines of words."""
    found = [f"{subject.kind}: {subject.path}"]
    shapes = [f"{name} {[n or 'open' for n in each.shape]}" for name, each in subject.taken.items()]
    found.append(f"takes {', '.join(shapes)}")
    if not isinstance(subject, NetSubject):
        return [*found, f"{len(subject.layers):,} nodes"]
    from netspec.analysis.cost import cost

    counted = cost(subject.typed)
    macs = f"{counted.macs:,}" if isinstance(counted.macs, int) else str(counted.macs)
    found.append(f"{len(subject.layers):,} layers, {counted.parameters:,} parameters, {macs} MACs")
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
