"""What is odd about the data that a training begins with. In: opened feeds; out: warnings, which
are said before the first iteration, or where nobody listens come with the result.
"""

from collections.abc import Iterator
from dataclasses import replace

from netspec.data.splits import lacking
from netspec.diagnostics import Diagnostic
from netspec.diagnostics.render import render
from netspec.ir.graph import TypedGraph
from netspec.training.batches.feeds import Feeds, label_rules
from netspec.training.job import TrainingResult
from netspec.training.progress import Reporter, Silent

__all__ = ["beside", "data_findings", "tell"]


def data_findings(feeds: Feeds, typed: TypedGraph) -> Iterator[Diagnostic]:
    """NS668 for data of which a net of graph `typed` learns or shows less than it seems."""
    if not label_rules(typed):
        return
    parts = {"training": feeds.train, "validation": feeds.val, "test": feeds.test}
    for part, source in parts.items():
        if source is not None:
            yield from lacking(source, part)


def tell(found: tuple[Diagnostic, ...], progress: Reporter | None) -> tuple[Diagnostic, ...]:
    """Say findings before the first iteration; those that nobody hears are answered."""
    if progress is None or type(progress) is Silent:
        return found
    if found:
        progress.say(render(list(found), color=False))
    return ()


def beside(result: TrainingResult, found: tuple[Diagnostic, ...]) -> TrainingResult:
    """The result of a training with what was not said before it."""
    return replace(result, findings=(*found, *result.findings))
