"""A net that no size suits is refused, and no other: against trying sizes one by one."""

import random

import pytest

from netspec import driver
from netspec.source import Source

HEAD = "netspec: 1\ninput: {data: [N, 3, H, 32]}\nlayers:\n"


def joined(kernel: int, pad: int, up: int, round_mode: str) -> str:
    """A map joined to what comes of it by a window of stride 2 and a transposed one; columns are cut to one."""
    return (
        f"  - {{name: down, type: Pooling, kernel_size: [{kernel}, 1], stride: [2, 1], pad: [{pad}, 0], round_mode: {round_mode}}}\n"
        f"  - {{name: up, type: Deconvolution, num_output: 3, kernel_size: [{up}, 1], stride: [2, 1]}}\n"
        "  - {name: sum, type: Eltwise, bottom: [data, up]}\n"
    )


def codes(text: str, **sizes: int) -> set[str]:
    for name, size in sizes.items():
        text = text.replace(f", {name},", f", {size},")
    return {d.code for d in driver.check_source(Source("spec.yaml", text)) if d.severity == "error"}


@pytest.mark.parametrize("seed", range(12))
def test_refused_where_no_size_is_taken(seed: int) -> None:
    rng = random.Random(seed)
    kernel = rng.randint(1, 4)
    text = HEAD + joined(kernel, rng.randint(0, kernel // 2), rng.randint(1, 4), rng.choice(["FLOOR", "CEIL", "EXACT"]))
    taken = [size for size in range(1, 40) if not codes(text, H=size)]
    found = codes(text)
    assert found <= {"NS308"} or not taken
    assert bool(found) == (not taken)


def test_both_answers_occur() -> None:
    found = [bool(codes(HEAD + joined(2, 0, up, "FLOOR"))) for up in (2, 3, 4)]
    assert found == [False, False, True]


def test_the_layer_with_which_no_size_is_left() -> None:
    even = "  - {name: even, type: Pooling, kernel_size: [2, 1], stride: [2, 1], round_mode: EXACT}\n"
    odd = joined(2, 0, 3, "FLOOR").replace("name: down,", "name: down, bottom: data,")
    (found,) = [d for d in driver.check_source(Source("spec.yaml", HEAD + even + odd)) if d.severity == "error"]
    assert found.code == "NS308"
    assert "Eltwise sum" in found.fact
    assert "none of the H that the layers before take (H = 2 + 2n)" in found.fact
    assert codes(HEAD + odd) == set()


def test_a_size_far_up_counts() -> None:
    text = HEAD + "  - {name: far, type: Pooling, kernel_size: [3000000, 1]}\n"
    assert codes(text) == set()
    assert codes(text, H=2999999) == {"NS301"}
    assert codes(text, H=3000000) == set()
