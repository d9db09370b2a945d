"""Whether a compiled net pays, measured on steps that leave nothing behind. In: a step as it is and
compiled, how many are to come; out: which of the two, and why. Knows no spec.
"""

import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from torch import nn

from netspec.training.world import World

__all__ = ["LEAST", "LONGEST", "Choice", "Trial", "hold_still"]

FEW = 100
"""Steps; where fewer are left, measuring itself costs more than the tenth that trying may."""
LEAST = 10.0
"""Seconds that torch.compile takes for a net of a few layers: 14 for LeNet on one core."""
LONGEST = 600.0
"""Seconds after which no compiler is waited for, however long the training."""
SHARE = 10
"""Which part of the time that is left trying may take: what is gained is mostly more."""
TURNS = 5
"""Pairs of steps that are compared."""
WORTH = 0.97
"""What a compiled step may take of a plain one: less of a gain is within what times differ by."""
TICK = 0.5
"""Seconds between looks at the clock."""

Step = Callable[[], None]


class Choice(NamedTuple):
    """compiled: whether the net runs so. why: the numbers, in words."""

    compiled: bool
    why: str


class OutOfTime(BaseException):
    """Ends a compiler; no Exception, which compilers catch."""


class Trial:
    """What trying takes place in. stopped: whether the training was asked to stop; device: where
    the steps run. Every process of the world tries, or none, and all choose the same.
    """

    def __init__(self, world: World, device: torch.device, stopped: Callable[[], bool]) -> None:
        self.world, self.device, self.stopped = world, device, stopped

    def choose(self, plain: Step, compiled: Step, left: int) -> Choice:
        """left: steps that are to come. A compiler that fails, or is not done in a tenth of what
        they take, is no error.
        """
        if left < FEW:
            return Choice(False, f"{left} steps are left: measuring pays from {FEW} on")
        if threading.current_thread() is not threading.main_thread():
            return Choice(False, "the time of a compiler can be bounded in the main thread alone")
        plain()
        (took,) = self.world.mean([self.time(plain)])
        most = min(LONGEST, left * took / SHARE)
        if most < LEAST:
            return Choice(
                False,
                f"{left} steps of {took:.2g} s are left, {left * took:.2g} s: trying may take a tenth"
                f" of that, {most:.2g} s, and a compiler takes {LEAST:g} s or more",
            )
        return self.compare(plain, compiled, left, took, most)

    def compare(self, plain: Step, compiled: Step, left: int, took: float, most: float) -> Choice:
        """The choice by the medians of steps in turn."""
        times = list[tuple[float, float]]()
        made = 0.0

        def measure() -> None:
            nonlocal made
            made = warm_up(compiled)
            times.extend((self.time(plain), self.time(compiled)) for _ in range(TURNS))

        fault = self.bound(measure, most)
        (failed,) = self.world.agree(int(bool(fault)))
        if failed:
            what = fault or "another process could not"
            return Choice(False, f"{what}; {left} steps of {took:.2g} s as it is are left")
        one, two = self.world.mean([statistics.median(side) for side in zip(*times, strict=True)])
        pays = two <= WORTH * one
        told = f"a step takes {two:.3g} s compiled, {one:.3g} s as it is"
        return Choice(pays, f"{told}, after {made:.1f} s of compiling")

    def repeat(self, compiled: Step) -> Choice:
        """What was chosen before is done again: compiled, where the compiler still works."""
        fault = "the time of a compiler can be bounded in the main thread alone"
        if threading.current_thread() is threading.main_thread():
            fault = self.bound(lambda: warm_up(compiled), LONGEST)
        (failed,) = self.world.agree(int(bool(fault)))
        return Choice(not failed, fault or "as before")

    def bound(self, work: Callable[[], Any], most: float) -> str:
        """Do some work in so many seconds. What went wrong, in words."""
        before = list_descendants()
        try:
            with within(most, self.stopped, lambda: end_processes(before)):
                work()
        except OutOfTime:
            if "torch._inductor.async_compile" in sys.modules:  # its pool of processes has ended
                sys.modules["torch._inductor.async_compile"].shutdown_compile_workers()
            return f"the compiler was not done after {most:.2g} s, which it may take"
        except Exception as error:
            why = (str(error).strip() or type(error).__name__).splitlines()[0]
            return f"{type(error).__name__}: {why[:200]}"
        return ""

    def time(self, step: Step) -> float:
        """Seconds of a step, the device's work done."""
        self.wait()
        begin = time.perf_counter()
        step()
        self.wait()
        return time.perf_counter() - begin

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def warm_up(step: Step) -> float:
    """Seconds until a compiled step is ready: what a net remembers of the call before makes some
    compile twice.
    """
    begin = time.perf_counter()
    for _ in range(3):
        step()
    return time.perf_counter() - begin


@contextmanager
def hold_still(net: nn.Module, device: torch.device) -> Iterator[None]:
    """While the block runs, steps of a net leave nothing behind: its buffers, what its modules
    remember, gradients and the random state come back.
    """
    modules = list(net.modules())
    words = [dict(vars(module)) for module in modules]
    buffers = [dict(module._buffers) for module in modules]
    values = [(buffer, buffer.clone()) for buffer in net.buffers()]
    gradients = [(tensor, tensor.grad) for tensor in net.parameters()]
    for tensor, _ in gradients:
        tensor.grad = None
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        for module, before, held in zip(modules, words, buffers, strict=True):
            module._buffers.update(held)
            # an attribute that is as it was is left alone: compiled code asks whether it was set
            for name in [name for name in vars(module) if name not in before]:
                del vars(module)[name]
            vars(module).update(
                {name: word for name, word in before.items() if vars(module).get(name) is not word}
            )
        with torch.no_grad():
            for buffer, value in values:
                buffer.copy_(value)
        for tensor, gradient in gradients:
            tensor.grad = gradient


@contextmanager
def within(seconds: float, stopped: Callable[[], bool], before: Step) -> Iterator[None]:
    """The block ends with OutOfTime after so many seconds, or when the training was asked to stop:
    at every tick anew, since code that tidies up may swallow one. before: what is done first.
    """
    begin, done = time.monotonic(), False

    def look(number: int, frame: FrameType | None) -> None:
        if not done and (time.monotonic() - begin > seconds or stopped()):
            before()
            raise OutOfTime

    handler = signal.signal(signal.SIGALRM, look)
    wait, again = signal.setitimer(signal.ITIMER_REAL, min(TICK, seconds), TICK)
    try:
        try:
            yield
        finally:
            done = True
    finally:
        rest = wait and max(0.001, wait - time.monotonic() + begin)
        signal.setitimer(signal.ITIMER_REAL, rest, again)
        signal.signal(signal.SIGALRM, handler)


def list_descendants() -> set[int]:
    """Processes that this one, or one of them, has started; on Linux alone, elsewhere none."""
    if sys.platform != "linux":
        return set()
    parents = dict[int, int]()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(path.parent.name)] = int(words[1])
    found, new = set[int](), {os.getpid()}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def end_processes(before: set[int]) -> None:
    """End what was started since: while those that started it live, it is known as theirs."""
    for child in list_descendants() - before:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
