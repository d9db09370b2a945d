"""A run measured on its test data. In: the run's folder; out: losses and metrics by name."""

from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple

from netspec import compiled
from netspec.data.facts import read_facts
from netspec.diagnostics import Diagnostic, fail
from netspec.ir.graph import TypedGraph
from netspec.read_options import PLAIN, Reading
from netspec.training.batches.feeds import Feeds, section_of, skipping_parts
from netspec.training.class_weights import set_class_weights
from netspec.training.device import exact_float32, find_device
from netspec.training.evaluate import evaluate
from netspec.training.look_through import find_cache, look_through
from netspec.training.measures.boxes import judging_boxes
from netspec.training.measures.collect import measuring
from netspec.training.nets import fill
from netspec.training.progress import Silent
from netspec.training.run.folder import program_of, read_classes, read_record, telling, weights_file

__all__ = ["Measured", "leave_out", "measure"]


class Measured(NamedTuple):
    """What a test gave: the file of the weights, how many samples, the means of losses and metrics
    over them; by loss what it judges, class by class or number by number; which samples were left
    out.
    """

    weights: Path
    samples: int
    metrics: dict[str, float]
    judged: dict[str, dict[str, Any]] = {}
    findings: tuple[Diagnostic, ...] = ()


def measure(
    folder: str | Path,
    weights: str = "last",
    device: str = "auto",
    reading: Reading = PLAIN,
    part: Literal["test", "val"] = "test",
) -> Measured:
    """Test a run over its whole test data. weights: last, best or a file; reading: its settings
    come after the run's own. part: "val" for its validation data.

    Raises SpecError: NS678, NS683, NS684 (the spec names no test data), NS674, NS676, NS693 (a
    number of the data is not finite), and those of the data.
    """
    place, run = find_device(device), Path(folder)
    record = read_record(run)
    program = program_of(run, record, reading)
    path = weights_file(run, weights)
    trained, tested = program.training_graph("train"), program.training_graph("test")
    net = compiled.compile(tested)
    fill(net, tested, path, trained)
    set_class_weights(net, record.get("class_weight", {}))
    with telling(program.reading.unproven):
        feeds = Feeds.open(program, trained, tested, read_facts(run), runs=[run])
    there = {"val": feeds.val is not None, "test": feeds.tested}
    if not there[part]:
        other = ("`--part val` measures its val_data",) if there["val"] else ()
        raise fail("NS684", f"its section train has no {part}_data", path=str(run), notes=other)
    feeds, left_out = leave_out(feeds, part, run, tested)
    batches = feeds.batches(part, tested, net, 0, place)
    version = section_of(program).solver.ap_version
    with (
        exact_float32(),
        closing(batches),
        measuring(net, tested) as measures,
        judging_boxes(net, version) as boxes,
    ):
        metrics = evaluate(net.to(place), batches, place, version=version)
    source = batches.source
    names = read_classes(run) or (source.classes if source is not None else None) or ()
    judged = {name: each.result(names) for name, each in measures.items()}
    judged |= {name: each.result(names) for name, each in boxes.items()}
    return Measured(path, len(source) if source is not None else 0, metrics or {}, judged, left_out)


def leave_out(
    feeds: Feeds, part: str, run: Path | None, tested: TypedGraph
) -> tuple[Feeds, tuple[Diagnostic, ...]]:
    """The data without the samples that `on_error: skip` leaves out, and which these are
    (NS691). run: what its training found holds for files that did not change.
    """
    source = feeds.parts().get(part)
    if source is None:
        return feeds, ()
    skipping, rules = skipping_parts(section_of(feeds.program)), {part: feeds.rules(part, tested)}
    numbers = {part: feeds.numbers(part, tested)}
    looked = look_through(
        {part: source}, skipping, find_cache([run] if run is not None else []), Silent(), numbers, rules
    )
    kept = feeds.with_parts({**feeds.parts(), **looked.sources})
    return kept, tuple(each for each in looked.findings if each.code == "NS691")
