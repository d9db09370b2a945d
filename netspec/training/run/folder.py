"""The folder of a run: what was trained, how, and what came of it. In: a Program; out: a folder
that can be loaded by itself.

spec.yaml is the spec as it was written (with a base or imports: joined to one file), run.json how
it was used; classes.json, log.jsonl and the safetensors files come from the training.
"""

import json
import math
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from netspec import compiled, driver
from netspec.allowed_paths import reachable
from netspec.diagnostics import Diagnostics, SpecError, fail
from netspec.file_reading import read_bytes, real_file
from netspec.file_writing import write_text
from netspec.frozen_classes import replace_fields
from netspec.ir.graph import TypedGraph
from netspec.read_options import PLAIN, Reading
from netspec.source import Source
from netspec.strict_json import JsonError, member, read_object
from netspec.syntax.located import plain
from netspec.syntax.reader import read_file
from netspec.syntax.settings import is_setting
from netspec.syntax.writer import dump, escape_dollars
from netspec.training.nets import fill
from netspec.training.run.origins import reaches_no_more
from netspec.training.run.weights import BEST, WEIGHTS
from netspec.version import __version__

__all__ = [
    "CLASSES",
    "RECORD",
    "SPEC",
    "LoadedRun",
    "Record",
    "is_run",
    "load_run",
    "program_of",
    "read_classes",
    "read_record",
    "record_of",
    "telling",
    "weights_file",
    "write_run",
]

SPEC, RECORD, CLASSES = "spec.yaml", "run.json", "classes.json"
CHOICES = {"last": WEIGHTS, "best": BEST}
APART = ("layers", "blocks", "vars", "override")
"""Sections of a joined spec in which variables still stand."""
CHANGES = ("base", "import", "insert", "remove")
SEEDS = 2**63
SAID = {
    "name": str,
    "device": str,
    "versions": dict,
    "threads": int,
    "processes": int,
    "reproducible": bool,
    "started": str,
    "spec_hash": str,
}
"""What a record says besides, for a person to read or another run to be compared with."""
LONGEST = 1 << 26
OF_FILES = ("NS001", "NS114", "NS642", "NS643", "NS707")

Record = Mapping[str, Any]
"""run.json. spec: the path as given; root: the folder its paths start from; settings, stages,
level: how it was read; seed; device; ...
"""


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """A finished or stopped run. `net` is the deployed net of graph `typed`, in eval mode, with the
    weights of file `weights`.
    """

    folder: Path
    program: driver.Program
    typed: TypedGraph
    net: nn.Module
    weights: Path
    classes: tuple[str, ...] | None
    record: Record


def load_run(
    folder: str | Path, weights: str = "last", device: str = "cpu", reading: Reading = PLAIN
) -> LoadedRun:
    """A run as a net. weights: last, best, or a safetensors file.

    Raises SpecError: NS683 (not a run), NS674 (damaged), NS676 (weights of another net), and what
    reading its spec raises.
    """
    run = Path(folder)
    record = read_record(run)
    program = program_of(run, record, reading)
    typed = program.graph("deploy")
    net = compiled.compile(typed)
    path = weights_file(run, weights)
    fill(
        net,
        typed,
        path,
        program.training_graph("train") if program.resolved.file.train is not None else None,
    )
    return LoadedRun(run, program, typed, net.to(device), path, read_classes(run), record)


def weights_file(run: Path, weights: str) -> Path:
    """The file that last, best or a path means. NS683: the run has no such weights."""
    if weights not in CHOICES:
        return Path(weights)
    path = run / CHOICES[weights]
    if not path.exists():
        raise fail(
            "NS683",
            f"it holds no {path.name}" + (": no test was made" if weights == "best" else ""),
            path=str(run),
        )
    return own_file(run, path.name)


def own_file(run: Path, name: str) -> Path:
    """A file of a run. NS683: it is none, or a link that leads out of the folder."""
    try:
        real_file(run / name, [run])
    except OSError as error:
        raise fail("NS683", f"{name}: {error.strerror or error}", path=str(run)) from error
    return run / name


def is_run(path: str | Path) -> bool:
    """Whether a path is the folder of a run."""
    return (Path(path) / RECORD).is_file()


def again(record: Record, reading: Reading) -> Reading:
    """How a run's spec is read again: as it was, the settings of `reading` after its own, its other
    words over them.
    """
    return replace_fields(
        reading,
        stages=reading.stages or frozenset(record["stages"]),
        level=reading.level or record["level"],
        settings=(*record["settings"], *reading.settings),
        recorded=len(record["settings"]),
        origins=tuple(record["made_of"]),
    )


def program_of(run: Path, record: Record, reading: Reading = PLAIN) -> driver.Program:
    """The Program that was trained, its paths starting where they did, if that is proven or
    allowed, else in the run's folder.

    A run may come from a stranger, and its record may name any folder. Proof is the spec itself:
    where it still stands in that folder, as it was trained, the run reaches what the spec would
    reach; of one that was written from other specs, these, as far as it names no more files.
    --allow-outside, on the command line, allows the folder without.
    """
    diagnostics = Diagnostics()
    source = read_file(str(own_file(run, SPEC)), diagnostics, [str(run)])
    if source is None:
        raise SpecError(diagnostics.sorted())
    named = os.path.join(record["root"], os.path.basename(record["spec"]) or SPEC)
    as_then = again(record, reading)
    if reachable(record["root"], str(run)) or stands_there(named, source.text, as_then):
        return driver.load_source(Source(named, source.text), as_then)
    there = Source(os.path.join(run, os.path.basename(named)), source.text)
    own = again(record, Reading(allow_code=reading.allow_code))
    if own.origins and reaches_no_more(there, record["root"], own.origins, own):
        return driver.load_source(Source(named, source.text), as_then)
    with telling(record["root"]):
        return driver.load_source(there, replace_fields(as_then, unproven=record["root"]))


