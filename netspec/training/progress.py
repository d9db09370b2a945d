"""How a training shows itself. In: what the loop reports; out: a bar on a terminal, plain lines
elsewhere, or nothing.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from netspec.diagnostics import Diagnostic
from netspec.diagnostics.render import render

__all__ = ["Bar", "Lines", "Reporter", "Silent", "counting", "reporter", "tell"]

SECONDS_BETWEEN_UPDATES = 0.1
"""Ten times a second looks steady; a terminal over a slow line takes it."""


class Reporter(Protocol):
    """`say` for a remark, `looking` while data are looked through, `begin` once the length is
    known, `iteration` after each one (cheap), `record` for each line of the log.
    """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def say(self, text: str) -> None: ...
    def looking(self, total: int) -> "AbstractContextManager[Callable[[int], None]]": ...
    def begin(self, done: int, total: int) -> None: ...
    def iteration(self, done: int, loss: float) -> None: ...
    def record(self, record: Mapping[str, Any]) -> None: ...


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def looking(self, total: int) -> AbstractContextManager[Callable[[int], None]]:
        return nullcontext(lambda count: None)

    def begin(self, done: int, total: int) -> None:
        pass

    def iteration(self, done: int, loss: float) -> None:
        pass

    def record(self, record: Mapping[str, Any]) -> None:
        pass


class Lines(Silent):
    """A line for each record, where there is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.total = 0

    def say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def begin(self, done: int, total: int) -> None:
        self.total = total

    def record(self, record: Mapping[str, Any]) -> None:
        numbers = ", ".join(
            f"{name} {show_value(value)}"
            for name, value in record.items()
            if name not in ("phase", "iteration", "best")
        )
        numbers += " (the best so far)" if record.get("best") else ""
        print(
            f"{record['phase']} {record['iteration']}/{self.total}: {numbers}",
            file=self.stream,
            flush=True,
        )


class Below(Progress):
    """A progress bar as wide as the terminal, and lines of text under it."""

    lines: Sequence[str] = ()

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield from (Text(line, no_wrap=True, overflow="ellipsis") for line in self.lines)


class Bar:
    """A rich progress bar with count and time left, below it loss, latest metrics and samples per
    second: a line for training, one for each kind of test. Colours obey NO_COLOR.
    """

    def __init__(self, console: Console) -> None:
        self.bar = Below(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            refresh_per_second=5,
            expand=True,
        )
        self.task = self.bar.add_task("train", total=None)
        self.numbers: dict[str, dict[str, float]] = {"train": {}}
        self.next_update = 0.0

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def say(self, text: str) -> None:
        self.bar.console.print(text, markup=False, highlight=False)

    def looking(self, total: int) -> AbstractContextManager[Callable[[int], None]]:
        return counting(self.bar.console, total)

    def begin(self, done: int, total: int) -> None:
        self.bar.update(self.task, completed=done, total=total)

    def iteration(self, done: int, loss: float) -> None:
        now = time.monotonic()
        if now >= self.next_update:
            self.next_update = now + SECONDS_BETWEEN_UPDATES
            self.show(done, "train", {"loss": loss})

    def record(self, record: Mapping[str, Any]) -> None:
        latest = {
            name: value
            for name, value in record.items()
            if not name.endswith("learning_rate") and isinstance(value, float)
        }
        self.show(record["iteration"], record["phase"], latest)

    def show(self, done: int, phase: str, latest: Mapping[str, float]) -> None:
        self.numbers.setdefault(phase, {}).update(latest)
        self.bar.lines = [
            line
            for phase, values in self.numbers.items()
            for line in lay_out(phase, values, self.bar.console.width)
            if values
        ]
        self.bar.update(self.task, completed=done)


def lay_out(phase: str, values: Mapping[str, float], width: int) -> list[str]:
    """Numbers behind the name of their phase, in lines of a width; no number is parted from its
    name.
    """
    begin = f"{phase:6}"
    lines = [begin]
    for name, value in values.items():
        text = f" {name.replace('_per_second', '/s')} {show_value(value)} "
        if len(lines[-1]) + len(text.rstrip()) > width and lines[-1].strip():
            lines.append(" " * len(begin))
        lines[-1] += text
    return [line.rstrip() for line in lines]


@contextmanager
def counting(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of samples that are looked at, gone when all are. Gives what is told how many more
    were.
    """
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("looking", total=total)
        yield lambda count: bar.advance(task, count)


def reporter(stream: TextIO) -> Reporter:
    """A bar if the stream is a terminal, else lines."""
    if stream.isatty():
        return Bar(Console(file=stream))
    return Lines(stream)


def show_value(value: Any) -> str:
    """A number in four digits, anything else as it is."""
    if isinstance(value, float) and abs(value) < 1e4:
        return f"{value:.4g}"
    if isinstance(value, float):
        return f"{value:.0f}"
    return str(value)


def tell(found: tuple[Diagnostic, ...], progress: Reporter | None) -> tuple[Diagnostic, ...]:
    """Say findings at once; those that nobody hears are answered."""
    if progress is None or type(progress) is Silent:
        return found
    if found:
        progress.say(render(list(found), color=False))
    return ()
