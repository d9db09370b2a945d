"""A run's log as curves. In: its folder; out: points by what was measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.file_reading import read_text
from netspec.strict_json import JsonError, read_object
from netspec.training.run.log import LOG, read_numbers

__all__ = ["Lines", "best_line", "curves_of", "read_log"]

Lines = list[Mapping[str, Any]]
PHASES = ("train", "val", "test")


def read_log(run: Path) -> Lines:
    """The lines of a run's log; one that a kill cut off at the end is left out. Raises SpecError
    NS750 (there is none), NS755.
    """
    path = run / LOG
    if not path.exists():
        raise fail("NS750", f"the run has no {LOG}: it was made, or copied without", path=str(run))
    try:
        lines = read_text(path, [run], errors="replace").splitlines()
    except OSError as error:
        raise fail("NS755", f"{LOG}: {error.strerror or error}", path=str(run)) from error
    found: Lines = []
    for number, line in enumerate(lines, 1):
        try:
            record = read_object(line)
            if not isinstance(record.get("phase"), str) or type(record.get("iteration", 0)) is not int:
                raise JsonError("a line needs a phase and an iteration")
            found.append(record)
        except JsonError as error:
            if number < len(lines):
                raise fail("NS755", f"{LOG}, line {number}: {error}", path=str(run)) from error
    return found


def curves_of(log: Lines) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Points (iteration, value) by what is measured, then by phase."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for record in log:
        if record["phase"] in PHASES and not record.get("weights"):
            for name, value in read_numbers(record).items():
                points = found.setdefault(name, {}).setdefault(record["phase"], [])
                points.append((float(record["iteration"]), float(value)))
    return found


def best_line(log: Lines) -> list[str]:
    """The last test in words, and the best one."""
    tests = [each for each in log if each["phase"] in ("val", "test") and not each.get("weights")]
    if not tests:
        return []
    found = []
    for word, each in (("last", tests[-1]), ("best", next((t for t in tests[::-1] if t.get("best")), None))):
        if each is not None:
            told = ", ".join(f"{name} {value:.4g}" for name, value in read_numbers(each).items())
            found.append(f"{word} test, after {count_of(each['iteration'], 'iteration')}: {told}")
    return found
