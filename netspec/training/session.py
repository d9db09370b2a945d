"""A Program becomes a Job, and the Job a run. In: a spec as it was read, a folder; out: what the
loop takes, and the run's files.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from netspec import driver
from netspec.analysis.learning_rate.faults import rate_faults
from netspec.analysis.lint.run import lint_training
from netspec.analysis.recipes import recipe_faults
from netspec.analysis.still import still
from netspec.data.facts import read_facts, write_facts
from netspec.data.inventory.cache import NAME, write_cache
from netspec.data.parts import describe_part, role_of
from netspec.data.shards.kept import NAME as SHARDS
from netspec.data.shards.kept import write_kept
from netspec.data.source import write_classes
from netspec.data.sources.webdataset import shards_behind
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.model import Diagnostics
from netspec.diagnostics.render import render
from netspec.diagnostics.words import count_of, list_briefly
from netspec.file_writing import write_text
from netspec.training.batches.feeds import Feeds, arguments, section_of, skipping_parts
from netspec.training.class_names import names_of, other_names
from netspec.training.class_weights import ClassWeights, balance, set_class_weights
from netspec.training.data_findings import beside, data_findings
from netspec.training.device import find_device, steady
from netspec.training.job import Job, TrainingResult
from netspec.training.job_building import check_fillers, check_scores, job_of, players_of
from netspec.training.look_through import Looked, find_cache, look_through
from netspec.training.loop import train_here
from netspec.training.nets import Twins, hold, twins
from netspec.training.pace import check_precision
from netspec.training.pretraining.layerwise import Learned, pretrain
from netspec.training.progress import Reporter, Silent, tell
from netspec.training.run.board import Board, check_board
from netspec.training.run.folder import (
    read_record,
    record_of,
    telling,
    write_run,
)
from netspec.training.run.named_run import find_run, make_run
from netspec.training.run.owner import own
from netspec.training.sharding import check_shard
from netspec.training.sharing import check_batch, check_rows, compare_worlds, foretell_sharing
from netspec.training.starting import Report, Start, start_from
from netspec.training.teaching import teach
from netspec.training.world import ALONE, World, launch_key
from netspec.training.zeros import hold_zeros

__all__ = [
    "START",
    "Session",
    "session",
    "train_program",
]

SHOWN = 5
START = "start.json"
"""What a file that the run starts from had for the net."""
PRETRAINED = "pretrain.json"
"""The layers that were pre-trained, and the error of each by epoch."""
SEEDS = 2**31
"""Drawn seeds are below it: libraries read some as a signed word."""
USES = {"train": "samples", "val": "to validate", "test": "to test"}


@dataclass(frozen=True, eq=False)
class Session:
    """A job, ready to be run, and what the run's folder tells of it. looked: what was found of the
    data; started: what a file to start from had for the net; class_weights: those that
    `balanced` came to; learned: the layers that were pre-trained.
    """

    program: driver.Program
    job: Job
    feeds: Feeds
    seed: int
    looked: Looked
    started: Report | None = None
    class_weights: ClassWeights = field(default_factory=dict)
    learned: tuple[Learned, ...] = ()


def train_program(  # noqa: PLR0913 - the words of the command
    program: driver.Program,
    run: Path | None = None,
    *,
    device: str = "auto",
    resume: bool = False,
    weights: Start | None = None,
    progress: Reporter | None = None,
    world: World = ALONE,
    reproducible: bool = False,
    board: bool = False,
) -> TrainingResult:
    """Train a program in a folder, or go on there. run: None draws a name. world: the processes
    that do so together. reproducible: the same bits on any number of cores; a run goes on as it
    began. board: whether the log is written for TensorBoard too.

    Nothing is written before spec, data, net and the course of the rate are known to fit. Raises
    SpecError as `session`, `foretold` and `loop.train` do.
    """
    if board:
        check_board()
    with steady(reproducible or (resume and run is not None and bool(read_record(run).get("reproducible")))):
        return train_steadily(program, run, device, resume, weights, progress, world, board)


def train_steadily(
    program: driver.Program,
    run: Path | None,
    device: str,
    resume: bool,
    weights: Start | None,
    progress: Reporter | None,
    world: World,
    board: bool,
) -> TrainingResult:
    """The same, as threads and algorithms are set."""
    place = find_device(world.device(device))
    check_batch(program, world)
    check_rows(program, world)
    check_shard(program, world)
    named, run = run, run or find_run(program.name, resume)
    before = read_record(run) if resume else {}
    progress = progress if world.first else None
    with telling(program.reading.unproven):
        made = session(
            program,
            place,
            seed=seed_of(program, before, world),
            weights=weights,
            class_weights=before.get("class_weight"),
            runs=[run, *sorted(run.parent.glob("*"), reverse=True)],
            facts=read_facts(run) if resume else {},
            progress=progress,
            going_on=resume,
        )
    if resume and before.get("spec_hash") != made.job.spec_hash:
        fact = f"it was trained as {before.get('spec_hash')}, the spec is {made.job.spec_hash}"
        notes = (
            (
                "its layers or inputs were changed; another network is another run: train SPEC --run NEW,"
                " with --weights what fits is kept"
            ),
        )
        raise fail("NS675", fact, path=str(run), notes=notes)
    if made.feeds.train is not None:
        compare_names(program, made.feeds.train.classes or (), progress)
    found = (*made.looked.findings, *data_findings(made.feeds, program.training_graph("train")))
    unheard = tell(found, progress)
    foretold(program, made.job, progress)
    if named is None and not resume:
        run = world.share(make_run(program.name) if world.first else None)
    heads = (*foretell_sharing(made.job, world), *foretell_start(made, resume), *describe(made, place, run))
    for line in heads:
        (progress or Silent()).say(line)
    with own(run, resume, world.first):
        if world.first:
            note(run, made, place, before, world)
        if board and world.first:
            progress = Board(run, progress or Silent())
        result = train_here(made.job, run, device=device, resume=resume, progress=progress, world=world)
    if resume:
        unheard = (*unheard, *compare_worlds(run, before.get("processes", 1), world))
    return beside(result, unheard, found, made.feeds)


def note(run: Path, made: Session, place: torch.device, before: Mapping[str, Any], world: World) -> None:
    """Write what a run's folder tells of its training. before: the record of one that goes on."""
    if made.looked.pictures:
        write_cache(run / NAME, made.looked.pictures)
    if shards := shards_behind(made.feeds.parts().values()):
        write_kept(run / SHARDS, shards)
    record = record_of(made.program, made.seed, str(place), made.job.spec_hash)
    record |= {"processes": world.size, "launch": launch_key(os.environ)}
    if made.class_weights:
        record["class_weight"] = {name: list(values) for name, values in made.class_weights.items()}
    if before:
        record |= {"started": before.get("started"), "resumed": record["started"]}
    write_run(run, made.program, record)
    if made.started is not None:
        text = json.dumps(made.started._asdict(), indent=1) + "\n"
        write_text(run / START, text, "NS673", follow=False)
    if made.learned:
        text = json.dumps([each._asdict() for each in made.learned], indent=1) + "\n"
        write_text(run / PRETRAINED, text, "NS673", follow=False)
    if made.feeds.train is not None:
        write_classes(made.feeds.train, run)
        write_facts(made.feeds.train, run)


