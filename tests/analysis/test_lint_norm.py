"""Normalisation that cannot do what it is for: what is told, and what is not."""

import pytest
from analysis_specs import codes, findings, net

IP = "\nname: ip, type: InnerProduct, num_output: 10, weight_filler: xavier"


def trained(norm: str, solver: str = "max_iter: 100", batch: int = 32, pool: str = "") -> str:
    train = f"train: {{data: {{source: digits, batch_size: {batch}}}, solver: {{base_lr: 0.1, {solver}}}}}\n"
    return net("[N, 1, 8, 8]", f"{pool}name: bn, {norm}{IP}", train)


@pytest.mark.parametrize(
    ("norm", "solver", "fact"),
    [
        (
            "type: BatchNorm",
            "max_iter: 100",
            "moving_average_fraction 0.999 remembers 1,000 iterations, this training has 100",
        ),
        ("type: BatchNorm", "max_iter: 500", "remembers 1,000 iterations, this training has 500"),
        (
            "type: BatchNorm, moving_average_fraction: 0.9",
            "max_iter: 5",
            "0.9 remembers 10 iterations, this training has 5",
        ),
        ("type: BatchNorm, moving_average_fraction: 1", "max_iter: 10000", "forgets nothing"),
        (
            "type: BatchNorm",
            "max_iter: 100, iter_size: 5",
            "remembers 1,000 iterations, this training has 500",
        ),
        ("type: BN, momentum: 0.999", "max_iter: 100", "momentum 0.999 remembers 1,000"),
    ],
)
def test_statistics_that_remember_too_much(norm: str, solver: str, fact: str) -> None:
    (found,) = findings(trained(norm, solver))
    assert (found.code, found.severity) == ("NS427", "warning")
    assert fact in found.fact


@pytest.mark.parametrize(
    ("norm", "solver"),
    [
        ("type: BatchNorm", "max_iter: 501"),
        ("type: BatchNorm", "max_iter: 100, iter_size: 6"),
        ("type: BatchNorm, moving_average_fraction: 0.9", "max_iter: 6"),
        ("type: BatchNorm, use_global_stats: true", "max_iter: 100"),
        ("type: BatchNorm, phase: TEST", "max_iter: 100"),
        ("type: BN", "max_iter: 100"),
        ("type: BN, momentum: 0.999, frozen: true", "max_iter: 100"),
        ("type: BatchNorm", "epochs: 1"),
        ("type: BatchNorm, allow: [NS427]", "max_iter: 100"),
    ],
)
def test_statistics_that_do_not(norm: str, solver: str) -> None:
    assert "NS427" not in codes(trained(norm, solver))


GAP = "name: gap, type: Pooling, pool: AVE, global_pooling: true\n"
FRESH = "type: BatchNorm, moving_average_fraction: 0.5"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (trained(FRESH, batch=1, pool=GAP), True),
        (trained(FRESH, batch=2, pool=GAP), False),
        (trained(FRESH, batch=1), False),
        (trained(f"{FRESH}, use_global_stats: true", batch=1, pool=GAP), False),
        (trained("type: BN", batch=1, pool=GAP), True),
        (trained("type: BN, frozen: true", batch=1, pool=GAP), False),
        (net("[1, 3, 1, 1]", "name: bn, type: BatchNorm"), False),
        (net("[1, 3, 1, 1]", "name: bn, type: BatchNorm, phase: TRAIN, use_global_stats: false"), True),
        (net("[N, 3, 1, 1]", "name: m, type: MVN"), True),
        (net("[N, 3, 1, 2]", "name: m, type: MVN"), False),
        (net("[N, 3, 1, 1]", "name: m, type: MVN, across_channels: true"), False),
        (net("[N, 3, 1, 1]", "name: m, type: InstanceNorm"), True),
        (net("[N, 3, H, 1]", "name: m, type: InstanceNorm"), False),
        (net("[N, 4, 1, 1]", "name: m, type: GroupNorm, group: 4"), True),
        (net("[N, 4, 1, 1]", "name: m, type: GroupNorm, group: 2"), False),
        (net("[N, 4, 1]", "name: m, type: LayerNorm"), True),
        (net("[N, 1, 4]", "name: m, type: LayerNorm"), False),
        (net("[N, 1, 4]", "name: m, type: LayerNorm, axis: 1"), True),
    ],
)
def test_means_of_one_value(text: str, told: bool) -> None:
    assert ("NS428" in codes(text)) is told


@pytest.mark.parametrize("train", [True, False])
def test_an_input_without_axes_has_no_batch(train: bool) -> None:
    """Of the others the first axis is the batch's, and lints go on counting by it."""
    text = trained(FRESH, batch=1, pool=GAP) if train else net("[N, 4, 1]", "name: m, type: LayerNorm")
    scalar = text.replace("input: {", "input: {none: [], ", 1)
    scalar = scalar.replace("name: gap,", "name: gap, bottom: data,").replace(
        "name: m,", "name: m, bottom: data,"
    )
    assert scalar != text and "NS428" in codes(scalar)
