"""The filters do what their names say, on pictures whose answer is known."""

import numpy as np
import pytest
import torch
from zoo_nets import ready

COLUMNS = torch.tensor([10.0, 10, 0, 0, 0, 10]).expand(1, 1, 5, 6)


def made(name: str, picture: torch.Tensor) -> dict[str, np.ndarray]:
    with torch.no_grad():
        return {blob: value.numpy() for blob, value in ready(name).forward_blobs({"data": picture}).items()}


def test_vertical_edge_mask_on_columns() -> None:
    """The lecture's example: 10 10 0 0 0 10 gives 30 30 0 -30."""
    found = made("prewitt", COLUMNS)
    assert found["gx"][0, 0].tolist() == [[30, 30, 0, -30]] * 3
    assert not found["gy"].any()
    assert found["magnitude"][0, 0].tolist() == [[30, 30, 0, 30]] * 3


@pytest.mark.parametrize("name", ["prewitt", "sobel"])
def test_turning_the_picture_swaps_the_directions(name: str) -> None:
    picture = torch.rand(1, 1, 7, 9)
    upright, turned = made(name, picture), made(name, picture.transpose(2, 3))
    np.testing.assert_allclose(upright["gx"], turned["gy"].swapaxes(2, 3), atol=1e-5)
    np.testing.assert_allclose(upright["magnitude"], turned["magnitude"].swapaxes(2, 3), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "top", "gain"),
    [("box", "blur", 1), ("gaussian", "blur", 1), ("unsharp", "sharp", 1), ("laplacian", "laplacian", 0)],
)
def test_even_pictures_stay_even(name: str, top: str, gain: float) -> None:
    np.testing.assert_allclose(made(name, torch.full((1, 1, 6, 7), 3.0))[top], 3.0 * gain, atol=1e-5)


def test_unsharp_is_the_picture_and_what_the_blur_takes_away() -> None:
    picture = torch.rand(1, 1, 8, 8)
    np.testing.assert_allclose(
        made("unsharp", picture)["sharp"],
        (2 * picture).numpy() - made("gaussian", picture)["blur"],
        atol=1e-5,
    )


def test_laplacian_is_nothing_on_a_slope() -> None:
    slope = torch.arange(6.0).view(1, 1, 6, 1) + 2 * torch.arange(8.0).view(1, 1, 1, 8)
    np.testing.assert_allclose(made("laplacian", slope)["laplacian"][..., 1:-1, 1:-1], 0, atol=1e-5)


@pytest.mark.parametrize(("angle", "channel"), [(0, 0), (45, 1), (90, 2), (135, 3)])
def test_gabor_answers_to_its_own_angle(angle: float, channel: int) -> None:
    y, x = np.mgrid[:21, :21]
    a = np.radians(angle)
    waves = np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / 4)
    answers = np.abs(
        made("gabor", torch.from_numpy(waves).float()[None, None])["gabor"][0, :, 4:-4, 4:-4]
    ).mean((1, 2))
    assert answers.argmax() == channel and answers[channel] > 2 * np.sort(answers)[-2]
