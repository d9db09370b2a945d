"""What a net sees in training, as one picture: a row a sample, first as it is, then as several
passes change it. In: opened data and the training graph; out: pixels.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from torch import Tensor

from netspec import driver
from netspec.data.boxes.drawing import draw_boxes
from netspec.data.registry import Role
from netspec.data.source import Array, Field
from netspec.data.transforms import Pipeline
from netspec.diagnostics import fail
from netspec.ir.graph import TypedGraph
from netspec.training.batches.augmenting import Augmenter
from netspec.training.batches.feeding import order_of
from netspec.training.batches.feeds import Feeds, section_of, skipping_parts
from netspec.training.batches.loader import Batches, Feed, Reader
from netspec.training.look_through import mend

__all__ = ["Sheet", "draw_sheet", "open_data"]

GAP, WHITE = 2, 255
LEAST = 96
"""Pixels of a tile that can be looked at: smaller ones are shown larger."""
TINT = 0.45
"""Of a mask's colour over the picture: enough to tell classes, and what lies below."""


class Sheet(NamedTuple):
    """How many samples, how many passes, and the seed."""

    samples: int = 8
    passes: int = 7
    seed: int = 0


def open_data(program: driver.Program) -> tuple[Feeds, TypedGraph]:
    """The data of a program, and the graph that learns from them. Raises SpecError."""
    section_of(program)  # without one, no loss has a place
    trained, tested = program.training_graph("train"), program.training_graph("test")
    return Feeds.open(program, trained, tested), trained


def draw_sheet(feeds: Feeds, typed: TypedGraph, sheet: Sheet) -> Array:
    """The picture (H, W, 3), uint8. Raises SpecError NS661 where the net takes no images."""
    source, section = feeds.train, section_of(feeds.program).data
    if source is None or section is None:
        raise fail("NS681", "the net's own data layers feed it; a sheet shows `train.data`")
    # in place of a damaged sample that the training leaves out stands a sound one
    source = mend({"train": source}, skipping_parts(section_of(feeds.program)))["train"]
    role: Role = "train"
    feed = without_arithmetic(feeds.feed(role, typed, source, section))
    name = next((name for name, made in feed.transforms.items() if isinstance(made, Pipeline)), None)
    if name is None:
        raise fail("NS661", "a sheet shows images, no input takes them", path=source.name)
    at = np.linspace(0, len(source) - 1, min(sheet.samples, len(source))).round().astype(np.int64)
    reader = Reader(Batches(source, len(at), order_of(section, role, sheet.seed), feed), 0)
    mask, boxes = of_role(feed, "mask"), boxes_of(feed, source.fields)
    plain = Reader(Batches(source, len(at), order_of(section, role, 0), unchanged(feed)), 0)
    made = [
        plain.of_rows(at, 0 * at),
        *(reader.of_rows(at, 0 * at + k) for k in range(sheet.passes)),
    ]
    columns = [tiles(values, name, mask, boxes) for values in made]
    return arrange(columns, swap=colors(feed, name) == "bgr")


def without_arithmetic(feed: Feed) -> Feed:
    """The feed whose images stay 0 to 255."""
    plain = {"mean_value": (), "std_value": (), "scale": 1.0}
    transforms = {
        name: replace(made, contract=made.contract.replace(**plain)) if isinstance(made, Pipeline) else made
        for name, made in feed.transforms.items()
    }
    return feed._replace(transforms=transforms, integers=frozenset())


def unchanged(feed: Feed) -> Feed:
    """The feed of a test: nothing is drawn; what the contract cuts is cut of masks and boxes,
    too.
    """
    cropping = tuple(replace(each, changes=()) for each in feed.augmenters if each.crop is not None)
    cut = {each.parts.value for each in cropping}
    transforms = {
        name: replace(made, arrived=name in cut) if isinstance(made, Pipeline) else made
        for name, made in feed.transforms.items()
    }
    return feed._replace(transforms=transforms, augmenters=cropping)


def of_role(feed: Feed, role: str) -> str:
    """The input that is a mask of the image; empty for none."""
    each: Augmenter
    for each in feed.augmenters:
        if each.parts.role == role:
            return each.parts.label
    return ""


def boxes_of(feed: Feed, fields: Mapping[str, Field]) -> str:
    """The input that holds boxes; empty for none."""
    return next((name for name, field in feed.fields.items() if fields[field].boxes), "")


def colors(feed: Feed, name: str) -> str | None:
    made = feed.transforms[name]
    if isinstance(made, Pipeline):
        return made.contract.color
    return None


def tiles(values: dict[str, Tensor], name: str, mask: str, boxes: str) -> Array:
    """Images (N, 3, h, w), float, a mask's classes as colours over them, boxes as frames."""
    image = values[name].cpu().numpy()
    image = np.repeat(image.mean(1, keepdims=True), 3, 1) if image.shape[1] != 3 else image
    if boxes:
        rows = values[boxes].cpu().numpy().reshape(-1, values[boxes].shape[-1])
        image = np.stack([draw_boxes(each, rows[rows[:, 0] == i]) for i, each in enumerate(image)])
    label = values[mask].cpu().numpy() if mask else None
    if label is None or label.shape[-2:] != image.shape[-2:]:
        return image
    classes = label.reshape(len(label), -1, *label.shape[-2:])[:, 0].astype(np.int64)
    shade = np.stack([(classes * k * 67) % 256 for k in (1, 2, 3)], 1)
    return np.where(classes[:, None] > 0, (1 - TINT) * image + TINT * shade, image)


def arrange(columns: list[Array], swap: bool) -> Array:
    """The columns side by side on white, each tile in a cell of the largest one's size."""
    factor = max(1, LEAST // max(columns[0].shape[2:]))
    columns = [each.repeat(factor, 2).repeat(factor, 3) for each in columns]
    h, w = (max(each.shape[axis] for each in columns) + GAP for axis in (2, 3))
    made = np.full((len(columns[0]) * h, len(columns) * w, 3), WHITE, np.uint8)
    for j, column in enumerate(columns):
        for i, tile in enumerate(column):
            pixels = tile[::-1] if swap else tile
            into = made[i * h : i * h + tile.shape[1], j * w : j * w + tile.shape[2]]
            into[:] = pixels.clip(0, WHITE).round().astype(np.uint8).transpose(1, 2, 0)
    return made
