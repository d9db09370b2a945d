"""`check --as`: which layers another dialect would make otherwise."""

import pytest
from analysis_specs import net

from netspec.repair.check import check_as
from netspec.source import Source

POOL = "name: pool, type: Pooling, kernel_size: 2, stride: 2"


def listed(text: str, dialect: str) -> list[str]:
    found = check_as(Source("spec.yaml", text), dialect)
    assert {d.code for d in found} <= {"NS413"}
    assert all(d.severity == "warning" and d.span is not None for d in found)
    return [d.fact for d in found]


TRAIN = "train: {data: digits, solver: {base_lr: 0.1, max_iter: 10}}\n"
SAME = [
    ("torch", net("[N, 3, 8, 8]", POOL)),
    ("torch", net("[N, 3, 7, 7]", POOL + ", round_mode: CEIL")),
    ("torch", net("[N, 3, 7, 7]", "name: c, type: Convolution, num_output: 3, kernel_size: 3")),
    ("tf", net("[N, 3, 8, 8]", "name: c, type: Convolution, num_output: 3, kernel_size: 3, pad: same")),
    ("tf", net("[N, 3, 8, 8]", "name: p, type: Pooling, pool: AVE, kernel_size: 2, stride: 2")),
    ("torch", net("[N, 3, 7, 7]", POOL, "dialect: torch\n")),
    ("caffe", net("[N, 3, 7, 7]", POOL)),
    ("torch", net("[N, 3, 7, 7]", "name: b, type: BatchNorm")),
    (
        "torch",
        net(
            "[N, 3, 7, 7]",
            "name: c, type: Convolution, num_output: 3, kernel_size: 3, bias_term: false, weight_filler: xavier",
            TRAIN,
        ),
    ),
    (
        "tf",
        net(
            "[N, 3, 8, 8]",
            "name: p, type: Pooling, pool: AVE, kernel_size: 2, stride: 2, pad: [[0, 1], [0, 1]], round_mode: FLOOR",
        ),
    ),
    ("tf", net("[N, 3, 8, 8]", "name: i, type: Im2col, kernel_size: 2, stride: 2, pad: same")),
]
OTHER = [
    ("torch", net("[N, 3, 7, 7]", POOL), ["pool under torch: pool is [N, 3, 4, 4], would be [N, 3, 3, 3], since round_mode is FLOOR, not CEIL"]),
    ("caffe", net("[N, 3, 7, 7]", POOL, "dialect: torch\n"), ["pool under caffe: pool is [N, 3, 3, 3], would be [N, 3, 4, 4], since round_mode is CEIL, not FLOOR"]),
    ("torch", net("[N, 3, 7, 7]", POOL + "\nname: r, type: ReLU"), [
        "pool under torch: pool is [N, 3, 4, 4], would be [N, 3, 3, 3], since round_mode is FLOOR, not CEIL",
        "r under torch: r is [N, 3, 4, 4], would be [N, 3, 3, 3], since its bottom pool would be another"]),
    ("tf", net("[N, 3, 8, 8]", "name: c, type: Convolution, num_output: 3, kernel_size: 3, stride: 2, pad: same"),
     ["c under tf: its values would change, since pad is same_tf, not same"]),
    ("tf", net("[N, 3, 8, 8]", "name: p, type: Pooling, pool: AVE, kernel_size: 3, pad: 1, count_include_pad: true\nname: q, type: Pooling, pool: AVE, kernel_size: 3, pad: 1"),
     ["q under tf: its values would change, since count_include_pad is false, not true"]),
    ("tf", net("[N, 3, 8, 8]", "name: b, type: BatchNorm, moving_average_fraction: 0.9"), ["b under tf: its values would change, since eps is 0.001, not 1e-05"]),
    ("torch", net("[N, 3, 7, 7]", POOL + "\nname: e, type: Convolution, num_output: 1, kernel_size: 4, bottom: pool"), [
        "pool under torch: pool is [N, 3, 4, 4], would be [N, 3, 3, 3], since round_mode is FLOOR, not CEIL",
        "e would be illegal under torch: window does not fit its input: Convolution e: kernel_size 4 is larger than the padded height 3"]),
    ("torch", net("[N, 3, 7, 7]", POOL + "\nname: ip, type: InnerProduct, num_output: 9"), [
        "pool under torch: pool is [N, 3, 4, 4], would be [N, 3, 3, 3], since round_mode is FLOOR, not CEIL",
        "ip under torch: weight of [9, 48] would be [9, 27], since its bottom pool would be another"]),
    ("torch", net("[N, 64]", "name: b, type: BatchNorm\nname: ip, type: InnerProduct, num_output: 10, weight_filler: xavier, bias_term: false", TRAIN),
     ["b under torch: its statistics would be gathered otherwise, since moving_average_fraction is 0.9, not 0.999"]),
    ("torch", net("[N, 64]", "name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier", "train: {data: digits, solver: {base_lr: 0.1, max_iter: 10}}\n"),
     ["ip under torch: its weights would start otherwise, since bias_filler is kaiming_uniform, not constant"]),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "text"), SAME)
def test_what_is_written_out_or_comes_to_the_same_is_not_listed(dialect: str, text: str) -> None:
    assert listed(text, dialect) == []


@pytest.mark.parametrize(("dialect", "text", "facts"), OTHER)
def test_each_layer_that_would_change_is_listed_with_its_cause(
    dialect: str, text: str, facts: list[str]
) -> None:
    assert listed(text, dialect) == facts
