"""What a page is made of: a figure that is pixels, a drawing, or a table of words. In: one of these
and what it shows; out: PNG bytes or HTML.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from netspec.pictures.colors import Array
from netspec.pictures.png import data_address
from netspec.pictures.raster import raster
from netspec.pictures.shapes import Drawing
from netspec.pictures.svg import svg
from netspec.pictures.words import when

__all__ = ["Figure", "Table"]

SMALL = 480
"""Pixels of the longer side below which a page shows pixels as sharp squares."""


class Table(NamedTuple):
    """Words in rows; `right`: the columns that are flush right."""

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()


class Figure(NamedTuple):
    """name: what it shows, in a few words; told: more, below it. body: pixels (h, w, 3), a Drawing,
    a Table, or text whose lines stay as they are.
    """

    name: str
    body: Array | Drawing | Table | str
    told: str = ""

    @property
    def slug(self) -> str:
        """A part of a file name."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:60] or "figure"

    def pixels(self) -> Array | None:
        """As a picture; None for words."""
        if isinstance(self.body, Drawing):
            return raster(self.body)
        if isinstance(self.body, (str, Table)):
            return None
        return self.body

    def html(self) -> str:
        """As a part of a page."""
        told = f"<figcaption><b>{escape(self.name)}</b> {escape(self.told)}</figcaption>"
        label = escape(self.name, quote=True)
        wide = f'<div class="wide" tabindex="0" role="group" aria-label="{label}">'
        if isinstance(self.body, str):
            return f"<figure>{told}{wide}<pre>{escape(self.body)}</pre></div></figure>"
        if isinstance(self.body, Table):
            return f"<figure>{told}{wide}{table(self.body)}</div></figure>"
        if isinstance(self.body, Drawing):
            return f"<figure>{told}{wide}{svg(self.body, self.name)}</div></figure>"
        height, width = self.body.shape[:2]
        sharp = when(max(height, width) < SMALL, ' class="sharp"')
        size = f'width="{width}" height="{height}"'
        return f'<figure>{told}<img{sharp} {size} alt="{label}" src="{data_address(self.body)}"></figure>'


def table(made: Table) -> str:
    def cell(kind: str, i: int, text: str) -> str:
        side = when(i in made.right, ' class="right"')
        return f"<{kind}{side}>{escape(text)}</{kind}>"

    heads = "".join(cell("th", i, text) for i, text in enumerate(made.heads))
    rows = "".join(
        f"<tr>{''.join(cell('td', i, text) for i, text in enumerate(row))}</tr>" for row in made.rows
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
