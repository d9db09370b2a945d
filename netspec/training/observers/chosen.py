"""Which observers a training has, by the words of its spec. In: a job; out: observers."""

from collections.abc import Callable, Iterator, Sequence

from netspec.diagnostics import fail
from netspec.training.job import Job
from netspec.training.learners import Team
from netspec.training.observers.averaging import Averaging
from netspec.training.observers.judge import Judge
from netspec.training.observers.observer import Observer
from netspec.training.observers.plateau import Plateau
from netspec.training.observers.stopping import Stopping
from netspec.training.optim.solver import ParameterSpec

__all__ = ["list_observers", "make_average"]


def make_average(job: Job, parameters: Sequence[ParameterSpec], measure: Callable[[], None]) -> Averaging:
    """The average that the job asks for, or one of the last weights alone."""
    return Averaging(job.average, parameters, measure)


def list_observers(job: Job, team: Team, judge: Judge) -> Iterator[Observer]:
    """What else looks on. NS600: it counts tests, and there are none."""
    falling = [each for each in team if each.words.lr_policy == "plateau"]
    if (job.stop or falling) and (job.test_batches is None or not job.words.test_interval):
        raise fail("NS600", f"{'train.stop' if job.stop else 'lr_policy plateau'} counts tests")
    for learner in falling:
        yield Plateau(learner, judge)
    if job.stop is not None:
        yield Stopping(job.stop, judge, job.measured)