@contextmanager
def telling(unproven: str) -> Iterator[None]:
    """Findings about files of a run whose record proves nothing: they say how the folder in it is
    confirmed.
    """
    try:
        yield
    except SpecError as error:
        if not unproven:
            raise
        note = f"its record says that paths start in {unproven}, where the spec no longer stands as it was: "
        note += f"--allow-outside {unproven} confirms it"
        raise SpecError(
            [replace(d, notes=(*d.notes, note)) if d.code in OF_FILES else d for d in error.diagnostics]
        ) from error


def stands_there(path: str, text: str, reading: Reading) -> bool:
    """Whether the spec that a run was trained by is the file at a path: the same text, or, of one
    with bases, the same once joined.
    """
    try:
        found = read_bytes(path, most=LONGEST).decode("utf-8-sig")
    except (OSError, ValueError):
        return False
    if found == text:
        return True
    try:
        return text_of(driver.load_source(Source(path, found), reading)) == text
    except SpecError:
        return False


def read_record(run: Path) -> Record:
    """run.json. NS683: there is none, or it is damaged."""
    try:
        return check_record(read_object(read_bytes(run / RECORD, [run], LONGEST + 1)))
    except OSError as error:
        if not run.exists():
            why = "there is no such folder"
        elif run.is_file():
            why = "it is a file, not the folder of a run"
        else:
            why = ""
        raise fail("NS683", why or f"{RECORD}: {error.strerror or error}", path=str(run)) from error
    except JsonError as error:
        raise fail("NS683", f"{RECORD} is damaged: {error}", path=str(run)) from error


def check_record(record: dict[str, Any]) -> Record:
    """The record, its fields of the right types. Raises JsonError."""
    for key, kind in {
        "root": str,
        "spec": str,
        "settings": list,
        "stages": list,
        "level": int,
        "seed": int,
    }.items():
        member(record, key, kind)
    for key, kind in SAID.items():
        member(record, key, kind, missing=kind())
    record.setdefault("made_of", [])
    for key in ("settings", "stages", "made_of"):
        if not all(isinstance(item, str) for item in record[key]):
            raise JsonError(f"{key} must be a list of texts")
    if any("\0" in record[key] for key in ("root", "spec")):
        raise JsonError("a path in it holds a null character")
    if not 0 <= record["seed"] < SEEDS:
        raise JsonError(f"seed must be from 0 to {SEEDS - 1}: it is {record['seed']}")
    if "class_weight" in record:
        check_class_weights(member(record, "class_weight", dict))
    return record


def check_class_weights(weights: dict[str, Any]) -> None:
    """Raises JsonError where these are not numbers of at least 0 by layer."""
    for name in weights:
        values = member(weights, name, list)
        if not values or not all(type(w) in (int, float) and 0 <= w < math.inf for w in values):
            raise JsonError(f"class_weight of {name:.80} must be numbers of at least 0")


def read_classes(run: Path) -> tuple[str, ...] | None:
    """The class names in the order of their labels; None where the data had none. NS683: the file
    is damaged.
    """
    path = run / CLASSES
    if not path.is_file():
        return None
    try:
        numbers = read_object(read_bytes(path, [run], LONGEST + 1))
        return tuple(sorted(numbers, key=lambda name: int(member(numbers, name, int))))
    except OSError as error:
        raise fail("NS683", f"{CLASSES}: {error.strerror or error}", path=str(run)) from error
    except JsonError as error:
        raise fail("NS683", f"{CLASSES} is damaged: {error}", path=str(run)) from error


def record_of(program: driver.Program, seed: int, device: str, spec_hash: str) -> dict[str, Any]:
    """What run.json holds."""
    return {
        "netspec": __version__,
        "name": program.name,
        "command": sys.argv,
        "spec": program.resolved.spec.source.name,
        "root": os.path.abspath(program.resolved.spec.folder),
        "made_of": list(program.reading.origins),
        "settings": list(program.reading.settings),
        "stages": sorted(program.reading.stages),
        "level": program.reading.level,
        "seed": seed,
        "device": device,
        "spec_hash": spec_hash,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "threads": torch.get_num_threads(),
        "reproducible": torch.are_deterministic_algorithms_enabled(),
    }


def write_run(run: Path, program: driver.Program, record: Record) -> None:
    """Write spec.yaml and run.json. NS673: the folder cannot be written to."""
    write_text(run / SPEC, text_of(program), "NS673", follow=False)
    write_text(run / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n", "NS673", follow=False)


def text_of(program: driver.Program) -> str:
    """The spec as text that needs no other file: as written, or, where it has a base or imports,
    with them joined in.
    """
    spec = program.resolved.spec
    sources = {each.span.source for each in spec.root.walk() if each.span is not None}
    if not any(key in spec.root.mapping for key in CHANGES) and all(
        s is spec.source or is_setting(s) for s in sources
    ):
        return spec.source.text
    kept = {key: plain(value) for key, value in spec.root.mapping.items() if key not in CHANGES}
    return dump({key: value if key in APART else escape_dollars(value) for key, value in kept.items()})
