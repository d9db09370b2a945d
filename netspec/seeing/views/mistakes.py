"""The samples of the test that are answered wrongly, the surest mistakes first.

Each with its true class, the answer, and the share p(answer | x) that the net gave it: LeCun et al.
1998, figure 8, the 82 patterns that LeNet-5 misclassifies.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.pictures.figure import Figure, Table
from netspec.pictures.matrices import cut
from netspec.pictures.shapes import Drawing, Image, Shape, Text
from netspec.pictures.tiles import enlarge
from netspec.pictures.words import name_at, only
from netspec.seeing.judged import judge, part_of, tell_part
from netspec.seeing.samples import has_data, own_samples, show_pixels
from netspec.seeing.seen import Array, Asked, Seen
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = ("part", "count")
MOST, COLUMNS, SIDE = 100, 8, 72
"""A hundred of SIDE pixels are a sheet that can be looked through; the LeNet-5 paper shows its 82."""


def see(subject: Subject, asked: Asked) -> Seen:
    """The mistakes in order. count: how many are shown, of however many there are."""
    net = subject.need_net("mistakes")
    found = judge(net, part_of(asked, subject))
    if not len(found.true):
        raise fail("NS750", "the loss judges places, not samples: `see output` shows them", path=subject.path)
    wrong = np.flatnonzero(found.true != found.guessed)
    order = wrong[np.argsort(-found.sure[wrong], kind="stable")]
    shown = order[: asked.count or MOST]
    rows = [one(found, int(i)) for i in shown]
    arrays = {"numbers": order}
    if net.picture and has_data(net):
        arrays["pictures"] = pictures(net, shown, found.part)
    total = len(found.true)
    told = [f"{len(order):,} of {count_of(total, 'sample')} answered wrongly, {len(order) / total:.1%}"]
    told += only(len(shown) < len(order), f"the {len(shown)} surest are shown")
    told += tell_part(asked, found)
    values = {"part": found.part, "mistakes": len(order), "samples": total, "shown": rows}
    return Seen("mistakes", f"Mistakes of {subject.name}", told, values, arrays)


def one(found: Any, i: int) -> dict[str, Any]:
    """A mistake in words."""

    return {
        "number": i,
        "true": name_at(found.classes, int(found.true[i])),
        "answer": name_at(found.classes, int(found.guessed[i])),
        "share": float(found.sure[i]),
    }


def pictures(net: NetSubject, numbers: Array, part: str) -> Array:
    """What the net was given of some samples, (n, h, w, 3)."""
    made = [
        show_pixels(sample.arrays[net.picture][0], net.contract(net.picture))
        for sample in own_samples(net, numbers.tolist(), part)
    ]
    return np.stack(made) if made else np.zeros((0, 1, 1, 3), np.uint8)


def draw(seen: Seen) -> Iterator[Figure]:
    """A sheet of pictures with words below; of what is no picture a table."""
    rows = seen.values["shown"]
    if not rows:
        return
    if "pictures" in seen.arrays:
        yield Figure("Mistakes", sheet(seen.arrays["pictures"], rows), "true class → answer, and its share")
        return
    cells = [(str(r["number"]), r["true"], r["answer"], f"{r['share']:.1%}") for r in rows]
    yield Figure("Mistakes", Table(("sample", "true", "answer", "share"), cells, frozenset((0, 3))))


def sheet(pictures: Array, rows: list[dict[str, Any]]) -> Drawing:
    """Tiles with what they are and what they were taken for."""
    wide, tall = SIDE + 28, SIDE + 42
    shapes: list[Shape] = []
    for i, (picture, row) in enumerate(zip(pictures, rows, strict=True)):
        x, y = i % COLUMNS * wide, i // COLUMNS * tall
        h, w = picture.shape[:2]
        scale = SIDE / max(h, w)
        shapes.append(Image(x + 4, y + 4, w * scale, h * scale, enlarge(picture, 1)))
        shapes.append(Text(x + 4, y + SIDE + 18, cut(f"{row['true']} → {row['answer']}", 15), 12))
        shapes.append(Text(x + 4, y + SIDE + 32, f"{row['share']:.0%}  #{row['number']}", 10, fill="soft"))
    columns = min(COLUMNS, len(rows))
    return Drawing(columns * wide, -(-len(rows) // COLUMNS) * tall, tuple(shapes))
