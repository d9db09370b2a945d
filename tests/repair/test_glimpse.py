"""Of a block that is repeated very often the first copies are looked at first: nothing else is said, only sooner, and what rests on
copies that are not looked at yet is said to be left for later."""

import random
import time
from collections.abc import Callable

import pytest

from netspec.diagnostics.model import Diagnostic
from netspec.driver import look, look_at
from netspec.read_options import PLAIN
from netspec.repair.check import check_source
from netspec.source import Source
from netspec.syntax import expand, late_copies
from netspec.syntax.expand import Expansion
from netspec.syntax.located import Located
from netspec.syntax.variables import Variables

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
    "{name: c, type: Convolution, num_output: '${4 // (i - 31)}', kernel_size: 1}",
    "{name: c, type: Convolution, num_output: '${33 - i}', kernel_size: 1}",
    "{name: c, type: Convolution, num_output: '${[0, 3][i != 31]}', kernel_size: 1}",
    "{name: c, type: Convolution, num_output: '${3 if i != 31 else 7.5}', kernel_size: 1}",
    '{name: c, type: \'${"ReLU" if i < 31 else "Relu"}\'}',
    "{name: c, type: Convolution, num_output: 3, kernel_size: '${90 if i == 31 else 1}'}",
    "{name: c, type: Convolution, num_output: 3, kernel_size: 1, group: '${2 if i in [14, 31] else 1}'}",
    "{name: c, type: Convolution, num_output: '${4 if i == 30 else 3}', kernel_size: 1, group: '${3 if i == 31 else 1}'}",
    "{name: c, type: Convolution, num_output: '${4 if i > 30 else 3}', kernel_size: 1}",
    "{name: c, type: ReLU}, {name: d, type: Relu, when: '${i == 31}'}",
    '{name: c, type: ReLU}, {name: d, type: ReLU, bottom: \'${"q" if i == 31 else "c"}\'}',
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
            "block: b, repeat: 40, vars: {wide: '${0 if i == 31 else 3}'}",
            "block: b, repeat: 40, vars: {wide: '${3 // (31 - i)}'}",
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
    draw, cut, parts, late = random.Random(7), 0, 0, 0
    scanned = count_calls(monkeypatch)
    for _ in range(200):
        source = Source("s.yaml", spec(draw))
        scanned.clear()
        found, looked = look(source, PLAIN)
        late += bool(scanned) and looked.spec is not None and bool(looked.spec.cut)
        whole = [(d.code, d.fact, d.span) for d in look_at(source, PLAIN)[0]]
        told = [(d.code, d.fact, d.span) for d in found]
        if any("not all were looked at yet" in note for d in found for note in d.notes):
            parts += 1
            assert set(told) <= set(whole) and any(d.severity == "error" for d in found), source.text
        else:
            assert told == whole, source.text
        cut += looked.spec is not None and bool(looked.spec.cut)
    assert cut - parts >= 20 and parts >= 8 and late >= 5, (
        "so many were told by a glimpse, in part, by late copies"
    )


def count_calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with each repeat whose late copies are looked for."""
    calls: list[object] = []

    def counted(*words: object) -> object:
        calls.append(words)
        return late_copies.find_late(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(expand, "find_late", counted)
    return calls


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
    use = "block: outer, repeat: 250" if nested else f"block: b, repeat: {50000 if more else 100000}{more}"
    told, made = check_counting(layer, use, end, check_source, monkeypatch)
    assert told and made < 4000


@pytest.mark.parametrize(
    ("layer", "use", "code"),
    [
        (LAYERS[13].replace("30", "10003"), "", "NS106"),
        (LAYERS[16].replace("31", "10003"), "", "NS106"),
        (LAYERS[17].replace("31", "10003"), "", "NS104"),
        (LAYERS[18].replace("31", "10003"), "", "NS101"),
        (LAYERS[19].replace("31", "10003"), "", "NS301"),
        (LAYERS[20].replace("14, 31", "10003"), "", "NS302"),
        (LAYERS[23].replace("31", "10003"), "", "NS101"),
        (LAYERS[9], ", vars: {wide: '${0 if i == 10003 else 3}'}", "NS106"),
    ],
)
def test_a_fault_that_first_shows_in_a_late_copy_is_told_of_that_copy(
    layer: str, use: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 100,000 copies 8 to 25 seconds, where all are made."""
    monkeypatch.setattr(expand, "GLIMPSED", 50)
    told, made = check_counting(
        layer, f"block: b, repeat: 12000{use}", ENDS[0], lambda source: look(source, PLAIN)[0], monkeypatch
    )
    assert [d.code for d in told] == [code] and made < 200
    assert "a.10003" in str([label.text for label in told[0].others])


