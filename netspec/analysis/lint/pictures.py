"""Lints on pictures as inputs: the order of the axes, the numbers of the contract. NS416, NS417,
NS431, NS446.
"""

import re
from collections.abc import Iterator

from netspec.analysis.channels_last import find_turned_inputs
from netspec.analysis.lint.view import Found, Lint, View
from netspec.diagnostics.model import Diagnostic, Edit, Fix
from netspec.ir.graph import Input
from netspec.record import as_written
from netspec.resolve.sections.image import ImageContract
from netspec.source import Span

__all__ = ["LINTS", "channels_last", "distant_pixels", "faint_pixels", "small_means"]

WHITE = 255
FAINT = 0.05
"""Inputs that all lie nearer to 0 than this were scaled twice: fillers expect values around 1."""
SCALED_TWICE = 0.01
"""A scale by itself that leaves no more than this is 1/255 of 1/255, or a slip of the comma; one that leaves a
little more may be meant.
"""
KINDS = {"mean_value": "means", "std_value": "deviations"}
NUMBERS = {
    word: re.compile(rf"\b{word}\s*:\s*(\[[^\[\]]*\]|[-+.\w]+)")
    for word in ("mean_value", "std_value", "scale")
}
SEARCHED = 1000
"""Characters behind an input's name in which these words are looked for."""


def channels_last(view: View) -> Iterator[Found]:
    """NS416: an input of pictures whose channels stand at the end."""
    for given in find_turned_inputs(view.typed.graph):
        from netspec.analysis.rule_fixes import offer_turned_input

        fact = (
            f"{given.value.name} {view.typed.types[given.value]}: a window slides over all axes behind the"
            " second, that of the channels"
        )
        yield Found(None, Diagnostic("NS416", fact, given.span, fixes=tuple(offer_turned_input(given))))


def small_means(view: View) -> Iterator[Found]:
    """NS417: means below 1 are taken from pixels of 0 to 255, or these are divided by such
    deviations.
    """
    for given, contract in contracts(view):
        words = [*small(contract)]
        if words:
            verb = {"mean_value": "is taken from", "std_value": "divides"}
            said = " and ".join(f"{word} {verb[word]}" for word in words)
            fact = f"{given.value.name}: {said} pixels of 0 to {WHITE}, before they are scaled"
            notes = tuple(
                f"{KINDS[word]} of pixels from 0 to 1, as torchvision has them, are"
                f" {', '.join(in_pixels(contract, word))} here"
                for word in words
            )
            at = place(given, contract, words[0]) or given.span
            fixes = tuple(rewritten(given, contract, words))
            yield Found(None, Diagnostic("NS417", fact, at, notes=notes, fixes=fixes))


def faint_pixels(view: View) -> Iterator[Found]:
    """NS431: deviation and scale both make the pixels small, or a scale of a scale does."""
    for given, contract in contracts(view):
        low, high = reach(contract)
        left = max(-low, high)
        if contract.scale != 1 and left < (FAINT if contract.std_value else SCALED_TWICE):
            words = "std_value and scale leave" if contract.std_value else f"scale {contract.scale:g} leaves"
            fact = (
                f"{given.value.name}: {words} of pixels of 0 to {WHITE} values from {low:.2g} to {high:.2g}"
            )
            if contract.std_value:
                note, wanted = "pixels divided by their deviation need no scale: left out it is 1", "1"
            else:
                note, wanted = f"1/{WHITE} is {1 / WHITE:.4g}: pixels from 0 to 1", f"{1 / WHITE:.4g}"
            at = place(given, contract, "scale")
            fixes = (Fix(f"write {wanted}", (Edit(at, wanted),)),) if at is not None else ()
            yield Found(None, Diagnostic("NS431", fact, at or given.span, notes=(note,), fixes=fixes))


