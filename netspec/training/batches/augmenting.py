"""Random changes between rows and inputs: which input plays which part, whether all can move
together, and the batch that comes of it. In: raw rows by input, draws; out: the same inputs,
changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from netspec.augmentation.definition import Augmentation
from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.boxes import LAYOUTS, Boxes
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.frame import Samples, sizes_of
from netspec.augmentation.kernels.plan import Stage, augment
from netspec.data.binding import LabelRule
from netspec.data.source import Field, Source
from netspec.diagnostics import fail
from netspec.imaging.decode import centre_crop
from netspec.resolve.sections.image import Shape

__all__ = ["Augmenter", "Parts", "augmenters_of"]

MANY = 1000
"""Entries of one list: the draws of a second image's begin behind them."""
KINDS = {"image": "C, H, W", "tokens": "T, whole numbers", "signal": "T or C, T, real numbers"}


class Parts(NamedTuple):
    """The inputs that move together, by their names; empty where there is none.

    kind: what the first one is, image, tokens or signal. label: what the source labels it with, and
    what that is: class, target, mask, boxes, or places that nothing here can move.
    """

    kind: str
    value: str
    label: str = ""
    role: str = ""


@dataclass(frozen=True)
class Augmenter:
    """The changes of one input, and of what moves with it. crop: the contract's centre crop, which
    comes first; number: which of the inputs it is.
    """

    changes: tuple[Augmentation, ...]
    parts: Parts
    crop: tuple[int, int] | None = None
    order: str = ""
    rule: LabelRule | None = None
    number: int = 0

    def __call__(self, values: Mapping[str, Any], draw: Draw, stages: Sequence[Stage]) -> dict[str, Any]:
        """The inputs that it changes."""
        if self.number:
            draw = draw.entry(MANY + self.number)
        made = augment(self.changes, self.gather(values), draw, stages)
        found: dict[str, Any] = {
            self.parts.value: made.image if self.parts.kind == "image" else made.sequence
        }
        label = {"mask": made.mask, "boxes": made.boxes and made.boxes.rows}.get(self.parts.role, made.label)
        if self.parts.label and label is not None:
            found[self.parts.label] = label
        return found

    def gather(self, values: Mapping[str, Any]) -> Batch:
        """The parts as one batch."""
        value, label = values[self.parts.value], values.get(self.parts.label)
        if self.crop is not None:
            value, label = self.crop_centre(value), self.crop_label(label, value)
        rule = self.rule or LabelRule(0)
        parts: dict[str, Any] = {"classes": rule.width, "outside": next(iter(rule.ignored), 0)}
        if self.parts.role == "boxes" and isinstance(label, Tensor):
            parts["boxes"] = Boxes(label)
        elif self.parts.role == "mask":
            parts["mask"] = label
        elif self.parts.role in ("class", "target"):
            parts["label"] = label
        parts["image" if self.parts.kind == "image" else "sequence"] = value
        return Batch(order=self.order, name=self.parts.value, **parts)

    def crop_centre(self, samples: Samples) -> Samples:
        if isinstance(samples, Tensor):
            return torch.as_tensor(centre_crop(samples, self.crop or (0, 0), self.parts.value))
        return [centre_crop(x, self.crop or (0, 0), self.parts.value) for x in samples]

    def crop_label(self, label: Any, samples: Samples) -> Any:
        if self.parts.role == "mask":
            return self.crop_centre(label)
        if self.parts.role == "boxes" and self.crop is not None:
            at = ((sizes_of(samples) - torch.tensor(self.crop)) / 2).floor()
            return Boxes(label).crop(at, samples, self.crop).rows
        return label

    def shape(self, shape: Shape) -> Shape:
        """Shape of an image, or a mask, afterwards."""
        if self.parts.kind != "image":
            return shape
        height, width = self.crop or shape[-2:]
        for change in self.changes:
            height, width = change.frame_size(height, width)
        return (*shape[:-2], height, width)


def kind_of(field: Field) -> str:
    """image, tokens or signal, by the shape and type of a sample; empty for anything else."""
    rank, whole = len(field.shape), field.dtype.kind in "iu"
    if rank == 3:
        return "image"
    if rank == 1 and whole:
        return "tokens"
    if rank in (1, 2) and not whole:
        return "signal"
    return ""


def role_of(label: Field, value: Field, crop: bool) -> str:
    """What a label is to the samples."""
    sizes = label.shape
    if label.boxes:
        return "boxes"
    if len(sizes) >= 2 and len(value.shape) == 3 and sizes[-2:] == value.shape[-2:]:
        return "mask"
    if len(sizes) == 2 and sizes[-1] in LAYOUTS and label.dtype.kind == "f" and not crop:
        return "boxes"
    if all(n == 1 for n in sizes):
        return "target" if label.dtype.kind == "f" else "class"
    if len(sizes) == 1 and label.dtype.kind == "f":
        return "target"
    return "places"


