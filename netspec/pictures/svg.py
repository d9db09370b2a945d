"""Shapes as SVG. In: a Drawing; out: text that stands in a page or in a file by itself."""

from collections.abc import Iterator
from html import escape

from netspec.pictures.colors import DARK, LIGHT
from netspec.pictures.png import data_address
from netspec.pictures.shapes import Drawing, Image, Line, Rect, Shape, Text
from netspec.pictures.words import when

__all__ = ["svg", "svg_file"]

FONT = "system-ui, sans-serif"


def svg(drawing: Drawing, label: str) -> str:
    """An element for a page that defines the colours by meaning; label: what it shows, in words."""
    size = f'width="{number(drawing.width)}" height="{number(drawing.height)}"'
    box = f'viewBox="0 0 {number(drawing.width)} {number(drawing.height)}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(label, quote=True)}"'
    body = "".join(element(shape) for shape in drawing.shapes)
    return f'{head} {size} {box} font-family="{FONT}">{body}</svg>'


def svg_file(drawing: Drawing, label: str) -> str:
    """A file of its own, which is light or dark as the reader's system."""
    style = f"<style>{variables()}</style>"
    paper = Rect(0, 0, drawing.width, drawing.height, "paper")
    whole = svg(drawing._replace(shapes=(paper, *drawing.shapes)), label)
    return whole.replace(">", f">{style}", 1) + "\n"


def variables() -> str:
    """The colours by meaning, as a style sheet says them."""
    light, dark = (";".join(f"--{word}:{color}" for word, color in each.items()) for each in (LIGHT, DARK))
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"


def number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def color(word: str) -> str:
    if word in LIGHT:
        return f"var(--{word})"
    return word


def element(shape: Shape) -> str:
    return "".join(parts(shape))


def parts(shape: Shape) -> Iterator[str]:
    """The text of one shape."""
    if isinstance(shape, Rect):
        x, y, w, h = map(number, shape[:4])
        stroke = when(shape.stroke, f' stroke="{color(shape.stroke)}"')
        round_ = when(shape.round, f' rx="{number(shape.round)}"')
        yield f'<rect x="{x}" y="{y}" width="{w}" height="{h}" fill="{color(shape.fill)}"{stroke}{round_}'
        yield f"><title>{escape(shape.title)}</title></rect>" if shape.title else "/>"
    elif isinstance(shape, Line):
        points = " ".join(f"{number(x)},{number(y)}" for x, y in shape.points)
        dashes = when(shape.dashed, ' stroke-dasharray="4 3"')
        width = when(shape.width != 1, f' stroke-width="{number(shape.width)}"')
        yield f'<polyline points="{points}" fill="none" stroke="{color(shape.stroke)}"{width}{dashes}/>'
    elif isinstance(shape, Text):
        anchor = when(shape.anchor != "start", f' text-anchor="{shape.anchor}"')
        weight = when(shape.bold, ' font-weight="600"')
        yield f'<text x="{number(shape.x)}" y="{number(shape.y)}" font-size="{number(shape.size)}"'
        wide = when(shape.wide, f' textLength="{number(shape.wide)}" lengthAdjust="spacingAndGlyphs"')
        yield f'{anchor}{weight}{wide} fill="{color(shape.fill)}">{escape(shape.text)}</text>'
    elif isinstance(shape, Image):
        x, y, w, h = map(number, shape[:4])
        yield f'<image x="{x}" y="{y}" width="{w}" height="{h}" preserveAspectRatio="none"'
        yield f' style="image-rendering:pixelated" href="{data_address(shape.pixels)}"/>'
