"""What the net sees in training: samples as they are, then as `augment` changes them.

A row a sample; the sheet of `netspec data --augmented`, whose draws are functions of (seed, pass,
sample).
"""

from collections.abc import Iterator

from netspec.diagnostics import SpecError, fail
from netspec.pictures.figure import Figure
from netspec.seeing.seen import Asked, Seen
from netspec.seeing.subject import Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = ("count",)
PASSES, ROWS = 7, 8
"""Of each picture seven changes beside the picture as it is: eight columns."""


def see(subject: Subject, asked: Asked) -> Seen:
    """The sheet. Raises SpecError NS661 (no pictures), NS681 (no data)."""
    from netspec.training.batches.sheet import Sheet, draw_sheet, open_data

    program = subject.need_net("batch").program
    feeds, typed = open_data(program)
    try:
        pixels = draw_sheet(feeds, typed, Sheet(asked.count or ROWS, PASSES, asked.seed))
    except SpecError as error:
        if error.diagnostics[0].code == "NS661":
            raise fail("NS750", error.diagnostics[0].fact, path=subject.path) from error
        raise
    changes = [change.type for change in program.resolved.augment]
    told = [
        f"changed by {', '.join(changes)}" if changes else "training changes nothing: there is no augment"
    ]
    return Seen("batch", f"Training samples of {subject.name}", told, {"changes": changes}, {"sheet": pixels})


def draw(seen: Seen) -> Iterator[Figure]:
    told = "left as they are, then in several passes"
    yield Figure("Training samples", seen.arrays["sheet"], told)
