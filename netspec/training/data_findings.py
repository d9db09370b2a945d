"""What is odd about the data that a training begins with. In: opened feeds; out: warnings, which
are said before the first iteration, or where nobody listens come with the result.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from netspec.data.boxes.annotations import lacking_boxes
from netspec.data.inventory.oddities import alike, name_part, rare, tell_idle_outputs, tell_standing_classes
from netspec.data.inventory.values import judge_values, tell_small_pixels
from netspec.data.parts import role_of
from netspec.data.source import Source, find_origin, spread
from netspec.data.splits import lacking, lacking_numbers
from netspec.diagnostics import Diagnostic
from netspec.imaging.remarks import Remarks
from netspec.ir.graph import TypedGraph
from netspec.training.batches.feeds import Feeds, label_rules, ports_of, section_of
from netspec.training.job import TrainingResult

__all__ = ["beside", "class_findings", "data_findings"]

LOOKED = 32
"""Pictures of a part that are read before the first iteration, evenly over all, where a look through
all has not read them; the others are noticed as they come.
"""


def data_findings(feeds: Feeds, typed: TypedGraph) -> Iterator[Diagnostic]:
    """NS668 for data of which a net of graph `typed` learns or shows less than it seems."""
    opened = {name_part(part): source for part, source in feeds.parts().items()}
    share_remarks(opened.values())
    for source in opened.values():
        if source.decoded or source.named:
            source.batch(spread(len(source), LOOKED))
    for part, source in opened.items():
        yield from source.remarks()
        yield from lacking_boxes(source, part)
    if not feeds.own and len({feeds.manner(part).changes for part in feeds.parts()}) == 1:
        yield from judge_values(feeds.parts())
    for part, source in feeds.parts().items():
        bound = feeds.bound(part, typed)
        for name, port in ports_of(typed).items():
            if port.contract is not None and name in bound:
                yield from tell_small_pixels(source, bound[name], port.contract)
    yield from class_findings(feeds, typed)
    yield from tell_short_tests(feeds)
    yield from tell_no_test(feeds)


def tell_no_test(feeds: Feeds) -> Iterator[Diagnostic]:
    """NS668 where a net's own data layer reads for training and test alike: it shows nothing of new
    samples.
    """
    trained = {id(each.source) for part, each in feeds.own.items() if role_of(part) == "train"}
    for part, each in feeds.own.items():
        if role_of(part) == "train" or id(each.source) not in trained:
            continue
        fact = f"{each.node.name} reads the training samples for the test too: it does not measure new ones"
        note = "a data layer with `include: {phase: TEST}` beside one of TRAIN reads others"
        yield Diagnostic("NS668", fact, path=each.source.name, notes=(note,))


def tell_short_tests(feeds: Feeds) -> Iterator[Diagnostic]:
    """NS668 where `test_iter` ends a test before its data end."""
    most = section_of(feeds.program).solver.test_iter
    for part, source in feeds.parts().items():
        size = feeds.manner(part).batch_size
        if role_of(part) == "train" or not 0 < most * size < len(source):
            continue
        fact = f"`test_iter: {most}` reads {most * size:,} of the {len(source):,} {name_part(part)} samples,"
        fact += f" {most:,} batches of {size:,}"
        note = f"`test_iter: {-(-len(source) // size)}`, or none, measures each sample once"
        yield Diagnostic("NS668", fact, path=source.name, notes=(note,))


def class_findings(feeds: Feeds, typed: TypedGraph) -> Iterator[Diagnostic]:
    """NS668 for classes that are alike, rare or lacking, where a net of graph `typed` learns some."""
    if not label_rules(typed):
        return
    yield from judge_training_classes(feeds, typed)
    parts = feeds.parts()
    for part, source in parts.items():
        yield from lacking(source, name_part(part))
        if part != "train" and "train" in parts:
            yield from lacking_numbers(source, name_part(part), parts["train"])


def judge_training_classes(feeds: Feeds, typed: TypedGraph) -> Iterator[Diagnostic]:
    """NS668 for names of classes that are alike, and where a class is many times rarer than another
    and nothing makes up for it.
    """
    section = section_of(feeds.program)
    weighed = any(getattr(node.layer, "class_weight", None) for node in typed.graph.nodes)
    for part, source in feeds.parts().items():
        if role_of(part) != "train":
            continue
        yield from alike(source)
        rule = feeds.rules(part, typed).get(source.label or "")
        if rule is not None:
            yield from tell_idle_outputs(source, rule)
        manner = feeds.manner(part)
        if not manner.ordered:
            yield from tell_standing_classes(source, manner.batch_size)
        if not weighed and not (section.data is not None and section.data.balance):
            yield from rare(source)


def share_remarks(sources: Iterable[Source]) -> None:
    """Let parts that were drawn from the same data notice together: what is odd about all of it is
    then told once.
    """
    shared: dict[str, Remarks] = {}
    for source in sources:
        origin, _ = find_origin(source)
        own = getattr(origin, "noticed", None)
        if isinstance(own, Remarks):
            first = shared.setdefault(origin.name, own)
            first.join(own)
            vars(origin)["noticed"] = first


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