def foretell_start(made: Session, resume: bool) -> Iterator[str]:
    """What the training begins with."""
    if section_of(made.program).freeze and made.started is None and not made.learned and not resume:
        yield "frozen layers keep what their fillers give: --weights FILE starts from trained ones"
    if made.started is not None:
        yield from made.started.lines()
        if section_of(made.program).pretrain is not None:
            yield "pretrain is left out: the weights come from a file"
    for name, values in () if resume else made.class_weights.items():
        yield f"{name}: classes weigh {min(values):.3g} to {max(values):.3g}, so that each counts alike"


def describe(made: Session, place: torch.device, run: Path) -> Iterator[str]:
    """What is about to be trained."""
    facts = [f"{len(source):,} {describe_part(part, USES)}" for part, source in made.feeds.parts().items()]
    if made.feeds.train is not None and made.feeds.train.classes:
        facts.insert(0, count_of(len(made.feeds.train.classes), "class", "classes"))
    trained = sum(each.tensor.numel() for each in made.job.parameters if each.trained)
    facts.append(count_of(trained, "parameter"))
    yield f"{made.program.name}: {', '.join(facts)}, on {place}"
    whole, known = sum(each.decoded for each in made.looked.pictures.values()), len(made.looked.pictures)
    if whole < known:  # of the others damage in the middle shows when they are read
        yield f"{count_of(known, 'file')} looked at by header and end, {whole:,} of them whole"
    yield f"run {run}"


def seed_of(program: driver.Program, before: Mapping[str, Any], world: World) -> int | None:
    """The seed that all processes train by; None: the spec's, or one drawn."""
    if world.size == 1 or "seed" in before or section_of(program).solver.random_seed >= 0:
        return before.get("seed")
    return int(world.share(draw_seed()))


def draw_seed() -> int:
    """A seed for a training that names none."""
    return int.from_bytes(os.urandom(4), "little") % SEEDS


def compare_names(program: driver.Program, learned: tuple[str, ...], progress: Reporter | None) -> None:
    """Say which names of the data a list under `output:` has otherwise. Raises SpecError NS667,
    NS707.
    """
    if program.resolved.spec.section("output") is None:
        return
    labels = names_of(program, program.graph("deploy"), learned)
    for output, names in other_names(labels, learned).items():
        pairs = [f"{own} is {name}" for name, own in zip(labels[output], names, strict=True) if own]
        if progress is not None:
            progress.say(f"{output} has other names than the data: {list_briefly(pairs, SHOWN)}")


