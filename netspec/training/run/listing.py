"""Runs at a glance: what each was and came to. In: folders; out: plain values, read from run.json
and log.jsonl alone. Needs no torch and no spec that still checks.
"""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.model import Diagnostics
from netspec.file_reading import read_bytes, read_text
from netspec.source import Source
from netspec.strict_json import JsonError, read_object
from netspec.syntax.located import plain
from netspec.syntax.reader import read
from netspec.training.run.log import read_lines, read_numbers

__all__ = ["Entry", "find_runs", "read_entry", "settings_apart"]

RECORD, SPEC, OWNER = "run.json", "spec.yaml", "owner.json"
DEPTH = 4
"""Folders below the given one: runs/NAME/TIME, and sweeps within."""
LONGEST = 64 << 20
Metrics = Mapping[str, float]


class Entry(NamedTuple):
    """A run. ended: finished, stopped, interrupted, diverged, running, killed, or what is wrong with
    its files; why: of one that its tests stopped. seconds: from its beginning to its last line.
    best: the numbers of its best test, after so many iterations; last: of its last test.
    """

    folder: str
    name: str = ""
    spec: str = ""
    iteration: int = 0
    best: Metrics = {}
    best_iteration: int | None = None
    last: Metrics = {}
    ended: str = ""
    why: str = ""
    started: str = ""
    seconds: float | None = None
    seed: int | None = None
    device: str = ""
    processes: int = 1
    settings: tuple[str, ...] = ()
    versions: Mapping[str, str] = {}


def find_runs(folder: Path) -> Iterator[Path]:
    """The runs in a folder and below, in the order of their names; links are not followed. NS683:
    there is no such folder.
    """
    if not folder.is_dir():
        raise fail("NS683", "there is no such folder", path=str(folder))
    if (folder / RECORD).is_file():
        yield folder
        return
    base = len(folder.parts)
    for at, below, files in os.walk(folder):
        below.sort()
        if RECORD in files:
            below.clear()
            yield Path(at)
        elif len(Path(at).parts) - base >= DEPTH:
            below.clear()


def read_entry(run: Path) -> Entry:
    """A run's values; one whose files are damaged says so in `ended`."""
    try:
        record = read_object(read_bytes(run / RECORD, [run], LONGEST))
        lines = [*read_lines(run)]
        return make_entry(run, record, lines)
    except (OSError, JsonError, TypeError, ValueError, KeyError, AttributeError) as error:
        return Entry(str(run), ended=f"damaged: {getattr(error, 'strerror', None) or error}"[:100])


def make_entry(run: Path, record: Mapping[str, Any], lines: list[dict[str, Any]]) -> Entry:
    """The values of a run by its record and its log."""
    tests = [line for line in lines if line["phase"] in ("val", "test") and "best" in line]
    best = next((line for line in reversed(tests) if line["best"]), None)
    started = str(record.get("started") or "")
    end = lines[-1] if lines else {}
    times = [datetime.fromisoformat(each) for each in (started, str(end.get("time", ""))) if each]
    ended, why = how_it_ended(run, end)
    return Entry(
        str(run),
        str(record.get("name", "")),
        str(record.get("spec", "")),
        max((int(line["iteration"]) for line in lines), default=0),
        read_numbers(best or {}),
        best and int(best["iteration"]),
        read_numbers(tests[-1] if tests else {}),
        ended,
        why,
        started,
        (times[1] - times[0]).total_seconds() if len(times) > 1 else None,
        record.get("seed"),
        str(record.get("device", "")),
        int(record.get("processes", 1)),
        tuple(map(str, record.get("settings", ()))),
        {str(word): str(value) for word, value in record.get("versions", {}).items()},
    )


def how_it_ended(run: Path, end: Mapping[str, Any]) -> tuple[str, str]:
    """The word for it, and why."""
    if end.get("phase") == "end":
        return str(end.get("reason", "")), str(end.get("why", ""))
    if is_held(run):
        return "running", ""
    return "killed", ""


def is_held(run: Path) -> bool:
    """Whether the process that owns a run is there; one of another machine is believed."""
    try:
        said = read_object(read_bytes(run / OWNER, [run], 1000))
        if said.get("host") != platform.node():
            return True
        os.kill(int(said["process"]), 0)
    except PermissionError:
        return True
    except (OSError, JsonError, TypeError, ValueError, KeyError, OverflowError):
        return False
    return True


def settings_apart(one: Path, two: Path) -> list[tuple[str, Any, Any]]:
    """What two runs' specs say otherwise, settings of the command line over them: path, the one's
    value, the other's; None where it says nothing.
    """
    a, b = (dict(flatten(read_spec(run))) | settings_of(run) for run in (one, two))
    paths = list(dict.fromkeys([*a, *b]))
    return [(path, a.get(path), b.get(path)) for path in paths if a.get(path) != b.get(path)]


def read_spec(run: Path) -> Any:
    """A run's spec as plain values. Raises SpecError."""
    found = Diagnostics()
    try:
        text = read_text(run / SPEC, [run])
    except OSError as error:
        raise fail("NS683", f"{SPEC}: {error.strerror or error}", path=str(run)) from error
    except UnicodeDecodeError as error:
        raise fail("NS683", f"{SPEC}: byte {error.start} is not UTF-8", path=str(run)) from error
    tree = read(Source(str(run / SPEC), text), found)
    if tree is None:
        raise SpecError(found.sorted())
    return plain(tree)


def settings_of(run: Path) -> dict[str, Any]:
    """--set of a run, by path."""
    return dict(each.split("=", 1) for each in read_entry(run).settings if "=" in each)


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a tree by its path, as --set has it: of a layer, its name first."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from flatten(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(each, dict) for each in value):
        for number, each in enumerate(value):
            name = each.get("name", number) if isinstance(each, dict) else number
            yield from flatten(each, str(name) if path == "layers" else f"{path}.{name}")
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)
