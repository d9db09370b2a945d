"""Blocks and the layers they stand for are one network, whatever the blocks are called; and `compile` proves what it built."""

import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import netspec
from netspec import driver
from netspec.diagnostics import SpecError
from netspec.emit import torch_source as emitter
from netspec.emit.names import Names
from netspec.exporters.prototxt import to_prototxt
from netspec.importers.caffe import convert
from netspec.ir.graph import TypedGraph
from netspec.layers.common.shapes import sizes
from netspec.source import Source

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]
SPECS = sorted(path for path in (ROOT / "specs").rglob("*.yaml") if path.parent.name != "blocks")
WITH_BLOCKS = [
    path for path in SPECS if re.search(r"^(blocks|import):", path.read_text("utf-8"), re.MULTILINE)
]
CASES = sorted((ROOT / "tests" / "conformance" / "caffe" / "cases").glob("*.prototxt"))
FEW = 3_000_000
"""Weights of a net that is run in the ordinary suite."""

UNIT = """
  {name}:
    vars: {{{width}: 4, {deep}: false}}
    layers:
      - {{name: fc, type: InnerProduct, num_output: ${width}, weight_filler: xavier}}
      - {{name: act, type: TanH, when: "${{not {deep}}}"}}
      - {{name: other, type: Sigmoid, when: ${deep}}}
"""
TAKEN = [
    "unit",
    "unit_2",
    "unit2",
    "Unit2",
    "UNIT_2",
    "unit-2",
    "unit_2_",
    "Unit",
    "network",
    "net",
    "Network",
    "reshape",
    "eltwise_sum",
]
TAKEN += [
    "tensor",
    "none",
    "f",
    "F",
    "nn",
    "torch",
    "value_error",
    "any",
    "self",
    "super",
    "h",
    "inner_product",
    "constant_",
    "int",
    "argument0",
]
VARIABLES = [
    "width",
    "unit",
    "Unit2",
    "fc_argument1",
    "nn",
    "InnerProduct",
    "deep",
    "int",
    "bool",
    "self",
    "super",
    "num_output",
    "Network",
]


def load(text: str) -> TypedGraph:
    return driver.load_source(Source("net.yaml", text)).graph("test")


def alike(one: TypedGraph, other: TypedGraph, names: dict[str, str] | None = None) -> None:
    """Both compiled, with the same weights: the same outputs, in order. names: what layers of the first are called in the second."""
    torch.manual_seed(1)
    nets: list[Any] = [netspec.compile(typed).double() for typed in (one, other)]
    with torch.no_grad():
        for layer in nets[0].layers:
            mine, theirs = (
                nets[0].layer_parameters(layer),
                nets[1].layer_parameters((names or {}).get(layer, layer)),
            )
            for to, source in zip(theirs, mine, strict=True):
                to.copy_(source.uniform_(-0.5, 0.5))
        feed = [
            torch.rand(
                [
                    s if isinstance(s, int) else 64 if at else 2
                    for at, s in enumerate(one.types[i.value].shape)
                ]
            ).double()
            for i in one.graph.inputs
        ]
        found = [net(*feed) for net in nets]
    tensors = [list(f.values()) if isinstance(f, dict) else [f] for f in found]
    assert len(tensors[0]) == len(tensors[1])
    for left, right in zip(*tensors, strict=True):
        assert torch.equal(torch.nan_to_num(left), torch.nan_to_num(right))


def unrolled(text: str) -> None:
    """The net of a spec is that of its layers written out flat."""
    program = driver.load_source(Source("net.yaml", text))
    alike(program.graph("test"), load(program.resolved_text()))


def spec(
    name: str, blocks: list[str], uses: list[tuple[int, str, int, bool]], variables: tuple[str, str]
) -> str:
    width, deep = variables
    text = (
        f"name: {name}\ninput: {{data: [N, 3]}}\nblocks:"
        + "".join(UNIT.format(name=b, width=width, deep=deep) for b in blocks)
        + "layers:\n"
    )
    rows = [
        f"  - {{name: {n}, block: {blocks[b % len(blocks)]}, vars: {{{width}: {w}, {deep}: {str(d).lower()}}}}}\n"
        for b, n, w, d in uses
    ]
    return text + "".join(rows)