def foretold(program: driver.Program, job: Job, progress: Reporter | None) -> None:
    """Say what is odd about a training of this length, before it begins. Raises SpecError: NS600,
    NS694, NS695.
    """
    if faults := [*rate_faults(program.resolved, job.max_iter), *recipe_faults(program.resolved)]:
        raise SpecError(faults)
    found = Diagnostics()
    lint_training(program.resolved, program.training_graph("train"), job.max_iter, found)
    if progress is not None and len(found):
        progress.say(render(found.sorted(), color=False))


def session(  # noqa: PLR0913 - what a run remembers
    program: driver.Program,
    device: torch.device,
    *,
    seed: int | None = None,
    weights: Start | None = None,
    class_weights: ClassWeights | None = None,
    runs: Sequence[Path] = (),
    facts: Mapping[str, Any] = MappingProxyType({}),
    progress: Reporter | None = None,
    going_on: bool = False,
) -> Session:
    """The job of a program. seed: in place of the spec's; weights: a file to start from;
    class_weights: those that the run began with, in place of the data's; runs: where an earlier look
    at the data may have left what it found, the first counts; facts: what the run's data have fixed;
    going_on: a snapshot's weights will take the place of those that the net begins with, and its
    samples are those that it had.

    Raises SpecError: NS613 (the precision is not there), NS647 (files of the data that cannot be
    read, all of them), NS664 (one class), NS671 (nothing to train), NS680 (all weights start at 0), NS681 (no section
    train), NS676 (the file does not fit), NS696 (classes cannot be balanced), those of Feeds.
    """
    section = section_of(program)
    check_precision(section.precision, device)
    graphs = program.training_graph("train"), program.training_graph("test")
    if (idle := still(graphs[0], program.resolved.spec.root.key_span("train"))) is not None:
        raise SpecError([idle])
    check_scores(graphs[0])
    if weights is None:
        check_fillers(graphs[0])
    seed = seed if seed is not None else section.solver.random_seed
    if seed < 0:
        seed = draw_seed()
    feeds = Feeds.open(program, *graphs, facts, runs=runs).weighted()
    typed = {part: graphs[role_of(part) != "train"] for part in feeds.parts()}
    numbers = {role: feeds.numbers(role, graph) for role, graph in typed.items()}
    rules = {role: feeds.rules(role, graph) for role, graph in typed.items()}
    skipping = skipping_parts(section)
    looked = look_through(
        feeds.parts(), skipping, find_cache(runs), progress or Silent(), numbers, rules, going_on
    )
    feeds = feeds.with_parts(looked.sources)
    torch.manual_seed(seed)
    nets = twins(*graphs)
    started = None
    if weights is not None:
        started = start_from(
            nets.parameters, weights, program.resolved.spec.source.name, program.graph("deploy")
        )
    learned = learn_layers(program, feeds, nets, weights is None and not going_on, seed, progress)
    if section.keep_zeros:
        hold_zeros(nets.parameters)
    if section.teacher is not None:
        teach(nets.train, program, section.teacher)
    words = section.solver.replace(random_seed=seed)
    job = job_of(graphs, nets, feeds, words, device, players_of(program, nets, graphs[0], words))
    if class_weights is None:
        class_weights = balance(graphs, arguments(nets.train), job.train_batches)  # type: ignore[arg-type]
    for net in (nets.train, nets.test, *(player.net for player in job.players)):
        set_class_weights(net, class_weights)
    for net in (nets.train, *(player.net for player in job.players)):
        hold(net, graphs[0])
    if weights is not None or going_on or learned:
        job = replace(job, guess=None)  # such a net knows something
    job = replace(
        job,
        skipped=looked.skipped,
        stop=section.stop,
        average=section.average,
        pace=section.pace,
        sync_batch_norm=section.sync_batch_norm,
        shard=section.shard,
    )
    return Session(program, job, feeds, seed, looked, started, class_weights, learned)


def learn_layers(
    program: driver.Program,
    feeds: Feeds,
    nets: Twins,
    begins: bool,
    seed: int,
    progress: Reporter | None,
) -> tuple[Learned, ...]:
    """Pre-train layers as `train.pretrain` says, where the net begins with its fillers: on the CPU, as
    nets come to their device later.
    """
    words = section_of(program).pretrain
    if words is None or not begins:
        return ()
    typed, section = program.training_graph("train"), program.resolved.spec.section("train")
    place = None if section is None else section.key_span("pretrain")
    say = (progress or Silent()).say
    with closing(feeds.batches("train", typed, nets.train, seed, torch.device("cpu"))) as batches:
        return pretrain(nets.train, typed, batches, words, seed, place, say)
