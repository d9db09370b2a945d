"""A net whose input does not fit is told the sizes nearby that do: the next smaller and the next larger, and both are made."""

import pytest

from netspec.repair.edits import apply_edits
from netspec.source import Source
from tests.analysis.analysis_specs import findings, net


def u_net(depth: int, shape: str) -> str:
    """Halved `depth` times and doubled again, each level joined with its skip."""
    down = "".join(
        f"name: c{i}, type: Convolution, num_output: 4, kernel_size: 3, pad: 1, weight_filler: msra\n"
        f"name: p{i}, type: Pooling, pool: MAX, kernel_size: 2, stride: 2, round_mode: FLOOR\n"
        for i in range(depth)
    )
    up = "".join(
        f"name: u{i}, type: Deconvolution, num_output: 4, kernel_size: 2, stride: 2, weight_filler: msra\n"
        f"name: j{i}, type: Concat, bottom: [u{i}, c{i}]\n"
        for i in reversed(range(depth))
    )
    return net(shape, down + up)


def offered(text: str) -> list[list[str]]:
    """What is written by each help; every one leaves a text without errors."""
    (found,) = [d for d in findings(text) if d.severity == "error"]
    assert found.code == "NS302"
    for fix in found.fixes:
        mended = apply_edits(Source("spec.yaml", text), fix.edits)
        assert mended is not None
        assert [d for d in findings(mended.text) if d.severity == "error"] == []
    return [[edit.text for edit in fix.edits] for fix in found.fixes]


@pytest.mark.parametrize(
    ("depth", "own"), [(1, 225), (1, 31), (2, 90), (2, 30), (3, 100), (4, 250), (5, 225)]
)
def test_the_nearest_legal_sizes_are_told(depth: int, own: int) -> None:
    step = 1 << depth
    below, above = own // step * step, -(-own // step) * step
    assert offered(u_net(depth, f"[N, 3, {own}, {own}]")) == [[str(below)] * 2, [str(above)] * 2]


@pytest.mark.parametrize(("shape", "wrong"), [("[N, 3, 96, 100]", 100), ("[N, 3, 100, 64]", 100)])
def test_one_axis_by_itself(shape: str, wrong: int) -> None:
    ways = offered(u_net(3, shape))
    assert ways
    assert all(len(way) == 1 and abs(int(way[0]) - wrong) <= 36 for way in ways)


def test_no_size_is_told_where_none_will_do() -> None:
    """Channels that differ are no matter of the input's size."""
    layers = (
        "name: a, type: Convolution, bottom: data, num_output: 4, kernel_size: 1, weight_filler: msra\n"
        "name: b, type: Convolution, bottom: data, num_output: 40, kernel_size: 1, weight_filler: msra\n"
        "name: s, type: Eltwise, bottom: [a, b]\n"
    )
    assert all(
        "on each axis" not in fix.text for d in findings(net("[N, 3, 225, 225]", layers)) for fix in d.fixes
    )
