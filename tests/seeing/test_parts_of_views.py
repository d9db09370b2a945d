"""Arithmetic that views share: what a sample costs, how many fit, waves at right angles, pictures below one another."""

from pathlib import Path

import numpy as np
import pytest

from netspec.pictures.figure import Figure
from netspec.seeing import effort
from netspec.seeing.effort import batch_that_fits, macs_of
from netspec.seeing.gabor import orthonormal
from netspec.seeing.subject import open_subject
from netspec.seeing.writing import join_pictures

pytestmark = pytest.mark.torch


def test_cost_and_batch_of_one_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """conv1 makes 4 x 6 x 6 numbers of 9 products each, ip 2 of 144."""
    spec = tmp_path / "net.yaml"
    spec.write_text(
        "input: {data: [N, 1, H, 8]}\nlayers:\n"
        "  - {name: conv1, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: xavier}\n"
        "  - {name: pool, type: Pooling, pool: AVE, global_pooling: true}\n"
        "  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}\n"
    )
    subject, shapes = open_subject(str(spec)), {"data": (1, 1, 8, 8)}
    assert macs_of(subject, shapes) - macs_of(subject, {"data": (1, 1, 7, 8)}) == 4 * 6 * 9
    assert 4 * 36 * 9 <= macs_of(subject, shapes) <= 4 * 36 * 9 + 4 * 36 + 8
    monkeypatch.setattr(effort, "BYTES", 4 * 4 * 144 * 5)
    assert [batch_that_fits(subject, shapes, most) for most in (3, 5, 64)] == [3, 5, 5]
    monkeypatch.setattr(effort, "BYTES", 1)
    assert batch_that_fits(subject, shapes, 64) == 1


def test_waves_are_at_right_angles_and_of_length_one() -> None:
    made = orthonormal(np.random.RandomState(0).randn(3, 25, 2))
    np.testing.assert_allclose(
        np.einsum("npi,npj->nij", made, made), np.tile(np.eye(2), (3, 1, 1)), atol=1e-12
    )
    line = np.stack([np.arange(1.0, 5), np.arange(1.0, 5) * -3], -1)[None]
    assert (orthonormal(line)[..., 1] == 0).all()


def test_pictures_stand_below_one_another() -> None:
    one, two = np.full((3, 4, 3), 7, np.uint8), np.full((5, 4, 3), 9, np.uint8)
    assert (join_pictures([Figure("a", one)], Path("x.png")) == one).all()
    both = join_pictures([Figure("a", one), Figure("b", two)], Path("x.png"))
    assert both.shape[0] >= 8 and both.shape[1] >= 4
    assert (both[:3, :4] == 7).all() and (both[-5:, :4] == 9).all()
