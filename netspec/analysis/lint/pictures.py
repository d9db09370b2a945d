"""Lints on pictures as inputs: the order of the axes, the numbers of the contract. NS416, NS417."""

import re
from collections.abc import Iterator

from netspec.analysis.channels_last import find_turned_inputs
from netspec.analysis.lint.view import Found, View
from netspec.analysis.rule_fixes import turned
from netspec.diagnostics.model import Diagnostic, Edit, Fix
from netspec.ir.graph import Input
from netspec.record import as_written
from netspec.source import Span

__all__ = ["channels_last", "small_means"]

WHITE = 255
MEANS = re.compile(r"mean_value\s*:\s*(\[[^\[\]]*\]|[-+.\w]+)")
SEARCHED = 1000
"""Characters behind an input's name in which its means are looked for."""


def channels_last(view: View) -> Iterator[Found]:
    """NS416: an input of pictures whose channels stand at the end."""
    for given in find_turned_inputs(view.typed.graph):
        fact = (
            f"{given.value.name} {view.typed.types[given.value]}: a window slides over all axes behind the"
            " second, that of the channels"
        )
        yield Found(None, Diagnostic("NS416", fact, given.span, fixes=tuple(turned(given))))


def small_means(view: View) -> Iterator[Found]:
    """NS417: means below 1 are taken from pixels of 0 to 255."""
    for given in view.typed.graph.inputs:
        means = tuple(getattr(given.contract, "mean_value", ()))
        if means and any(means) and all(0 <= mean <= 1 for mean in means):
            meant = ", ".join(f"{WHITE * mean:g}" for mean in means)
            fact = (
                f"{given.value.name}: mean_value is taken from pixels of 0 to {WHITE}, before they are scaled"
            )
            note = f"means of pixels from 0 to 1, as torchvision has them, are {meant} here"
            yield Found(
                None,
                Diagnostic(
                    "NS417",
                    fact,
                    place(given, means) or given.span,
                    notes=(note,),
                    fixes=tuple(scale_means(given, means)),
                ),
            )


def scale_means(given: Input, means: tuple[float, ...]) -> Iterator[Fix]:
    span = place(given, means)
    if span is not None:
        numbers = [float(f"{WHITE * mean:g}") for mean in means]
        text = str(as_written(numbers if span.text.startswith("[") else numbers[0]))
        yield Fix(f"write {text}", (Edit(span, text),))


def place(given: Input, means: tuple[float, ...]) -> Span | None:
    """Where the means of an input are written number by number."""
    if given.span is None:
        return None
    text, begin = given.span.source.text, given.span.end
    found = MEANS.search(text, begin, begin + SEARCHED)
    written = [part.strip() for part in found[1].strip("[]").split(",")] if found else []
    try:
        same = [float(part) for part in written] == list(means)
    except ValueError:
        same = False
    if found and same:
        return Span(given.span.source, found.start(1), found.end(1))
    return None
