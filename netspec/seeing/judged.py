"""Test samples with what the net made of them, one pass over the data. In: a run; out: truth,
answer and confidence by sample, and the counts that `netspec test` has.
"""

from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netspec.diagnostics import fail
from netspec.pictures.words import only
from netspec.seeing.fitting import check_weights
from netspec.seeing.seen import Array, Asked
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["Judged", "judge", "part_of", "tell_part"]

PARTS = ("test", "val")


class Judged(NamedTuple):
    """loss: the layer that judges; classes: their names; counts: rows are true classes, columns
    answers. true, guessed, sure: of each sample, in the order of the data; where: what a sample is
    called. part: which data these are.
    """

    loss: str
    classes: tuple[str, ...]
    counts: Array
    accuracy: float
    kind: str
    true: Array
    guessed: Array
    sure: Array
    part: str


def part_of(asked: Asked, subject: Subject) -> str:
    """Which data are judged. Raises SpecError NS750 for others than a test has."""
    if asked.part not in PARTS:
        raise fail("NS750", f"a test has no part {asked.part}: {', '.join(PARTS)}", path=subject.path)
    return asked.part


def tell_part(asked: Asked, found: Judged) -> list[str]:
    """Which data were judged, where they are others than a test has."""
    return only(found.part != asked.part, f"of {found.part}_data: the section train has no {asked.part}_data")


def judge(subject: NetSubject, part: str, most: int | None = None) -> Judged:
    """Run the test net over all its data; where there are none, over those of validation. Raises
    SpecError NS684 (no such data), NS750 (no loss tells classes apart), NS753 (more samples than
    `most`).
    """
    kept: dict[str, Judged] = subject.__dict__.setdefault("judged", {})
    if part not in kept:
        kept[part] = measure(subject, part, most)
    return kept[part]


def measure(subject: NetSubject, part: str, most: int | None = None) -> Judged:
    """The pass itself."""
    import torch

    from netspec import compiled
    from netspec.training.batches.feeds import Feeds, section_of
    from netspec.training.class_weights import set_class_weights
    from netspec.training.device import exact_float32, find_device
    from netspec.training.evaluate import evaluate
    from netspec.training.measures.classes import Classes
    from netspec.training.measures.collect import measuring
    from netspec.training.nets import fill
    from netspec.training.run.folder import read_classes, read_record, telling

    program, place = subject.program, find_device(subject.device)
    section_of(program)  # without one, no loss has a place
    trained, tested = program.training_graph("train"), program.training_graph("test")
    with telling(program.reading.unproven):
        feeds = Feeds.open(program, trained, tested, subject.facts)
    there = {"test": feeds.tested, "val": feeds.val is not None}
    if part == "test" and not there[part] and there["val"]:
        part = "val"
    if not there[part]:
        others = " and no val_data" * (part == "test")
        raise fail("NS684", f"its section train has no {part}_data{others}", path=subject.path)
    if subject.weights is None:
        check_weights(tested, subject.path)
    torch.manual_seed(subject.seed)
    net = compiled.compile(tested)
    if subject.weights is not None:
        fill(net, tested, Path(subject.weights), trained)
    if subject.folder is not None:
        set_class_weights(net, read_record(subject.folder).get("class_weight", {}))
    feeds = subject.without_damaged(feeds, part)
    batches = feeds.batches(part, tested, net, 0, place)  # type: ignore[arg-type]
    count = len(batches.source or ())
    if most is not None and count > most:
        fact = f"{count:,} samples would be run once more, {most:,} are the most that are by themselves"
        raise fail("NS753", f"{fact}: netspec see confusion {subject.path}", path=subject.path)
    with exact_float32(), closing(batches), measuring(net, tested) as measures:
        found = {name: each for name, each in measures.items() if isinstance(each, Classes)}
        if not found:
            raise fail("NS750", "no loss of the net tells classes apart", path=subject.path)
        loss, counted = next(iter(found.items()))
        answers = watch(net, loss, counted)
        evaluate(net.to(place), batches, place)
    source = batches.source
    names = subject.folder and read_classes(subject.folder)
    result = counted.result(names or (source.classes if source is not None else None) or ())
    true, guessed, sure = (np.concatenate(each) if each else np.zeros(0) for each in answers)
    return Judged(
        loss,
        tuple(result["classes"]),
        np.array(result["confusion"]),
        result["accuracy"],
        result["kind"],
        true,
        guessed,
        sure,
        part,
    )


def watch(net: Any, loss: str, counted: Any) -> tuple[list[Array], list[Array], list[Array]]:
    """Lists that each call of the net adds to: true class, answer, and how sure it is, where there
    is one label a sample; of others nothing.
    """
    true: list[Array] = []
    guessed: list[Array] = []
    sure: list[Array] = []

    def keep(module: Any, given: Any) -> None:
        scores, labels = given[0].detach(), given[1].detach()
        if labels.numel() != len(scores):
            return
        rows = counted.rows(scores)
        shares = rows.softmax(1) if counted.normalized else rows
        best = shares.max(1)
        true.append(labels.reshape(-1).long().cpu().numpy())
        guessed.append(best.indices.cpu().numpy())
        sure.append(best.values.cpu().numpy())

    net.get_submodule(net.layers[loss][0]).register_forward_pre_hook(keep)
    return true, guessed, sure
