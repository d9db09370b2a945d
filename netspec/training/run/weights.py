"""The weights files of a run, each whole in one file or in parts beside it. In: a path; out: tensors
by name, and into a net.

A file in parts holds what is whole in every process, and the names of its parts under `parts`: each
has some rows of every other tensor, in their order, and its checksum in its name. Knows neither solver
nor net; export and training share it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from safetensors import SafetensorError
from torch import Tensor

from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.file_reading import Roots
from netspec.strict_json import JsonError, member
from netspec.training.run.tensor_file import Facts, checksum, plain, read_file, read_header, write_tensors

__all__ = [
    "BEST",
    "PARTS",
    "WEIGHTS",
    "Facts",
    "NamedTensor",
    "Stored",
    "fit",
    "forget_parts",
    "load_weights",
    "put",
    "read_rows",
    "read_tensors",
    "shapes_of",
    "write_part",
    "write_tensors",
]

WEIGHTS, BEST = "weights.safetensors", "best.safetensors"
"""The files of a run: of its last snapshot, of its best test."""
PARTS = "parts"
WHOLE = "its parts lie beside a file; netspec transplant RUN SPEC SPEC -o FILE makes one file of a run's"
PART = re.compile(r"[a-z][a-z.-]{0,40}\.[0-9]{1,6}-of-[0-9]{1,6}\.[0-9a-f]{8}\.safetensors")

Shapes = Mapping[str, tuple[int, ...]]
Cut = Callable[[str], slice | None]
"""Which rows of a tensor are wanted; None: all."""


class NamedTensor(Protocol):
    """A tensor of a net under the spec's name, as in solver.ParameterSpec."""

    @property
    def name(self) -> str: ...
    @property
    def tensor(self) -> Tensor: ...


class Stored(NamedTuple):
    """What a file held. shapes: of the tensors as they are whole, where `tensors` are rows of them."""

    tensors: dict[str, Tensor]
    facts: Facts
    shapes: Shapes


def read_tensors(path: Path, roots: Roots = None) -> tuple[dict[str, Tensor], Facts]:
    """The tensors of a weights file, below `roots`, whole, and our facts about them. Raises as
    read_rows does.
    """
    tensors, facts, _ = read_rows(path, lambda name: None, roots)
    return tensors, facts


def read_rows(path: Path, cut: Cut, roots: Roots = None) -> Stored:
    """Some rows of the tensors of a weights file; of several parts one is in memory at a time.

    NS001: no such file. NS674: it, or a part, is damaged. NS676: numbers of a kind that no weight has.
    """
    tensors, facts = read_file(path, roots)
    lengths: dict[str, int] = {}
    shapes = shapes_of(tensors)
    found = {name: [take_rows(tensor, cut(name), 0)] for name, tensor in tensors.items()}
    for part in list_parts(path, facts):
        for name, tensor in read_part(part).items():
            if name in tensors or not tensor.dim():
                raise fail("NS674", f"{part.name} holds {name}, of which it can have no rows", path=str(path))
            begin = lengths.get(name, 0)
            lengths[name] = begin + len(tensor)
            shapes[name] = (lengths[name], *tensor.shape[1:])
            found.setdefault(name, []).append(take_rows(tensor, cut(name), begin))
    return Stored({name: join(name, rows, path) for name, rows in found.items()}, facts, shapes)


def take_rows(tensor: Tensor, rows: slice | None, begin: int) -> Tensor:
    """Those of a tensor's rows that are wanted, where its first is number `begin` of the whole."""
    if rows is None or not tensor.dim():
        return tensor
    return tensor[max(rows.start - begin, 0) : max(rows.stop - begin, 0)].clone()


def join(name: str, rows: Sequence[Tensor], path: Path) -> Tensor:
    if len(rows) == 1:
        return rows[0]
    try:
        return torch.cat(list(rows))
    except (RuntimeError, TypeError) as error:
        raise fail("NS674", f"the parts of {name} do not go together: {error}", path=str(path)) from error


def list_parts(path: Path, facts: Facts) -> Iterator[Path]:
    """The parts of a weights file, in the order of their rows. NS674: what it says of them is not
    sound.
    """
    names = facts.get(PARTS, [])
    if not isinstance(names, list) or len(names) != len({*map(str, names)}):
        raise fail("NS674", "its parts must be a list of names, each of its own", path=str(path))
    for name in names:
        if not isinstance(name, str) or PART.fullmatch(name) is None:
            raise fail("NS674", f"no part is called {str(name)[:80]!r}", path=str(path))
        yield path.with_name(name)


def read_part(path: Path) -> dict[str, Tensor]:
    """The rows that a part holds, which its name is the checksum of."""
    try:
        tensors, facts = read_file(path, [path.parent])
    except SpecError as error:
        fact = f"a part of a file of weights: {error.diagnostics[0].fact}"
        raise fail("NS674", fact, path=str(path), notes=(WHOLE,)) from error
    if checksum(facts, tensors) != path.name.split(".")[-2]:
        raise fail("NS674", "a part's name is not the checksum of its content", path=str(path))
    return tensors


def write_part(path: Path, rank: int, size: int, tensors: Mapping[str, Tensor]) -> str:
    """Write the rows of one of several processes beside a weights file; the part's name, under which
    nothing else was ever written. NS673: it cannot be written.
    """
    values = {name: plain(tensor) for name, tensor in tensors.items()}
    part = path.with_suffix(f".{rank}-of-{size}.{checksum({}, values)}.safetensors")
    write_tensors(part, values, {})
    return part.name


def forget_parts(run: Path) -> None:
    """Remove the parts in a run's folder that none of its weights files names."""
    with suppress(OSError):
        files = sorted(run.glob("*.safetensors"))
        parts = [file for file in files if PART.fullmatch(file.name)]
        named = {name for file in files if parts and file not in parts for name in name_parts(file)}
        for part in parts:
            if part.name not in named:
                part.unlink(missing_ok=True)


def name_parts(path: Path) -> list[str]:
    """What a weights file says its parts are, by its header alone; nothing where it is damaged."""
    try:
        return [str(name) for name in member(read_header(path), PARTS, list, missing=[])]
    except (SafetensorError, OSError, JsonError):
        return []


def load_weights(path: Path, parameters: Iterable[NamedTensor]) -> Facts:
    """Copy the weights of a file into the tensors of a net, all or none; the file's facts. NS676:
    names or shapes differ.
    """
    tensors, facts = read_tensors(path, [path.parent])
    parameters = list(parameters)
    fit(shapes_of(tensors), shapes_of({each.name: each.tensor for each in parameters}), path)
    put(tensors, parameters)
    return facts


@torch.no_grad()
def put(values: Mapping[str, Tensor], parameters: Iterable[NamedTensor]) -> None:
    """Copy values into tensors, by their names."""
    for each in parameters:
        each.tensor.copy_(values[each.name])


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def fit(held: Shapes, shapes: Shapes, path: Path) -> None:
    """Check that a file holds just the tensors that a net has, each of its shape. NS676, one for
    each tensor that does not fit.
    """
    facts = [f"{name} is not in the file" for name in shapes if name not in held]
    facts += [f"{name} is in the file but not in the net" for name in held if name not in shapes]
    facts += [
        f"{name} is {list(held[name])} in the file, {list(shape)} in the net"
        for name, shape in shapes.items()
        if name in held and held[name] != shape
    ]
    if facts:
        raise SpecError([Diagnostic("NS676", fact, path=str(path)) for fact in facts])
