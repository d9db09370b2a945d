"""Every key of a spec by its path, from the records that declare them: `train.solver.gamma`. Knows
no page and no layer type.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args, get_origin

from netspec.record import Param, Record
from netspec.resolve.sections.expect import ExpectSection
from netspec.resolve.sections.spec_file import InputSection, LayerFields, OutputSection, SpecFile
from netspec.resolve.sections.train import AugmentWords, TrainSection
from netspec.syntax.block_records import BlockSection, BlockUse, InsertEntry, LayerSwitch

__all__ = ["Key", "Records", "every_key", "find_key", "keys_of"]

Records = tuple[type[Record], ...]
ENTRIES: Records = (LayerFields, LayerSwitch, BlockUse)
"""What an entry of `layers:` may say beside its type's own parameters."""


class Held(NamedTuple):
    """What a section holds that is read one entry at a time, so that its annotation does not say
    it.
    """

    records: Records
    words: str
    many: bool = True


LAYERS = Held(ENTRIES, "a list of layers")
HELD: dict[tuple[type[Record], str], Held] = {
    (SpecFile, "input"): Held((InputSection,), "a mapping from names to shapes or mappings"),
    (SpecFile, "output"): Held(
        (OutputSection,), "a name, a list of names, or a mapping from names to mappings"
    ),
    (SpecFile, "expect"): Held((ExpectSection,), "a mapping", many=False),
    (SpecFile, "blocks"): Held((BlockSection,), "a mapping from names to blocks"),
    (SpecFile, "insert"): Held((InsertEntry,), "a list of mappings"),
    (SpecFile, "layers"): LAYERS,
    (BlockSection, "layers"): LAYERS,
    (InsertEntry, "layers"): LAYERS,
    (TrainSection, "loss"): LAYERS,
    (TrainSection, "augment"): Held((AugmentWords,), "a list of mappings"),
}


class Key(NamedTuple):
    """A key, and the record that declares it. path: from the top of a spec, without the names that
    a user chooses.
    """

    path: str
    declared: Param
    owner: type[Record]

    @property
    def held(self) -> Held:
        """The records whose keys stand below it (none for a plain value), what a value looks like,
        and whether it holds many.
        """
        known = HELD.get((self.owner, self.declared.name))
        if known is not None:
            return known
        records, origin = (
            tuple(records_in(self.declared.annotation)),
            get_origin(self.declared.annotation),
        )
        if not records:
            return Held((), self.declared.kind.name.replace("anything", "values"), many=False)
        words = {dict: "a mapping from names to mappings", tuple: "a list of mappings"}.get(
            origin, "a mapping"
        )
        short = records[0].params[records[0].short] if records[0].short else None
        return Held(
            records,
            words + (f", or {short.kind.name}" if short else ""),
            many=origin in (dict, tuple),
        )

    @property
    def inner(self) -> Records:
        return self.held.records


def records_in(annotation: Any) -> Iterator[type[Record]]:
    """The records with keys in an annotation, at any depth."""
    plain = isinstance(annotation, type) and get_origin(annotation) is None
    if plain and issubclass(annotation, Record) and annotation.params:
        yield annotation
    for part in get_args(annotation):
        yield from records_in(part)


def keys_of(records: Records, path: str = "") -> Iterator[Key]:
    """The keys of some records side by side, each name once."""
    seen: set[str] = set()
    for record in records:
        for name, declared in record.params.items():
            if name not in seen:
                seen.add(name)
                yield Key(f"{path}.{name}" if path else name, declared, record)


def every_key() -> list[Key]:
    """All keys of the language, outer ones first; a record that stands in several places is
    followed at the first.
    """
    found: list[Key] = []
    entered: set[type[Record]] = {SpecFile}
    ahead: list[tuple[str, Records]] = [("", (SpecFile,))]
    while ahead:
        path, records = ahead.pop(0)
        for key in keys_of(records, path):
            found.append(key)
            new = tuple(record for record in key.inner if record not in entered)
            entered.update(new)
            ahead += [(key.path, new)] if new else []
    return found


def find_key(path: str, records: Records = (SpecFile,)) -> Key | None:
    """The key at a path; names that a user chose, and indices, may stand on the way
    (`input.data.shape`, `input.shape`).
    """
    return find_below(path.split("."), records, "", False)


def find_below(steps: list[str], records: Records, path: str, many: bool) -> Key | None:
    key = next((k for k in keys_of(records, path) if k.declared.name == steps[0]), None)
    if key is None:  # where there are many of a kind, the step is one's name or index
        if many and len(steps) > 1:
            return find_below(steps[1:], records, path, False)
        return None
    if len(steps) == 1:
        return key
    return find_below(steps[1:], key.inner, key.path, key.held.many)
