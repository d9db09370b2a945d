"""The training loop. In: a job (net, parameters, solver's words, batches) and a folder; out: a run,
which can be killed and resumed.

Caffe's order: test, iterate, log, snapshot. Knows no spec, no source of data, no terminal.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.diagnostics.render import render
from netspec.diagnostics.words import list_briefly
from netspec.training.compiling import Trial
from netspec.training.device import exact_float32, find_device, move, to_device
from netspec.training.divergence import (
    LISTED,
    Idle,
    Still,
    all_finite,
    first_not_finite,
    judge_first_loss,
    layer_name,
)
from netspec.training.evaluate import evaluate
from netspec.training.interrupt import Interrupt
from netspec.training.job import Job, TestBatches, TrainingResult
from netspec.training.learners import Learner, Team
from netspec.training.metrics import scalars
from netspec.training.observers.chosen import list_observers, make_average
from netspec.training.observers.judge import Judge
from netspec.training.observers.observer import Observers, Outcome
from netspec.training.pace import Pace
from netspec.training.progress import Reporter, Silent, tell
from netspec.training.run.checkpoint import SOLVER, Checkpoint
from netspec.training.run.log import Log
from netspec.training.run.owner import check_room, own
from netspec.training.run.weights import BEST, WEIGHTS, load_weights
from netspec.training.shards import Shards, Together
from netspec.training.sharing import Sharing
from netspec.training.spoilt import Lost, place_fault
from netspec.training.world import ALONE, World

__all__ = ["LAST_FINITE", "train", "train_here"]

LAST_FINITE = "last-finite.safetensors"
LOSSES_PER_READ = 100
LINES_WITHOUT_DISPLAY = 100
GO_ON = "a greater patience lets it go on: --set train.stop.patience=N"


def train(
    job: Job,
    run: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    progress: Reporter | None = None,
    world: World = ALONE,
) -> TrainingResult:
    """Train to the end, or until Ctrl-C; the folder then holds weights.safetensors,
    solver.safetensors, log.jsonl and, after a test, best.

    Errors (SpecError): NS670, NS671 the solver's words; NS672 the loss is not finite; NS673 the run
    cannot be written, NS602 is another process's, NS603 has no room; NS674 to NS676 the snapshot
    does not fit; NS677 the folder holds a run already; NS678 no such device; NS679 nothing to
    resume.
    """
    find_device(world.device(device))
    with own(run, resume, world.first):
        return train_here(job, run, device=device, resume=resume, progress=progress, world=world)


def train_here(
    job: Job,
    run: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    progress: Reporter | None = None,
    world: World = ALONE,
) -> TrainingResult:
    """The same in a folder that is ours; world: the processes that train together."""
    place = find_device(world.device(device))
    with (
        exact_float32(job.pace.precision == "tf32"),
        Interrupt() as interrupt,
        progress or Silent() as reporter,
        ExitStack() as at_end,
    ):
        # a thread that still reads while Python shuts down can take the process down with it
        at_end.callback(job.train_batches.close)
        for batches in (job.test_batches, job.final_batches):
            if batches is not None:
                at_end.callback(batches.close)
        return Training(job, run, place, interrupt, reporter, world).go(resume)


class Training:
    """One training under way."""

    def __init__(
        self,
        job: Job,
        run: Path,
        device: torch.device,
        interrupt: Interrupt,
        reporter: Reporter,
        world: World = ALONE,
    ) -> None:
        self.job, self.run, self.device, self.interrupt, self.reporter = (
            job,
            run,
            device,
            interrupt,
            reporter,
        )
        words = job.words
        self.words, self.world, self.signal = words, world, 0
        self.max_iter = job.max_iter
        nets = [
            job.net,
            *(each.net for each in job.players),
            *([job.test_net] if job.test_net else []),
        ]
        self.parameters = move(nets, job.parameters, device)
        self.spread = self.spread_out()
        self.pace = Pace(self.spread.lay_out(job.pace), device, nets, job.judges)
        self.team = Team(job, self.spread.parts, self.max_iter)
        self.spread.attend(self.team)
        self.judge = Judge(job.losses, self.team.alone)
        self.sharing = Sharing(world, job, self.parameters)
        measure = partial(self.sharing.measure, self.team)
        average = make_average(job, self.spread.parts, measure)
        self.observers = Observers((average, *list_observers(job, self.team, self.judge)))
        whole = self.team.nets()
        self.checkpoint = Checkpoint(
            run, whole, self.parameters, self.team, job.spec_hash, average, self.spread, world
        )
        self.log = Log(run, world.first)
        self.ended, self.before_test = "", dict[str, Any]()
        self.display = words.display or max(1, self.max_iter // LINES_WITHOUT_DISPLAY)
        self.read_every = 1 if device.type == "cpu" else LOSSES_PER_READ
        self.lost = Lost(job.train_batches, job.test_batches, job.final_batches)
        self.begun = 0
        self.saved = -1
        self.position, self.since = job.train_batches.position, time.perf_counter()
        self.metrics: dict[str, float] = {}
        self.tested: dict[str, float] = {}
        self.best: dict[str, Any] = {}
        self.outputs: Any = {}
        self.idle, self.last = Idle(), torch.zeros(())
        self.unheard: tuple[Diagnostic, ...] = ()

    def spread_out(self) -> Together:
        """The weights, over all processes where the spec asks for that."""
        if self.job.shard and self.world.size > 1:
            return Shards(self.job.net, self.parameters, self.world, self.device)
        return Together(self.parameters)

    def go(self, resume: bool) -> TrainingResult:
        """All iterations that are left, then the last test."""
        self.begin(resume)
        while self.team.iteration < self.max_iter and not self.must_stop():
            if self.test_due() and (not self.test() or self.ended):
                break
            self.advance()
        self.save()
        if self.ended and self.begun == self.team.iteration:
            self.reporter.say(f"there was nothing left to do: {self.ended}; {GO_ON}")
        finished = not self.must_stop()
        finished = finished and (bool(self.ended) or self.job.test_batches is None or self.test())
        finished = finished and (self.job.final_batches is None or self.test_best())
        return self.end(finished)

    def begin(self, resume: bool) -> None:
        """Start anew, with a first snapshot, or from the last one; a run that was killed before its
        first starts anew.
        """
        if self.world.first:
            check_room(self.run, self.checkpoint.room(resume))
        if resume and self.checkpoint.exists:
            more = self.checkpoint.load()
            self.tell_damage()
            self.job.train_batches.load_state(more["data"])
            self.team.load_recent(more["losses"])
            self.best = more["best"]
            self.pace.load_state(more.get("pace", {}))
            self.observers.load_state(more.get("observers", {}), self.run / SOLVER)
            self.log.rewind(self.team.iteration)
            self.saved = self.begun = self.team.iteration
        else:
            if self.words.random_seed >= 0:
                torch.manual_seed(self.sharing.seed(self.words.random_seed))
            self.log.rewind(-1)
            self.save()
        if self.job.skipped:
            skipped = {"skipped": len(self.job.skipped), "files": list(self.job.skipped)}
            self.log.write({"phase": "data", "iteration": self.team.iteration, **skipped})
        if told := self.pace.describe():
            self.log.write({"phase": "pace", "iteration": self.team.iteration, **told})
            self.reporter.say(", ".join(f"{word} {value}" for word, value in told.items()))
        self.still = Still(self.spread.parts)
        self.reporter.begin(self.team.iteration, self.max_iter)
        self.position, self.since = self.job.train_batches.position, time.perf_counter()

    def must_stop(self) -> bool:
        """Whether a signal asked one of the processes to stop: then all do, at the same place."""
        (self.signal,) = self.world.agree(self.interrupt.signal or 0)
        return self.signal != 0

    def tell_damage(self) -> None:
        """Say where an older snapshot had to do."""
        for found in self.checkpoint.found:
            self.reporter.say(f"{found.path}: {found.fact}")

    def advance(self) -> None:
        """An iteration, and what is due after it."""
        self.iterate()
        i, snapshot = self.team.iteration, self.words.snapshot
        if i == 1 and self.job.guess is not None and self.team.alone:
            batch = self.team.learners[0].batch
            found = judge_first_loss(float(self.last), self.job.guess, batch, str(self.run))
            self.unheard = tell(found, self.reporter)
        count = i - self.begun
        if count == min(Still.AFTER, self.max_iter - self.begun):
            rate = max(self.team.rates(i - 1).values())
            found = self.still.findings(self.world, count, rate, str(self.run))
            self.unheard = (*self.unheard, *tell(found, self.reporter))
        if i % self.display == 0 or i == self.max_iter:
            self.show()
        if snapshot and i % snapshot == 0:
            self.save()
        self.tell_lost()
        self.reporter.iteration(i, self.team.loss)

    def tell_lost(self) -> None:
        """Say and log what was found damaged when it was read, and left out."""
        for found in self.lost.tell():
            self.reporter.say(render([found], color=False))
        if lines := self.lost.write():
            self.log.write(
                {"phase": "data", "iteration": self.team.iteration, "skipped": len(lines), "files": lines}
            )

    def next_batch(self, clean: bool) -> Any:
        """The next batch. What cannot be read ends the training, whose last state is kept: of this
        iteration where it is clean, nothing of it being done yet.
        """
        try:
            return next(self.job.train_batches)
        except SpecError as error:
            raise self.tell_spoilt(error, clean) from error

    def tell_spoilt(self, error: SpecError, clean: bool) -> SpecError:
        """What cannot be read, with the iteration; a snapshot is taken."""
        i = self.team.iteration
        if clean and self.world.size == 1:
            self.save()
        self.log.write({"phase": "end", "iteration": i, "reason": "data"})
        return place_fault(error, i, self.max_iter, self.run, self.saved)

    def iterate(self) -> None:
        """The turn of each learner: its updates, mostly one."""
        for learner in self.team:
            for _ in range(learner.steps):
                self.update(learner)
        self.team.iteration += 1
        self.observers.after_update(self.team.iteration)

    def update(self, learner: Learner) -> None:
        """iter_size batches forward and backward, then the update. The host waits for no result but
        every so many losses.
        """
        learner.begin()
        self.spread.forget()
        for number in range(learner.words.iter_size):
            clean = number == 0 and learner is self.team.learners[0]
            learner.batch = to_device(learner.share(self.next_batch(clean)), self.device)
            if self.pace.waits(learner.net):
                self.choose_pace(learner)
            self.outputs = self.pace.run(learner.net, learner.batch, self.spread.run)
            loss = learner.net.total_loss
            if not isinstance(loss, Tensor) or not loss.requires_grad:
                raise fail("NS671", "the net has no loss, or none that depends on trained weights")
            learner.losses.add(loss)
            self.last = loss.detach()
            if len(learner.losses.waiting) >= self.read_every:
                self.read_losses(learner)
            self.spread.backward(self.pace.scale_loss(loss))
        self.spread.hand_over()
        self.sharing.average(learner.solver.tensors)
        if self.team.alone and self.max_iter - self.team.iteration <= Idle.LAST:
            self.idle.look(self.spread.parts, self.last, learner.batch)
        learner.solver.step(self.pace.settle(learner.solver.tensors))

    def choose_pace(self, learner: Learner) -> None:
        """Measure how a learner's net runs best, before its first step, and say what came of it."""
        trial: Trial | str = Trial(self.world, self.device, lambda: self.interrupt.signal is not None)
        if torch.are_deterministic_algorithms_enabled():
            trial = "times choose, and bits are to be the same on any machine"
        elif self.world.size > 1 and (self.job.shard or self.job.sync_batch_norm):
            trial = "a net that waits for other processes within its step is not measured"
        left = (self.max_iter - self.team.iteration) * learner.batches
        with self.aside():
            choice = self.pace.choose(learner.net, learner.batch, left, trial)
        whose = "" if self.team.alone else f" of {learner.name}"
        told = {"player": learner.name, "compile": choice.compiled, "why": choice.why}
        self.log.write({"phase": "pace", "iteration": self.team.iteration, **told})
        kept = "compiled" if choice.compiled else "not compiled"
        self.reporter.say(f"compile auto{whose}: {kept}: {choice.why}")

    def read_losses(self, learner: Learner) -> None:
        """Read the losses that wait on the device. NS672: one is not finite."""
        bad = learner.losses.read(self.world.mean)
        if bad is not None:
            self.report_divergence(learner, self.begun + bad[0] // learner.batches, f"the loss is {bad[1]:g}")

    def read_all_losses(self) -> None:
        for learner in self.team:
            self.read_losses(learner)

    def report_divergence(self, learner: Learner, iteration: int, fact: str) -> None:
        """Stop: say where and why, and keep the last good weights."""
        if self.team.iteration == iteration and self.finite():
            self.checkpoint.save_weights(self.run / LAST_FINITE, {})
            kept = f"the weights before this iteration are in {self.run / LAST_FINITE}"
        else:
            kept = f"the last snapshot, of iteration {self.saved}, is in {self.run / WEIGHTS}"
        where = first_not_finite(
            learner.net, learner.batch, self.spread.parts, self.job.layer_of, self.spread.run
        )
        self.log.write({"phase": "end", "iteration": iteration, "reason": "diverged"})
        rate = learner.solver.rate_at(iteration * learner.steps)
        whose = "" if self.team.alone else f" of {learner.name}"
        raise fail(
            "NS672",
            f"{fact}{whose} in iteration {iteration + 1} of {self.max_iter}, at learning rate {rate:g}",
            path=str(self.run),
            notes=(where, kept),
        )

    def test_due(self) -> bool:
        i, words = self.team.iteration, self.words
        return bool(
            self.job.test_batches is not None
            and words.test_interval
            and i % words.test_interval == 0
            and (i > 0 or words.test_initialization)
        )

    def test(self) -> bool:
        """Run the test net over its data, log it, keep the weights if they are the best so far.
        False: interrupted.
        """
        job, i = self.job, self.team.iteration
        assert job.test_net is not None and job.test_batches is not None
        self.before_test = self.note_judged()
        with self.aside(), self.checkpoint.show():
            metrics = self.measure(job.test_batches)
            if metrics is None:
                return False
            self.metrics = metrics
            told = not self.lacks_statistics()
            improved = told and self.judge.improves(metrics, self.best)
            if told and i < self.max_iter:
                self.ended = self.observers.after_test(Outcome(i, metrics))
            if improved:
                self.best = {"iteration": i, **metrics}
                self.checkpoint.save_weights(self.run / BEST, {"metrics": metrics})
            self.report({"phase": job.measured, "iteration": i, **metrics, "best": improved})
        return True

    def measure(self, batches: TestBatches) -> dict[str, float] | None:
        """The test net's means over some data; None: interrupted."""
        assert self.job.test_net is not None
        try:
            found = evaluate(
                self.job.test_net,
                batches,
                self.device,
                self.words.test_iter,
                lambda: self.interrupt.signal is not None,
                version=self.words.ap_version,
                world=self.sharing.testing,
            )
        except SpecError as error:
            raise self.tell_spoilt(error, True) from error
        self.tell_lost()
        return found

    def test_best(self) -> bool:
        """Measure the test data once, by the weights that the validation data chose; those of the
        end come back. False: interrupted.
        """
        assert self.job.final_batches is not None
        with self.best_weights():
            metrics = self.measure(self.job.final_batches)
        if metrics is None:
            return False
        self.tested = metrics
        weights = {"weights": "best"} if self.best else {}
        self.report({"phase": "test", "iteration": self.team.iteration, **metrics, **weights})
        return True

    @contextmanager
    def best_weights(self) -> Iterator[None]:
        """While the block runs, the net has the weights of the best test; without one, its own."""
        if not self.best:
            with self.checkpoint.show():
                yield
            return
        kept = [each.tensor.detach().clone() for each in self.spread.parts]
        with self.spread.whole():
            load_weights(self.run / BEST, self.parameters)
            yield
        with torch.no_grad():
            for each, tensor in zip(self.spread.parts, kept, strict=True):
                each.tensor.copy_(tensor)

    def lacks_statistics(self) -> bool:
        """Whether a test stands before the first iteration with layers whose statistics are not
        there yet, which is said; it is no best.
        """
        assert self.job.test_net is not None
        names = [
            layer_name(path, self.job.layer_of)
            for path, m in self.job.test_net.named_modules()
            if getattr(m, "ungathered", False)
        ]
        if names:
            have = "has" if len(names) == 1 else "have"
            self.reporter.say(
                f"{list_briefly(names, LISTED)} {have} gathered no statistics yet: this test says nothing"
            )
        return bool(names)

    def show(self) -> None:
        """Log the training's loss, rate, speed and metrics."""
        self.read_all_losses()
        found = {name: value for name, value in scalars(self.outputs).items() if name not in self.job.losses}
        numbers = dict(zip(found, self.world.mean([float(each) for each in found.values()]), strict=True))
        position, now = self.job.train_batches.position, time.perf_counter()
        speed = (position - self.position) / (now - self.since)
        self.position, self.since = position, now
        i = self.team.iteration
        self.report(
            {
                "phase": "train",
                "iteration": i,
                "loss": self.team.loss,
                **self.team.means(),
                **numbers,
                **self.team.rates(i - 1),
                f"{self.job.counted}_per_second": speed,
            }
        )

    def report(self, record: Mapping[str, Any]) -> None:
        self.log.write(record)
        self.reporter.record(record)

    def note_judged(self) -> dict[str, Any]:
        """What tests have left so far."""
        return {"best": self.best, "observers": self.observers.state()}

    def save(self) -> None:
        """Take a snapshot unless this iteration has one. NS672: the weights are not finite (and are
        not saved).

        It is of before the test of its iteration, which a resumed run makes again.
        """
        i = self.team.iteration
        if i == self.saved:
            return
        with self.aside():
            self.read_all_losses()
            if not self.finite():
                self.report_divergence(self.team.learners[-1], max(0, i - 1), "the update is not finite")
            more = {"data": self.job.train_batches.state(), "losses": self.team.recent()}
            more |= {"pace": self.pace.state()}
            if self.ended:
                judged = self.before_test
            else:
                judged = self.note_judged()
            self.checkpoint.save(more | judged)
            self.saved = i

    def finite(self) -> bool:
        """Whether all weights are."""
        return self.spread.agree(all_finite(each.tensor for each in self.spread.parts))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Work whose time does not count as training's."""
        begin = time.perf_counter()
        yield
        self.since += time.perf_counter() - begin

    def end(self, finished: bool) -> TrainingResult:
        i = self.team.iteration
        end: dict[str, Any] = {"reason": "interrupted"}
        if finished and self.ended:
            end = {"reason": "stopped", "why": self.ended}
        elif finished:
            end = {"reason": "finished"}
        self.log.write({"phase": "end", "iteration": i, **end})
        self.must_stop()
        self.idle.agree(self.world)
        signal, findings = self.signal or None, (*self.unheard, *self.checkpoint.found)
        if finished:
            signal, findings = None, (*findings, *self.idle.findings(str(self.run)))
        return TrainingResult(
            self.run,
            i,
            self.team.loss,
            self.metrics,
            self.best,
            signal,
            findings,
            self.job.measured,
            self.tested,
            self.ended,
        )
