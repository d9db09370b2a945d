"""What came of a run, by its log. In: the folder of a run; out: how it ended and what its tests
gave. Knows no spec and no net.
"""

from collections.abc import Mapping
from math import hypot, sqrt
from pathlib import Path
from typing import Any, NamedTuple

from netspec.training.run.log import read_lines, read_numbers

__all__ = ["Outcome", "find_mean", "read_outcome"]

ENDED = ("finished", "stopped", "diverged")
Metrics = Mapping[str, float]


class Outcome(NamedTuple):
    """reason: why the training ended, "" while it has not. measured: "val" where the best test is one
    of val_data; best: its numbers, tested: what the best weights gave on test_data at the end.
    """

    iteration: int = 0
    reason: str = ""
    measured: str = ""
    best: Metrics = {}
    tested: Metrics = {}

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.reason in ENDED


def read_outcome(run: Path) -> Outcome:
    """What a run's log says; of a folder without one, nothing."""
    found = Outcome()
    try:
        for line in read_lines(run):
            found = take(found, line)
    except OSError:
        return Outcome()
    return found


def take(found: Outcome, line: Mapping[str, Any]) -> Outcome:
    """An outcome with one more line of the log."""
    phase = line["phase"]
    found = found._replace(iteration=line["iteration"], reason="")
    if phase == "end":
        return found._replace(reason=str(line.get("reason", "")))
    if phase == "test" and found.measured == "val":
        return found._replace(tested=read_numbers(line))
    if phase in ("val", "test"):
        if line.get("best") is True or not found.best:
            found = found._replace(best=read_numbers(line))
        return found._replace(measured=str(phase))
    return found


def find_mean(rows: list[Metrics]) -> tuple[dict[str, float], dict[str, float]]:
    """Means, and deviations (of a sample: n - 1), of the numbers that all rows have."""
    names = [name for name in rows[0] if all(name in row for row in rows)] if rows else []
    means = {name: sum(row[name] for row in rows) / len(rows) for name in names}
    if len(rows) < 2:
        return means, {}
    # hypot, since the square of a diverged run's loss may be no float
    root = sqrt(len(rows) - 1)
    return means, {name: hypot(*(row[name] - means[name] for row in rows)) / root for name in names}
