"""Of a block that is repeated very often the first copies are looked at first: nothing else is said, only sooner, and what rests on
copies that are not looked at yet is said to be left for later."""

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
    "{name: c, type: Convolution, num_output: 3, kernel_size: 3, pad: 2}",
    "{name: c, type: Convolution, num_output: '${i % 5 + 1}', kernel_size: 1}",
    "{name: c, type: Convolution, num_output: '${30 - i}', kernel_size: 1}",
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
    "{name: z, type: Convolution, num_output: 3, kernel_size: 90}",
    "{name: z, type: ReLU, bottom: a14c}",
    "{name: a.30.c, type: ReLU}",
    "{name: a.30, type: ReLU}",
    "{name: z, type: Reshape, shape: {dim: [0, 7, -1]}}",
    "{name: z, type: Pooling, kernel_size: 60}",
    "{name: z, type: Convolution, bottom: y, num_output: 3, kernel_size: 90}",
)
LASTS = (
    "",
    "",
    "expect: {parameters: {max: 10}}\n",
    "expect: {shapes: {a.30.c: [N, 3, 1, 1]}}\n",
    "override: {a.30.c: {num_output: 6}}\n",
    "train: {data: {source: digits}, solver: {base_lr: 0.1, max_iter: 9, lr_policy: stepp}}\n",
)


def spec(draw: random.Random) -> str:
    inner = draw.choice(("{name: n, block: b, repeat: 12}", "{name: n, block: b}", "{name: n, type: ReLU}"))
    use = draw.choice(
        (
            "block: b, repeat: 40",
            "block: outer, repeat: 15",
            "block: outer",
            "block: b, repeat: 40, share: true",
            "block: b, repeat: 40, vars: {wide: '${6 if i == 30 else 3}'}",
            "block: b, repeat: 40, vars: {wide: '${6 if i == 2 else 3}'}",
        )
    )
    first = draw.choice(("{name: y, type: ReLU}", "{name: y, type: Sigmoidd}"))
    body = draw.choice(LAYERS)
    wide = "    vars: {wide: 3}\n" * (draw.random() < 0.8)
    return (
        f"input: {{data: [N, 3, 24, 24]}}\nblocks:\n  b:\n    bottom: x\n{wide}    layers:\n      - {body}\n"
        f"  outer:\n    bottom: x\n    layers:\n      - {inner}\n"
        f"layers:\n  - {first}\n  - {{name: a, {use}}}\n  - {draw.choice(ENDS)}\n{draw.choice(LASTS)}"
    )


def test_the_findings_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand, "GLIMPSED", 20)
    draw, cut, parts = random.Random(7), 0, 0
    for _ in range(160):
        source = Source("s.yaml", spec(draw))
        found, looked = look(source, PLAIN)
        whole = [(d.code, d.fact, d.span) for d in look_at(source, PLAIN)[0]]
        told = [(d.code, d.fact, d.span) for d in found]
        if any("not looked at yet" in note for d in found for note in d.notes):
            parts += 1
            assert set(told) <= set(whole) and any(d.severity == "error" for d in found), source.text
        else:
            assert told == whole, source.text
        cut += looked.spec is not None and bool(looked.spec.cut)
    assert cut - parts >= 25 and parts >= 8, "so many were told by a glimpse, so many in part"


SOUND = ", vars: {wide: '${4 if i == 1 else 3}'}"


@pytest.mark.parametrize(
    ("layer", "end", "more"),
    [
        (LAYERS[2], ENDS[0], ""),
        (LAYERS[4], ENDS[0], ""),
        (LAYERS[0], ENDS[1], ""),
        (LAYERS[0], "{name: z, type: ReLU, bottom: q}", ""),
        (LAYERS[0], ENDS[8], ""),
        (LAYERS[8], ENDS[8], ""),
        (LAYERS[9], ENDS[1], SOUND),
        (LAYERS[9], ENDS[8], SOUND),
        *((layer, end, "") for layer in LAYERS[11:13] for end in (ENDS[1], ENDS[-1])),
    ],
)
@pytest.mark.parametrize("nested", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_faults_in_a_block_and_beside_it_do_not_unroll_it_a_hundred_thousand_times(
    layer: str, end: str, more: str, nested: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds, where they do. The work is counted."""
    made = 0
    instance = Expansion.instance

    def counted(*words: object) -> object:
        nonlocal made
        made += 1
        return instance(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(Expansion, "instance", counted)
    use = "block: outer, repeat: 250" if nested else f"block: b, repeat: {50000 if more else 100000}{more}"
    text = (
        f"input: {{data: [N, 3, 24, 24]}}\nblocks:\n  b: {{bottom: x, vars: {{wide: 3}}, layers: [{layer}]}}\n"
        f"  outer: {{bottom: x, layers: [{{name: n, block: b, repeat: 400}}]}}\n"
        f"layers:\n  - {{name: y, type: ReLU}}\n  - {{name: a, {use}}}\n  - {end}\n"
    )
    found = check_source(Source("s.yaml", text))
    assert [d.code for d in found if d.severity == "error"]
    assert made < 4000


def test_too_many_layers_are_told_by_a_glimpse_too() -> None:
    text = "input: {data: [N, 3]}\nblocks:\n  b: {bottom: x, layers: [{name: r, type: ReLUU}, {name: s, type: ReLU}]}\nlayers:\n"
    source = Source("s.yaml", text + "  - {name: a, block: b, repeat: 60000}\n")
    assert [d.code for d in look_at(source, PLAIN, glimpse=True)[0]] == ["NS101", "NS008"]