def test_the_block_of_the_issue() -> None:
    """The second variant of `unit` and a block `unit_2`: TanH stood where Sigmoid is written."""
    unrolled(
        spec(
            "net",
            ["unit", "unit_2"],
            [(0, "a", 3, False), (0, "b", 3, True), (1, "c", 3, False), (1, "d", 3, True)],
            ("w", "deep"),
        )
    )


SEVERAL = """
input: {data: [N, 8]}
blocks:
  one: {bottom: x, layers: [{name: f, type: InnerProduct, num_output: 8}, {name: t, type: TanH}]}
  two: {bottom: x, layers: [{name: a, type: TanH}, {name: b, type: Sigmoid, bottom: x}]}
layers:
  - {name: u, block: one}
  - {name: v, block: two}
  - {name: j, type: Eltwise, bottom: [v.a, v.b]}
"""


def test_a_block_returns_what_it_says() -> None:
    """One tensor, or as many as the tuple names."""
    net = netspec.compile(load(SEVERAL))
    made: dict[str, Any] = {}
    for name, block in net.named_children():
        block.register_forward_hook(lambda m, x, y, name=name: made.__setitem__(name, y))
    net(torch.rand(2, 8))
    said = {name: get_type_hints(type(net.get_submodule(name)).forward)["return"] for name in made}
    assert said == {"u": torch.Tensor, "v": tuple[torch.Tensor, torch.Tensor], "j": torch.Tensor}
    assert isinstance(made["u"], torch.Tensor) and [type(y) for y in made["v"]] == [torch.Tensor] * 2


@pytest.mark.parametrize("name", TAKEN)
def test_a_net_called_like_its_block(name: str) -> None:
    uses = [(0, "a", 3, False), (0, "b", 4, True), (0, "c", 5, True)]
    unrolled(spec(name, [name], uses, ("w", "deep")))
    net = netspec.compile(load(spec(name, [name], uses, ("w", "deep"))))
    assert [type(m).__name__ for m in net.modules()].count(type(net).__name__) == 1


words = st.one_of(st.sampled_from(TAKEN), st.from_regex(r"\A[a-zA-Z][a-z]?(_[0-9])?[0-9]?\Z"))
uses = st.lists(
    st.tuples(st.integers(0, 2), words, st.integers(1, 4), st.booleans()),
    min_size=2,
    max_size=6,
    unique_by=lambda use: use[1],
)


def tried(name: str, blocks: list[str], many: list[tuple[int, str, int, bool]], variables: list[str]) -> None:
    unrolled(spec(name, blocks, many, (variables[0], variables[1])))


drawn = given(
    words,
    st.lists(words, min_size=1, max_size=3, unique=True),
    uses,
    st.lists(st.sampled_from(VARIABLES), min_size=2, max_size=2, unique=True),
)
test_random_names = settings(max_examples=15, derandomize=True, deadline=None)(drawn(tried))
test_many_random_names = pytest.mark.slow(
    settings(max_examples=3000, derandomize=True, deadline=None)(drawn(tried))
)


@pytest.mark.slow
@pytest.mark.parametrize("path", WITH_BLOCKS, ids=lambda path: path.stem)
def test_zoo_blocks_and_their_layers(path: Path) -> None:
    program = driver.load(str(path))
    typed = program.graph("test")
    if weights(typed) <= 70_000_000:
        alike(typed, load(program.resolved_text()))


def weights(typed: TypedGraph) -> int:
    return sum(int(torch.Size(ref.weight.shape).numel()) for ref in typed.weight_refs())  # type: ignore[arg-type]


# --- folded by the importer -------------------------------------------------------------------------------------------


def folds(path: Path, most: int | None = FEW) -> bool:
    """Whether the importer makes blocks of a prototxt; if so, they are the flat net."""
    folded, flat = convert(path), convert(path, flat=True)
    if not folded.blocks:
        return False
    one, other = load(folded.text), load(flat.text)
    if most is None or weights(one) <= most:
        alike(one, other, {**{n.name: n.name for n in one.graph.nodes}, **folded.names})
    return True