def distant_pixels(view: View) -> Iterator[Found]:
    """NS446: a mean that no pixel has, a scale that makes pixels larger than they are, or one below 0
    that leaves nothing above it.
    """
    for given, contract in contracts(view):
        low, high = reach(contract)
        scale, name = contract.scale, given.value.name
        outside = [mean for mean in contract.mean_value if not 0 <= mean <= WHITE]
        high += 0.0  # black of a scale below 0 is -0
        made = f"scale {scale:g} makes of pixels of 0 to {WHITE} values from {low:.4g} to {high:.4g}"
        spot = place(given, contract, "scale")
        fixes: tuple[Fix, ...] = ()
        if outside:
            fact = (
                f"{name}: mean_value {outside[0]:g} lies beyond pixels of 0 to {WHITE},"
                f" which become {low:.4g} to {high:.4g}"
            )
            note = "a mean is that of the training's pixels, before they are scaled"
            spot = place(given, contract, "mean_value")
        elif abs(scale) > 1 and max(-low, high) > WHITE:
            fact = f"{name}: {made}"
            whole = f"1/{WHITE}, {1 / WHITE:.4g}, makes them 0 to 1"
            note = f"pictures are read as 0 to {WHITE} from every file: {whole}"
            edits = (Edit(spot, f"{1 / WHITE:.4g}"),) if spot is not None else ()
            fixes = (Fix(f"write {1 / WHITE:.4g}", edits),) if scale == WHITE else ()
        elif scale < 0 and high <= 0:  # with mean_value 255 it is a negative, from 0 upwards again
            fact = f"{name}: {made}, none above it"
            note = f"a picture's negative is (pixel - {WHITE}) * {scale:g}: with mean_value {WHITE}"
        else:
            continue
        at = spot or given.span
        yield Found(None, Diagnostic("NS446", fact, at, notes=(note,), fixes=fixes))


def contracts(view: View) -> Iterator[tuple[Input, ImageContract]]:
    """The inputs with a contract of pictures."""
    for given in view.typed.graph.inputs:
        if isinstance(given.contract, ImageContract):
            yield given, given.contract


def small(contract: ImageContract) -> Iterator[str]:
    """The words whose numbers belong to pixels of 0 to 1. torchvision's deviations are right beside
    a scale of 1/255.
    """
    means, deviations = contract.mean_value, contract.std_value
    if any(means) and all(0 <= mean <= 1 for mean in means):
        yield "mean_value"
    low, high = reach(contract)
    if deviations and max(deviations) <= 1 and max(-low, high) > WHITE:
        yield "std_value"


def reach(contract: ImageContract) -> tuple[float, float]:
    """The least and the greatest number that pixels of 0 to 255 become."""
    # one number for all channels goes with each of several
    pairs = [(m, d) for m in contract.mean_value or (0.0,) for d in contract.std_value or (1.0,)]
    if len(contract.mean_value) == len(contract.std_value):
        pairs = [*zip(contract.mean_value or (0.0,), contract.std_value or (1.0,), strict=True)]
    ends = [(pixel - mean) / deviation * contract.scale for mean, deviation in pairs for pixel in (0, WHITE)]
    return min(ends), max(ends)


def in_pixels(contract: ImageContract, word: str) -> list[str]:
    """The numbers of a word as pixels of 0 to 255 count."""
    return [f"{WHITE * number:g}" for number in getattr(contract, word)]


def rewritten(given: Input, contract: ImageContract, words: list[str]) -> Iterator[Fix]:
    """The numbers meant, where they are written out."""
    spans = {word: place(given, contract, word) for word in words}
    edits = []
    for word, span in spans.items():
        if span is None:
            return
        numbers = [float(text) for text in in_pixels(contract, word)]
        edits.append(Edit(span, str(as_written(numbers if span.text.startswith("[") else numbers[0]))))
    yield Fix(f"write {' and '.join(edit.text for edit in edits)}", tuple(edits))


def place(given: Input, contract: ImageContract, word: str) -> Span | None:
    """Where the numbers of a word of an input's contract are written one by one."""
    if given.span is None:
        return None
    text, begin = given.span.source.text, given.span.end
    found = NUMBERS[word].search(text, begin, begin + SEARCHED)
    written = [part.strip() for part in found[1].strip("[]").split(",")] if found else []
    value = getattr(contract, word)
    try:
        same = [float(part) for part in written] == [*(value if isinstance(value, tuple) else (value,))]
    except ValueError:
        same = False
    if found and same:
        return Span(given.span.source, found.start(1), found.end(1))
    return None


LINTS: tuple[Lint, ...] = (channels_last, small_means, faint_pixels, distant_pixels)
