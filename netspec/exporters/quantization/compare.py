"""A smaller model beside the float one, on real samples. In: both, and samples; out: Compared."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import fail
from netspec.exporters.certification.sampled import Judging, distribution
from netspec.exporters.certification.samples import Part, Samples, Take
from netspec.exporters.certification.session import CannotRunError, Session, show
from netspec.ir.graph import Value
from netspec.ir.traits import JUDGING

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    Array = np.ndarray[Any, Any]

__all__ = ["Compared", "Sides", "feeds_of", "spending"]

AT_ONCE = 32
"""Samples of a call."""


@dataclass(frozen=True)
class Compared:
    """How a smaller file compares with the float file that it was made of.

    best: by output with distributions in how many places the best class is the same, of how many.
    metrics: what the test net measures, with the float file and with the smaller one.
    largest_difference: of an output's value, in `tensor`. error: the mean square of differences.
    part: of which data the samples are.
    """

    count: int
    best: Mapping[str, tuple[int, int]]
    metrics: Mapping[str, tuple[float, float]]
    judge: str
    largest_difference: float
    tensor: str
    error: float
    part: Part

    @property
    def accuracy(self) -> tuple[str, float, float]:
        """A name, and the number before and after: the test net's first metric; without one, the
        share of best classes that are the float file's.
        """
        if self.judge:
            return (self.judge, *self.metrics[self.judge])
        same, of = (sum(counts) for counts in zip(*self.best.values(), strict=True)) if self.best else (1, 1)
        return "agreement", 1.0, same / of

    @property
    def drop(self) -> float:
        _, before, after = self.accuracy
        return before - after

    def data(self) -> dict[str, Any]:
        """As plain data, for a certificate."""
        return asdict(self)


class Sides:
    """The float model, and what it makes of some samples; others are held against it."""

    def __init__(
        self, whole: "ModelProto", samples: Samples, names: Mapping[Value, str], device: str
    ) -> None:
        self.whole, self.samples, self.names, self.device = whole, samples, names, device
        self.takes = [part for take in samples.takes for part in portions(take, samples.fixed)]
        self.inner = [names[value] for value in Judging(samples).values()]
        self.made = [*self.run(whole)]

    def run(self, model: "ModelProto", most: int | None = None) -> "Iterator[dict[str, Array]]":
        """What a model makes of each take, of the first `most`: its outputs, and the tensors that
        measures read.
        """
        from onnx import ModelProto

        copy = ModelProto()
        copy.CopyFrom(model)
        ends = {output.name for output in model.graph.output}
        if not set(self.inner) <= ends:
            show(copy, self.inner)
        try:
            session = Session(copy.SerializeToString(), self.device)
            for take in self.takes[:most]:
                yield session.run(take.raw)
        except CannotRunError as error:
            raise fail("NS740", f"onnxruntime cannot run it: {error}") from error

    def compare(self, model: "ModelProto", most: int | None = None) -> Compared:
        """A smaller model against the float one, on the first `most` takes. Raises SpecError NS740
        where it does not run.
        """
        import numpy as np

        judging, best = Judging(self.samples), dict[str, tuple[int, int]]()
        by_name = {name: value for value, name in self.names.items()}
        largest, tensor, squares, count = 0.0, "", 0.0, 0
        for take, whole, made in zip(self.takes, self.made, self.run(model, most), strict=False):
            for name in [output.name for output in self.whole.graph.output]:
                a, b = (np.asarray(side[name], np.float64) for side in (whole, made))
                apart = np.abs(a - b)
                if float(apart.max(initial=0.0)) > largest or not tensor:
                    largest, tensor = float(apart.max(initial=0.0)), name
                squares, count = squares + float((apart**2).sum()), count + apart.size
                if distribution(whole[name]):
                    same = int((a.argmax(1) == b.argmax(1)).sum())
                    held = best.get(name, (0, 0))
                    best[name] = (held[0] + same, held[1] + a.argmax(1).size)
            sides = [{by_name[k]: v for k, v in side.items() if k in by_name} for side in (whole, made)]
            judging.add(take, sides)
        metrics = {name: (means[0], means[1]) for name, means in judging.means().items()}
        return Compared(
            judging.count,
            best,
            metrics,
            self.judge(metrics),
            largest,
            tensor,
            squares / max(count, 1),
            self.samples.part,
        )

    def judge(self, metrics: Mapping[str, Any]) -> str:
        """The first number that a metric measures; empty where none does."""
        losses = {"loss"}
        measured = [j.node for j in self.samples.judges if j.node.layer.traits & (JUDGING - losses)]
        tops = [top.name for node in measured for top in node.tops]
        return next((name for name in tops if name in metrics), "")


def portions(take: Take, fixed: bool) -> Iterator[Take]:
    """A take in calls of few samples; one of a fixed number stays whole."""
    if fixed:
        yield take
        return
    for start in range(0, take.count, AT_ONCE):
        yield take.choose(range(start, min(start + AT_ONCE, take.count)))


def feeds_of(samples: Samples) -> "list[Mapping[str, Array]]":
    """Calls with the samples, as the model is fed."""
    return [part.raw for take in samples.takes for part in portions(take, samples.fixed)]


def spending(errors: Mapping[str, float], whole: float) -> list[tuple[str, float]]:
    """What each layer's rounding adds to the error: by how much it falls without it; shares of
    what all of them add, the largest first.
    """
    gains = {name: max(whole - error, 0.0) for name, error in errors.items()}
    total = sum(gains.values())
    shares = [(name, gain / total) for name, gain in gains.items() if total]
    return sorted(shares, key=lambda pair: -pair[1])
