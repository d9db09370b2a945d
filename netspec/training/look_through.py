"""A look through all data before the first step. In: opened sources, what a run found before; out:
the sources that can be read, and an inventory. What cannot be read is said at once, all of it.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from netspec.data.finite import find_not_finite
from netspec.data.inventory.cache import NAME, read_cache
from netspec.data.inventory.classes import Rules, judge_labels, judge_masks
from netspec.data.inventory.pictures import Picture
from netspec.data.inventory.take import Bad, Inventory, folder_behind, judge, take_inventory
from netspec.data.mended import Mended
from netspec.data.source import Array, Source, Subset
from netspec.data.sources.image_folder import ImageFolder
from netspec.diagnostics import Diagnostic, Fix, SpecError, fail
from netspec.diagnostics.words import list_some
from netspec.training.progress import Reporter

__all__ = ["Looked", "find_cache", "look_through"]

SKIP = Fix("`on_error: skip` in the data section goes on without such files")


class Looked(NamedTuple):
    """sources: by part, those of files without the files that are skipped; skipped: these, by name.
    pictures: what is known of every file, for the next look.
    """

    sources: Mapping[str, Source]
    skipped: tuple[str, ...]
    pictures: Mapping[str, Picture]
    findings: tuple[Diagnostic, ...] = ()


def look_through(
    sources: Mapping[str, Source],
    skipping: Container[str],
    known: Mapping[str, Picture],
    progress: Reporter,
    numbers: Mapping[str, Collection[str]] = MappingProxyType({}),
    rules: Mapping[str, Rules] = MappingProxyType({}),
    resuming: bool = False,
) -> Looked:
    """Look at every picture file of some parts: whole, while they can be kept decoded for the
    training, which then need not read them again; else at their headers and ends.

    skipping: parts whose files are left out where they cannot be read, and samples in memory that
    hold numbers which are not finite. numbers: by part, the fields in which these must be; rules:
    by part and field, what labels may be. resuming: of files that are as they were, what the run
    itself found holds, so that it goes on with the same samples. Raises SpecError NS647 for all files of the other parts,
    NS650 where none is left, NS651 for all masks that hold what is no class.
    """
    refuse([each for name, source in sources.items() for each in look_at_labels(source, rules.get(name, {}))])
    folders = {name: each for name, source in sources.items() if (each := folder_behind(source))}
    sifted = {
        name: sift(source, numbers.get(name, ())) for name, source in sources.items() if name in skipping
    }
    kept = {**sources, **{name: source for name, (source, _) in sifted.items()}}
    rows = {name: lines for name, (_, lines) in sifted.items() if lines}
    said = [tell_rows_skipped(sources[name], lines) for name, lines in rows.items()]
    names = [line for lines in rows.values() for line in lines]
    if not folders:
        return Looked(mend(kept, skipping), tuple(dict.fromkeys(names)), {}, tuple(said))
    with progress.looking(sum(len(some) for _, some in folders.values())) as tick:
        found = take_inventory({name: sources[name] for name in folders}, False, known, tick, keeping=True)
    if resuming:
        found = hold_to(found, known)
    files = {path: picture for part in found.parts for path, picture in part.files.items()}
    skipped = {path for part in found.parts if part.name in skipping for path in part.files}
    refuse(judge(found._replace(bad=tuple(each for each in found.bad if each.path not in skipped)), (SKIP,)))
    of_masks = [
        each
        for part in found.parts
        for each in judge_masks(sources[part.name], part, rules.get(part.name, {}))
    ]
    refuse(of_masks)
    kept |= {name: without(sources[name], part, files) for name, part in folders.items()}
    said += [*of_masks, *judge(found._replace(bad=())), *([tell_skipped(found)] if found.bad else [])]
    names += [each.path for each in found.bad]
    return Looked(mend(kept, skipping), tuple(dict.fromkeys(names)), files, tuple(said))


def mend(sources: Mapping[str, Source], skipping: Container[str]) -> dict[str, Source]:
    """The sources; those that skip, and are read as they are used, with a sound sample in place of
    each that is found damaged then.
    """
    return {
        name: Mended(source) if name in skipping and not source.streams and source.whole() is None else source
        for name, source in sources.items()
    }


def hold_to(found: Inventory, known: Mapping[str, Picture]) -> Inventory:
    """What an inventory found, of unchanged files what was known of them before."""

    def before(path: str, now: Picture) -> Picture:
        then = known.get(path)
        if then is None or (then.size, then.time) != (now.size, now.time) or not then.size:
            return now
        return now._replace(fault=then.fault, code=then.code)

    parts = tuple(
        part._replace(
            pictures={path: before(path, each) for path, each in part.pictures.items()},
            masks={path: before(path, each) for path, each in part.masks.items()},
        )
        for part in found.parts
    )
    bad = [
        Bad(path, each.code, each.fault) for part in parts for path, each in part.files.items() if each.fault
    ]
    return found._replace(parts=parts, bad=tuple(bad))


def sift(source: Source, numbers: Collection[str]) -> tuple[Source, tuple[str, ...]]:
    """A source without the samples that are not finite in some fields, and why each of them, and of
    those that it left out itself, is not among them. NS650: none is left.
    """
    wrong = find_not_finite(source, numbers)
    lines = (*source.left_out, *(wrong[number] for number in sorted(wrong)))
    if not wrong:
        return source, lines
    if len(wrong) == len(source):
        raise fail("NS650", f"none of {len(source):,} samples is finite", path=source.name)
    return Subset(source, np.setdiff1d(np.arange(len(source)), sorted(wrong))), lines


def tell_rows_skipped(source: Source, lines: Sequence[str]) -> Diagnostic:
    """NS691: the samples of a file that a training goes on without."""
    word = "row or sample" if len(lines) == 1 else "rows or samples"
    fact = f"{len(lines):,} {word}, `on_error: skip` leaves them out"
    return Diagnostic("NS691", fact, path=source.name, notes=list_some(lines, ", in the run's log"))


def refuse(found: Iterable[Diagnostic]) -> None:
    """Raises SpecError for the findings that no training may go on with."""
    if errors := [each for each in found if each.severity == "error"]:
        raise SpecError(errors)


def look_at_labels(source: Source, rules: Rules) -> Iterable[Diagnostic]:
    """NS651 for labels that lie on disk with their samples, as far as a look at some tells; masks
    in files are looked at by themselves, and labels in memory where batches are made of them.
    """
    if folder_behind(source) or source.whole() is not None or not source.steady:
        return ()
    return judge_labels(source, rules, False)


def without(
    source: Source, part: tuple[ImageFolder, Array] | None, pictures: Mapping[str, Picture]
) -> Source:
    """A source without the files that cannot be read; itself where all can. NS650: none is left."""
    if part is None:
        return source
    folder, numbers = part
    if not any(picture.fault for picture in pictures.values()):
        return source
    sound = np.array(
        [not any(pictures[str(file.path)].fault for file in folder.files_of(i)) for i in numbers.tolist()]
    )
    if sound.all():
        return source
    if not sound.any():
        raise fail("NS650", f"none of {len(sound):,} files can be read", path=source.name)
    return Subset(source, np.flatnonzero(sound))


def tell_skipped(found: Inventory) -> Diagnostic:
    """NS691: the files that a training goes on without."""
    total = sum(len(part.files) for part in found.parts)
    notes = list_some(list(map(str, found.bad)), ", in the run's log")
    fact = f"{len(found.bad):,} of {total:,} pictures, `on_error: skip` leaves them out"
    return Diagnostic("NS691", fact, path=found.parts[0].source, notes=notes)


def find_cache(places: Iterable[Path]) -> dict[str, Picture]:
    """What the first of some runs that looked at files found of them."""
    for place in places:
        if (place / NAME).is_file():
            return read_cache(place / NAME)
    return {}
