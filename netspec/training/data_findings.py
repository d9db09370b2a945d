"""What is odd about the data that a training begins with. In: opened feeds; out: warnings, which
are said before the first iteration, or where nobody listens come with the result.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from netspec.data.boxes.annotations import lacking_boxes
from netspec.data.source import Source, spread
from netspec.data.splits import lacking
from netspec.diagnostics import Diagnostic
from netspec.diagnostics.render import render
from netspec.ir.graph import TypedGraph
from netspec.training.batches.feeds import Feeds, label_rules, section_of
from netspec.training.job import TrainingResult
from netspec.training.progress import Reporter, Silent

__all__ = ["beside", "data_findings", "tell"]

MANY_TIMES = 10
"""From which ratio on a rare class is told: below it, training mostly copes."""
NAMES = {"train": "training", "val": "validation", "test": "test"}
LOOKED = 32
"""Pictures that are read before the first iteration; the others are noticed as they come."""


def data_findings(feeds: Feeds, typed: TypedGraph) -> Iterator[Diagnostic]:
    """NS668 for data of which a net of graph `typed` learns or shows less than it seems."""
    opened = {NAMES[part]: source for part, source in feeds.parts().items()}
    for part, source in opened.items():
        yield from look(source)
        yield from lacking_boxes(source, part)
    if not label_rules(typed):
        return
    yield from rare(feeds, typed)
    for part, source in opened.items():
        yield from lacking(source, part)


def rare(feeds: Feeds, typed: TypedGraph) -> Iterator[Diagnostic]:
    """NS668 where a class is many times rarer than another, and nothing makes up for it."""
    source, section = feeds.train, section_of(feeds.program)
    labels = None if source is None else source.labels()
    weighed = any(getattr(node.layer, "class_weight", None) for node in typed.graph.nodes)
    if source is None or labels is None or labels.ndim != 1 or labels.dtype.kind not in "iu":
        return
    if weighed or (section.data is not None and section.data.balance):
        return
    values, counts = np.unique(labels[labels >= 0], return_counts=True)
    if len(values) < 2 or counts.max() < MANY_TIMES * counts.min():
        return
    most, least = int(counts.argmax()), int(counts.argmin())
    names = [name_of(source, int(values[at])) for at in (least, most)]
    fact = f"training samples: {counts[least]:,} of {names[0]}, {counts[most]:,} of {names[1]}"
    note = "`class_weight: balanced` at the loss weighs each class alike, `balance: true` in the data"
    note += " draws them alike; else a net that never answers the rare one looks good"
    yield Diagnostic("NS668", fact, path=source.name, notes=(note,))


def name_of(source: Source, number: int) -> str:
    """A class as its data call it."""
    if source.classes and number < len(source.classes):
        return source.classes[number]
    return f"class {number}"


def look(source: Source) -> tuple[Diagnostic, ...]:
    """What is odd about the pictures of a source: those that a look through all has read, else some
    that are read for it, evenly over all.
    """
    if source.decoded or source.named:
        source.batch(spread(len(source), LOOKED))
    return source.remarks()


def tell(found: tuple[Diagnostic, ...], progress: Reporter | None) -> tuple[Diagnostic, ...]:
    """Say findings before the first iteration; those that nobody hears are answered."""
    if progress is None or type(progress) is Silent:
        return found
    if found:
        progress.say(render(list(found), color=False))
    return ()


def beside(
    result: TrainingResult,
    unheard: tuple[Diagnostic, ...],
    said: Iterable[Diagnostic],
    feeds: Feeds,
) -> TrainingResult:
    """The result of a training with what was not said before it, and what was noticed since
    `said` was.
    """
    known = {each.identity for each in said}
    since = [each for source in feeds.parts().values() for each in source.remarks()]
    new = [each for each in since if each.identity not in known]
    return replace(result, findings=(*unheard, *new, *result.findings))
