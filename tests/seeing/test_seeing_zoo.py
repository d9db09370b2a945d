"""Every view on every net of the zoo: sound pictures in bounded time, or a finding that says why there are none."""

import json
import re
import resource

import numpy as np
import pytest

from netspec.diagnostics import SpecError
from netspec.pictures.figure import Figure
from netspec.seeing.effort import macs_of
from netspec.seeing.registry import find_view, view_names
from netspec.seeing.seen import Asked
from netspec.seeing.subject import open_subject
from netspec.seeing.views.occlusion import MACS, choose_side, starts
from tests.zoo.kinds import SPECS

pytestmark = pytest.mark.torch

QUICK = ("gabor", "local-1d", "vae-digits", "resnet-20")
UNTOLD = {"NS750", "NS753", "NS684", "NS681", "NS643", "NS790"}
"""No meaning, too large, no data in the spec, data that are not on this machine, values that are no numbers."""
ONE_OF_MANY = re.compile(r"(?<![\w,.])1 (?!(is|has|was|sees|does)\b)[a-z]+s\b")
"""A number and a noun that do not agree: not the end of a name such as h1, no verb behind a place."""
SECONDS, PIXELS = 300, 40_000_000
"""Of CPU, and of one picture: no view of any net of the zoo takes half of that on one idle core."""


def nets() -> list[object]:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SPECS]


def spent() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def check(figure: Figure) -> None:
    """There is something to see, and it says what it is."""
    assert figure.name and figure.html() and "nan" not in figure.told.split()
    pixels = figure.pixels()
    if pixels is not None:
        assert pixels.dtype == np.uint8 and pixels.shape[2] == 3 and 0 < pixels[..., 0].size <= PIXELS


@pytest.mark.parametrize("name", nets())
def test_every_view_of_a_net(name: str) -> None:
    subject = open_subject(str(SPECS[name]))
    asked = Asked(count=12 if name in QUICK else None)
    shown, codes = set(), {}
    for view in view_names():
        module, begun = find_view(view), spent()
        try:
            seen = module.see(subject, asked)
            figures = list(module.draw(seen))
        except SpecError as error:
            (found,) = error.diagnostics
            assert found.code in UNTOLD and found.fact and not ONE_OF_MANY.search(found.fact), (view, found)
            codes[view] = found.code
            continue
        assert figures or view == "mistakes", view
        assert not [line for line in seen.told if ONE_OF_MANY.search(line)], (view, seen.told)
        for figure in figures:
            check(figure)
        assert all(np.isfinite(each).all() for each in seen.arrays.values() if each.dtype.kind == "f"), view
        json.dumps(dict(seen.values), allow_nan=False)
        assert spent() - begun < SECONDS, view
        shown.add(view)
    assert "net" in shown
    assert {"maps", "output"} <= shown or codes["output"] in (
        "NS790",
        "NS753",
    )  # no numbers, or too many weights


def test_nets_whose_weights_fill_the_memory_are_refused() -> None:
    """40,000 numbers to as many: 6 GB. The graph is drawn, nothing else is made."""
    subject = open_subject("zoo:mlp-200x200")
    assert find_view("net").see(subject, Asked()).values["boxes"]
    for view in ("filters", "maps", "matrix", "output"):
        with pytest.raises(SpecError, match=r"NS75[03]"):
            find_view(view).see(subject, Asked())


def test_values_that_are_no_numbers_are_told_with_the_layer_that_began() -> None:
    """Statistics of batch normalisation are 0 before any training: each multiplies by some hundred."""
    subject = open_subject("zoo:resnet-20")
    for view in ("output", "saliency", "shift"):
        with pytest.raises(SpecError, match="NS790") as error:
            find_view(view).see(subject, Asked())
        (found,) = error.value.diagnostics
        assert "first layer" in found.fact and any("not trained" in note for note in found.notes)
    first = found.fact.partition("; ")[2].split()[0]
    before, after = (subject.layers[subject.layers.index(first) + i] for i in (-1, 0))
    assert find_view("maps").see(subject, Asked(layer=before)).arrays
    with pytest.raises(SpecError, match="NS790"):
        find_view("maps").see(subject, Asked(layer=after))


def test_occlusion_of_large_nets_is_bounded() -> None:
    """VGG-19 is covered with fewer squares, as many as its multiplications allow; LeNet with all."""
    macs = macs_of(open_subject(str(SPECS["vgg-19"])), {"data": (1, 3, 224, 224)})
    side = choose_side(224, 224, macs)
    assert macs > 15e9 and side > 28 and len(starts(224, side)) ** 2 * macs <= MACS
    assert choose_side(224, 224, 10**6) == 28 and choose_side(224, 224, 10**15) == 112
