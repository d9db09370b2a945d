"""Labels that are no class of the net, before the first step. In: opened sources, what an inventory
found of their masks, what labels may be; out: findings, with the places of all that it read.
"""

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_lowercase

import numpy as np

from netspec.data.binding import LabelRule, check_labels, notes_on_label
from netspec.data.inventory.oddities import name_part
from netspec.data.inventory.pictures import Picture
from netspec.data.inventory.take import Part, classes_held, folder_behind
from netspec.data.source import Array, Source, find_origin, spread
from netspec.data.sources.masks import IGNORED, MaskedFolder
from netspec.data.splits import lacking_names
from netspec.diagnostics import Diagnostic, SpecError
from netspec.diagnostics.words import list_some

__all__ = ["Rules", "judge_labels", "judge_masks"]

Rules = Mapping[str, LabelRule]
"""What labels may be, by field."""
READ = 20
"""Masks that are read once more, for the places in them; the others are named."""
SOME = 256
"""Samples that are read where labels lie with them on disk, spread evenly."""
AT_ONCE = 16
"""Samples that are read together: their other fields may be large, and none of them is kept."""
IGNORING = "`loss_param: {ignore_label: 255}` at the loss leaves pixels of 255 out"


def judge_masks(source: Source, part: Part, rules: Rules) -> list[Diagnostic]:
    """NS651 for all masks of a part that hold what is no class; where none does, NS668 for the
    classes that stand in none of them.
    """
    origin, numbers = find_origin(source)
    rule = rules.get("label")
    if not isinstance(origin, MaskedFolder) or rule is None:
        return []
    bad = [i for i in numbers.tolist() if holds_others(part.masks[str(origin.masks[i])], rule)]
    if not bad:
        return lacking_in_masks(source, part, rule, origin.classes or ())
    read = [origin.read_classes(i) for i in bad[:READ]]
    notes = notes_on_masks(read, rule)
    fact = tell_rule(rule)
    if len(bad) == 1:
        fact = f"{fact}; it has {tell_pixels(read[0], rule)}"
        return [Diagnostic("NS651", fact, path=str(origin.masks[bad[0]]), notes=notes)]
    lines = [f"{origin.masks[i]}: {tell_pixels(each, rule)}" for i, each in zip(bad, read, strict=False)]
    lines += [str(origin.masks[i]) for i in bad[READ:]]
    fact = f"{fact}; {len(bad):,} of {len(part.masks):,} masks hold others"
    return [Diagnostic("NS651", fact, path=source.name, notes=(*list_some(lines), *notes))]


def lacking_in_masks(source: Source, part: Part, rule: LabelRule, classes: Sequence[str]) -> list[Diagnostic]:
    """NS668 for classes of which no pixel of a part is."""
    if not all(mask.held for mask in part.masks.values()):
        return []  # what some hold is not known
    there = {number for mask in part.masks.values() for number in classes_held(mask)} | set(rule.ignored)
    names = [*classes, *map(str, range(len(classes), rule.width))][: rule.width]
    return list(lacking_names(source.name, name_part(part.name), names, there, "pixel"))


def holds_others(mask: Picture, rule: LabelRule) -> bool:
    """Whether a mask, of which the look at it is given, holds what is no class."""
    if mask.fault or mask.low is None or mask.high is None:
        return False
    if mask.held:
        left_out = sum(1 << each for each in set(rule.ignored) if each >= rule.width)
        return bool(int(mask.held, 16) & ~((1 << rule.width) - 1 | left_out))
    return any(not 0 <= each < rule.width and each not in rule.ignored for each in (mask.low, mask.high))


def tell_rule(rule: LabelRule) -> str:
    """`score tells 3 classes apart, pixels of a mask go from 0 to 2, or are 255, left out`."""
    beyond = [str(each) for each in rule.ignored if not 0 <= each < rule.width]
    left_out = f", or are {', '.join(beyond)}, left out" if beyond else ""
    most = rule.width - 1
    return f"{rule.layer} tells {rule.width} classes apart, pixels of a mask go from 0 to {most}{left_out}"


def find_others(pixels: Array, rule: LabelRule) -> Array:
    """Which pixels are no class."""
    wrong: Array = ((pixels < 0) | (pixels >= rule.width)) & ~np.isin(pixels, rule.ignored)
    return wrong


def tell_pixels(pixels: Array, rule: LabelRule) -> str:
    """`7 at row 3, column 5, as 12 of 400 pixels`."""
    wrong = find_others(pixels, rule)
    if not wrong.any():
        return "such values where it is resized"
    row, column = np.argwhere(wrong)[0].tolist()
    first = pixels[row, column]
    same, every = int((pixels == first).sum()), int(wrong.sum())
    more = f", and {every - same:,} others that are none" if every > same else ""
    return f"{first} at row {row}, column {column}, as {same:,} of {wrong.size:,} pixels{more}"


def notes_on_masks(read: Sequence[Array], rule: LabelRule) -> tuple[str, ...]:
    """What the values may have been meant as."""
    notes = []
    there = sorted({value for each in read for value in np.unique(each).tolist()} - set(rule.ignored))
    if there[0] == 0 and len(there) <= rule.width:  # as many as there are classes, but not their numbers
        said = ", ".join(f"{name}: {value}" for name, value in zip(ascii_lowercase, there, strict=False))
        return (
            f"they hold {len(there)} values: `colors: {{{said}}}` in the data section says which class each is",
        )
    if any((each == IGNORED).any() for each in read) and IGNORED not in rule.ignored:
        notes.append(IGNORING)
    first = read[0][find_others(read[0], rule)]
    if first.size and first[0] != IGNORED:
        notes += notes_on_label(first[0], read[0], rule)
    return tuple(notes)


def judge_labels(source: Source, rules: Rules, whole: bool) -> Iterator[Diagnostic]:
    """NS651 for the first label of each field that is no class, but of masks in files. Labels that
    lie with their samples are read in all of them where `whole` says so, else in some.
    """
    if isinstance(find_origin(source)[0], MaskedFolder):
        return
    for field, rule in rules.items():
        try:
            check_field(source, field, rule, whole)
        except SpecError as error:
            yield from error.diagnostics


def check_field(source: Source, field: str, rule: LabelRule, whole: bool) -> None:
    """Raises SpecError NS651, and what reading samples raises."""
    known = source.labels() if field == source.label else (source.whole() or {}).get(field)
    if known is not None:
        check_labels(known, rule, source.name, where=source.where)
    elif folder_behind(source) is None and source.steady:
        every = spread(len(source), len(source) if whole else SOME)
        for numbers in np.array_split(every, -(-len(every) // AT_ONCE)):
            for row, number in zip(source.batch(numbers)[field], numbers.tolist(), strict=True):
                check_labels(np.asarray(row)[None], rule, source.name, number, source.where)
