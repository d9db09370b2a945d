"""What was seen as files: one page, or a folder of pictures with a page, or one picture. In: Seens
and their figures; out: files, each whole or not at all, written once everything is computed.
"""

import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.file_writing import replacing, replacing_folder, write_text
from netspec.pictures.colors import Array
from netspec.pictures.figure import Figure
from netspec.pictures.page import Section, page
from netspec.pictures.png import encode, write_png
from netspec.pictures.raster import can_raster
from netspec.pictures.shapes import Drawing
from netspec.pictures.svg import svg_file
from netspec.pictures.tiles import stack
from netspec.seeing.seen import Seen

__all__ = ["check_target", "join_pictures", "pack_arrays", "write_figures", "write_packed"]

Shown = Sequence[tuple[Seen, Sequence[Figure]]]
PAGE, VALUES = "index.html", "values.json"
OURS = re.compile(r"index\.html|values\.json|[a-z]+-\d\d-[a-z0-9-]+\.(png|svg)")
"""What a folder of an earlier call holds."""
FILES = (".html", ".htm", ".png", ".svg")


def check_target(target: Path, force: bool) -> None:
    """Raises SpecError NS501 where a folder holds something: `force` replaces what an earlier call
    wrote, and nothing else.
    """
    if target.suffix in FILES or not target.is_dir():
        return
    there = sorted(each.name for each in target.iterdir())
    strange = [name for name in there if not OURS.fullmatch(name)]
    if strange:
        holds = f"the folder holds {count_of(len(there), 'file')}, {strange[0]} among them"
        fact = f"{holds}, which `see` did not write: name another"
        raise fail("NS501", fact, path=str(target))
    if there and not force:
        fact = f"the folder is there already, with {count_of(len(there), 'file')}; --force replaces it"
        raise fail("NS501", fact, path=str(target))


def write_figures(target: Path, title: str, told: Sequence[str], shown: Shown) -> list[Path]:
    """Write what a path asks for by its ending: .html a page, .png one picture, .svg one drawing,
    else a folder, which is replaced as a whole. Answers the files. Raises SpecError NS501, NS753,
    NS756.
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
    with replacing_folder(target) as draft:
        for section in sections:
            for name, data in files_of(section):
                (draft / name).write_bytes(data)
        values = {seen.view: dict(seen.values) for seen, _ in shown}
        text = json.dumps(values, indent=1, ensure_ascii=False)
        write_text(draft / VALUES, f"{text}\n")
        write_text(draft / PAGE, page(title, told, sections))
        names = sorted(path.name for path in draft.iterdir())
    return [target / name for name in names]


def files_of(section: Section) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of a section's pictures; of a drawing that is too large for pixels, SVG
    alone.
    """
    for number, figure in enumerate(section.figures, 1):
        name = f"{section.name}-{number:02}-{figure.slug}"
        drawing = figure.body if isinstance(figure.body, Drawing) else None
        if drawing is not None:
            yield f"{name}.svg", svg_file(drawing, figure.name).encode()
        pixels = figure.pixels() if drawing is None or can_raster(drawing) else None
        if pixels is not None:
            yield f"{name}.png", encode(pixels)


def join_pictures(figures: Sequence[Figure], target: Path) -> Array:
    """All pictures below one another."""
    pictures = [pixels for figure in figures if (pixels := figure.pixels()) is not None]
    if not pictures:
        raise fail("NS756", "it holds words only: .html or a folder shows them", path=str(target))
    return pictures[0] if len(pictures) == 1 else stack(pictures)


def pack_arrays(target: Path, shown: Sequence[Seen]) -> bytes:
    """All arrays as the bytes of a .npz; of several views with the view's name before theirs.
    Raises SpecError NS756.
    """
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
    return made.getvalue()


def write_packed(target: Path, data: bytes) -> None:
    """Raises SpecError NS501."""
    with replacing(target) as draft:
        draft.write_bytes(data)
