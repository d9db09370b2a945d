"""Class names for the outputs of a model. In: what the spec says under `output:`, and what the data
call the classes; out: names by output. Knows no torch.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from netspec.diagnostics import fail
from netspec.diagnostics.words import list_briefly
from netspec.driver import Program
from netspec.file_reading import read_bytes
from netspec.ir.graph import TypedGraph, Value
from netspec.strict_json import BYTES, JsonError, member, read_object
from netspec.syntax.located import Located
from netspec.syntax.paths import OutsideError, resolve_path, roots

__all__ = ["labels_of", "learned_names", "names_of", "other_names"]

CLASSES = "classes.json"
SHOWN = 6
"""Names in one message: a line and a half."""


def labels_of(program: Program, typed: TypedGraph, run: Path | None) -> dict[str, list[str]]:
    """Names by output: what `labels:` lists, or the lines of the file that it names; else the run's
    classes, where their number fits.

    Raises SpecError NS667 where a list has the run's names in another order, NS707 where a file
    cannot be read or its names do not match the output's size, NS114 where it lies outside. Of a
    run whose paths lead nowhere, findings say how the folder that its record names is confirmed.
    """
    learned = learned_names(run) if run is not None else []
    if not program.reading.unproven:
        return names_of(program, typed, learned)
    from netspec.training.run.folder import telling

    with telling(program.reading.unproven):
        return names_of(program, typed, learned)


def names_of(program: Program, typed: TypedGraph, learned: Sequence[str]) -> dict[str, list[str]]:
    """Names by output; `learned`: what the data call the classes, in the order of their numbers."""
    section = program.resolved.spec.section("output")
    found: dict[str, list[str]] = {}
    for name, body in (
        section.mapping.items() if section is not None and isinstance(section.value, dict) else ()
    ):
        said = body.get("labels") if isinstance(body.value, dict) else None
        if said is not None:
            found[name] = read_names(said, program, typed, name)
            if len(found[name]) == len(learned):
                refuse_other_order(found[name], learned, name, said)
    for value in typed.graph.outputs:
        if learned and size(typed, value) == len(learned):
            found.setdefault(value.name, list(learned))
    return found


def refuse_other_order(listed: Sequence[str], learned: Sequence[str], output: str, said: Located) -> None:
    """Raises SpecError NS667 where a name of the data stands at another number of the list."""
    places = {alike(name): number for number, name in enumerate(learned)}
    if len(places) < len(learned):
        return
    for number, name in enumerate(listed):
        own = places.get(alike(name), number)
        if own != number:
            raise fail(
                "NS667",
                f"class {number} of {output} is {name} in the list, and {learned[number]} in the"
                f" data, where {name} is class {own}",
                span=said.span,
                notes=(
                    f"the data number their classes {list_briefly(learned, SHOWN)}",
                    "list them so, or take `labels:` out: a run knows the names of its data",
                ),
            )


def alike(name: str) -> str:
    """Names that people write in two ways are one: golden_retriever, Golden Retriever."""
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def other_names(labels: Mapping[str, Sequence[str]], learned: Sequence[str]) -> dict[str, list[str]]:
    """By output, for each class what the data call it where a list calls it otherwise, else ""."""
    found = {}
    for output, names in labels.items():
        if len(names) == len(learned) and list(names) != list(learned):
            pairs = zip(names, learned, strict=True)
            found[output] = ["" if alike(name) == alike(own) else own for name, own in pairs]
    return {output: names for output, names in found.items() if any(names)}


def read_names(said: Located, program: Program, typed: TypedGraph, output: str) -> list[str]:
    """The names listed there, or the lines of the file named, whose path starts at the spec's
    folder.
    """
    if isinstance(said.value, list):
        source = "it"
    else:
        source = file_of(said, program.resolved.spec.folder)
    if isinstance(said.value, list):
        names = [item.text for item in said.items]
    else:
        names = lines(Path(source), program.resolved.spec.folder, said, output)
    wanted = next((size(typed, v) for v in typed.graph.outputs if v.name == output), None)
    if wanted is not None and wanted != len(names):
        raise fail(
            "NS707",
            f"{source} has {len(names)} names: {output} has {wanted} classes",
            span=said.span,
        )
    return names


def file_of(said: Located, folder: str) -> str:
    """The label file that is named. Raises SpecError NS114 for a place outside the spec's
    folder.
    """
    try:
        return resolve_path(said.text, folder)
    except OutsideError as error:
        note = "--allow-outside FOLDER, on the command line, lets a spec reach another folder"
        raise fail(
            "NS114", f"{said.text} lies outside the spec's folder", span=said.span, notes=(note,)
        ) from error


def lines(path: Path, folder: str, said: Located, output: str) -> list[str]:
    """The lines of a label file."""
    try:
        names = read_bytes(path, roots(folder), BYTES).decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError):
            why = error.strerror
        else:
            why = "it is not UTF-8"
        raise fail("NS707", f"labels of {output}: {path}: {why}", span=said.span) from error
    return [name.strip() for name in names[: -1 if names[-1] == "" else None]]


def learned_names(run: Path) -> list[str]:
    """The names that the run's data had, in the order of their numbers; none if it had none."""
    path = run / CLASSES
    if not path.is_file():
        return []
    try:
        numbers = read_object(read_bytes(path, [run], BYTES + 1))
        for name in numbers:
            member(numbers, name, int)
    except OSError as error:
        raise fail("NS707", error.strerror or str(error), path=str(path)) from error
    except JsonError as error:
        raise fail("NS707", f"it is not a map from names to numbers: {error}", path=str(path)) from error
    names = sorted(numbers, key=lambda name: numbers[name])
    if [numbers[name] for name in names] != list(range(len(names))):
        raise fail("NS707", "its numbers are not 0, 1, 2, ...", path=str(path))
    return names


def size(typed: TypedGraph, value: Value) -> int | None:
    """Number of classes of an output: of the boxes that it lists, else its axis 1, or its only axis
    after the batch.
    """
    if value.node is not None and value.node.layer.lists:
        return value.node.layer.lists
    shape = typed.types[value].shape
    if len(shape) > 1 and isinstance(shape[1], int):
        return shape[1]
    return None
