"""A run made again: whether the same spec, data, seed and versions give the same weights. In: a run's
folder; out: a new run, and how it compares.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from netspec.data.facts import read_facts
from netspec.diagnostics import Diagnostic, fail
from netspec.read_options import PLAIN, Reading
from netspec.training.device import find_device
from netspec.training.job import TrainingResult
from netspec.training.progress import Reporter
from netspec.training.run.checkpoint import SOLVER, read_more
from netspec.training.run.folder import program_of, read_record, record_of
from netspec.training.run.named_run import make_run
from netspec.training.run.weights import WEIGHTS, read_tensors
from netspec.training.session import START, session, train_program

__all__ = ["Repeated", "hash_weights", "reproduce"]


class Repeated(NamedTuple):
    """The run made anew, hashes of the weights of both, and what was noticed: NS636, NS635."""

    result: TrainingResult
    before: str
    now: str
    findings: tuple[Diagnostic, ...]


def reproduce(
    run: Path,
    folder: Path | None = None,
    *,
    device: str = "cpu",
    progress: Reporter | None = None,
    reading: Reading = PLAIN,
) -> Repeated:
    """Train as a run was trained, and compare the weights. folder: of the new run.

    Raises SpecError: NS637 (it cannot be repeated), NS659 (its data are others now), what reading
    and training raise.
    """
    record = read_record(run)
    check_repeatable(run, record)
    more = read_more(run / SOLVER)
    program = program_of(run, record, reading)
    place = find_device(device)
    found = tuple(compare_environments(run, record, record_of(program, 0, str(place), "")))
    made = session(program, place, seed=record["seed"], facts=read_facts(run))
    made.job.train_batches.load_state(more["data"])
    made.job.train_batches.close()
    if folder is None:
        folder = make_run(program.name)
    seed = f"train.solver.random_seed={record['seed']}"
    settings = (*record["settings"], seed, *repeat_choice(run, more))
    again = program_of(run, {**record, "settings": settings}, reading)
    result = train_program(
        again, folder, device=device, progress=progress, reproducible=bool(record.get("reproducible"))
    )
    before, now = hash_weights(run), hash_weights(folder)
    if before != now:
        fact = f"the weights hash to {before[:16]}, of the run made again to {now[:16]}"
        notes = () if record.get("reproducible") else ("it was not trained with --reproducible",)
        found = (*found, Diagnostic("NS635", fact, path=str(run), notes=notes))
    return Repeated(result, before, now, found)


def check_repeatable(run: Path, record: Mapping[str, Any]) -> None:
    """NS637 where a run is more than one training from the beginning to its end."""
    from netspec.training.run.listing import read_entry

    entry = read_entry(run)
    reasons = {
        f"it was trained by {entry.processes} processes, and is repeated by one": entry.processes > 1,
        "it started from other weights": (run / START).exists(),
        f"it has not come to its end: {entry.ended}": entry.ended not in ("finished", "stopped"),
        "its spec does not hold its seed": "seed" not in record,
    }
    for reason, holds in reasons.items():
        if holds:
            raise fail("NS637", reason, path=str(run))


def repeat_choice(run: Path, more: Mapping[str, Any]) -> tuple[str, ...]:
    """A setting for what `compile: auto` chose by time, which the next time may not. NS637: it
    chose this for one player and that for another.
    """
    chosen = {each for each in more.get("pace", {}).get("compiled", ()) if each is not None}
    if len(chosen) > 1:
        fact = "compile: auto compiled the nets of some players and not of others"
        raise fail("NS637", fact, path=str(run))
    return tuple(f"train.compile={str(each).lower()}" for each in chosen)


def compare_environments(
    run: Path, before: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[Diagnostic]:
    """NS636 where versions, device or threads are not those of the run."""
    words = {**before.get("versions", {}), **{word: before.get(word) for word in ("netspec", "device")}}
    here = {**now["versions"], **{word: now[word] for word in ("netspec", "device")}}
    if not before.get("reproducible"):
        words["threads"], here["threads"] = before.get("threads"), now["threads"]
    apart = [
        f"{word} {words[word]} then, {here.get(word)} now" for word in words if words[word] != here[word]
    ]
    if apart:
        yield Diagnostic("NS636", "; ".join(apart), path=str(run))


def hash_weights(run: Path) -> str:
    """SHA-256 of a run's last weights: names, types, shapes and bytes, in the order of the names."""
    made = hashlib.sha256()
    for name, tensor in sorted(read_tensors(run / WEIGHTS, [run])[0].items()):
        made.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        made.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return made.hexdigest()
