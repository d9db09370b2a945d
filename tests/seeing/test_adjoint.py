"""What goes back through nets of the zoo is the adjoint of what goes forward, and lies in the field."""

import numpy as np
import pytest
import torch

from netspec.data.samples import Sample
from netspec.diagnostics import SpecError
from netspec.seeing.samples import samples_of
from netspec.seeing.seen import Asked
from netspec.seeing.subject import NetSubject, open_subject
from netspec.seeing.tensors import gradient_of, picture_input
from netspec.seeing.views import field, shift
from netspec.seeing.views.field import extents_of

pytestmark = pytest.mark.torch

NETS = (
    "lenet",
    "deepbind",
    "tdnn",
    "nin-cifar",
    "lenet-1989",
    "fcn-shapes",
    "lenet-5",
    "u-net-shapes",
    "conv-autoencoder",
    "wavenet",
    "prewitt",
    "dilated-context",
    "cifar10-quick",
    "gabor",
)
"""Windows along one axis and two, dilated, unpooled and transposed, with branches, gates and skips."""
UNPROVEN = ("lenet-1989",)
"""Its strides and borders leave no place to compare."""
QUICK = ("deepbind", "conv-autoencoder")


def nets() -> list[object]:
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NETS]


def opened(name: str) -> NetSubject:
    subject = open_subject(f"zoo:{name}")
    assert isinstance(subject, NetSubject)
    return subject


@pytest.mark.parametrize("name", nets())
def test_gradients_are_the_adjoint(name: str) -> None:
    """<Ax, y> = <x, A'y> at a point, Ax by two forward passes alone, in float64."""
    subject = opened(name)
    subject.net.double()
    sample = samples_of(subject, Asked())[0]
    arrays = {key: value.astype(np.float64) for key, value in sample.arrays.items()}
    rng, at = np.random.default_rng(0), picture_input(subject, "field")
    arrays[at] = rng.standard_normal(arrays[at].shape)
    step = 1e-8 * rng.standard_normal(arrays[at].shape)
    with torch.no_grad():
        ends = [subject.call({**arrays, at: arrays[at] + sign * step}) for sign in (1, -1)]
    out = next(key for key, value in ends[0].items() if value.is_floating_point())
    y = rng.standard_normal(tuple(ends[0][out].shape))
    back = gradient_of(subject, Sample("", arrays), at, lambda made: made[out] * torch.from_numpy(y))
    forward = float(((ends[0][out] - ends[1][out]).numpy() / 2 * y).sum())
    assert forward != 0 and forward == pytest.approx(float((step * back).sum()), rel=1e-5)


@pytest.mark.parametrize("name", nets())
def test_gradients_lie_in_the_field_of_every_layer(name: str) -> None:
    subject, looked = opened(name), 0
    at = picture_input(subject, "field")
    for layer in subject.layers:
        try:
            extents_of(subject, layer, at)
            seen = field.see(subject, Asked(layer=layer, count=2))
        except SpecError as error:
            assert error.diagnostics[0].code == "NS750"  # it sees all, or has no gradient
            continue
        inside = np.zeros(seen.arrays["gradient"].shape, bool)
        inside[tuple(slice(first, last + 1) for first, last in seen.values["window"])] = True
        assert (seen.arrays["gradient"][~inside] == 0).all(), layer
        assert (seen.arrays["gradient"][inside] > 0).any(), layer
        looked += 1
    assert looked


@pytest.mark.parametrize("name", nets())
def test_every_layer_that_is_proven_moves_with_its_input(name: str) -> None:
    """Away from the border, to the rounding of float32."""
    subject, proven = opened(name), 0
    for layer in subject.layers:
        try:
            seen = shift.see(subject, Asked(layer=layer))
        except SpecError as error:
            assert error.diagnostics[0].code in ("NS750", "NS752")  # no places, or too few to be shifted
            continue
        if seen.values["proven"] and seen.values["compared"]:
            most = float(np.abs(seen.arrays["f(g(x))"]).max(initial=1))
            assert seen.values["difference"] <= 1e-4 * most, layer
            proven += 1
    assert proven or name in UNPROVEN
