"""Which format a file's ending speaks of. In: a path and what is to be written; out: nothing, or
SpecError NS709.
"""

from pathlib import Path
from typing import Literal

from netspec.diagnostics import fail

__all__ = ["Format", "format_of", "held"]

Format = Literal["onnx", "ort", "prototxt"]
ENDINGS: dict[str, Format] = {".onnx": "onnx", ".ort": "ort", ".prototxt": "prototxt"}
WRITERS = {
    ".py": "`netspec compile SPEC -o NAME.py` writes the network as Python",
    ".json": "`netspec show SPEC --json` prints the network as JSON",
    ".yaml": "`netspec show SPEC --resolved` prints the spec with everything filled in",
    ".safetensors": "a run holds its weights as weights.safetensors",
    ".caffemodel": "with a .prototxt for the net, its weights go to a .caffemodel beside it",
}
"""Endings of formats that something else writes, and what does."""


def format_of(path: Path) -> Format | None:
    """The format that an ending names; None where it names none of those that are exported."""
    return ENDINGS.get(path.suffix.lower())


def held(path: Path, wanted: Format) -> None:
    """Raises SpecError NS709 where a file would hold another format than its ending says."""
    ending = path.suffix.lower()
    other = format_of(path)
    if other not in (None, wanted):
        raise fail(
            "NS709",
            f"{wanted} would be written to a file that ends in {ending}",
            path=str(path),
            notes=(f"--to {other} writes {other}",),
        )
    if ending in WRITERS:
        raise fail(
            "NS709",
            f"export writes onnx, ort or prototxt, not {ending}",
            path=str(path),
            notes=(WRITERS[ending],),
        )
