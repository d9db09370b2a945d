"""Which field feeds which input, and whether it fits: names, shapes, labels. Says so before the
first step is taken.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from netspec.data.folder_layout import note_below
from netspec.data.source import Array, Source
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import list_briefly
from netspec.resolve.sections.image import Shape

__all__ = [
    "LabelRule",
    "bind",
    "check_labels",
    "check_shape",
    "check_shares",
    "check_targets",
    "notes_on_label",
    "one_class_error",
    "refuse_one_class",
    "values_of",
]

ROUNDING = 1e-3
"""How far shares may be from a sum of 1: tables hold them with three digits, float16 is as coarse."""
SHOWN = 6
MAPS = 3
"""Axes of labels that are maps of classes: samples, rows, columns."""


class LabelRule(NamedTuple):
    """What labels may be: 0 .. width - 1, and those that the loss ignores. `layer` makes the
    scores, one for each class.

    strict: a layer that takes whole numbers alone, and no shares of the classes; empty for none.
    rows: `layer` looks up a row of its table for each, they are no classes.
    """

    width: int
    ignored: tuple[int, ...] = ()
    layer: str = "the net"
    strict: str = ""
    rows: bool = False


SEVERAL = (
    "a row of 0 and 1 names several classes at once: SigmoidCrossEntropyLoss judges each class by"
    " itself, by labels of the shape of its scores, `label: [N, K]`"
)


def bind(source: Source, inputs: Iterable[str], fields: Mapping[str, str]) -> dict[str, str]:
    """Field of the source for each input: as `fields` says, else the label's field for `label`,
    else the field of that name, else, for the one input that is left, the first field that is
    left.

    Raises SpecError NS656 for a field or input that does not exist, or where the choice is open.
    """
    inputs = list(inputs)
    there = ", ".join(source.fields)
    for name, field in fields.items():
        if name not in inputs:
            raise fail(
                "NS656",
                f"fields names {name}, which is no input; the inputs are {', '.join(inputs)}",
                path=source.name,
            )
        if field not in source.fields:
            raise fail(
                "NS656",
                f"input {name} is to be fed by {field}; the source has {there}",
                path=source.name,
            )
    bound = dict(fields)
    for name in inputs:
        if name not in bound and ((name == "label" and source.label) or name in source.fields):
            if name == "label":
                bound[name] = source.label or name
            else:
                bound[name] = name
    left = [name for name in inputs if name not in bound]
    free = [field for field in source.fields if field not in bound.values() and field != source.label]
    if len(left) > 1 or (left and not free):
        raise fail(
            "NS656",
            f"nothing feeds {', '.join(left)}; the source has {there}",
            path=source.name,
            notes=(
                "`fields: {input: field}` in the data section says which field feeds which input",
                (
                    "`train.fill: {input: gaussian}` makes noise, {value: 1} a constant, for an input that no"
                    " data feed"
                ),
            ),
        )
    bound.update(zip(left, free, strict=False))
    return {name: bound[name] for name in inputs}


def check_shape(source: Source, name: str, field: str, have: Shape, want: Shape) -> None:
    """Raises SpecError NS652 where samples of shape `have` cannot feed an input of shape `want`,
    both without N; None fits anything.
    """
    if len(have) == len(want) and all(
        a is None or b is None or a == b for a, b in zip(have, want, strict=True)
    ):
        return
    rows = values_of(source, field)
    raise fail(
        "NS652",
        f"input {name} takes {show_shape(want)}, field {field} gives {show_shape(have)}",
        path=source.name,
        notes=(SEVERAL,) if not want and is_multi_hot(rows) else propose_repairs(have, want),
    )


def values_of(source: Source, field: str) -> Array | None:
    """All values of a field, where they can be had without reading the samples."""
    if field == source.label:
        return source.labels()
    return (source.whole() or {}).get(field)


def is_multi_hot(rows: Array | None) -> bool:
    """Whether rows of 0 and 1 name several classes at once; one-hot ones name one."""
    if rows is None or rows.ndim != 2 or rows.shape[1] < 2:
        return False
    return bool(np.isin(rows, (0, 1)).all() and (rows.sum(1) > 1).any())


def propose_repairs(have: Shape, want: Shape) -> tuple[str, ...]:
    """How samples of shape `have` could come to feed an input of shape `want`."""
    if len(have) > 1 and have != want and (*have[-1:], *have[:-1]) == want:
        return (
            (
                "the data have their channels last; netspec reads them first: transpose the array to [N, C,"
                " H, W]"
            ),
        )
    if want[:1] == (1,) and have == want[1:]:
        return (
            (
                "the data have no axis of channels: write the array with one of size 1 after N, or the input"
                " without it"
            ),
        )
    if not want and len(have) == 1:
        return ("a label is the number of a class, from 0: of one-hot vectors take the argmax",)
    if len(have) == len(want) == 3 and have[0] in (want[0], None) and None not in want[1:]:
        return (f"`image: {{resize: [{want[1]}, {want[2]}]}}` at the input resizes the samples",)
    return ()


def check_labels(
    labels: Array,
    rule: LabelRule,
    name: str,
    first: int = 0,
    where: Callable[[int], str] | None = None,
) -> None:
    """Raises SpecError NS651 for the first label that is not 0 .. width - 1 and none of the
    ignored; `first` is the number of sample 0.

    Labels may be floats, as HDF5 files and tables have them, but must be whole: NaN and 1.5 are no
    classes. where: how a source calls the place of a sample, such as the line of a list.
    """
    wrong = ~((labels >= 0) & (labels < rule.width))
    if labels.dtype.kind == "f":
        wrong |= labels != np.rint(labels)
    for label in rule.ignored:
        wrong &= labels != label
    if wrong.any():
        place = where or "sample {}".format
        at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        raise fail(
            "NS651",
            f"{tell_width(rule)}; {place(first + int(at[0]))} has {labels[at]}{tell_spot(labels.shape, at)}",
            path=name,
            notes=(*notes_on_label(labels[at], labels, rule), *tell_others(wrong, first, place)),
        )


def tell_width(rule: LabelRule) -> str:
    """Which numbers a layer takes, and why."""
    last = rule.width - 1
    if rule.rows:
        return f"{rule.layer} looks up one of {rule.width} rows, numbers go from 0 to {last}"
    return f"{rule.layer} tells {rule.width} classes apart, labels go from 0 to {last}"


def tell_others(wrong: Array, first: int, place: Callable[[int], str]) -> tuple[str, ...]:
    """Where labels are no classes either, beside the first of them."""
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(1))[1:].tolist()
    if not rows:
        return ()
    names = [place(first + row) for row in rows[:SHOWN]]
    more = f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    return (f"so it is with {', '.join(names)}{more}",)


def tell_spot(shape: tuple[int, ...], at: Sequence[Any]) -> str:
    """Where in a sample a label stands, if it has several."""
    if len(shape) == MAPS:
        return f" at row {at[1]}, column {at[2]}"
    if any(size > 1 for size in shape[1:]):
        return f" at {[int(n) for n in at[1:]]} of its labels"
    return ""


def notes_on_label(wrong: Any, labels: Array, rule: LabelRule) -> tuple[str, ...]:
    """What a label that is no class may have been meant as."""
    if rule.rows:
        return ()
    if labels.max() == rule.width and labels.min() > 0:
        return ("labels count from 0: take 1 from labels that count from 1",)
    if 1 < len(found := np.unique(labels)) <= rule.width and (found == np.rint(found)).all():
        names = list_briefly([f"{number:g}" for number in found.tolist()], SHOWN)
        note = f"labels are {names}: number them from 0 to {len(found) - 1};"
        return (f"{note} in a table `categories: {{COLUMN: index}}` does so",)
    if np.isfinite(wrong) and wrong != np.rint(wrong):
        return ("a number with a fraction is a target, no class: EuclideanLoss and SmoothL1Loss learn those",)
    return ()


def check_shares(rows: Array, layer: str, name: str, where: Callable[[int], str]) -> None:
    """Raises SpecError NS651 for the first row of labels (N, K) that is no shares of K classes."""
    sums = rows.sum(1, dtype=np.float64)
    wrong = ~(np.abs(sums - 1) <= ROUNDING) | (rows < 0).any(1)
    if not wrong.any():
        return
    at = int(np.argmax(wrong))
    raise fail(
        "NS651",
        f"{layer} takes shares of the classes, which sum to 1; {where(at)} has {brief_row(rows[at])}",
        path=name,
        notes=(SEVERAL,) if is_multi_hot(rows) else (),
    )


def brief_row(row: Array) -> str:
    """The first numbers of a row."""
    return f"[{list_briefly([f'{value:g}' for value in row.tolist()], SHOWN)}]"


def check_targets(
    targets: Array, layer: str, ignored: tuple[int, ...], name: str, where: Callable[[int], str]
) -> None:
    """Raises SpecError NS651 for the first target that is not between 0 and 1 and none of the
    ignored: of others the loss has no lower bound.
    """
    wrong = ~((targets >= 0) & (targets <= 1)) & ~np.isin(targets, ignored)
    if not wrong.any():
        return
    at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    low, high = targets[~np.isin(targets, ignored)].min(), targets.max()
    whole = bool((targets == np.rint(targets)).all())
    notes: tuple[str, ...] = ()
    if whole and (low, high) == (-1, 1):
        notes = ("of -1 and 1, write 0 for -1; a loss with `ignore_label: -1` leaves -1 out",)
    elif low >= 0 and high > 1 and not whole:
        notes = (f"divided by {high:g} they go from {low / high:g} to 1",)
    elif whole and low >= 0 and len(np.unique(targets)) == 2:
        notes = (f"of {low:g} and {high:g}, write 0 and 1",)
    elif whole and low >= 0:
        notes = ("SoftmaxWithLoss learns the numbers of classes, a score for each",)
    raise fail(
        "NS651",
        f"{layer} takes targets between 0 and 1; {where(int(at[0]))} has"
        f" {targets[at]:g}{tell_spot(targets.shape, at)}",
        path=name,
        notes=(*notes, *tell_others(wrong, 0, where)),
    )


def refuse_one_class(source: Source, counted: bool = False) -> None:
    """Raises SpecError NS664 where all samples are of one class, of those that have names; counted:
    or that a loss counts.
    """
    labels = source.labels()
    if labels is None or labels.ndim != 1 or not len(labels) or (labels != labels[0]).any():
        return
    if counted or (source.classes and 0 <= labels[0] < len(source.classes)):
        raise one_class_error(source, labels[0])


def one_class_error(source: Source, label: Any) -> SpecError:
    """NS664 for samples that all have one label."""
    if source.classes and 0 <= label < len(source.classes):
        name = source.classes[int(label)]
    else:
        name = f"{label:g}"
    fact = f"all {len(source):,} samples are of one class, {name}"
    return fail("NS664", fact, path=source.name, notes=note_below(source.name, name))


def show_shape(shape: Shape) -> str:
    return f"[{', '.join(['N', *('?' if n is None else str(n) for n in shape)])}]"
