"""Every view on every net of the zoo: figures, or a finding that says why there are none."""

import math

import pytest

from netspec.diagnostics import SpecError
from netspec.seeing.registry import find_view, view_names
from netspec.seeing.seen import Asked
from netspec.seeing.subject import open_subject
from tests.zoo.kinds import SPECS, program

pytestmark = pytest.mark.torch

QUICK = ("gabor", "local-1d", "vae-digits")
UNTOLD = {"NS750", "NS753", "NS684", "NS681", "NS643"}
"""No meaning, too large, no data in the spec, data that are not on this machine."""
LARGE = 30_000_000
COSTLY = ("occlusion", "deconv", "embed", "mutations")
"""Views that run a net some hundred times: of nets with more weights than LARGE they are left out."""


def nets() -> list[object]:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SPECS]


@pytest.mark.parametrize("name", nets())
def test_every_view_of_a_net(name: str) -> None:
    subject = open_subject(str(SPECS[name]))
    weights = sum(
        math.prod(n for n in ref.weight.shape if isinstance(n, int))
        for ref in program(name).graph().weight_refs()
    )
    shown = set()
    for view in view_names():
        if view in COSTLY and weights > LARGE:
            continue
        module = find_view(view)
        try:
            figures = list(module.draw(module.see(subject, Asked(count=2))))
        except SpecError as error:
            (found,) = error.diagnostics
            assert found.code in UNTOLD and found.fact, (view, found)
            continue
        assert figures and all(figure.html() for figure in figures), view
        shown.add(view)
    assert {"net", "output"} <= shown
