"""RUN/tensorboard: what a training's log says, for TensorBoard. In: the records of the log; out: its
event files, one more for each time that the run goes on.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from netspec.diagnostics import fail
from netspec.file_writing import refuse_link
from netspec.training.progress import Reporter, Silent
from netspec.training.run.log import read_numbers

__all__ = ["FOLDER", "Board", "check_board"]

FOLDER = PACKAGE = "tensorboard"


def check_board() -> None:
    """Raises ModuleNotFoundError where TensorBoard is not installed: the command says how it is."""
    import_module(PACKAGE)


class Board(Silent):
    """A reporter beside another one, which shows the training as ever."""

    def __init__(self, run: Path, shown: Reporter) -> None:
        self.folder, self.shown = run / FOLDER, shown
        self.writer: Any = None

    def __enter__(self) -> Self:
        self.shown.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.writer is not None:
            self.writer.close()
        self.shown.__exit__(kind, value, trace)

    def say(self, text: str) -> None:
        self.shown.say(text)

    def begin(self, done: int, total: int) -> None:
        """Open a new file. What an earlier one has of later iterations than `done` is done again, and
        TensorBoard drops it. NS673: it cannot be written.
        """
        from torch.utils.tensorboard import SummaryWriter

        refuse_link(self.folder, "NS673")
        try:
            self.writer = SummaryWriter(str(self.folder), purge_step=done + 1)
        except OSError as error:
            raise fail("NS673", error.strerror or str(error), path=str(self.folder)) from error
        self.shown.begin(done, total)

    def iteration(self, done: int, loss: float) -> None:
        self.shown.iteration(done, loss)

    def record(self, record: Mapping[str, Any]) -> None:
        """A point on the curve of each number, as train/loss and val/accuracy."""
        for name, value in read_numbers(record).items():
            self.writer.add_scalar(f"{record['phase']}/{name}", value, record["iteration"])
        self.writer.flush()
        self.shown.record(record)
