"""Which observers a training has, by the words of its spec. In: a job; out: observers."""

from collections.abc import Callable, Iterator, Sequence

from netspec.diagnostics import fail
from netspec.training.job import Job
from netspec.training.observers.averaging import Averaging
from netspec.training.observers.judge import Judge
from netspec.training.observers.observer import Observer
from netspec.training.observers.stopping import Stopping
from netspec.training.optim.solver import ParameterSpec

__all__ = ["list_observers", "make_average"]


def make_average(job: Job, parameters: Sequence[ParameterSpec], measure: Callable[[], None]) -> Averaging:
    """The average that the job asks for, or one of the last weights alone."""
    return Averaging(job.average, parameters, measure)


def list_observers(job: Job, judge: Judge) -> Iterator[Observer]:
    """What else looks on. NS600: tests are to end it, and there are none."""
    if job.stop is not None:
        if job.test_batches is None or not job.words.test_interval:
            raise fail("NS600", "train.stop counts tests, and there are none")
        yield Stopping(job.stop, judge, job.measured)
