"""From a source and a net's inputs to batches: which field feeds what, through which transform,
checked before the first step.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from netspec.augmentation.definition import Augmentation
from netspec.data.binding import LabelRule, bind, check_shape, refuse_one_class
from netspec.data.paths import resolve_path, roots_for
from netspec.data.pictures.mean import read_mean
from netspec.data.registry import Place, Role
from netspec.data.source import Source
from netspec.data.transforms import CaffeTransform, Frame, Pipeline
from netspec.diagnostics import fail
from netspec.resolve.sections.image import ImageContract, Shape
from netspec.resolve.sections.train import DataSection
from netspec.training.batches.augmenting import Augmenter, augmenters_of
from netspec.training.batches.loader import Batches, Feed, Order

__all__ = ["Port", "batches_of", "feed_of", "order_of"]

Transform = Pipeline | CaffeTransform


class Port(NamedTuple):
    """An input to be fed: shape of one sample (None: anything fits), its `image:` contract, and
    whether it wants integers. axis: where it wants the samples; None: where the data have them.
    """

    shape: Shape | None = None
    contract: ImageContract | None = None
    integer: bool = False
    axis: int | None = None


def order_of(section: DataSection, role: Role, seed: int) -> Order:
    """Training wraps and shuffles unless the section says otherwise or samples follow each other; a
    test goes once through, in order.
    """
    if section.shuffle is None:
        shuffle = role == "train" and not section.streams
    else:
        shuffle = section.shuffle
    if section.balance:
        check_balance(section, role, shuffle)
    return Order(shuffle, role == "train", seed, section.balance)


def check_balance(section: DataSection, role: Role, shuffle: bool) -> None:
    """Raises SpecError NS696 where the order of the samples is not free."""
    if role != "train":
        raise fail(
            "NS696",
            "`balance` is for training: a test measures the data as they are",
            path=section.path,
        )
    if not shuffle:
        why = "streams keep" if section.streams else "`shuffle: false` keeps"
        raise fail("NS696", f"`balance: true` draws the samples, {why} their order", path=section.path)


def feed_of(
    source: Source,
    section: DataSection,
    ports: Mapping[str, Port],
    augment: Sequence[Augmentation],
    role: Role,
    place: Place,
    labels: Mapping[str, LabelRule] = {},
) -> Feed:
    """What feeds each input of `ports`. augment counts in training only.

    Raises SpecError NS652 (shapes), NS656 (fields), NS660 (contract and transform_param), NS661
    (augment without an image), NS664 (all of one class).
    """
    fields = bind(source, ports, section.fields)
    changes = tuple(augment) if role == "train" else ()
    transforms = transforms_of(source, section, ports, fields, changes, role, place)
    contracts = {
        name: (made.contract.crop, made.contract.order(source.fields[fields[name]].shape[0]) or "")
        for name, made in transforms.items()
        if isinstance(made, Pipeline)
    }
    augmenters = augmenters_of(source, fields, changes, contracts, labels)
    for each in augmenters:
        made = transforms.get(each.parts.value)
        if isinstance(made, Pipeline):
            transforms[each.parts.value] = Pipeline(made.contract, made.name, arrived=True)
    frames = frames_of(source, fields, role)
    check_shapes(source, ports, fields, transforms, augmenters, frames)
    read_as = [name for name, field in fields.items() if field == source.label]
    if role == "train" and read_as:  # whatever the net makes of it, there is nothing to tell
        refuse_one_class(source, any(name in labels and not labels[name].rows for name in read_as))
    mixed = {each.parts.label for each in augmenters if any(change.partners for change in changes)}
    integers = frozenset(name for name in fields if ports[name].integer and name not in mixed)
    rules = {fields[name]: rule for name, rule in labels.items() if name in fields}
    axes = {
        name: source.fields[field].batch_axis if ports[name].axis is None else ports[name].axis or 0
        for name, field in fields.items()
    }
    return Feed(fields, transforms, integers, rules, augmenters=augmenters, frames=frames, axes=axes)


def frames_of(source: Source, fields: Mapping[str, str], role: Role) -> dict[str, Frame]:
    """What gives the source's sounds the length that it says, by input."""
    first = next(iter(source.fields))
    if source.length is None or source.fields[first].shape[-1] == source.length:
        return {}
    return {name: Frame(source.length, role == "train") for name, field in fields.items() if field == first}


def transforms_of(
    source: Source,
    section: DataSection,
    ports: Mapping[str, Port],
    fields: Mapping[str, str],
    changes: tuple[Augmentation, ...],
    role: Role,
    place: Place,
) -> dict[str, Transform]:
    """The transform of each input but the label's."""
    found: dict[str, Transform] = {}
    for name, field in fields.items():
        if field == source.label:
            continue
        have = source.fields[field].shape
        made = transform_of(section, ports[name], changes, role, place, have)
        if made is not None:
            found[name] = made
    return found


def check_shapes(
    source: Source,
    ports: Mapping[str, Port],
    fields: Mapping[str, str],
    transforms: Mapping[str, Transform],
    augmenters: tuple[Augmenter, ...],
    frames: Mapping[str, Frame],
) -> None:
    """NS652 where what comes out of the changes is not what the input takes."""
    moved = {each.parts.value: each for each in augmenters}
    moved |= {each.parts.label: each for each in augmenters if each.parts.role == "mask"}
    for name, field in fields.items():
        have, want = source.fields[field].shape, ports[name].shape
        if want is None or (source.fields[field].boxes and want[-1:] == have[-1:]):
            continue
        if name in frames:
            have = (*have[:-1], frames[name].length)
        if name in moved:
            have = moved[name].shape(have)
        if name in transforms:
            have = transforms[name].shape(have)
        check_shape(source, name, field, have, want)


def transform_of(
    section: DataSection,
    port: Port,
    augment: tuple[Augmentation, ...],
    role: Role,
    place: Place,
    have: Shape,
) -> Transform | None:
    """The transform of one input: by its contract, by Caffe's transform_param, or none."""
    param = section.transform_param
    if param is not None:
        if port.contract is not None or augment:
            if port.contract is not None:
                other = "`image:` of the input"
            else:
                other = "`augment`"
            raise fail(
                "NS660",
                f"transform_param and {other} both change the samples; keep one",
                path=section.path,
            )
        roots = roots_for(place.root, place.allow_outside)
        mean = (
            read_mean(resolve_path(param.mean_file, place.root, place.allow_outside), roots)
            if param.mean_file
            else None
        )
        return CaffeTransform(param, role == "train", mean)
    if port.contract is not None:
        if port.shape is not None:
            contract = port.contract.check_against(port.shape)
        else:
            contract = port.contract
        return Pipeline(contract)
    if augment and len(have) == 3:
        return Pipeline(ImageContract())
    return None


def batches_of(
    source: Source, section: DataSection, feed: Feed, role: Role, seed: int, device: str = "cpu"
) -> Batches:
    """The batches of a role."""
    return Batches(source, section.batch_size, order_of(section, role, seed), feed, device)
