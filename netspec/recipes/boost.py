"""Boosting: nets of one spec, each of which learns most from the samples that those before it get
wrong (SAMME: Zhu, Zou, Rosset, Hastie 2009). In: a spec; out: a folder of runs, and one net of them
all, which is a run and a model file.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from math import log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from netspec import driver
from netspec.data.facts import read_facts
from netspec.data.sample_weights import write_sample_weights
from netspec.data.source import Array, Source, Subset
from netspec.diagnostics import Diagnostic, fail
from netspec.exporters.export import Export
from netspec.frozen_classes import replace_fields
from netspec.read_options import PLAIN, Reading
from netspec.recipes.bag import check_model_place, export_made
from netspec.recipes.composed import compose, write_composed
from netspec.recipes.held_plan import begin_folder, leaving_nothing
from netspec.recipes.members import load_members
from netspec.recipes.outcomes import Outcome, read_outcome
from netspec.training.batches.feeds import Feeds, section_of
from netspec.training.device import exact_float32, find_device
from netspec.training.progress import Reporter, Silent
from netspec.training.run.folder import LoadedRun, is_run, load_run
from netspec.training.session import train_program
from netspec.training.test import leave_out

__all__ = ["BOOST", "BOOSTED", "Boosted", "Stage", "boost", "reweigh", "weigh_stage"]

BOOST, BOOSTED = "boost.json", "boosted"
MOST = 1000
LEAST_ERROR = 0.5
"""Samples that a stage without any error counts as having got wrong: its weight stays a number."""


class Stage(NamedTuple):
    """One net: its run, what share of the weight it got wrong, how many samples, what it counts in the
    sum (alpha), and what came of its training.
    """

    run: Path
    error: float
    wrong: int
    weight: float
    outcome: Outcome


class Boosted(NamedTuple):
    """What was made. model: None where a signal stopped it before; samples: those that were weighed."""

    folder: Path
    stages: tuple[Stage, ...]
    samples: int = 0
    model: Export | None = None
    signal: int | None = None
    findings: tuple[Diagnostic, ...] = ()


def boost(  # noqa: PLR0913 - the words of the command
    spec: str,
    count: int,
    folder: Path,
    model: Path | None = None,
    *,
    resume: bool = False,
    weights: str = "last",
    device: str = "auto",
    reading: Reading = PLAIN,
    reporter: Callable[[], Reporter] = Silent,
    progress: Callable[[int, int, str], None] = lambda done, total, word: None,
) -> Boosted:
    """Train stages one after the other below `folder`, each on samples drawn by how much those before
    it got wrong, and join them. Those that have ended are not trained again.

    NS618: the net gives no classes, or the first stage is perfect or no better than chance; NS698: a
    later one is, which ends it; NS610, NS677, NS679 as a sweep raises them; NS704, NS709: the model
    cannot be written there.
    """
    if not 2 <= count <= MOST:
        raise fail("NS618", f"there are 2 to {MOST:,} stages: these are {count:,}")
    check_model_place(model)
    plan = {"spec": spec, "stages": count, "weights": weights, "settings": list(reading.settings)}
    program = driver.load(spec, reading)
    check_classes(program)
    begin_folder(folder, BOOST, json.dumps(plan, indent=1, ensure_ascii=False) + "\n", resume)
    seed = section_of(program).solver.random_seed
    stages, own, findings, drawn = list[Stage](), None, list[Diagnostic](), None
    total = 0
    for number in range(1, count + 1):
        run = folder / str(number)
        stage_reading = reading_of(number, drawn, reading, seed)
        with leaving_nothing(folder, BOOST):
            signal = train_stage(spec, run, number, device, stage_reading, reporter)
        if signal is not None:
            return Boosted(folder, tuple(stages), total, signal=signal)
        loaded = load_run(run, weights, reading=reading)
        wrong, numbers, whole = find_wrong(loaded, device)
        total = len(wrong)
        own = np.ones(total) if own is None else own
        stage = weigh_stage(run, wrong, own, classes_of(loaded))
        faults = [*judge(stage, total, number)]
        findings += faults
        if faults and faults[0].severity == "error":
            raise fail(faults[0].code, faults[0].fact, path=str(run), notes=faults[0].notes)
        if stage.weight <= 0:
            break
        stages.append(stage)
        if faults or number == count:
            break
        own = reweigh(own, wrong, stage.weight)
        drawn = folder / f"weights-{number + 1}.txt"
        spread = np.zeros(whole)  # a line for each sample, also for those that are left out
        spread[numbers] = own
        write_sample_weights(drawn, spread)
    if len(stages) < 2:
        raise fail("NS618", findings[-1].fact, path=str(folder), notes=findings[-1].notes)
    return join(stages, folder, model, weights, device, tuple(findings), total, progress)


# --- one stage -------------------------------------------------------------------------------------------------------


def reading_of(number: int, drawn: Path | None, reading: Reading, seed: int) -> Reading:
    """How the spec of a stage is read."""
    own: tuple[str, ...] = ()
    if drawn is not None:
        own = (f"train.data.sample_weights={json.dumps(str(drawn.absolute()))}",)
    if seed >= 0 and number > 1:  # nets that begin alike err alike
        own += (f"train.solver.random_seed={seed + number - 1}",)
    return replace_fields(reading, settings=(*reading.settings, *own))


def train_stage(
    spec: str,
    run: Path,
    number: int,
    device: str,
    reading: Reading,
    reporter: Callable[[], Reporter],
) -> int | None:
    """Begin a stage or go on with it; the signal that stopped it."""
    if read_outcome(run).ended:
        return None
    program = driver.load(spec, reading)
    with reporter() as shown:
        shown.say(f"stage {number}")
    result = train_program(program, run, device=device, resume=is_run(run), progress=reporter())
    return result.signal


def check_classes(program: driver.Program) -> None:
    """NS618 where the net has not one output, of a number for each class."""
    typed = program.graph("deploy")
    shapes = [typed.types[value].shape for value in typed.graph.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2 or not isinstance(shapes[0][1], int) or shapes[0][1] < 2:
        fact = "boosting needs one output [N, classes]: there is " + ", ".join(map(str, shapes))
        raise fail("NS618", fact, path=program.name)


def classes_of(loaded: LoadedRun) -> int:
    typed = loaded.typed
    return int(str(typed.types[typed.graph.outputs[0]].shape[1]))


def find_wrong(loaded: LoadedRun, device: str) -> tuple[Array, Array, int]:
    """Which training samples a run answers wrongly, in their order, unchanged by any augmentation;
    which of all they are, and how many are all: `on_error: skip` leaves some out.
    """
    place, program = find_device(device), loaded.program
    train, test = program.training_graph("train"), program.training_graph("test")
    feeds = Feeds.open(program, train, test, read_facts(loaded.folder))
    whole, (feeds, _) = feeds.train, leave_out(feeds, "train", loaded.folder, train)
    labels = None if feeds.train is None else feeds.train.labels()
    if whole is None or feeds.train is None or labels is None or labels.size != len(labels):
        raise fail("NS618", "boosting needs a class for each training sample", path=program.name)
    net: Any = loaded.net.to(place).eval()
    found = []
    with exact_float32(), closing(feeds.in_order(loaded.typed, net, place)) as batches, torch.no_grad():
        for batch in batches:
            made: Any = net(**batch)
            found.append(made.argmax(1).cpu().numpy())
    return np.concatenate(found) != labels.reshape(-1), numbers_in(feeds.train, whole), len(whole)


def numbers_in(source: Source, whole: Source) -> Array:
    """Which samples of a source another one holds, which was made of it by leaving some out."""
    numbers = np.arange(len(source))
    while isinstance(source, Subset) and source is not whole:
        numbers, source = source.indices[numbers], source.source
    return numbers


def weigh_stage(run: Path, wrong: Array, weights: Array, classes: int) -> Stage:
    """A stage's error and what it counts: alpha = log((1 - error) / error) + log(classes - 1), above 0
    where it is better than chance.
    """
    error = float(weights[wrong].sum() / weights.sum())
    least = LEAST_ERROR / len(wrong)
    bounded = min(max(error, least), 1 - least)
    alpha = log((1 - bounded) / bounded) + log(classes - 1)
    return Stage(run, error, int(wrong.sum()), alpha, read_outcome(run))


def reweigh(weights: Array, wrong: Array, alpha: float) -> Array:
    """w_i exp(alpha) where sample i was got wrong, their mean 1."""
    found: Array = weights * np.exp(alpha * wrong)
    scaled: Array = found / found.mean()
    return scaled


def judge(stage: Stage, total: int, number: int) -> list[Diagnostic]:
    """Why boosting ends with a stage; nothing where it goes on. NS618 of the first, NS698 of others."""
    code = "NS618" if number == 1 else "NS698"
    if stage.outcome.reason == "diverged":
        return [Diagnostic(code, f"stage {number} diverged", path=str(stage.run))]
    if stage.weight <= 0:
        fact = f"stage {number} is no better than chance: it gets {stage.error:.1%} of the weight wrong"
        note = "a net of more layers, more iterations, or another rate; the stages before it stand"
        return [Diagnostic(code, fact, path=str(stage.run), notes=(note,))]
    if not stage.wrong:
        fact = f"stage {number} gets none of {total:,} training samples wrong: nothing is left to weigh"
        note = "boosting is for nets that err: fewer units, or fewer iterations; `netspec bag` averages such"
        return [Diagnostic(code, fact, path=str(stage.run), notes=(note,))]
    return []


# --- all of them -----------------------------------------------------------------------------------------------------


def join(
    stages: Sequence[Stage],
    folder: Path,
    model: Path | None,
    weights: str,
    device: str,
    findings: tuple[Diagnostic, ...],
    total: int,
    progress: Callable[[int, int, str], None],
) -> Boosted:
    """The stages as one net: the sum of their shares of the classes, each times its part of the
    alphas.
    """
    whole = sum(stage.weight for stage in stages)
    members = load_members([stage.run for stage in stages], weights)
    made = compose(members, [stage.weight / whole for stage in stages], f"{members[0].program.name}-boosted")
    facts = {str(stage.run): stage.weight for stage in stages}
    write_composed(made, folder / BOOSTED, {"boost": facts})
    exported = export_made(made, folder / BOOSTED, model, device, progress)
    return Boosted(folder, tuple(stages), total, exported, findings=findings)
