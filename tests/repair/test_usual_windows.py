"""Which numbers of a window are usual: those that keep the size, that lie side by side, that overlap by half."""

from types import SimpleNamespace
from typing import Any

import pytest

from netspec.repair.size_candidates import Usual, numbers, usual
from tests.analysis.analysis_specs import net, typed


def told(name: str, **window: Any) -> Usual:
    own = {"kernel_size": 1, "pad": 0, "stride": 1, **window}
    return usual(SimpleNamespace(layer=SimpleNamespace(**own)), name)  # type: ignore[arg-type]


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_what_keeps_the_size_is_usual(kernel: int, dilation: int) -> None:
    """Of all borders one gives a top as long as its bottom, and of all windows on it one."""
    size, reach = 40, dilation * (kernel - 1)
    (pad,) = (p for p in range(30) if size + 2 * p - reach == size)
    window = {"kernel_size": kernel, "pad": pad, "stride": 1, "dilation": dilation}
    for name in ("pad", "kernel_size") if kernel > 1 else ("pad",):
        found = told(name, **window)
        assert (found.plain, found.ways[0], found.common) == (window[name], window[name], True)


@pytest.mark.parametrize(
    ("name", "window", "usual"),
    [
        (
            "kernel_size",
            {"kernel_size": 4},
            Usual(None, (), None),
        ),  # of every place by itself nothing is said
        ("kernel_size", {"kernel_size": 4, "stride": 2}, Usual(None, (2, 4), True)),
        ("kernel_size", {"kernel_size": 4, "stride": 3, "pad": 1}, Usual(3, (3, 6, 5), None)),
        ("kernel_size", {"kernel_size": 5, "stride": 2}, Usual(None, (2, 4), True)),  # 5 is common anywhere
        ("pad", {"kernel_size": 4, "stride": 2}, Usual(1, (1,), None)),
        ("pad", {"kernel_size": 2, "stride": 2}, Usual(0, (0,), True)),
        ("pad", {"kernel_size": 7, "stride": 3, "pad": 2}, Usual(3, (3, 2), True)),
        ("stride", {"kernel_size": 6, "stride": 4, "pad": 1}, Usual(None, (6, 3, 4), True)),
        ("stride", {"kernel_size": 1, "stride": 4}, Usual(None, (1,), None)),  # half of it is none
        ("stride", {"kernel_size": 9, "stride": 2}, Usual(None, (9, 4), True)),
    ],
)
def test_what_lies_side_by_side_or_overlaps_by_half_is_usual(
    name: str, window: dict[str, int], usual: Usual
) -> None:
    assert told(name, **window) == usual


@pytest.mark.parametrize("odd", [{"kernel_size": (3, 5)}, {"pad": None}, {"kernel_size": 3, "dilation": 0}])
def test_nothing_is_usual_of_what_is_no_plain_window(odd: dict[str, Any]) -> None:
    assert told("kernel_size", **odd) == Usual()


@pytest.mark.parametrize("space", [(24, 40), (24, 24)])
def test_sizes_of_the_space_are_usual_as_their_sides_and_no_others(space: tuple[int, int]) -> None:
    """A batch or a count of channels is no size of a picture, however alike the numbers are."""
    text = net(f"[8, 3, {space[0]}, {space[1]}]", "name: c, type: Convolution, num_output: 5, kernel_size: 1")
    graph = typed(text).graph
    found = {
        (written.value, written.span.begin): (said, factor)
        for written, said, factor in numbers((*graph.nodes,), graph.inputs)
    }
    of_input = [found[key] for key in sorted(found) if key[0] in (8, 3)]
    assert of_input == [(Usual(common=True), 1)] * 2
    sides = Usual(ways=tuple(dict.fromkeys(space)), common=space[0] == space[1])
    assert [found[key] for key in sorted(found) if key[0] in space] == [(sides, 0)] * 2