def module(tag: str, x: str, kinds: list[str], width: int) -> tuple[str, str]:
    """One module of a deep net: branches of 1x1 convolutions with what the kinds say behind them, joined."""
    text, ends = "", []
    for at, kind in enumerate(kinds, 1):
        name = f"{tag}_b{at}"
        text += f'layer {{ name: "{name}_conv" type: "Convolution" bottom: "{x}" top: "{name}_conv" '
        text += f'convolution_param {{ num_output: {width} kernel_size: 1 weight_filler {{ type: "xavier" }} }} }}\n'
        text += f'layer {{ name: "{name}_act" type: "{kind}" bottom: "{name}_conv" top: "{name}_act" }}\n'
        ends.append(f"{name}_act")
    bottoms = " ".join(f'bottom: "{end}"' for end in ends)
    return (
        text + f'layer {{ name: "{tag}_join" type: "Concat" {bottoms} top: "{tag}_join" }}\n',
        f"{tag}_join",
    )


def deep(stages: list[tuple[str, list[str], int]]) -> str:
    text, x = 'name: "Inception" input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }\n', "data"
    for tag, kinds, width in stages:
        more, x = module(tag, x, kinds, width)
        text += more
    return text


NAMINGS = {
    "inception": lambda stage, i: f"inception_{'abcde'[stage]}{i + 1}",
    "stem": lambda stage, i: f"inception_stem{stage + 1}_{i + 1}" if stage else f"stem{i + 1}",
    "unit": lambda stage, i: f"unit_{stage + 1}_{i + 1}",
    "plain": lambda stage, i: f"m{stage * 10 + i}",
    "conv": lambda stage, i: f"conv{stage + 2}_{i + 1}_unit",
    "letters": lambda stage, i: f"unit{'' if not stage else stage + 1}_{'xyz'[i]}",
    "dpn": lambda stage, i: f"c{stage + 1}x{i + 1}",
}
KINDS = (
    ["TanH", "Sigmoid"],
    ["Sigmoid", "TanH"],
    ["TanH"],
    ["AbsVal", "TanH", "Sigmoid"],
    ["Sigmoid", "Sigmoid"],
)


@pytest.mark.parametrize("naming", NAMINGS)
def test_repeated_modules_of_several_kinds(naming: str, tmp_path: Path) -> None:
    stages = [(NAMINGS[naming](stage, i), KINDS[stage], 2 + i) for stage in range(5) for i in range(3)]
    (tmp_path / "net.prototxt").write_text(deep(stages))
    assert folds(tmp_path / "net.prototxt")


@pytest.mark.slow
@settings(max_examples=300, derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(NAMINGS)), st.integers(0, 4), st.integers(1, 4)),
        min_size=4,
        max_size=12,
    )
)
def test_random_modules(tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int, int]]) -> None:
    stages = [
        (f"{NAMINGS[naming](kind, 0)}_{at}", KINDS[kind], width)
        for at, (naming, kind, width) in enumerate(drawn)
    ]
    path = tmp_path_factory.mktemp("net") / "net.prototxt"
    path.write_text(deep(stages))
    folds(path)


@pytest.mark.slow
def test_every_prototxt_at_hand_folded_and_flat(tmp_path: Path) -> None:
    found = 0
    for path in CASES:
        try:
            found += folds(path, None)
        except SpecError:
            continue
    for path in SPECS:
        try:
            (tmp_path / "net.prototxt").write_text(to_prototxt(driver.load(str(path))).net)
        except SpecError:
            continue
        found += folds(tmp_path / "net.prototxt", 70_000_000)
    assert found >= 10


# --- the proof --------------------------------------------------------------------------------------------------------

TWO = spec(
    "net", ["unit", "unit_2"], [(0, "a", 3, False), (0, "b", 3, True), (1, "c", 3, False)], ("w", "deep")
)


