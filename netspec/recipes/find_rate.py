"""Which learning rate a training could begin with: a short one whose rate grows by a factor each
iteration (Smith 2017). In: a spec; out: losses by rate, and a suggestion.
"""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from netspec.diagnostics import SpecError, fail
from netspec.driver import Program
from netspec.frozen_classes import replace_fields
from netspec.read_options import Reading
from netspec.training.batches.feeds import section_of
from netspec.training.run.log import read_lines
from netspec.training.run.named_run import reread
from netspec.training.session import train_program
from netspec.training.starting import Start

__all__ = ["Found", "Trial", "find_rate", "suggest"]

LOWEST, HIGHEST, ITERATIONS = 1e-6, 10.0, 120
SMOOTHING = 0.8
"""Share of the mean so far in the loss that is judged: single batches differ."""
WORSE = 4.0
"""Above so many times the least loss nothing more is learned of it."""
BELOW = 10.0
"""The rate of the least loss, by this: there the loss still falls, and not by chance."""
FALLEN = 0.95
"""A loss that stays above this share of the first has not fallen."""
DIVERGED = "NS672"


class Trial(NamedTuple):
    """The rate of an iteration, its loss, and the mean of the losses up to it."""

    rate: float
    loss: float
    mean: float


class Found(NamedTuple):
    """The trials, up to where the loss grew out of hand; the suggestion. signal: of the one that
    asked for the stop, which leaves neither.
    """

    trials: tuple[Trial, ...]
    rate: float
    signal: int | None = None


def find_rate(spec: str, reading: Reading, *, device: str = "auto", weights: Start | None = None) -> Found:
    """Train a copy of the net in a folder that is thrown away, and suggest a rate. NS619: the loss
    falls at none; and what training raises.
    """
    _, program = reread(spec, None, False, reading)
    short = shorten(program)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        try:
            signal = train_program(short, run, device=device, weights=weights).signal
        except SpecError as error:
            if error.diagnostics[0].code != DIVERGED:
                raise
            signal = None
        if signal is not None:
            return Found((), 0.0, signal)
        trials = read_trials(run)
    return Found(trials, suggest(trials))


def shorten(program: Program) -> Program:
    """The same training, but short: no tests, a rate that grows from LOWEST to HIGHEST."""
    train = section_of(program)
    solver = train.solver.replace(
        base_lr=LOWEST,
        lr_policy="exp",
        gamma=(HIGHEST / LOWEST) ** (1 / (ITERATIONS - 1)),
        max_iter=ITERATIONS,
        display=1,
        average_loss=1,
        **dict.fromkeys(("epochs", "test_interval", "snapshot", "warmup_iter", "min_lr"), 0),
    )
    nothing = dict.fromkeys(("stop", "average", "test_data", "val_data", "split"))
    file = program.resolved.file.replace(train=train.replace(solver=solver, **nothing))
    return Program(replace_fields(program.resolved, file=file), program.reading)


def read_trials(run: Path) -> tuple[Trial, ...]:
    """The losses that a log holds, until one is out of hand."""
    found: list[Trial] = []
    mean, least = 0.0, math.inf
    for line in read_lines(run):
        loss, rate = line.get("loss"), line.get("learning_rate")
        if line["phase"] != "train" or not isinstance(loss, float) or not isinstance(rate, float):
            continue
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth = mean / (1 - SMOOTHING ** (len(found) + 1))
        found.append(Trial(rate, loss, smooth))
        least = min(least, smooth)
        if smooth > WORSE * least:
            break
    return tuple(found)


def suggest(trials: Sequence[Trial]) -> float:
    """A tenth of the rate at which the mean loss is least, to one digit. NS619: it has not fallen."""
    if not trials:
        raise fail("NS619", f"no loss is finite, from a rate of {LOWEST:g} on")
    best = min(trials, key=lambda trial: trial.mean)
    if best.mean > FALLEN * trials[0].mean:
        reached = f"{trials[0].mean:.4g} at {trials[0].rate:g}, at best {best.mean:.4g} at {best.rate:.2g}"
        raise fail("NS619", f"the loss falls at no rate: it is {reached}")
    return float(f"{best.rate / BELOW:.0e}")
