"""Whether a spec that was written from others (a bag, channels taken out) names no file that those do
not name. In: its text, and the record of its run; out: yes or no. Knows no layer type.

A run's record may come from a stranger. What it says of the specs that its own was made of is believed
as far as they still stand: what they open, it may open.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from netspec import driver
from netspec.diagnostics import SpecError
from netspec.driver import Program
from netspec.file_reading import read_bytes
from netspec.read_options import Reading
from netspec.record import Record
from netspec.resolve.sections.spec_file import LayerFields
from netspec.source import Source
from netspec.syntax.located import Located, plain

__all__ = ["origins_of", "reaches_no_more"]

LONGEST = 1 << 26
JOINING = ("base", "import", "insert", "remove")
"""What brings in other files: no spec that is written from others has them."""
SECTIONS = ("plugins", "train")
"""At the top level, besides layers, inputs and outputs: what names files."""

Text = tuple[str, str, str]
"""The kind of a record, its field, and a text there that may be the name of a file."""


def origins_of(program: Program) -> tuple[str, ...]:
    """The specs that a program's was written from, or it alone where it was written by hand."""
    return program.reading.origins or (program.resolved.spec.source.name,)


def reaches_no_more(made: Source, root: str, origins: Sequence[str], reading: Reading) -> bool:
    """Whether every text of a spec that may name a file stands, in the same field, in one of the specs
    of folder `root` that it was written from. reading: how the run's own spec is read.
    """
    known: set[Text] = set()
    for name in dict.fromkeys(os.path.basename(each) for each in origins):
        path = os.path.join(root, name)
        try:
            found = read_bytes(path, most=LONGEST).decode("utf-8-sig")
            known |= {
                *texts_of(driver.load_source(Source(path, found), Reading(allow_code=reading.allow_code)))
            }
        except (OSError, ValueError, SpecError):
            continue
    try:
        program = driver.load_source(made, reading)
    except SpecError:
        return False
    joined = any(key in program.resolved.spec.root.mapping for key in JOINING)
    return bool(known) and not joined and known.issuperset(texts_of(program))


def texts_of(program: Program) -> Iterator[Text]:
    """What a spec says wherever any text may stand, but for names of layers and blobs."""
    resolved = program.resolved
    for name in SECTIONS:
        said = resolved.file.__dict__[name]
        yield from texts_in(said, resolved.file.params[name].annotation, "spec", name)
    records = [*(each.layer for each in resolved.drafts.values()), *resolved.augment]
    records += [each.contract for each in resolved.inputs if each.contract is not None]
    for record in records:
        yield from texts_of_record(record)
    outputs = resolved.spec.section("output")
    if outputs is not None and isinstance(outputs.value, dict):
        for body in outputs.mapping.values():
            labels = body.get("labels") if isinstance(body.value, dict) else None
            if labels is not None and not isinstance(labels.value, list):  # a list is the names themselves
                yield "output", "labels", labels.text


def texts_of_record(record: Record) -> Iterator[Text]:
    for name, declared in record.params.items():
        yield from texts_in(record.__dict__[name], declared.annotation, type(record).__name__, name)


def texts_in(value: Any, annotation: Any, kind: str, field: str) -> Iterator[Text]:
    """The texts of a value that its field does not choose from a list of words."""
    if isinstance(value, Record):
        yield from texts_of_record(value)
    elif isinstance(value, Located):
        yield from texts_in(plain(value), Any, kind, field)
    elif isinstance(value, dict):
        for key, item in value.items():
            if annotation is not Any or key not in LayerFields.params:
                yield from texts_in(item, annotation, kind, f"{field}.{key}")
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item, annotation, kind, field)
    elif isinstance(value, str) and is_free(annotation):
        yield kind, field, value


def is_free(annotation: Any) -> bool:
    """Whether a field may hold any text."""
    if get_origin(annotation) is Literal:
        return False
    return annotation in (str, Any) or any(map(is_free, get_args(annotation)))
