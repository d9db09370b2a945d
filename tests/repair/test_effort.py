"""What trials may cost: the first is paid for though it overdraws, no later one is, and what a part leaves comes back."""

import pytest

from netspec.driver import look
from netspec.read_options import PLAIN
from netspec.repair.effort import Effort, SpentError, weight
from netspec.source import Source


@pytest.mark.parametrize("most", [0, 1, 10, 100])
def test_the_first_may_cost_several_times_as_much(most: int) -> None:
    for cost in range(3 * most + 3):
        effort = Effort(most)
        if cost > 3 * most:
            with pytest.raises(SpentError):
                effort.pay(cost)
            assert effort.left == most
            continue
        effort.pay(cost)
        assert effort.left == most - cost
        left = max(effort.left, 0)
        with pytest.raises(SpentError):
            effort.pay(left + 1)
        effort.pay(left)
        effort.pay(0)


def test_a_part_gives_back_what_it_leaves() -> None:
    effort = Effort(100)
    with effort.part(0.5) as half:
        half.pay(20)
        assert (half.left, effort.left) == (30, 100)
    assert effort.left == 80
    with pytest.raises(ZeroDivisionError), effort.part(0.25) as quarter:
        quarter.pay(50)
        raise ZeroDivisionError
    assert effort.left == 30
    asked = []
    with effort.part(1.0) as rest:
        check = rest.paying(lambda source: asked.append(source) or [], 12)  # type: ignore[func-returns-value]
        for _ in range(2):
            check(Source("a", ""))
        with pytest.raises(SpentError):
            check(Source("a", ""))
    assert len(asked) == 2 and effort.left == 6


def test_what_a_check_weighs() -> None:
    text = Source("a", "x" * 50)
    assert weight(text, 0, 0) == 4 * 50
    assert weight(text, 3, 2) == 50 + 300 + 600
    assert weight(text, 3, 2, 7) == 50 + 300 + 600 + 70


def test_values_that_variables_and_defaults_add_are_counted() -> None:
    head = "input: {data: [N, 3]}\nvars: {a: '${[1] * 40}'}\n"
    slices = "layers:\n  - {name: r, type: Slice%s}\n  - {name: s, type: Slice%s}\n"
    said, given = slices % ((", slice_point: $a",) * 2), slices % ("", "")
    defaults = "defaults: {Slice: {slice_point: $a}}\n"
    for text, values in ((head + given, 40), (head + said, 120), (head + defaults + given, 160)):
        assert look(Source("a", text), PLAIN)[1].values == values
