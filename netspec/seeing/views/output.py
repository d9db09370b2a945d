"""What the net answers to an input, shown as what it is.

Scores of classes as bars; one or three channels over an area as a picture, stretched from the least
to the greatest value; scores of classes for each place as colours over the input; values along time
as a wave; as many numbers as the picture that was given has pixels as a picture of that shape.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from netspec.pictures.figure import Figure
from netspec.pictures.tiles import enlarge, tile
from netspec.pictures.words import when
from netspec.seeing.answers import sorts
from netspec.seeing.one import of_output
from netspec.seeing.outputs import describe_boxes, describe_output, draw_output
from netspec.seeing.samples import samples_of, show_pixels
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import NetSubject, Subject
from netspec.training.run.folder import read_classes

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = SAMPLE
INPUT = "input"
LEAST = 256
"""Pixels along a picture, or nearly: smaller ones have each pixel repeated."""


def see(subject: Subject, asked: Asked) -> Seen:
    """Arrays of each output of the first sample; `input` is what the net was given, if a picture."""
    sample = samples_of(subject, asked)[0]
    made = subject.run(sample.arrays)
    like = subject.taken[subject.picture].shape if subject.picture else ()
    arrays = {name: of_output(subject, name, value) for name, value in made.items()}
    outputs = {name: describe(subject, name, value, like) for name, value in arrays.items()}
    if subject.picture:
        arrays[INPUT] = show_pixels(sample.arrays[subject.picture][0], subject.contract(subject.picture))
    told = [f"of {sample.name}" + when(sample.label is not None, f", {sample.label}")]
    told += [
        f"{name}: {said['top'][0][0]} {said['top'][0][1]:.4g}"
        for name, said in outputs.items()
        if said["kind"] == "scores"
    ]
    values = {"sample": sample.name, "label": sample.label, "outputs": outputs}
    return Seen("output", f"Output of {subject.name}", told, values, arrays)


def describe(subject: Subject, name: str, value: Array, like: Sequence[int | None]) -> dict[str, Any]:
    """What an output is, as plain values."""
    labels = subject.labels.get(name, ())
    if isinstance(subject, NetSubject):
        node = subject.maker_of(name)
        if node is not None and node.layer.lists:
            return describe_boxes(value, labels)
    said = describe_output(value, labels, sorts(subject, name), like)
    if (
        said["kind"] == "steps"
        and not labels
        and isinstance(subject, NetSubject)
        and subject.folder is not None
    ):
        letters = read_classes(subject.folder) or ()
        said["labels"] = [*letters] if len(letters) == len(value) else []
    return said


def draw(seen: Seen) -> Iterator[Figure]:
    """The input, then each output."""
    given = seen.arrays.get(INPUT)
    if given is not None:
        yield Figure("The input", tile([given], least=LEAST, gap=0), seen.values["sample"])
    for name, said in seen.values["outputs"].items():
        figure = draw_output(name, seen.arrays[name], said, given)
        if said["kind"] in ("picture", "places") and (pixels := figure.pixels()) is not None:
            figure = figure._replace(body=enlarge(pixels, LEAST))
        yield figure
