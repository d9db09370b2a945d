"""What a layer type's docstring says, in its parts. In: a Layer class; out: its sentence, equation,
source and notes.
"""

from typing import NamedTuple

from netspec.record import Record

__all__ = ["Manual", "manual", "sentence"]


class Manual(NamedTuple):
    """A docstring in its parts: one sentence, the equation, where it comes from, and what else to
    know.
    """

    sentence: str
    equation: str
    source: str
    notes: tuple[str, ...]


def manual(cls: type[Record]) -> Manual:
    """The parts of a layer's docstring; the source is what stands in brackets at the end of the
    equation.
    """
    parts = [part.split("\n") for part in (cls.__doc__ or "").strip().split("\n\n")]
    texts = ["\n".join(line.removeprefix("    ") for line in part).strip() for part in parts]
    equation, source = texts[1] if len(texts) > 1 else "", ""
    if equation.endswith(")") and (at := source_start(equation)) >= 0:
        equation, source = equation[:at].rstrip(), " ".join(equation[at + 1 : -1].split())
    return Manual(" ".join(texts[0].split()), equation, source, tuple(texts[2:]))


def source_start(text: str) -> int:
    """Where the bracket opens that closes at the end of a text, if three spaces or a line break
    part it from the equation; else -1.
    """
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        depth += (text[at] == ")") - (text[at] == "(")
        if depth == 0:
            before = text[:at]
            if not before or before.endswith("   ") or before.rstrip(" ").endswith("\n"):
                return at
            return -1
    return -1


def sentence(cls: type[Record]) -> str:
    """What the layer, or the augmentation, does, in one sentence."""
    return manual(cls).sentence
