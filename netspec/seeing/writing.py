"""What was seen as files: one page, or a folder of pictures with a page, or one picture. In: Seens
and their figures; out: files, each whole or not at all, written once everything is computed.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netspec.diagnostics import fail
from netspec.file_writing import replacing, write_text
from netspec.pictures.colors import Array
from netspec.pictures.figure import Figure
from netspec.pictures.page import Section, page
from netspec.pictures.png import write_png
from netspec.pictures.shapes import Drawing
from netspec.pictures.svg import svg_file
from netspec.pictures.tiles import stack
from netspec.seeing.seen import Seen

__all__ = ["join_pictures", "write_arrays", "write_figures"]

Shown = Sequence[tuple[Seen, Sequence[Figure]]]
PAGE, VALUES = "index.html", "values.json"


def write_figures(target: Path, title: str, told: Sequence[str], shown: Shown) -> list[Path]:
    """Write what a path asks for by its ending: .html a page, .png one picture, .svg one drawing,
    else a folder. Answers the files. Raises SpecError NS501, NS756.
    """
    sections = [Section(seen.view, seen.title, seen.told, figures) for seen, figures in shown]
    every = [figure for section in sections for figure in section.figures]
    if target.suffix in (".html", ".htm"):
        write_text(target, page(title, told, sections))
        return [target]
    if target.suffix == ".png":
        write_png(target, join_pictures(every, target))
        return [target]
    if target.suffix == ".svg":
        drawing = next((f for f in every if isinstance(f.body, Drawing)), None)
        if drawing is None or not isinstance(drawing.body, Drawing):
            raise fail("NS756", "it holds pixels: .png, .html or a folder shows them", path=str(target))
        write_text(target, svg_file(drawing.body, drawing.name))
        return [target]
    return write_folder(target, title, told, sections, shown)


def join_pictures(figures: Sequence[Figure], target: Path) -> Array:
    """All pictures below one another."""
    pictures = [pixels for figure in figures if (pixels := figure.pixels()) is not None]
    if not pictures:
        raise fail("NS756", "it holds words only: .html or a folder shows them", path=str(target))
    return pictures[0] if len(pictures) == 1 else stack(pictures)


def write_folder(
    target: Path, title: str, told: Sequence[str], sections: Sequence[Section], shown: Shown
) -> list[Path]:
    """Pictures, the values as JSON, and last the page."""
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fail("NS501", error.strerror or str(error), path=str(target)) from error
    found = []
    for section in sections:
        for number, figure in enumerate(section.figures, 1):
            pixels = figure.pixels()
            name = f"{section.name}-{number:02}-{figure.slug}"
            if pixels is not None:
                write_png(target / f"{name}.png", pixels)
                found.append(target / f"{name}.png")
            if isinstance(figure.body, Drawing):
                write_text(target / f"{name}.svg", svg_file(figure.body, figure.name))
                found.append(target / f"{name}.svg")
    values = {seen.view: dict(seen.values) for seen, _ in shown}
    write_text(target / VALUES, json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    write_text(target / PAGE, page(title, told, sections))
    return [*found, target / VALUES, target / PAGE]


def write_arrays(target: Path, shown: Sequence[Seen]) -> Path:
    """All arrays as .npz; of several views with the view's name before theirs."""
    several = len(shown) > 1
    arrays = {
        f"{seen.view}/{name}" if several else name: value
        for seen in shown
        for name, value in seen.arrays.items()
    }
    if target.suffix != ".npz":
        raise fail("NS756", "arrays are written as .npz", path=str(target))
    made = io.BytesIO()
    np.savez(made, **arrays)  # type: ignore[arg-type]
    with replacing(target) as draft:
        draft.write_bytes(made.getvalue())
    return target