def test_one_name_for_two_classes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As names were given once: the same name for the same wish. Said before the text is made, and if not there, of what was built."""
    fresh = Names.fresh
    monkeypatch.setattr(
        Names, "fresh", lambda self, name: self.given.setdefault(f"{name} ", fresh(self, name))
    )
    with pytest.raises(SpecError, match=r"NS503.*Unit2 would be defined twice"):
        netspec.compile(load(TWO))
    monkeypatch.setattr(emitter, "once", lambda taken, classes: None)
    with pytest.raises(SpecError) as raised:
        netspec.compile(load(TWO))
    assert "b.other: nothing stands at b.other" in {d.fact for d in raised.value.diagnostics}


@pytest.mark.parametrize(
    ("written", "built", "layer", "said"),
    [
        ("nn.Tanh()", "nn.Sigmoid()", "a.act", "is a Sigmoid, not a Tanh"),
        ("nn.Linear(5, 4)", "nn.Linear(4, 5)", "ip", "out_features = 5, not 4"),
        ("bias=False", "bias=True", "conv", "has bias of shape"),
        ("stride=(2, 2)", "stride=(1, 2)", "conv", "stride = (1, 2), not (2, 2)"),
        ("self.drop = nn.Dropout(0.25)", "self.drop = nn.Dropout(0.5)", "drop", "p = 0.5, not 0.25"),
        ("nn.Conv2d(3, 4", "nn.Conv2d(3, 5", "conv", "out_channels = 5, not 4"),
    ],
)
def test_compile_proves_what_it_built(
    written: str, built: str, layer: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
input: {data: [N, 3, 5, 5]}
blocks: {unit: {layers: [{name: act, type: TanH}]}}
layers:
  - {name: conv, type: Convolution, num_output: 4, kernel_size: 3, stride: 2, bias_term: false}
  - {name: a, block: unit}
  - {name: drop, type: Dropout, dropout_ratio: 0.25}
  - {name: ave, type: Pooling, pool: AVE, global_pooling: true}
  - {name: five, type: InnerProduct, num_output: 5}
  - {name: ip, type: InnerProduct, num_output: 4}
"""
    from netspec import compiled

    real = compiled.torch_source
    made = real(load(text))
    assert made.count(written) >= 1, made
    monkeypatch.setattr(
        compiled, "torch_source", lambda typed, **words: real(typed, **words).replace(written, built)
    )
    with pytest.raises(SpecError) as raised:
        netspec.compile(load(text))
    found = {d.fact for d in raised.value.diagnostics if d.code == "NS503"}
    assert any(fact.startswith(f"{layer}: ") and said in fact for fact in found), found


def test_a_proof_draws_no_number() -> None:
    """Weights come from torch's random state alone, whatever is proven."""
    typed = load(TWO)
    torch.manual_seed(3)
    first = netspec.compile(typed)
    after = torch.rand(1)
    torch.manual_seed(3)
    second = type(first)()
    assert torch.equal(after, torch.rand(1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_arguments_of_two_layers_are_two() -> None:
    """Names of constructor arguments are made of a layer's name and a place; two such pairs may read the same."""
    text = "input: {data: [N, 4]}\nblocks:\n  u:\n    vars: {v: 1, w: 1}\n    layers:\n"
    text += "      - {name: a, type: Power, power: $v, scale: 2}\n      - {name: a_scale, type: Power, scale: $w}\n"
    unrolled(
        text + "layers: [{name: x, block: u, vars: {v: 2, w: 3}}, {name: y, block: u, vars: {v: 3, w: 5}}]"
    )


# --- a module is built of numbers -------------------------------------------------------------------------------------

OPEN_SIZES = "input: {data: [N, 3, H, W]}\nlayers:\n  - {name: d, type: DummyData, shape: [N, 3]}\n  - {name: r, type: TanH, bottom: data}"


def test_an_open_size_never_reaches_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer says it; without that, inference does; without that, the emitter."""
    found = []
    for wall in ("netspec.layers.data.numbers", "netspec.analysis.infer.check_module", ""):
        with pytest.raises(SpecError) as raised:
            emitter.torch_source(load(OPEN_SIZES))
        found.append(raised.value.diagnostics[0].code)
        if wall:
            monkeypatch.setattr(wall, sizes if wall.endswith("numbers") else lambda layer, bottoms: None)
    assert found == ["NS109", "NS304", "NS304"]