def check_counting(
    layer: str,
    use: str,
    end: str,
    findings: Callable[[Source], list[Diagnostic]],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[Diagnostic], int]:
    """The errors of a net, and how many copies of blocks were made for them."""
    made = 0
    instance = Expansion.instance

    def counted(*words: object) -> object:
        nonlocal made
        made += 1
        return instance(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(Expansion, "instance", counted)
    text = (
        f"input: {{data: [N, 3, 24, 24]}}\nblocks:\n  b: {{bottom: x, vars: {{wide: 3}}, layers: [{layer}]}}\n"
        f"  outer: {{bottom: x, layers: [{{name: n, block: b, repeat: 400}}]}}\n"
        f"layers:\n  - {{name: y, type: ReLU}}\n  - {{name: a, {use}}}\n  - {end}\n"
    )
    return [d for d in findings(Source("s.yaml", text)) if d.severity == "error"], made


def test_uses_that_share_a_cut_are_each_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A side of 1 stays 1, one of 2 doubles: of two copies of the outer block the first settles, and only in it copies are cut."""
    monkeypatch.setattr(expand, "GLIMPSED", 20)
    up = "type: Deconvolution, num_output: 3"
    text = (
        f"input: {{data: [N, 3, 1, 1]}}\nblocks:\n  b: {{bottom: x, layers: [{{name: c, {up}, kernel_size: 1, stride: 2}}]}}\n"
        f"  outer: {{bottom: x, layers: [{{name: n, block: b, repeat: 40}}, {{name: m, {up}, kernel_size: 2}}]}}\n"
        "layers:\n  - {name: p, block: b, repeat: 20}\n  - {name: a, block: outer, repeat: 2}\n"
        "  - {name: z, type: Convolution, bottom: data, num_output: 3, kernel_size: 90}\n"
    )
    source = Source("s.yaml", text)
    assert [d.code for d in look_at(source, PLAIN)[0]] == ["NS216", "NS301"]
    (found,), looked = look(source, PLAIN)
    assert [cut.name for cut in looked.spec.cut] == ["a.0.n"]  # type: ignore[union-attr]
    assert found.code == "NS301" and "not all were looked at yet" in found.notes[0]


def test_what_costs_too_much_to_find_is_not_looked_for() -> None:
    """Uses that are too many together, an expression that is long."""
    uses = "".join(f"  - {{name: a{i}, block: b, repeat: 100000}}\n" for i in range(300))
    text = f"input: {{data: [N, 3, 24, 24]}}\nblocks:\n  b: {{bottom: x, layers: [{LAYERS[12]}]}}\nlayers:\n{uses}"
    begun = time.process_time()
    found = look(Source("s.yaml", text), PLAIN)[0]
    assert [d.code for d in found] == ["NS008"]
    assert time.process_time() - begun < 8, "half a second; for each use it took another tenth"
    assert late_copies.find_late(0, 100_000, values_of("3" + " + i - i" * 20)) == ((), (0,), False)
    assert late_copies.find_late(0, 1_000, values_of("3 + i - i")) == ((1, 2), (2,), True)


def values_of(expression: str) -> late_copies.Values:
    nothing = Located({})
    return late_copies.Values(nothing, nothing, [f"${{{expression}}}"], Variables({}), Variables({}))


@pytest.mark.parametrize(
    ("expression", "numbers", "ends", "alike"),
    [
        ("i // 50", (1, 2, 50, 51, 52), (2, 52), True),
        ("7 if i == 98 else 1", (1, 2, 98, 99), (2,), True),
        ("7 if i == 90 else true", (1, 2, 90, 91, 92, 93), (2, 93), True),
        ("1 if i > 40 else true", (1, 2, 41, 42, 43), (2, 43), True),
        ("60 - i", (60, 61, 99), (0, 61), False),
        ("i % 40 - 60 // (i + 1)", (7, 8, 79, 99), (0, 8, 79), False),
    ],
)
def test_copies_that_stand_for_others(
    expression: str, numbers: tuple[int, ...], ends: tuple[int, ...], alike: bool
) -> None:
    assert late_copies.find_late(0, 100, values_of(expression)) == (numbers, ends, alike)


def test_too_many_layers_are_told_by_a_glimpse_too() -> None:
    text = "input: {data: [N, 3]}\nblocks:\n  b: {bottom: x, layers: [{name: r, type: ReLUU}, {name: s, type: ReLU}]}\nlayers:\n"
    source = Source("s.yaml", text + "  - {name: a, block: b, repeat: 60000}\n")
    assert [d.code for d in look_at(source, PLAIN, glimpse=True)[0]] == ["NS101", "NS008"]
