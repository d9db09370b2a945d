"""Units that nothing tells apart (NS422): what the lint says of a net is what torch makes of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from analysis_specs import findings

import netspec

LOSS = "name: loss, type: SoftmaxWithLoss, bottom: [last, label]"
FLAT, MAPS = "[N, 5]", "[N, 4, 3, 3]"


def ip(name: str, count: int, filler: str = "{type: constant, value: 0.1}", more: str = "") -> str:
    return f"name: {name}, type: InnerProduct, num_output: {count}, weight_filler: {filler}{more}"


def conv(count: int, more: str = "") -> str:
    return ip("a", count, more=f", kernel_size: 1{more}").replace("InnerProduct", "Convolution")


LAST, A = ip("last", 3), ip("a", 4)
SCALE, DRAWN = "name: s, type: Scale", "filler: {type: uniform, min: 0.5, max: 2}"
POOL = "name: p, type: Pooling, global_pooling: true, pool: AVE"
UNIT = ["name: n, type: BatchNorm", f"{SCALE}, bias_term: true", "name: r, type: ReLU", POOL]


@pytest.mark.parametrize(
    ("shape", "layers", "told"),
    [
        (FLAT, [A, LAST], ["a"]),
        (FLAT, [ip("a", 4, "xavier"), LAST], []),
        (FLAT, [A, ip("last", 3, "xavier")], []),
        (FLAT, [ip("a", 4, more=", bias_filler: xavier"), LAST], []),
        (FLAT, [A, "name: s, type: Sigmoid", LAST], ["a"]),
        (FLAT, [A, "name: d, type: Dropout", LAST], []),
        (FLAT, [ip("a", 5), "name: e, type: Eltwise, bottom: [a, data]", LAST], []),
        (FLAT, [ip("a", 4, "xavier"), ip("b", 4, "constant"), "name: r, type: ReLU", LAST], ["b"]),
        (FLAT, [A, "name: c, type: Concat, bottom: [a, data]", LAST], ["a"]),
        (
            FLAT,
            [A, ip("b", 3), ip("c", 3, "xavier", ", bottom: a"), "name: last, type: Eltwise, bottom: [b, c]"],
            [],
        ),
        (MAPS, [conv(6), *UNIT, LAST], ["a"]),
        (MAPS, [conv(4, ", group: 4"), LAST], []),
        (MAPS, [conv(4), f"{SCALE}, {DRAWN}", LAST], []),
    ],
)
def test_units_stay_alike_where_it_is_said(
    shape: str, layers: list[str], told: list[str], tmp_path: Path
) -> None:
    text = f"netspec: 1\ninput: {{data: {shape}, label: [N]}}\nlayers:\n"
    text += "".join(f"  - {{{layer}}}\n" for layer in [*layers, LOSS]).replace(
        "{name: a,", "{name: a, bottom: data,"
    )
    found = [d.fact.partition(":")[0] for d in findings(text) if d.code == "NS422"]
    assert found == told
    spec = tmp_path / "s.yaml"
    spec.write_text(text, encoding="utf-8")
    torch.manual_seed(1)
    net: Any = netspec.compile(str(spec), "train")
    solver = torch.optim.SGD(net.parameters(), lr=0.5)
    size = [6, *map(int, shape[4:-1].split(","))]
    data, label = torch.randn(size, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 3
    for _ in range(3):
        solver.zero_grad()
        net(data, label)
        net.total_loss.backward()
        solver.step()
    for name, weight in net.named_parameters():
        layer = name.split(".")[0]
        if weight.dim() > 1 and layer in ("a", "b"):
            assert bool((weight == weight[:1]).all()) == (layer in told), name
