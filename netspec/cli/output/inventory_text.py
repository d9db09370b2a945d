"""An inventory as text for a terminal, and as plain values. In: an Inventory; out: lines of at most
80 columns, or what JSON takes.
"""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.words import count_of

if TYPE_CHECKING:
    from netspec.data.inventory.take import Inventory, Part

__all__ = ["as_values", "lines"]

ROWS = 20
"""Classes that the table shows: of more, the largest and the smallest."""
LISTED = 5
"""Names of files in one line; --json has all."""


def lines(found: "Inventory") -> Iterator[str]:
    """The text of an inventory, for 80 columns."""
    from netspec.cli.output.table import table

    yield f"{', '.join(dict.fromkeys(part.source for part in found.parts))}"
    yield ""
    names = list(dict.fromkeys(name for part in found.parts for name in part.counts))
    counts = {name: [part.counts.get(name, 0) for part in found.parts] for name in names}
    if len(names) > ROWS:
        names.sort(key=lambda name: -sum(counts[name]))
    head = ("class", *(part.name for part in found.parts))
    body = [(clip(name), *map("{:,}".format, counts[name])) for name in names]
    if len(names) > ROWS:
        body[ROWS // 2 : -ROWS // 2] = [(f"... {len(names) - ROWS:,} more", *("" for _ in found.parts))]
    if any(part.boxes for part in found.parts):
        body.append(("boxes", *(f"{part.boxes.total if part.boxes else 0:,}" for part in found.parts)))
        body.append(("pictures", *(f"{part.samples:,}" for part in found.parts)))
    else:
        body.append(("all", *(f"{part.samples:,}" for part in found.parts)))
    yield table(head, body, right=range(1, len(head)))
    yield ""
    pictures = [picture for part in found.parts for picture in part.pictures.values() if not picture.fault]
    if pictures:
        yield f"kinds      {tell(Counter(each.format for each in pictures))}; {tell(Counter(each.mode for each in pictures))}"
        yield f"sizes      {tell_sizes(Counter((each.width, each.height) for each in pictures))}"
        looked = [each for each in pictures if each.low is not None]
        if looked:
            least, most = (
                min(each.low or 0 for each in looked),
                max(each.high or 0 for each in looked),
            )
            yield f"values     {least} to {most} in the {len(looked):,} that were decoded"
    else:
        yield from field_lines(found.parts)
    yield from box_lines(found.parts)
    # parts that are drawn from one file leave out the same
    if lost := len({line for part in found.parts for line in part.left_out}):
        yield f"left out   {lost:,} that cannot be taken"
    if found.copies:
        files = "file stands" if len(found.copies) == 1 else "files stand"
        yield f"copies     {len(found.copies):,} {files} there more than once"
    if found.plain:
        more = f" and {len(found.plain) - LISTED:,} more" if len(found.plain) > LISTED else ""
        yield f"one value  {', '.join(found.plain[:LISTED])}{more}"


def field_lines(parts: "tuple[Part, ...]") -> Iterator[str]:
    """A table of the fields of sources that are no files."""
    from netspec.cli.output.table import table

    heads = ("field", "part", "sample", "type", "from", "to", "not finite")
    rows = []
    for part in parts:
        for name, field in part.fields.items():
            shape = f"[{', '.join('?' if n is None else str(n) for n in field.shape)}]"
            ends = ("" if end is None else f"{end:.6g}" for end in (field.low, field.high))
            rows.append((name, part.name, shape, field.dtype, *ends, f"{field.missing_count or ''}"))
    yield table(heads, rows, right=(4, 5, 6))
    yield from sound_lines(parts)
    yield from column_lines(parts)
    for part in parts:
        if part.looked < part.samples:
            yield f"{part.looked:,} of the {part.samples:,} samples of {part.name} were looked at; --decode looks at all"


def box_lines(parts: "tuple[Part, ...]") -> Iterator[str]:
    """What the boxes of all parts are like."""
    boxes = [part.boxes for part in parts if part.boxes is not None]
    if not boxes:
        return
    total = sum(each.total for each in boxes)
    least, most = min(each.sides[0] for each in boxes), max(each.sides[2] for each in boxes)
    middle = sum(each.sides[1] * each.total for each in boxes) / max(1, total)
    yield f"boxes      sides {least:.0%} to {most:.0%} of the picture's, most about {middle:.0%}"
    without, crowded = sum(each.without for each in boxes), max(each.most for each in boxes)
    yield f"           at most {crowded:,} in a picture, none in {count_of(without, 'picture')}"
    if difficult := sum(each.difficult for each in boxes):
        yield f"           {difficult:,} are marked difficult (of COCO: a crowd)"


def column_lines(parts: "tuple[Part, ...]") -> Iterator[str]:
    """The columns of a table of values: what each is taken for, and how many of its cells are
    empty.
    """
    from netspec.cli.output.table import table

    for part in parts[:1]:
        columns = [each for each in columns_in(part) if "form" in each]
        rows = [
            (
                clip(each["name"]),
                each["form"],
                tell_words(each["categories"]),
                f"{each['empty'] or ''}",
            )
            for each in columns
        ]
        if rows:
            yield table(("column", "taken as", "words", "empty"), rows, right=(3,))


def columns_in(part: "Part") -> list[Any]:
    found: Any = part.facts.get("columns", [])
    return list(found)


def tell_words(words: list[str]) -> str:
    """`3: Bonn, Oslo, Rome`."""
    return clip(f"{len(words)}: {', '.join(words)}") if words else ""


def sound_lines(parts: "tuple[Part, ...]") -> Iterator[str]:
    """The rate of sounds and their lengths, where these differ."""
    for rate in dict.fromkeys(part.facts["rate"] for part in parts if "rate" in part.facts):
        yield f"rate       {rate:,} Hz"
    lengths: Counter[int] = Counter()
    for part in parts:
        for field in part.fields.values():
            lengths.update(field.lengths)
    if not lengths:
        return
    first = ", ".join(f"{length:,} ({n:,})" for length, n in lengths.most_common(2))
    others = "1 other" if len(lengths) == 3 else f"{len(lengths) - 2:,} others"
    more = f" and {others}" if len(lengths) > 2 else ""
    yield f"lengths    {first}{more}, from {min(lengths):,} to {max(lengths):,} samples"


def tell(counts: "Counter[str]") -> str:
    """`JPEG 1,190, PNG 10`."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.most_common())


def tell_sizes(counts: "Counter[tuple[int, int]]") -> str:
    """`640x480 (812), 480x640 (300) and 14 others, from 32x32 to 4000x3000`, width first as
    files have it.
    """
    first = ", ".join(f"{w}x{h} ({n:,})" for (w, h), n in counts.most_common(2))
    if len(counts) <= 2:
        return first
    by_area = sorted(counts, key=lambda size: size[0] * size[1])
    (w, h), (wide, high) = by_area[0], by_area[-1]
    others = "1 other" if len(counts) == 3 else f"{len(counts) - 2:,} others"
    return f"{first} and {others}, from {w}x{h} to {wide}x{high}"


def clip(name: str) -> str:
    """A class's name, short enough for a table."""
    return name if len(name) <= 40 else f"{name[:37]}..."


def as_values(found: "Inventory") -> dict[str, Any]:
    """An inventory as JSON has it."""
    parts = [
        {
            "name": part.name,
            "source": part.source,
            "samples": part.samples,
            "classes": part.counts,
            "fields": {name: field._asdict() for name, field in part.fields.items()},
            "looked_at": part.looked,
            "left_out": list(part.left_out),
            "boxes": part.boxes._asdict() if part.boxes is not None else None,
            "pictures": {path: picture._asdict() for path, picture in part.pictures.items()},
        }
        for part in found.parts
    ]
    copies = [
        [{"part": part, "class": name, "path": path} for part, name, path in group] for group in found.copies
    ]
    return {
        "parts": parts,
        "bad": [each._asdict() for each in found.bad],
        "copies": copies,
        "plain": list(found.plain),
    }