def augmenters_of(
    source: Source,
    fields: Mapping[str, str],
    changes: tuple[Augmentation, ...],
    contracts: Mapping[str, tuple[tuple[int, int] | None, str]],
    rules: Mapping[str, LabelRule],
) -> tuple[Augmenter, ...]:
    """What changes each input that the list can change. contracts: centre crop and colour order, by
    input. Raises SpecError NS661 where something could not follow.
    """
    label = next((name for name, field in fields.items() if field == source.label), "")
    values = {name: source.fields[field] for name, field in fields.items() if name != label}
    if not changes:
        return crop_masks(source, fields, values, label, contracts, rules)
    kinds = {name: kind for name, field in values.items() if (kind := kind_of(field))}
    found: list[Augmenter] = []
    for name, kind in kinds.items():
        if not any(kind in change.takes for change in changes) or (found and kind != "image"):
            continue
        crop, order = contracts.get(name, (None, ""))
        if any(change.frames for change in changes):
            crop = None
        parts = Parts(kind, name)
        if label and not found:
            role = role_of(source.fields[fields[label]], values[name], crop is not None)
            parts = Parts(kind, name, label, role)
        found.append(Augmenter(changes, parts, crop, order, rules.get(label), len(found)))
    check_kinds(source, changes, {each.parts.kind for each in found})
    for each in found:
        check_samples(source, each, values[each.parts.value])
        check_tokens(source, each, rules.get(each.parts.value))
        check_colors(source, each, values[each.parts.value])
        check_label(source, each, values[each.parts.value])
    check_mixtures(source, changes, found)
    return tuple(found)


def crop_masks(
    source: Source,
    fields: Mapping[str, str],
    values: Mapping[str, Field],
    label: str,
    contracts: Mapping[str, tuple[tuple[int, int] | None, str]],
    rules: Mapping[str, LabelRule],
) -> tuple[Augmenter, ...]:
    """What cuts a mask, or boxes, as the contract cuts their picture, where nothing is changed
    at random.
    """
    for name, field in values.items():
        crop, order = contracts.get(name, (None, ""))
        if crop is None or not label or kind_of(field) != "image":
            continue
        role = role_of(source.fields[fields[label]], field, True)
        if role in ("mask", "boxes"):
            return (Augmenter((), Parts("image", name, label, role), crop, order, rules.get(label)),)
    return ()


def refuse(source: Source, fact: str, *notes: str) -> Exception:
    return fail("NS661", fact, path=source.name, notes=notes)


def check_kinds(source: Source, changes: tuple[Augmentation, ...], kinds: set[str]) -> None:
    """Each change has something to work on."""
    for change in changes:
        if not kinds & set(change.takes):
            forms = " or ".join(KINDS[kind] for kind in change.takes)
            what = {"image": "images", "tokens": "tokens", "signal": "signals"}[change.takes[0]]
            raise refuse(source, f"{change.type} changes {what}, no input takes samples of the form {forms}")


def check_samples(source: Source, each: Augmenter, field: Field) -> None:
    """Samples have the form that each change asks for."""
    for change in each.changes:
        wanted = change.judge_shape(field.shape) if each.parts.kind in change.takes else ""
        if wanted:
            shape = ", ".join("?" if size is None else str(size) for size in field.shape)
            raise refuse(source, f"{change.type} takes {wanted}: samples of {each.parts.value} are [{shape}]")


def check_tokens(source: Source, each: Augmenter, rule: LabelRule | None) -> None:
    """What is put in is among the rows that the net looks up."""
    if rule is None or each.parts.kind != "tokens":
        return
    change = next((change for change in each.changes if change.tokens_made > rule.width), None)
    if change is not None:
        fact = f"{change.type} puts in tokens up to {change.tokens_made - 1}"
        raise refuse(source, f"{fact}, {rule.layer} looks up those from 0 to {rule.width - 1}")


def check_colors(source: Source, each: Augmenter, field: Field) -> None:
    """Gray has at least its brightness; other numbers of channels have no colours."""
    change = next((change for change in each.changes if change.colors), None)
    if change is not None and field.shape[0] not in (1, 3, None):
        raise refuse(
            source,
            f"{change.type} changes gray or three colours, samples of {each.parts.value} have"
            f" {field.shape[0]} channels",
        )


def check_label(source: Source, each: Augmenter, field: Field) -> None:
    """What moves takes the label along, or the label has no places."""
    change = next((change for change in each.changes if change.moves), None)
    if change is None or not each.parts.label or each.parts.role != "places":
        return
    shape = source.fields[source.label or ""].shape
    same = each.parts.kind != "image" and shape == field.shape
    if len(shape) > 1 or same:
        raise refuse(
            source,
            f"{change.type} would move the {each.parts.kind} but not its label of shape {list(shape)}",
            f"a mask has the size of the image, {list(field.shape[-2:])}; boxes are rows of 5 real numbers:"
            " label and corners in shares of the picture",
        )


def check_mixtures(source: Source, changes: tuple[Augmentation, ...], found: list[Augmenter]) -> None:
    """What several samples are put into one for, can take shares of them."""
    change = next((change for change in changes if change.partners), None)
    if change is None:
        return
    parts, rule = found[0].parts, found[0].rule
    if len(found) > 1:
        names = ", ".join(each.parts.value for each in found)
        raise refuse(source, f"{change.type} mixes the samples of one input, here are {names}")
    if parts.role in ("mask", "boxes", "places") and parts.role not in getattr(change, "parts", ()):
        raise refuse(source, f"{change.type} cannot mix a label of {parts.role}: it blends shares of classes")
    if parts.role != "class":
        return
    if rule is None:
        raise refuse(source, f"{change.type} makes shares of the classes, nothing says how many there are")
    if rule.strict:
        raise refuse(
            source,
            f"{change.type} makes shares of the classes, {rule.strict} takes whole numbers alone",
            "SoftmaxWithLoss takes shares; a metric of training can be left to tests: `include: {phase: TEST}`",
        )
