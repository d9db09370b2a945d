"""Several trainings of one spec: every choice of some settings, every fold. In: a spec and what
varies; out: a folder of runs, each of which can go on, and what came of them.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import NamedTuple

from netspec import driver
from netspec.analysis.recipes import recipe_faults
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.frozen_classes import replace_fields
from netspec.read_options import Reading
from netspec.recipes.held_plan import begin_folder, leaving_nothing
from netspec.recipes.outcomes import Outcome, find_mean, read_outcome
from netspec.training.job_building import losses_of
from netspec.training.observers.judge import Judge
from netspec.training.progress import Reporter, Silent
from netspec.training.run.folder import is_run
from netspec.training.run.named_run import find_run, reread
from netspec.training.session import train_program
from netspec.training.starting import Start

__all__ = ["SWEEP", "Axis", "Group", "Plan", "Row", "Swept", "read_axis", "sweep", "sweep_folder"]

SWEEP = "sweep.json"
MOST = 1000
"""Runs of a sweep: more are a slip, as a product of long lists."""
FOLDS, FOLD, SHARE = "train.split.folds", "train.split.fold", "train.split.val"
DIVERGED = "NS672"


class Axis(NamedTuple):
    """A setting that varies, as --set names it, and its values as written."""

    path: str
    values: tuple[str, ...]


class Plan(NamedTuple):
    """What is trained. folds: of a cross-validation, 0 for none; each choice of the axes' values is
    trained on every fold.
    """

    spec: str
    axes: tuple[Axis, ...]
    folds: int = 0

    def choices(self) -> list[dict[str, str]]:
        """The settings of each group of runs, by path; the last axis varies first."""
        paths = [axis.path for axis in self.axes]
        return [dict(zip(paths, each, strict=True)) for each in product(*(axis.values for axis in self.axes))]

    def runs(self) -> list[tuple[dict[str, str], int]]:
        """The settings and the fold (0: none) of each run, in order."""
        folds = range(1, self.folds + 1) if self.folds else range(1)
        return [(choice, fold) for choice in self.choices() for fold in folds]


class Row(NamedTuple):
    """One run of a sweep: its folder, its settings, its fold (0: none), what came of it."""

    run: Path
    settings: Mapping[str, str]
    fold: int
    outcome: Outcome


class Group(NamedTuple):
    """The runs of one choice of settings: mean and deviation of their best tests, and of what they
    gave on the test data.
    """

    settings: Mapping[str, str]
    best: Mapping[str, float]
    deviation: Mapping[str, float]
    tested: Mapping[str, float]
    tested_deviation: Mapping[str, float]


class Swept(NamedTuple):
    """What came of a sweep. chosen: the number of the best group, None where nothing was measured;
    signal: of the one that asked for the stop.
    """

    folder: Path
    rows: tuple[Row, ...]
    groups: tuple[Group, ...]
    chosen: int | None
    signal: int | None = None
    findings: tuple[Diagnostic, ...] = ()


def read_axis(text: str) -> Axis:
    """`PATH=V1,V2`; commas in brackets, braces and quotes part no values. NS610: it is not of this
    form.
    """
    path, sign, rest = (part.strip() for part in text.partition("="))
    values = tuple(split_values(rest))
    if not sign or not path or not all(values):
        raise fail(
            "NS610",
            f"{text} is not of the form PATH=VALUE,VALUE",
            notes=("for example --sweep train.solver.base_lr=0.01,0.1",),
        )
    if path in (FOLDS, FOLD):
        raise fail("NS610", f"{path} is not swept: --folds K trains on every fold")
    return Axis(path, tuple(dict.fromkeys(values)))


def split_values(text: str) -> Iterator[str]:
    """The parts between commas that stand in no bracket and no quotes."""
    depth, quote, begin = 0, "", 0
    for i, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "," and not depth:
            yield text[begin:i].strip()
            begin = i + 1
    yield text[begin:].strip()


def sweep_folder(name: str, base: Path = Path("runs"), resume: bool = False) -> Path:
    """runs/<name>/sweep-<time>; to resume, the latest there. NS679: there is none."""
    parent = find_run(name, False, base).parent
    if not resume:
        stamp = time.strftime("%Y-%m-%dT%H-%M-%S")
        taken = len([*parent.glob(f"sweep-{stamp}*")])
        return parent / f"sweep-{stamp}{f'-{taken + 1}' if taken else ''}"
    found = sorted(path.parent for path in parent.glob(f"sweep-*/{SWEEP}"))
    if not found:
        raise fail("NS679", "it holds no sweep", path=str(parent))
    return found[-1]


def sweep(
    plan: Plan,
    folder: Path,
    reading: Reading,
    *,
    resume: bool = False,
    device: str = "auto",
    weights: Start | None = None,
    reporter: Callable[[], Reporter] = Silent,
) -> Swept:
    """Train every run of a plan in a folder of its own below `folder`, one after the other; those
    that have ended are not trained again. A run that diverges is told in its row.

    Nothing is trained before every spec is known to be sound. NS610: too many runs, a path twice, or
    the folder holds another sweep; NS677: it holds one, and none is to be resumed; NS611 and what
    training raises.
    """
    check_plan(plan)
    runs = plan.runs()
    programs = [load(plan, choice, fold, reading) for choice, fold in runs]
    begin_folder(folder, SWEEP, plan_text(plan, reading), resume)
    rows, signal = list[Row](), None
    width = len(str(len(runs)))
    for i, ((choice, fold), program) in enumerate(zip(runs, programs, strict=True), 1):
        run = folder / f"{i:0{width}}"
        if signal is None and not read_outcome(run).ended:
            with reporter() as shown:
                shown.say(f"run {i} of {len(runs)}: {describe(choice, fold)}")
            with leaving_nothing(folder, SWEEP):
                signal = train_one(program, run, device, weights, reporter())
        rows.append(Row(run, choice, fold, read_outcome(run)))
    groups, chosen, findings = judge(plan, rows, programs[0])
    return Swept(folder, tuple(rows), groups, chosen, signal, findings)


def check_plan(plan: Plan) -> None:
    paths = [axis.path for axis in plan.axes]
    if twice := next((path for path in paths if paths.count(path) > 1), None):
        raise fail("NS610", f"{twice} is given twice: one --sweep lists all of its values")
    count = prod(len(axis.values) for axis in plan.axes) * max(1, plan.folds)
    if count > MOST:
        raise fail("NS610", f"a sweep has at most {MOST:,} runs: these are {count:,}")


def load(plan: Plan, choice: Mapping[str, str], fold: int, reading: Reading) -> driver.Program:
    """The spec of one run, as training will have it."""
    own = tuple(f"{path}={value}" for path, value in choice.items())
    if fold:
        own += (f"{SHARE}=0", f"{FOLDS}={plan.folds}", f"{FOLD}={fold}")
    _, program = reread(plan.spec, None, False, replace_fields(reading, settings=(*reading.settings, *own)))
    program.training_graph("train")
    program.training_graph("test")
    if faults := [*recipe_faults(program.resolved)]:
        raise SpecError(faults)
    return program


def train_one(
    program: driver.Program, run: Path, device: str, weights: Start | None, reporter: Reporter
) -> int | None:
    """Begin a run or go on with it; the signal that stopped it."""
    resume = is_run(run)
    start = None if resume else weights
    try:
        result = train_program(program, run, device=device, resume=resume, weights=start, progress=reporter)
    except SpecError as error:
        if error.diagnostics[0].code != DIVERGED:
            raise
        return None
    return result.signal


def describe(choice: Mapping[str, str], fold: int) -> str:
    said = [f"{path.rpartition('.')[2]} {value}" for path, value in choice.items()]
    return ", ".join([*said, *([f"fold {fold}"] if fold else [])])


# --- the folder ------------------------------------------------------------------------------------------------------


def plan_text(plan: Plan, reading: Reading) -> str:
    record = {
        "spec": plan.spec,
        "sweep": {axis.path: list(axis.values) for axis in plan.axes},
        "folds": plan.folds,
        "settings": list(reading.settings),
        "stages": sorted(reading.stages),
        "level": reading.level,
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


# --- which is best ---------------------------------------------------------------------------------------------------


def judge(
    plan: Plan, rows: Sequence[Row], program: driver.Program
) -> tuple[tuple[Group, ...], int | None, tuple[Diagnostic, ...]]:
    """The rows in groups, the best of them, and a warning where test data chose it (NS699)."""
    losses = losses_of(program.training_graph("train"), program.training_graph("test"))
    decides, size = Judge(losses), max(1, plan.folds)
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    groups = tuple(map(group, parts))
    chosen: int | None = None
    for i, (each, part) in enumerate(zip(groups, parts, strict=True)):
        whole = bool(each.best) and all(row.outcome.ended for row in part)
        sound = whole and not any(row.outcome.reason == "diverged" for row in part)
        if sound and decides.improves(each.best, groups[chosen].best if chosen is not None else {}):
            chosen = i
    if len(groups) > 1 and chosen is not None and parts[chosen][0].outcome.measured == "test":
        note = "`val_data` chooses, and leaves test_data to measure what was chosen"
        fact = "there is no val_data: the best of the sweep is too good by what chance gave it"
        return groups, chosen, (Diagnostic("NS699", fact, notes=(note,)),)
    return groups, chosen, ()


def group(rows: Sequence[Row]) -> Group:
    best = find_mean([row.outcome.best for row in rows if row.outcome.best])
    tested = find_mean([row.outcome.tested for row in rows if row.outcome.tested])
    return Group(rows[0].settings, *best, *tested)
