"""The log of a run: one JSON object a line, appended as the training goes. In: records; out:
RUN/log.jsonl, and its lines read back.
"""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netspec.diagnostics import fail
from netspec.file_reading import read_text
from netspec.file_writing import append_text, replacing
from netspec.strict_json import JsonError, read_object

__all__ = ["LOG", "Log", "Record", "read_lines", "read_numbers"]

LOG = "log.jsonl"
Record = Mapping[str, Any]
ASIDE = ("phase", "iteration", "time", "best", "weights", "reason", "why")
"""What a line says beside what was measured."""


class Log:
    """Lines of `phase` train, val or test, each with `iteration` (how many were made), `loss`, the
    metrics by name and `time` (UTC).

    A train line also has learning_rate (of its last iteration) and images_per_second, or
    samples_per_second where these are no pictures; `best` marks the best test so far (of val_data,
    where there are such: then one line of phase test is the last, `weights: best`); the line of
    phase end says why the training ended (reason: finished, stopped by its tests and why,
    interrupted, diverged), one of phase data which files of the data are left out. A number that is
    not finite is null.
    """

    def __init__(self, run: Path, writes: bool = True) -> None:
        """writes: whether we are the one process that does."""
        self.path, self.writes = run / LOG, writes

    def write(self, record: Record) -> None:
        """Add a line. NS673: it cannot be written."""
        if not self.writes:
            return
        line = {key: finite(value) for key, value in record.items()} | {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds")
        }
        append_text(self.path, json.dumps(line) + "\n", "NS673")

    def rewind(self, iteration: int) -> None:
        """Drop what was written after the snapshot of `iteration`: it is done, and logged, again. A
        line cut off by a kill goes too.
        """
        if not self.writes:
            return
        try:
            lines = read_text(self.path, [self.path.parent], errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise fail("NS673", error.strerror or str(error), path=str(self.path)) from error
        kept = [line for line in lines if before(line, iteration)]
        with replacing(self.path, "NS673", follow=False) as draft:
            draft.write_text("".join(line + "\n" for line in kept), "utf-8")


def read_lines(run: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's log, in order; none where there is no log. A line that a kill cut off is
    left out. Raises OSError.
    """
    try:
        text = read_text(run / LOG, [run], errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            found = read_object(line)
        except JsonError:
            continue
        if isinstance(found.get("phase"), str) and isinstance(found.get("iteration"), int):
            yield found


def read_numbers(record: Record) -> dict[str, float]:
    """What a line says was measured; a number that was not finite stands as null, and is left out."""
    return {
        name: value for name, value in record.items() if name not in ASIDE and type(value) in (int, float)
    }


def before(line: str, iteration: int) -> bool:
    """Whether a line was written before the snapshot of an iteration: a test follows the snapshot,
    training lines precede it.
    """
    try:
        record = read_object(line)
        return bool(
            record["iteration"] < iteration
            or (record["iteration"] == iteration and record["phase"] == "train")
        )
    except (JsonError, TypeError, KeyError):
        return False


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
