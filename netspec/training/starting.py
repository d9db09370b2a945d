"""A training that starts from weights of another. In: a file or a run, the net's tensors, what is
called otherwise or starts anew; out: the tensors filled, a report on each.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from netspec.diagnostics import Diagnostic, Fix, SpecError, fail
from netspec.diagnostics.model import write_nearest
from netspec.diagnostics.suggest import nearest
from netspec.diagnostics.words import list_briefly
from netspec.ir.graph import TypedGraph
from netspec.training.by_structure import Mapped, map_by_structure
from netspec.training.divergence import all_finite
from netspec.training.nets import copy_all
from netspec.training.optim.solver import ParameterSpec
from netspec.training.run.folder import is_run, weights_file
from netspec.training.run.weights import read_tensors

__all__ = ["Report", "Start", "start_from"]

SHOWN = 5
"""Names in one message: a line and a half."""


class Start(NamedTuple):
    """path: a safetensors file, or a run, whose last weights are meant. new: patterns of layers
    that start as their fillers say, whatever the file has. renames: names in the file, and the
    net's for them; one `*` in both stands for the same text.
    """

    path: str
    new: tuple[str, ...] = ()
    renames: tuple[tuple[str, str], ...] = ()


class Report(NamedTuple):
    """What became of each tensor. matched: the net's names by those of the file; missing: those of
    the net that the file lacks; anew: those that were to start anew; unexpected: those of the file
    that the net lacks; notes: how the file's net was another, where its names are of another library.
    """

    path: str
    matched: Mapping[str, str]
    missing: tuple[str, ...]
    anew: tuple[str, ...]
    unexpected: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """For a person."""
        total = len(self.matched) + len(self.missing) + len(self.anew)
        yield f"{self.path}: {len(self.matched)} of {total} tensors are taken over"
        for names, what in (
            (self.anew, "start anew"),
            (self.missing, "are not in the file: filled as the spec says"),
            (self.unexpected, "are in the file alone"),
        ):
            if names:
                yield f"  {list_briefly(names, SHOWN)} {what}"
        for each in self.notes:
            yield f"  {each}"


def start_from(
    parameters: Sequence[ParameterSpec],
    start: Start,
    spec: str = "SPEC",
    typed: TypedGraph | None = None,
) -> Report:
    """Copy what a file has for these parameters, all or none; the others keep their fillers. Where it
    shares few names with the net, and they are torchvision's, layers are matched in order.

    typed: the net, to match by. spec: the file that the net is read from, for a message. NS601: a pattern of `new` or a name of
    `renames` stands for nothing. NS676: a tensor is of another shape or not finite, or the file has
    none of them.
    """
    path = Path(start.path)
    if is_run(path):
        path = weights_file(path, "last")
    held, _ = read_tensors(path)
    ours = {each.name: each.tensor for each in parameters}
    found = rename(held, start.renames, path)
    alike = len(found.keys() & ours.keys())
    mapped = None
    if typed is not None and not start.renames and alike < len(ours) / 2:
        mapped = match_layers(held, typed, start, path, refuses=not alike)
    if mapped is not None:
        held, found = dict(mapped.tensors), {**mapped.names, **{name: name for name in mapped.left}}
    anew = tuple(name for name in ours if starts_anew(start, name))
    refuse_idle(start.new, ours)
    common = {name: found[name] for name in ours if name in found and name not in anew}
    tensors = {name: held[source] for name, source in common.items()}
    if not common:
        raise fail("NS676", nothing_common(len(held), len(ours)), path=str(path))
    wrong = [name for name, tensor in tensors.items() if not all_finite([tensor])]
    if wrong:
        facts = (f"{name} holds values that are not finite" for name in wrong)
        raise SpecError([Diagnostic("NS676", fact, path=str(path)) for fact in facts])
    unlike = {name: each for name, each in tensors.items() if each.shape != ours[name].shape}
    if unlike:
        raise SpecError(list(tell_misfits(unlike, ours, path, spec)))
    ones = () if mapped is None else mapped.ones
    copy_all({**tensors, **{name: torch.ones_like(ours[name]) for name in ones}}, ours, path)
    return Report(
        start.path,
        {source: name for name, source in common.items()},
        tuple(name for name in ours if name not in common and name not in anew and name not in ones),
        anew,
        tuple(source for name, source in found.items() if name not in ours),
        () if mapped is None else mapped.notes,
    )


def match_layers(
    held: Mapping[str, Tensor], typed: TypedGraph, start: Start, path: Path, refuses: bool
) -> Mapped | None:
    """The file's layers for the net's, in order, where its names are of a known family. refuses: NS609
    where they are not the same; else names alone count then.
    """
    try:
        return map_by_structure(held, typed, lambda name: starts_anew(start, name), str(path))
    except SpecError:
        if refuses:
            raise
        return None


def starts_anew(start: Start, name: str) -> bool:
    return any(stands_for(pattern, name) for pattern in start.new)


def nothing_common(held: int, ours: int) -> str:
    return f"none of its {held} tensors bears the name of one of the net's {ours}: --rename OLD=NEW"


def rename(held: Mapping[str, Tensor], renames: Sequence[tuple[str, str]], path: Path) -> dict[str, str]:
    """The names in a file by those that they get. NS601: an old name stands for nothing; NS676: two
    get the same.
    """
    found: dict[str, str] = {}
    used: set[str] = set()
    for source in held:
        name = source
        for old, new in renames:
            begin, star, end = old.partition("*")
            middle = source[len(begin) : len(source) - len(end)]
            if source == old or (star and source == begin + middle + end and len(middle) > 0):
                name = new.replace("*", middle)
                used.add(old)
                break
        if name in found:
            raise fail("NS676", f"{found[name]} and {source} would both be {name}", path=str(path))
        found[name] = source
    for old, _ in renames:
        if old not in used:
            refuse(f"--rename {old}", old, held)
    return found


def refuse_idle(patterns: Sequence[str], ours: Mapping[str, Tensor]) -> None:
    """NS601 for the first pattern that stands for no tensor."""
    for pattern in patterns:
        if not any(stands_for(pattern, name) for name in ours):
            refuse(f"--new {pattern}", pattern, {name.rpartition(".")[0]: None for name in ours})


def refuse(said: str, word: str, known: Mapping[str, object]) -> None:
    near = nearest(word, known)
    fixes = write_nearest(near, None)
    notes = () if near else (f"there are {list_briefly(list(known), SHOWN)}",)
    raise SpecError([Diagnostic("NS601", f"{said} stands for nothing", fixes=fixes, notes=notes)])


def stands_for(pattern: str, name: str) -> bool:
    """Whether a pattern means a tensor: by its layer's name, or that of a block's instance around
    it.
    """
    pieces = name.split(".")
    return any(fnmatchcase(".".join(pieces[:i]), pattern) for i in range(1, len(pieces) + 1))


def tell_misfits(
    unlike: Mapping[str, Tensor], ours: Mapping[str, Tensor], path: Path, spec: str
) -> Iterator[Diagnostic]:
    """NS676 for each tensor of another shape; with the first of a layer, what can be done about
    it.
    """
    before = f"{path} BEFORE.yaml"
    if is_run(path.parent) and (path.parent / "spec.yaml").is_file():
        before = f"{path.parent} {path.parent / 'spec.yaml'}"
    told: set[str] = set()
    for name, tensor in unlike.items():
        layer = name.rpartition(".")[0]
        helps = (
            f"--new {layer}: it then starts as its fillers say, the others from the file",
            (
                f"netspec transplant {before} {spec} -o start.safetensors, and start from --weights"
                " start.safetensors"
            ),
        )
        fact = f"{name} is {list(tensor.shape)} in the file, {list(ours[name].shape)} in the net"
        fixes = () if layer in told else tuple(map(Fix, helps))
        yield Diagnostic("NS676", fact, path=str(path), fixes=fixes)
        told.add(layer)
