"""A net that no size suits is refused, and no other: against trying sizes one by one."""

import random

import pytest

from netspec.analysis.sizes.feasible import FARTHEST, FURTHER, LIMIT, USUAL, show_taken_sizes, sizes_to_try
from netspec.diagnostics.model import Diagnostic
from netspec.repair.check import check_source
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
    return {d.code for d in check_source(Source("spec.yaml", text)) if d.severity == "error"}


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(n, marks=pytest.mark.slow) for n in range(6, 40))]
)
def test_refused_where_no_size_is_taken(seed: int) -> None:
    rng = random.Random(seed)
    kernel = rng.randint(1, 4)
    text = HEAD + joined(
        kernel, rng.randint(0, kernel // 2), rng.randint(1, 4), rng.choice(["FLOOR", "CEIL", "EXACT"])
    )
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
    (found,) = [d for d in check_source(Source("spec.yaml", HEAD + even + odd)) if d.severity == "error"]
    assert found.code == "NS308"
    assert "Eltwise sum" in found.fact
    assert "none of the H that the layers before take (H = 2 + 2n)" in found.fact
    assert codes(HEAD + odd) == set()


def test_a_size_far_up_counts() -> None:
    text = HEAD + "  - {name: far, type: Pooling, kernel_size: [3000000, 1]}\n"
    assert codes(text) == set()
    assert codes(text, H=2999999) == {"NS301"}
    assert codes(text, H=3000000) == set()


OTHER = "netspec: 1\ninput: {data: [1, 1, T], other: [1, 1, %d]}\nlayers:\n"
SUM = "  - {name: sum, type: Eltwise, bottom: [%s, other]}\n"


@pytest.mark.parametrize(("other", "layers", "size"), [
    (480_000, SUM % "data", 480_000),
    (200_001, "  - {name: c, type: Convolution, bottom: data, num_output: 1, kernel_size: 400, stride: 160}\n" + SUM % "c", 32_000_400),
    (7, "  - {name: r, type: Reshape, bottom: data, shape: {dim: [0, 600, 500]}}\n", 300_000),
    (7, "".join(f"  - {{name: r{k}, type: Reshape, bottom: data, shape: {{dim: [0, {k}, -1]}}}}\n" for k in (512, 441)), 512 * 441),
])  # fmt: skip
def test_one_size_far_up_is_enough(other: int, layers: str, size: int) -> None:
    text = OTHER % other + layers
    assert codes(text.replace(", T]", f", {size}]")) == set()
    assert codes(text) == set()


def test_what_takes_too_long_to_repeat_is_not_judged() -> None:
    window = "  - {name: %s, type: Pooling, bottom: data, kernel_size: %d, stride: %d, round_mode: EXACT}\n"
    text = OTHER % 7 + window % ("a", 160_000, 99_991) + window % ("b", 7, 4)
    assert codes(text.replace(", T]", f", {160_000 + 99_991}]")) == set()
    assert codes(text) == set()


def only(text: str) -> Diagnostic:
    (found,) = [d for d in check_source(Source("spec.yaml", text)) if d.severity == "error"]
    return found


def test_sizes_beyond_those_listed_are_named() -> None:
    exact = "  - {name: p, type: Pooling, kernel_size: 7, stride: 7, round_mode: EXACT}\n"
    found = only(OTHER % 480_000 + SUM % "data" + exact)
    assert (
        "none of the T that the layers before and its own other rules take (such as T = 480000) gives 7 divides T - 7"
        in found.fact
    )
    assert found.notes == ("T = 480000: T - 7 = 479993",)
    assert "requires 480000 == T" in [label.text for label in found.others]


def test_all_that_hangs_together_is_shown() -> None:
    text = (
        HEAD.replace("H, 32", "H, H")
        + "  - {name: r, type: Reshape, bottom: data, shape: {dim: [1, 49, -1]}}\n"
    )
    found = only(
        text.replace("[N,", "[1,") + "  - {name: s, type: Reshape, bottom: data, shape: {dim: [1, 3, 25]}}\n"
    )
    assert "Reshape s" in found.fact
    assert "none of the H that the layers before take (H = 7 + 7n) gives 75 == 3*H*H" in found.fact
    assert "requires 49 divides 3*H*H" in [label.text for label in found.others]


def test_layers_that_only_need_room_are_passed_by() -> None:
    """Not one by one: each of 400 windows asks for a greater size than the one before."""
    room = "".join(f"  - {{name: c{i}, type: Pooling, kernel_size: [{2 + i % 3}, 1]}}\n" for i in range(400))
    last = joined(2, 0, 3, "EXACT").replace("bottom: [data,", "bottom: [c399,")
    found = only(HEAD + room + last)
    assert "Eltwise sum" in found.fact
    assert "(H = 801 + 2n)" in found.fact


def test_the_greatest_sizes_are_tried_first_and_all_small_ones() -> None:
    found = list(sizes_to_try((), "n"))
    assert found[:31] == [2**power for power in range(30, -1, -1)]
    assert min(found) == 1 and set(range(1, FARTHEST + 1)) <= set(found)
    assert {2**power + by for power in FURTHER for by in (-1, 0)} <= set(found)


def test_sizes_that_are_taken_are_named_up_to_three_runs() -> None:
    """The last ones; where a run goes on to the end of what is looked at, one size is shown."""
    runs = [range(5, 8), range(20, 21), range(40, 42), range(60, 62)]
    for count, said in (
        (1, "H = 5..7"),
        (2, "H = 5..7 or H = 20"),
        (3, "H = 5..7 or H = 20 or H = 40..41"),
        (4, "H = 20 or H = 40..41 or H = 60..61 or others"),
    ):
        assert show_taken_sizes(lambda n, count=count: any(n in run for run in runs[:count]), "H", 9) == said
    assert show_taken_sizes(lambda n: n > 30 and n % 7 == 0, "H", 9).startswith("H = 35")
    assert show_taken_sizes(lambda n: 30 < n < LIMIT + 1, "H", 9) == f"such as H = {USUAL}"
    assert show_taken_sizes(lambda n: False, "H", 9) == "such as H = 9"
