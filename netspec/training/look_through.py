"""A look through all data before the first step. In: opened sources, what a run found before; out: the
sources that can be read, and an inventory. What cannot be read is said at once, all of it.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.inventory.cache import NAME, read_cache
from netspec.data.inventory.pictures import Picture, find_colors
from netspec.data.inventory.take import Bad, Inventory, folder_behind, judge, list_some, take_inventory
from netspec.data.source import MEMORY, Array, Source, Subset
from netspec.data.sources.image_folder import ImageFolder
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.training.progress import Reporter

__all__ = ["Looked", "find_cache", "look_through"]

STEP = 256


class Looked(NamedTuple):
    """sources: by part, those of files without the files that are skipped; skipped: these, by name.
    pictures: what is known of every file, for the next look.
    """

    sources: Mapping[str, Source]
    skipped: tuple[str, ...]
    pictures: Mapping[str, Picture]
    findings: tuple[Diagnostic, ...] = ()


def look_through(
    sources: Mapping[str, Source], skipping: Container[str], known: Mapping[str, Picture], progress: Reporter
) -> Looked:
    """Look at every picture file of some parts: whole, where all of them fit into memory, in which
    they are then kept for the training; else at their headers and ends.

    skipping: parts whose files are left out where they cannot be read. Raises SpecError NS647 for all
    of the others, NS650 where none is left.
    """
    folders = {name: each for name, source in sources.items() if (each := folder_behind(source))}
    if not folders:
        return Looked(sources, (), {})
    with progress.looking(sum(len(numbers) for _, numbers in folders.values())) as tick:
        found = take_inventory({name: sources[name] for name in folders}, False, known, tick)
    pictures = {path: picture for part in found.parts for path, picture in part.pictures.items()}
    left = [each for each in folders.values() if fits(each, pictures)]
    with progress.looking(sum(len(numbers) for _, numbers in left)) as tick:
        for folder, numbers in left:
            for start in range(0, len(numbers), STEP):
                pictures |= decode_files(folder, numbers[start : start + STEP], pictures)
                tick(len(numbers[start : start + STEP]))
    bad = tuple(Bad(path, each.code, each.fault) for path, each in pictures.items() if each.fault)
    skipped = {path for part in found.parts if part.name in skipping for path in part.pictures}
    refuse_bad(found._replace(bad=tuple(each for each in bad if each.path not in skipped)))
    kept = {name: without(source, folders.get(name), pictures) for name, source in sources.items()}
    said = [*judge(found._replace(bad=())), *([tell_skipped(found, bad)] if bad else [])]
    return Looked(kept, tuple(each.path for each in bad), pictures, tuple(said))


def refuse_bad(found: Inventory) -> None:
    """Raises SpecError for what an inventory finds that no training may go on with."""
    if errors := [each for each in judge(found) if each.severity == "error"]:
        raise SpecError(errors)


def fits(part: tuple[ImageFolder, Array], pictures: Mapping[str, Picture]) -> bool:
    """Whether all pictures of a part can be kept decoded, so that a look at all of each costs
    nothing: they are decoded once, now or in the first epoch.
    """
    folder, numbers = part
    channels, *size = folder.fields["image"].shape
    each = [pictures[str(folder.files[i])] for i in numbers.tolist()]
    if None not in size:
        pixels = len(each) * prod(n or 0 for n in size)
    else:
        pixels = sum(picture.width * picture.height for picture in each)
    return pixels * (channels or 3) <= MEMORY


def decode_files(folder: ImageFolder, numbers: Array, known: Mapping[str, Picture]) -> dict[str, Picture]:
    """Pictures by path with what their pixels tell; the folder keeps the pixels."""

    def look(number: int) -> tuple[str, Picture]:
        path = str(folder.files[number])
        if known[path].decoded:
            return path, known[path]
        try:
            low, high, plain = find_colors(folder.check(number))
        except SpecError as error:
            return path, known[path].blame(error)
        return path, known[path]._replace(low=low, high=high, plain=plain)

    return dict(folder.map(look, numbers.tolist()))


def without(
    source: Source, part: tuple[ImageFolder, Array] | None, pictures: Mapping[str, Picture]
) -> Source:
    """A source without the files that cannot be read; itself where all can. NS650: none is left."""
    if part is None:
        return source
    folder, numbers = part
    sound = np.array([not pictures[str(folder.files[i])].fault for i in numbers.tolist()])
    if sound.all():
        return source
    if not sound.any():
        raise fail("NS650", f"none of {len(sound):,} files can be read", path=source.name)
    return Subset(source, np.flatnonzero(sound))


def tell_skipped(found: Inventory, bad: Sequence[Bad]) -> Diagnostic:
    """NS691: the files that a training goes on without."""
    total = sum(len(part.pictures) for part in found.parts)
    notes = list_some(list(map(str, bad)), ", in the run's log")
    fact = f"{len(bad):,} of {total:,} pictures, `on_error: skip` leaves them out"
    return Diagnostic("NS691", fact, path=found.parts[0].source, notes=notes)


def find_cache(run: Path, others: Iterable[Path]) -> dict[str, Picture]:
    """What a run found of its files, else what the latest of other runs did."""
    for place in (run, *sorted(others, reverse=True)):
        if (place / NAME).is_file():
            return read_cache(place / NAME)
    return {}
