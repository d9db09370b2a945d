"""From a source and a net's inputs to batches: which field feeds what, through which transform,
checked before the first step.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from netspec.data.binding import LabelRule, bind, check_shape, refuse_one_class
from netspec.data.mean import read_mean
from netspec.data.paths import resolve_path, roots_for
from netspec.data.registry import Place, Role
from netspec.data.source import Source
from netspec.data.transforms import CaffeTransform, Pipeline
from netspec.diagnostics import fail
from netspec.resolve.sections.image import ImageContract, Shape
from netspec.resolve.sections.train import Augmentation, DataSection
from netspec.training.batches.loader import Batches, Feed, Order

__all__ = ["Port", "batches_of", "feed_of", "order_of"]


class Port(NamedTuple):
    """An input to be fed: shape of one sample (None: anything fits), its `image:` contract, and
    whether it wants integers.
    """

    shape: Shape | None = None
    contract: ImageContract | None = None
    integer: bool = False


def order_of(section: DataSection, role: Role, seed: int) -> Order:
    """Training wraps and shuffles unless the section says otherwise or samples follow each other; a
    test goes once through, in order.
    """
    if section.shuffle is None:
        shuffle = role == "train" and not section.streams
    else:
        shuffle = section.shuffle
    return Order(shuffle, role == "train", seed)


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
    transforms: dict[str, Pipeline | CaffeTransform] = {}
    for name, field in fields.items():
        have = source.fields[field].shape
        made = (
            transform_of(section, ports[name], changes, role, place, have) if field != source.label else None
        )
        if made is not None:
            transforms[name] = made
        if isinstance(made, Pipeline):
            check_colors(source, field, made.augment)
        want = ports[name].shape
        if want is not None:
            check_shape(source, name, field, made.shape(have) if made else have, want)
    check_augment(source, changes, transforms)
    if role == "train" and any(fields.get(name) == source.label for name in labels):
        refuse_one_class(source)
    integers = frozenset(name for name in fields if ports[name].integer)
    return Feed(
        fields, transforms, integers, {fields[name]: rule for name, rule in labels.items() if name in fields}
    )


def transform_of(
    section: DataSection, port: Port, augment: tuple[Augmentation, ...], role: Role, place: Place, have: Shape
) -> Pipeline | CaffeTransform | None:
    """The transform of one input: by its contract, by Caffe's transform_param, or none."""
    param = section.transform_param
    if param is not None:
        if port.contract is not None or augment:
            if port.contract is not None:
                other = "`image:` of the input"
            else:
                other = "`augment`"
            raise fail(
                "NS660", f"transform_param and {other} both change the samples; keep one", path=section.path
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
        return Pipeline(contract, augment)
    if augment and len(have) == 3:
        return Pipeline(ImageContract(), augment)
    return None


def check_colors(source: Source, field: str, augment: tuple[Augmentation, ...]) -> None:
    """Raises SpecError NS661 where colours are to change and the samples have none: gray has at
    least its brightness.
    """
    shape = source.fields[field].shape
    if any(entry.color_jitter is not None for entry in augment) and shape[0] not in (1, 3, None):
        raise fail(
            "NS661",
            f"color_jitter changes gray or three colours, samples of {field} have {shape[0]} channels",
            path=source.name,
        )


def check_augment(
    source: Source, augment: tuple[Augmentation, ...], transforms: Mapping[str, object]
) -> None:
    """Raises SpecError NS661 where random changes have nothing to work on, or would leave labels
    that have places behind.
    """
    if augment and not transforms:
        raise fail(
            "NS661", "augment changes images, no input takes samples of the form C, H, W", path=source.name
        )
    label = source.fields[source.label].shape if source.label else ()
    if augment and len(label) > 1:
        raise fail(
            "NS661",
            f"augment would move the image but not its label of shape {list(label)}",
            path=source.name,
        )


def batches_of(
    source: Source, section: DataSection, feed: Feed, role: Role, seed: int, device: str = "cpu"
) -> Batches:
    """The batches of a role."""
    return Batches(source, section.batch_size, order_of(section, role, seed), feed, device)
