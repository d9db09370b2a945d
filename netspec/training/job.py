"""What a training takes and gives. The data layer, the emitter and the command line meet the loop
here; knows no file and no optimiser.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from netspec.diagnostics import Diagnostic
from netspec.resolve.sections.pace import PaceWords
from netspec.resolve.sections.recipes import AverageSection, StopSection
from netspec.resolve.sections.solver import SolverParameter
from netspec.training.batches.order import Share
from netspec.training.interrupt import exit_code_of
from netspec.training.optim.solver import ParameterSpec

__all__ = ["Batch", "Job", "Player", "TestBatches", "TrainBatches", "TrainingResult"]

Batch = Mapping[str, Tensor]
"""Tensors by the names of the net's inputs."""


class TrainBatches(Protocol):
    """Batches without end, in an order that `state` (JSON) and `load_state` can go on with exactly,
    as data.loader.Batches.

    len: batches in an epoch. position: samples handed out so far, over all epochs. close: no more
    are asked for. take_share: hand out the part of one of several processes.
    """

    @property
    def position(self) -> int: ...
    def __next__(self) -> Batch: ...
    def __len__(self) -> int: ...
    def state(self) -> Mapping[str, Any]: ...
    def load_state(self, state: Mapping[str, Any]) -> None: ...
    def take_share(self, share: Share) -> None: ...
    def close(self) -> None: ...


class TestBatches(Protocol):
    """One pass over the data, in order, the last batch perhaps short; load(0) begins it anew.
    position: samples handed out so far.
    """

    @property
    def position(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...
    def load(self, position: int) -> None: ...
    def take_share(self, share: Share) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Player:
    """One who learns in turn with others. net: what its losses need, with the job's tensors; words:
    its update rule.

    weights: names of those that it trains, of none of which another does. inputs: those that its
    net takes; None: all. steps: its updates in an iteration.
    """

    name: str
    net: nn.Module
    words: SolverParameter
    weights: frozenset[str]
    inputs: frozenset[str] | None = None
    steps: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A net to train and what to train it with.

    net: `net(**batch)` runs it and leaves `net.total_loss`; numbers among its outputs are metrics.
    parameters: every tensor of it that is saved, by the spec's names. test_net: the same tensors in
    the phase TEST, measured at every test_interval on test_batches, which the log calls `measured`;
    final_batches: those that are measured once, at the end, by the best weights. losses: outputs of
    which less is better. layer_of: names of layers by the paths of their modules, for messages.
    spec_hash: what a snapshot must have been trained as. players: who learns in turn; none: the net
    learns all its parameters by `words`. skipped: files of the data that are left out. stop: when
    tests end it early. average: the average of the weights that is tested and kept. pace: how the
    net runs; judges: paths of the modules of its losses and metrics. sync_batch_norm: whether batch
    normalisation normalises by the rows of all processes. counted: what a sample is called. shard:
    whether several processes spread weights, gradients and the solver's state over them. guess: the
    loss of a net that knows nothing, where it begins as one and that is known.
    """

    net: nn.Module
    parameters: Sequence[ParameterSpec]
    words: SolverParameter
    train_batches: TrainBatches
    test_net: nn.Module | None = None
    test_batches: TestBatches | None = None
    final_batches: TestBatches | None = None
    measured: str = "test"
    losses: frozenset[str] = frozenset({"loss"})
    layer_of: Mapping[str, str] = field(default_factory=dict)
    spec_hash: str = ""
    players: Sequence[Player] = ()
    skipped: Sequence[str] = ()
    stop: StopSection | None = None
    average: AverageSection | None = None
    pace: PaceWords = field(default_factory=PaceWords)
    judges: frozenset[str] = frozenset()
    sync_batch_norm: bool = False
    counted: str = "images"
    shard: bool = False
    guess: float | None = None

    @property
    def max_iter(self) -> int:
        """The length of the training in iterations, epochs resolved."""
        return self.words.iterations(
            len(self.train_batches), sum(each.steps * each.words.iter_size for each in self.players)
        )


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a training ended.

    run: its folder. iteration: how many updates were made. loss: mean over the last average_loss of
    them. metrics: of the last test, by name; best: those of the best test, and its iteration.
    signal: number of the one that asked for the stop, None where it went to its end. findings: what
    is odd about it, though it went through (NS690). measured: "val" where metrics and best are of
    val_data; tested is then what the best weights gave on test_data, once, at the end. ended: why
    its tests ended it early, "" where they did not.

    >>> result.exit_code, result.signal, result.findings
    (0, None, ())
    """

    run: Path
    iteration: int
    loss: float
    metrics: Mapping[str, float]
    best: Mapping[str, Any]
    signal: int | None = None
    findings: tuple[Diagnostic, ...] = ()
    measured: str = "test"
    tested: Mapping[str, float] = field(default_factory=dict)
    ended: str = ""

    @property
    def exit_code(self) -> int:
        """0, or 128 + the number of the signal that asked for the stop (Ctrl-C: 130)."""
        return exit_code_of(self.signal)
