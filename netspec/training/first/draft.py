"""What all first specs share: their parts of the data, their solver, how texts are quoted. In: counts;
out: lines of YAML.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from netspec.diagnostics import Diagnostic
from netspec.resolve.sections.train import DataSection
from netspec.training.first.tasks import Task, quote

__all__ = [
    "Counted",
    "Draft",
    "Length",
    "Seen",
    "begin",
    "data",
    "numbers",
    "shares_of",
    "solver",
    "trained_on",
    "words_of",
]

ENOUGH = 5
"""Samples in a class from which on some can be spared to choose the weights."""
SHARES = {"val": 0.1, "test": 0.2}
"""Of the parts that the data do not have."""
PLAIN = re.compile(r"[\w ,;.`]+")

Seen = Callable[[Path], str]
"""A path as the spec sees it."""


class Draft(NamedTuple):
    """A spec to be written. text: the whole of it, by its name, the paths as it sees them, and the
    file of class names. classes: for that file; empty where there is none. said: what the spec is
    for, as `2 classes, 30 images`. notes: lines to say besides.
    """

    text: Callable[[str, Seen, str], str]
    classes: tuple[str, ...]
    said: str
    notes: tuple[str, ...] = ()
    findings: tuple[Diagnostic, ...] = ()


class Counted(NamedTuple):
    """Samples to begin with: all of them, or of the training part. roles: the parts that the data
    have. most: samples of the class that has most, all where there are no classes.
    """

    whole: int
    roles: tuple[str, ...]
    most: int

    @property
    def measured(self) -> bool:
        """Whether there are samples to validate on."""
        return "val" in self.roles or self.most >= ENOUGH


def shares_of(counted: Counted) -> dict[str, float]:
    """The parts that have to be drawn."""
    wanted = ("val", "test") if counted.measured else ("test",)
    return {part: SHARES[part] for part in wanted if part not in counted.roles}


def trained_on(counted: Counted) -> int:
    """About how many samples are left to learn from."""
    return max(1, round(counted.whole * (1 - sum(shares_of(counted).values()))))


def begin(name: str, description: str) -> Iterator[str]:
    yield "netspec: 1"
    yield f"name: {quote(name)}"
    described = f"{description}; begun by `netspec init`."
    # names of columns may hold anything
    yield f"description: {described if PLAIN.fullmatch(described) else quote(described)}"


def words_of(section: DataSection, seen: Seen) -> str:
    """What names the data in a section."""
    words = f"source: {section.source}, path: {quote(seen(Path(section.path or '')))}"
    if section.masks is not None:
        words += f", masks: {quote(seen(Path(section.masks)))}"
    return words


def data(task: Task, counted: Counted, labels: str, where: Callable[[str], str]) -> Iterator[str]:
    """The outputs, and the parts of the data. where: the words of a part's section."""
    shares = shares_of(counted)
    yield from task.output(labels)
    yield "train:"
    yield f"  data: {{{where('train')}}}"
    if counted.measured:
        yield "  # chooses the best weights, RUN/best.safetensors"
        yield f"  val_data: {{{where('val')}}}"
        yield "  # measured once, at the end: what chose nothing is an honest measure"
    yield f"  test_data: {{{where('test')}}}"
    if shares:
        drawn = ", ".join(f"{part}: {share}" for part, share in shares.items())
        yield f"  # what the data do not set apart themselves{task.drawn}"
        yield f"  split: {{{drawn}, seed: 0}}"


class Length(NamedTuple):
    """How long a training is: so many samples (`what` they are) are seen, in fewest to most epochs."""

    what: str
    seen: int
    fewest: int
    most: int


def solver(learning: int, batch: int, length: Length, adam: float | None = None) -> Iterator[str]:
    """The solver of a net that learns from so many samples. adam: its rate, in place of SGD's."""
    epochs = max(length.fewest, min(length.most, round(length.seen / learning)))
    each = max(1, learning // batch)
    if adam is None:
        rate = float(f"{0.1 * batch / 64:.1g}")
        words = f"type: SGD, base_lr: {rate}, momentum: 0.9, weight_decay: 0.0005"
    else:
        words = f"type: Adam, base_lr: {adam}, weight_decay: 0.0001"
    yield f"  # about {epochs * learning:,} {length.what} in all: more epochs help, if you have the time"
    yield f"  solver: {{{words}, lr_policy: cosine,"
    yield f"           epochs: {epochs}, test_interval: {each}, snapshot: {each}, display: 100, random_seed: 1}}"


def numbers(values: Sequence[float], least: int = 0) -> str:
    """`[125, 123, 114]`."""
    return f"[{', '.join(str(max(least, round(value))) for value in values)}]"
