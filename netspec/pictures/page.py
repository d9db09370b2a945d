"""One page of HTML that stands alone: it loads nothing and runs nothing. In: sections of figures;
out: text.
"""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from netspec.pictures.figure import Figure
from netspec.pictures.svg import variables

__all__ = ["Section", "page"]

STYLE = """
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;margin:0;color:var(--ink);background:var(--paper)}
header,main{max-width:72rem;margin:0 auto;padding:1rem}header{border-bottom:1px solid var(--line)}
h1{font-size:1.6rem;margin:.2rem 0}h2{font-size:1.25rem;margin:2rem 0 .2rem}p{margin:.4rem 0;max-width:46rem}
ul{margin:.4rem 0;padding-left:1.2rem}li,p,figcaption,h1,h2{overflow-wrap:anywhere}a{color:inherit}
nav ul{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.3rem .9rem}nav a{display:inline-block;padding:.2rem 0}
figure{margin:1rem 0;max-width:100%}figcaption{margin-bottom:.3rem;color:var(--soft)}figcaption b{color:var(--ink)}
img{max-width:100%;height:auto;display:block}img.sharp{image-rendering:pixelated;min-width:min(100%,200px)}
.wide{overflow-x:auto}.wide:focus-visible,a:focus-visible{outline:2px solid #0072b2;outline-offset:2px}svg{display:block}
pre{background:var(--panel);padding:.7rem;margin:0;font-size:.9rem;white-space:pre-wrap;overflow-wrap:anywhere}
table{border-collapse:collapse;font-size:.92rem}th,td{padding:.2rem .8rem .2rem 0;text-align:left;
border-bottom:1px solid var(--line);vertical-align:top}
.right{text-align:right}
"""


class Section(NamedTuple):
    """A part of a page: its name, its title, what is told of it line by line, its figures."""

    name: str
    title: str
    told: Sequence[str]
    figures: Sequence[Figure]


def page(title: str, told: Sequence[str], sections: Sequence[Section]) -> str:
    """A page; told: what stands at its head."""
    return "\n".join(lines(title, told, sections)) + "\n"


def lines(title: str, told: Sequence[str], sections: Sequence[Section]) -> Iterator[str]:
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>{escape(title)}</title><style>{variables()}{STYLE}</style></head><body>"
    yield f"<header><h1>{escape(title)}</h1>{write_list(told)}"
    if len(sections) > 1:
        links = "".join(f'<li><a href="#{each.name}">{escape(each.name)}</a></li>' for each in sections)
        yield f'<nav aria-label="Views"><ul>{links}</ul></nav>'
    yield "</header><main>"
    for each in sections:
        yield f'<section id="{each.name}" aria-labelledby="{each.name}-title">'
        yield f'<h2 id="{each.name}-title">{escape(each.title)}</h2>{write_list(each.told)}'
        yield from (figure.html() for figure in each.figures)
        yield "</section>"
    yield "</main></body></html>"


def write_list(told: Sequence[str]) -> str:
    if len(told) == 1:
        return f"<p>{escape(told[0])}</p>"
    if not told:
        return ""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in told)}</ul>"
