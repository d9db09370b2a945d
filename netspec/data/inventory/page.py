"""An inventory as a page that stands alone: counts, findings and a sheet of pictures of each class.
In: an Inventory and its sources; out: a file of HTML. It runs no script and loads nothing.
"""

import io
from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image

from netspec.data.boxes.annotations import BoxedFolder, boxes_behind
from netspec.data.boxes.drawing import draw_boxes
from netspec.data.inventory.take import Inventory, Part
from netspec.data.source import Array, Source
from netspec.diagnostics import SpecError
from netspec.file_writing import write_text

__all__ = ["write_page"]

EACH = 8
"""Pictures of a class; CLASSES: of so many classes."""
CLASSES = 100
SIDE = 96
"""Pixels: with CLASSES times EACH pictures the page stays at a few MB."""
LISTED = 200
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse } td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left } figure { display: inline-block; margin: .2rem } h3 { margin: 1rem 0 .2rem }
img { width: 96px; height: 96px; object-fit: contain; background: #eee; image-rendering: auto } li { overflow-wrap: anywhere }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } td, th { border-color: #444 } img { background: #333 } }
"""


def write_page(path: Path, found: Inventory, parts: Mapping[str, Source]) -> None:
    """Write the page, whole or not at all. Raises SpecError NS501 where it cannot be written."""
    title = escape(found.parts[0].source) if found.parts else "data"
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    )
    write_text(path, "\n".join([head, f"<h1>{title}</h1>", *body(found, parts), "</html>"]) + "\n", "NS501")


def body(found: Inventory, parts: Mapping[str, Source]) -> Iterator[str]:
    names = list(dict.fromkeys(name for part in found.parts for name in part.counts))
    yield f"<table><tr><th>class{''.join(f'<th>{escape(part.name)}' for part in found.parts)}</tr>"
    for name in names:
        counts = "".join(f"<td>{part.counts.get(name, 0):,}" for part in found.parts)
        yield f"<tr><td>{escape(name)}{counts}</tr>"
    yield f"<tr><th>all{''.join(f'<th>{part.samples:,}' for part in found.parts)}</tr></table>"
    yield from list_lines("Cannot be read", list(map(str, found.bad)))
    yield from list_lines(
        "Stand there more than once",
        [" = ".join(path for *_, path in group) for group in found.copies],
    )
    yield from list_lines("Of one value throughout", found.plain)
    for part in found.parts:
        yield f"<h2>{escape(part.name)}</h2>"
        yield from sheet(part, parts[part.name])


def list_lines(title: str, lines: "list[str] | tuple[str, ...]") -> Iterator[str]:
    """A list under a title, if there is something to tell."""
    if not lines:
        return
    yield f"<h2>{title}: {len(lines):,}</h2><ul>"
    yield from (f"<li>{escape(line)}</li>" for line in lines[:LISTED])
    yield "</ul>" if len(lines) <= LISTED else f"<li>and {len(lines) - LISTED:,} more</li></ul>"


def sheet(part: Part, source: Source) -> Iterator[str]:
    """The first pictures of each class, as the net's input gets them before mean and scale."""
    boxed = boxes_behind(source)
    if boxed is not None:
        yield from sheet_of_boxes(part, *boxed)
        return
    labels = source.labels()
    first = next(iter(source.fields.values()))
    if labels is None or labels.ndim != 1 or len(first.shape) != 3 or first.shape[0] not in (1, 3):
        yield "<p>Its samples are no pictures with labels.</p>"
        return
    for label in np.unique(labels)[:CLASSES].tolist():
        name = part.classes[int(label)] if part.classes else str(label)
        yield f"<h3>{escape(name)}</h3>"
        for number in np.flatnonzero(labels == label)[:EACH].tolist():
            uri = thumbnail(source, number)
            if uri is not None:
                where = escape(source.where(number), quote=True)
                yield f'<figure><img src="{uri}" alt="{where}" title="{where}" loading="lazy"></figure>'


def sheet_of_boxes(part: Part, folder: BoxedFolder, numbers: Array) -> Iterator[str]:
    """The first pictures with a box of each class, all their boxes drawn; then some without any."""
    labels = {number: set(folder.boxes(number)[:, 1].astype(int).tolist()) for number in numbers.tolist()}
    titles = {**dict(enumerate(part.classes[: CLASSES + 1])), 0: "no box"}
    for label, title in [*[*titles.items()][1:], (0, titles[0])]:
        there = [number for number, own in labels.items() if label in own or not (label or own)]
        if there:
            yield f"<h3>{escape(title)}</h3>"
        for number in there[:EACH]:
            uri = thumbnail(folder, number)
            if uri is not None:
                where = escape(folder.where(number), quote=True)
                yield f'<figure><img src="{uri}" alt="{where}" title="{where}" loading="lazy"></figure>'


def thumbnail(source: Source, number: int) -> str | None:
    """A sample as a small picture in a data address; None where it cannot be read."""
    try:
        rows = source.batch(np.array([number]))
    except SpecError:
        return None
    pixels = np.asarray(next(iter(rows.values()))[0])
    if isinstance(source, BoxedFolder):
        pixels = draw_boxes(np.repeat(pixels, 3 // len(pixels), 0), np.asarray(rows["label"][0]))
    image = Image.fromarray(in_bytes(pixels, source.color == "bgr"))
    image.thumbnail((SIDE, SIDE))
    made = io.BytesIO()
    image.save(made, "PNG")
    return f"data:image/png;base64,{b64encode(made.getvalue()).decode()}"


def in_bytes(pixels: Array, reverse: bool) -> Array:
    """Pixels (C, h, w) as (h, w) or (h, w, 3) bytes; other numbers are stretched from their least
    to their greatest.
    """
    if pixels.dtype != np.uint8:
        low, high = float(np.nanmin(pixels)), float(np.nanmax(pixels))
        # 1e-12: a picture of one value is black
        pixels = np.nan_to_num((pixels - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
    if len(pixels) == 1:
        return np.ascontiguousarray(pixels[0], np.uint8)
    return np.ascontiguousarray((pixels[::-1] if reverse else pixels).transpose(1, 2, 0), np.uint8)
