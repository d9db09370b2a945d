"""Of a block that is repeated very often the first copies are looked at first: nothing else is said, only sooner."""

import random

import pytest

from netspec.driver import look, look_at
from netspec.read_options import PLAIN
from netspec.repair.check import check_source
from netspec.source import Source
from netspec.syntax import expand
from netspec.syntax.expand import Expansion

LAYERS = (
    "{name: c, type: Convolution, num_output: 3, kernel_size: 3, pad: 1}",
    "{name: c, type: Convolution, num_output: 3, kernel_size: 2}",
    "{name: c, type: Convolution, num_output: 3, kernel_size: 90}",
    "{name: c, type: Convolution, num_output: '${1 - i}', kernel_size: 1}",
    "{name: c, type: Convolutionn, num_output: 3, kernel_size: 1}",
    "{name: c, type: Convolution, num_outputt: 3, kernel_size: 1}",
    "{name: c, type: Pooling, kernel_size: 2, stride: 2}",
    "{name: c, type: ReLU, bottom: y}",
    "{name: c, type: ReLU}",
    "{name: c, type: Convolution, num_output: $wide, kernel_size: 1}",
    "{name: c, type: Convolution, num_output: '${4 // (i - 11)}', kernel_size: 1}",
)
ENDS = (
    "{name: z, type: ReLU}",
    "{name: z, type: Relu}",
    "{name: z, type: ReLU, bottom: a}",
    "{name: z, type: ReLU, bottom: a.14.c}",
    "{name: z, type: ReLU, bottom: a.99.c}",
    "{name: z, type: Eltwise, bottom: [data, a]}",
    "{name: z, block: b}",
    "{name: z, block: outer, repeat: 2}",
)


def spec(draw: random.Random) -> str:
    inner = draw.choice(("{name: n, block: b, repeat: 12}", "{name: n, block: b}", "{name: n, type: ReLU}"))
    use = draw.choice(
        (
            "block: b, repeat: 40",
            "block: outer, repeat: 15",
            "block: outer",
            "block: b, repeat: 40, share: true",
        )
    )
    first = draw.choice(("{name: y, type: ReLU}", "{name: y, type: Sigmoidd}"))
    body = draw.choice(LAYERS)
    return (
        f"input: {{data: [N, 3, 24, 24]}}\nblocks:\n  b:\n    bottom: x\n    layers:\n      - {body}\n"
        f"  outer:\n    bottom: x\n    layers:\n      - {inner}\n"
        f"layers:\n  - {first}\n  - {{name: a, {use}}}\n  - {draw.choice(ENDS)}\n"
    )


def test_the_findings_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "GLIMPSED", 20)
    draw, cut = random.Random(7), 0
    for _ in range(80):
        source = Source("s.yaml", spec(draw))
        found, looked = look(source, PLAIN)
        whole, _ = look_at(source, PLAIN)
        assert [(d.code, d.fact, d.span) for d in found] == [(d.code, d.fact, d.span) for d in whole], (
            source.text
        )
        cut += looked.spec is not None and bool(looked.spec.cut)
    assert cut >= 5, "so many were told by a glimpse"


@pytest.mark.parametrize("layer", (LAYERS[2], LAYERS[4]))
@pytest.mark.parametrize("nested", [False, True])
def test_a_faulty_block_is_not_unrolled_a_hundred_thousand_times(
    layer: str, nested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds, where it is. The work is counted."""
    made = 0
    instance = Expansion.instance

    def counted(*words: object) -> object:
        nonlocal made
        made += 1
        return instance(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(Expansion, "instance", counted)
    use = "block: outer, repeat: 250" if nested else "block: b, repeat: 100000"
    text = (
        f"input: {{data: [N, 3, 24, 24]}}\nblocks:\n  b: {{bottom: x, layers: [{layer}]}}\n"
        f"  outer: {{bottom: x, layers: [{{name: n, block: b, repeat: 400}}]}}\n"
        f"layers:\n  - {{name: a, {use}}}\n  - {{name: z, type: ReLU}}\n"
    )
    found = check_source(Source("s.yaml", text))
    assert [d.code for d in found if d.severity == "error"]
    assert made < 4000


def test_too_many_layers_are_told_by_a_glimpse_too() -> None:
    text = "input: {data: [N, 3]}\nblocks:\n  b: {bottom: x, layers: [{name: r, type: ReLUU}, {name: s, type: ReLU}]}\nlayers:\n"
    source = Source("s.yaml", text + "  - {name: a, block: b, repeat: 60000}\n")
    assert [d.code for d in look_at(source, PLAIN, glimpse=True)[0]] == ["NS101", "NS008"]
