"""What a model and its net make of real samples: the best class, and what the test net measures.
In: arrays of both; out: plain data.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netspec.exporters.certification.compare import Difference
from netspec.exporters.certification.samples import Judge, Samples, Take
from netspec.ir.graph import Value

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Tensors = Mapping[Value, Array]

__all__ = ["Judging", "best_classes", "distribution"]

SUM = 1e-3
"""How far the sum of a distribution may be from 1."""


def distribution(values: "Array") -> bool:
    """Whether axis 1 holds distributions over classes: nothing below 0, sums of 1."""
    import numpy as np

    classes = values.ndim > 1 and values.shape[1] > 1 and values.size > 0 and values.dtype.kind == "f"
    return bool(classes and (values >= 0).all() and (np.abs(values.sum(1, dtype=np.float64) - 1) < SUM).all())


def best_classes(got: "Array", truth: "Array", tolerance: float) -> tuple[int, int, Difference | None]:
    """In how many places the best class is the same, of how many; and the worst where it is not,
    beyond what two values may be off.
    """
    import numpy as np

    ours, theirs = got.argmax(1), truth.argmax(1)
    lost = np.take_along_axis(truth, theirs[:, None], 1) - np.take_along_axis(truth, ours[:, None], 1)
    place = np.unravel_index(int(lost.argmax()), lost.shape)
    worst = float(lost[place])
    same = int((ours == theirs).sum())
    if worst <= 2 * tolerance:  # not so of NaN
        return same, ours.size, None
    at = (place[0], *place[2:])
    text = (
        f"the best class of sample {int(place[0])} is {int(ours[at])} with onnxruntime, {int(theirs[at])}"
        " with torch"
    )
    return same, ours.size, Difference(worst, 2 * tolerance, text=text)


class Judging:
    """The losses and metrics of the test net, on tensors of either side: means over the samples."""

    def __init__(self, samples: Samples) -> None:
        self.judges = samples.judges
        self.modules = modules_of(samples) if samples.judges else {}
        self.sums: dict[str, list[float]] = {}
        self.count = 0

    def values(self) -> list[Value]:
        """The tensors that they read of the deployed net."""
        return list(dict.fromkeys(b for judge in self.judges for b in judge.bottoms if isinstance(b, Value)))

    def add(self, take: Take, sides: "Sequence[Tensors]") -> None:
        """What torch made of the samples, and onnxruntime."""
        self.count += take.count
        for judge in self.judges:
            made = [self.numbers(judge, take, tensors) for tensors in sides]
            for name in made[0]:
                sums = self.sums.setdefault(name, [0.0] * len(made))
                self.sums[name] = [
                    total + take.count * each[name] for total, each in zip(sums, made, strict=True)
                ]

    def numbers(self, judge: Judge, take: Take, tensors: "Tensors") -> dict[str, float]:
        import numpy as np
        import torch

        given = [take.every[b] if isinstance(b, str) else tensors[b] for b in judge.bottoms]
        with torch.no_grad():
            made = self.modules[judge.node.name](*(torch.from_numpy(np.array(each)) for each in given))
        tops = zip(judge.node.tops, made if isinstance(made, tuple) else (made,), strict=False)
        return {top.name: float(value) for top, value in tops if value.numel() == 1}

    def means(self) -> dict[str, list[float]]:
        """Of each number the mean with torch and with onnxruntime."""
        return {name: [total / self.count for total in sums] for name, sums in self.sums.items()}


def modules_of(samples: Samples) -> dict[str, Any]:
    """The modules of the layers that measure, which have no weights."""
    import torch

    from netspec import compiled
    from netspec.training.class_weights import set_class_weights

    with torch.random.fork_rng(devices=[]):
        net: Any = compiled.compile(samples.test, "test").eval()
    set_class_weights(net, samples.class_weights)
    return {judge.node.name: net.get_submodule(net.layers[judge.node.name][0]) for judge in samples.judges}
