"""Repeats become blocks: the same graph under other names, and weights that find their way."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import netspec
from netspec import driver
from netspec.analysis.fingerprint import network_hash
from netspec.cli import group
from netspec.importers.caffe import Converted, convert
from netspec.importers.folding.block_names import naming, systematic
from netspec.importers.folding.block_text import ratio
from netspec.importers.folding.fold import Folding
from netspec.importers.folding.parts import Part
from netspec.importers.folding.repeats import Item, Occurrence
from netspec.ir.graph import Graph
from netspec.source import Source

CASES = Path(__file__).parents[1] / "conformance" / "caffe" / "cases"


def layer(name: str, kind: str, bottom: str | tuple[str, ...], top: str = "", more: str = "") -> str:
    bottoms = "".join(f' bottom: "{b}"' for b in ((bottom,) if isinstance(bottom, str) else bottom))
    return f'layer {{ name: "{name}" type: "{kind}"{bottoms} top: "{top or name}" {more} }}\n'


def unit(tag: str, x: str, width: int, stride: int = 1) -> str:
    """A residual unit, at full length where it changes size."""

    def conv(name: str, bottom: str, size: int, step: int = 1) -> str:
        param = f"convolution_param {{ num_output: {width} kernel_size: {size} pad: {size // 2} stride: {step} bias_term: false }}"
        return layer(f"res{tag}_{name}", "Convolution", bottom, more=param) + layer(
            f"bn{tag}_{name}", "BatchNorm", f"res{tag}_{name}", f"res{tag}_{name}"
        )

    text = conv("short", x, 1, stride) if stride > 1 or x == "stem" else ""
    text += (
        conv("a", x, 3, stride)
        + layer(f"relu{tag}_a", "ReLU", f"res{tag}_a", f"res{tag}_a")
        + conv("b", f"res{tag}_a", 3)
    )
    text += layer(
        f"res{tag}", "Eltwise", (f"res{tag}_short" if stride > 1 or x == "stem" else x, f"res{tag}_b")
    )
    return text + layer(f"res{tag}_relu", "ReLU", f"res{tag}", f"res{tag}")


def residual() -> str:
    text = 'input: "data" input_shape { dim: 1 dim: 3 dim: 16 dim: 16 }\n'
    text += layer(
        "stem", "Convolution", "data", more="convolution_param { num_output: 4 kernel_size: 3 pad: 1 }"
    )
    x = "stem"
    for stage, width in ((2, 4), (3, 8), (4, 12)):
        for block in "abcd":
            text += unit(f"{stage}{block}", x, width, 2 if block == "a" and stage > 2 else 1)
            x = f"res{stage}{block}"
    return (
        text
        + layer("fc", "InnerProduct", x, more="inner_product_param { num_output: 5 }")
        + layer("prob", "Softmax", "fc")
    )


def canonical(graph: Graph) -> list[Any]:
    """Layers with their parameters and wiring by place, without names."""
    places: dict[Any, Any] = {item.value: item.value.name for item in graph.inputs}
    found = []
    for at, node in enumerate(graph.nodes):
        found.append(
            (
                node.layer,
                [places[value] for value in node.bottoms],
                len(node.tops),
                node.params,
                node.loss_weights,
            )
        )
        places.update({value: (at, index) for index, value in enumerate(node.tops)})
    return found


def both(text: str, folder: Path) -> tuple[Converted, Converted]:
    (folder / "net.prototxt").write_text(text)
    return convert(folder / "net.prototxt"), convert(folder / "net.prototxt", flat=True)


def same(folded: Converted, flat: Converted) -> None:
    """The folded spec is the flat one, up to names, and says which these were."""
    typed = [driver.load_source(Source("spec.yaml", made.text)).graph("test") for made in (folded, flat)]
    assert network_hash(typed[:1]) == network_hash(typed[1:])
    one, other = (each.graph for each in typed)
    assert canonical(one) == canonical(other)
    assert [folded.names.get(node.name, node.name) for node in one.nodes] == [
        node.name for node in other.nodes
    ]


def test_residual_net(tmp_path: Path) -> None:
    """A stage is a block that holds the other block, three times in a chain."""
    folded, flat = both(residual(), tmp_path)
    same(folded, flat)
    assert folded.text.count("\n") < 45 < flat.text.count("\n")
    unit, stage = folded.tree["blocks"]
    inner = folded.tree["blocks"][stage]["layers"][-1]
    assert (inner["block"], inner["repeat"], inner["vars"]) == (unit, 3, {"num_output": "$num_output"})
    assert [entry["name"] for entry in folded.tree["layers"] if entry.get("block") == stage] == [
        "res2",
        "res3",
        "res4",
    ]
    assert folded.names["res3.res_b.1.bn_b"] == "bn3c_b"
    assert flat.names == {}
    assert "blocks" not in flat.tree


def test_variables(tmp_path: Path) -> None:
    folded, _ = both(residual(), tmp_path)
    first, second = folded.tree["blocks"].values()
    assert [set(block["vars"]) for block in (first, second)] == [{"num_output"}, {"num_output", "stride"}]
    assert second["vars"]["stride"] == 2
    assert next(entry for entry in folded.tree["layers"] if entry["name"] == "res2")["vars"] == {
        "num_output": 4,
        "stride": 1,
    }


def test_what_a_block_saves_is_counted_in_lines() -> None:
    """A layer takes one, and another for each twelve numbers; a block two of its own, and each use of it one."""
    item = Item(None, (), ())
    parts = [Part("x", {}, item, tuple(((i,), 1) for i in range(count))) for count in (0, 11, 12, 25)]
    folding = Folding(SimpleNamespace(list=parts))  # type: ignore[arg-type]
    assert [folding.lines(start, 1) for start in range(4)] == [1, 1, 2, 3] and folding.lines(1, 3) == 6
    apart = (Occurrence(0, ()), Occurrence(9, ()), Occurrence(20, ()))
    assert folding.count_saved(apart, 4) == 7 * 2 - 2 - 3


def test_stages_of_different_lengths(tmp_path: Path) -> None:
    """How often a block repeats in another is a variable; a stage of one unit has a chain of one."""
    text, x = 'input: "data" input_shape { dim: 1 dim: 3 dim: 16 dim: 16 }\n', "data"
    for stage, count in enumerate((2, 5, 1, 3, 4)):
        down = f"convolution_param {{ num_output: {8 * (stage + 1)} kernel_size: 3 pad: 1 }}"
        text += layer(f"s{stage}/down", "Convolution", x, more=down) + layer(
            f"s{stage}/down_act", "TanH", f"s{stage}/down"
        )
        text += layer(f"s{stage}/norm", "LRN", f"s{stage}/down_act")
        x = f"s{stage}/norm"
        for n in range(count):
            text += unit(f"s{stage}/u{n}", x, 8 * (stage + 1))
            x = f"ress{stage}/u{n}"
    folded, flat = both(text, tmp_path)
    same(folded, flat)
    stage = list(folded.tree["blocks"].values())[-1]
    assert stage["layers"][-1]["repeat"] == "$repeat"
    assert [entry["vars"]["repeat"] for entry in folded.tree["layers"] if "repeat" in entry.get("vars", {})]


def test_a_multiple_of_a_variable(tmp_path: Path) -> None:
    text, x = 'input: "data" input_shape { dim: 1 dim: 8 }\n', "data"
    for n, width in enumerate((8, 16, 8, 24, 8)):
        for name, size in (("down", width), ("up", 4 * width)):
            text += layer(
                f"u{n}/{name}", "InnerProduct", x, more=f"inner_product_param {{ num_output: {size} }}"
            )
            text += layer(f"u{n}/{name}/act", "ReLU", f"u{n}/{name}", f"u{n}/{name}")
            x = f"u{n}/{name}"
    folded, flat = both(text, tmp_path)
    same(folded, flat)
    (block,) = folded.tree["blocks"].values()
    assert block["vars"] == {"num_output": 8}
    assert [entry["inner_product_param"]["num_output"] for entry in block["layers"][::2]] == [
        "$num_output",
        "${4 * num_output}",
    ]


def test_what_is_not_a_block(tmp_path: Path) -> None:
    """A value in the middle that is read from outside; layers of one phase; names without a rule."""

    def chain(extra: str = "", more: str = "", names: str = "abc") -> str:
        text, x = 'input: "data" input_shape { dim: 1 dim: 8 dim: 8 }\n', "data"
        for n in range(6):
            for name, kind in zip(names, ("TanH", "Sigmoid", "AbsVal"), strict=True):
                name = f"{name}{n}" if names == "abc" else f"{name}_{'wild'[(n + ord(name)) % 4] * (n + 1)}"
                text += layer(name, kind, x, more=more)
                x = name
        return text + extra

    assert both(chain(), tmp_path)[0].blocks == 1
    taps = layer("out", "Concat", tuple(f"{x}{n}" for n in range(6) for x in "ab"))
    for text in (chain(taps), chain(more="include { phase: TEST }"), chain(names="pqr")):
        folded, flat = both(text, tmp_path)
        assert folded.tree == flat.tree


def test_weights_shared_by_name(tmp_path: Path) -> None:
    """An unrolled cell: every step has the weights of the first, and data of its own."""
    dense = 'inner_product_param {{ num_output: 8 {} }} param {{ name: "{}" }}'
    text = 'input: "seq" input_shape { dim: 12 dim: 8 } layer { name: "cut" type: "Slice" bottom: "seq" '
    text += " ".join(f'top: "in{n}"' for n in range(12)) + " slice_param { axis: 0 } }\n"
    x = "in0"
    for n in range(1, 12):
        text += layer(f"h{n}/x", "InnerProduct", f"in{n}", more=dense.format("bias_term: false", "w_x"))
        text += layer(f"h{n}/h", "InnerProduct", x, more=dense.format("bias_term: false", "w_h"))
        text += layer(f"h{n}/sum", "Eltwise", (f"h{n}/x", f"h{n}/h")) + layer(
            f"h{n}/act", "TanH", f"h{n}/sum"
        )
        x = f"h{n}/act"
    folded, flat = both(text, tmp_path)
    same(folded, flat)
    assert folded.blocks == 1
    one, other = (
        driver.load_source(Source("s.yaml", made.text)).graph("test").weight_refs() for made in (folded, flat)
    )
    shared = [ref.shared for ref in other]
    assert [ref.shared for ref in one] == shared
    assert any(shared)


def test_skips_over_blocks(tmp_path: Path) -> None:
    """Readers far behind a block, a multi-input block, and a layer in place on what a block leaves."""
    text, x, tops = 'input: "data" input_shape { dim: 2 dim: 8 dim: 4 dim: 4 }\n', "data", []
    for n in range(5):
        text += layer(f"c{n}", "Convolution", x, more="convolution_param { num_output: 8 kernel_size: 1 }")
        text += layer(f"c{n}_bn", "BatchNorm", f"c{n}") + layer(f"c{n}_act", "ReLU", f"c{n}_bn")
        text += layer(f"c{n}_sum", "Eltwise", (f"c{n}_act", "data"))
        x = f"c{n}_sum"
        tops.append(x)
    text += layer("all", "Concat", tuple(tops))
    folded, flat = both(text, tmp_path)
    same(folded, flat)
    (block,) = folded.tree["blocks"].values()
    assert len(block["bottom"]) == 2


def test_recorded_nets_stay_as_they_are() -> None:
    assert [path.stem for path in CASES.glob("net_*.prototxt") if convert(path).blocks] == []


def test_weights_of_a_folded_net(tmp_path: Path) -> None:
    """A .h5 by the names in the file, loaded into the folded and the flat net: the same numbers."""
    h5py = pytest.importorskip("h5py")
    (tmp_path / "net.prototxt").write_text(residual())
    flat = driver.load_source(Source("flat.yaml", convert(tmp_path / "net.prototxt", flat=True).text)).graph(
        "test"
    )
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "net.caffemodel.h5", "w") as file:
        for ref in flat.weight_refs():
            mean, spread = (0, 0.05) if len(ref.weight.shape) > 1 else (1, 0.2)
            file[f"data/{ref.node.name}/{ref.index}"] = rng.normal(mean, spread, ref.weight.shape).astype(
                np.float32
            )
    outputs = []
    for extra in ([], ["--flat"]):
        spec = tmp_path / f"net{len(extra)}.yaml"
        arguments = [
            "import",
            str(tmp_path / "net.prototxt"),
            "--weights",
            str(tmp_path / "net.caffemodel.h5"),
            "-o",
            str(spec),
            *extra,
        ]
        result = CliRunner().invoke(group, arguments, standalone_mode=False)
        assert result.exception is None, result.output
        net = netspec.load_weights(netspec.compile(str(spec)), str(spec.with_suffix(".safetensors")))
        outputs.append(net(torch.linspace(-1, 1, 768).reshape(1, 3, 16, 16)))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=0)
    assert outputs[0].std() > 0


def test_names() -> None:
    assert systematic(["res2b_x", "bn2b"], ["res3b1_x", "bn3b1"])
    assert systematic(["Convolution5", "Eltwise2"], ["Convolution7", "Eltwise3"])
    assert not systematic(["conv1", "pool1"], ["conv2", "norm3x"])
    made = naming([("inception_3a/1x1", "inception_4b/1x1"), ("inception_3a/out", "inception_4b/out")])
    assert (made.local, made.places) == (("1x1", "out"), ("inception_3a", "inception_4b"))
    made = naming([("res2a_x", "res3a_x"), ("bn2a", "bn3a"), ("res2a", "res3a")])
    assert (made.local, made.places) == (("res_x", "bn", "res"), ("res2a", "res3a"))


def test_a_copy_in_the_middle_of_a_chain_is_read_elsewhere(tmp_path: Path) -> None:
    text = 'input: "data" input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }\n'
    x = "data"
    for tag in "abcdef":
        param = "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }"
        text += layer(f"unit{tag}_conv", "Convolution", x, more=param) + layer(
            f"unit{tag}_relu", "ReLU", f"unit{tag}_conv"
        )
        x = f"unit{tag}_out"
        text += layer(x, "TanH", f"unit{tag}_relu")
    text += layer("all", "Concat", ("unitb_out", "unitd_out", x))
    (tmp_path / "net.prototxt").write_text(text)
    made = convert(tmp_path / "net.prototxt")
    assert made.blocks == 1
    programs = [
        driver.load_source(Source("net.yaml", c.text))
        for c in (made, convert(tmp_path / "net.prototxt", flat=True))
    ]
    assert network_hash(programs[0].graphs()) == network_hash(programs[1].graphs())


@pytest.mark.parametrize(
    ("column", "other", "text"),
    [
        ((2, 4), (1, 2), "2 * {}"),
        ((1, 2), (2, 4), "{} // 2"),
        ((9, 15), (3, 5), "3 * {}"),
        ((4, 6), (4, 6), ""),
        ((3, 5), (2, 4), ""),  # no whole multiple
        ((2, 4), (1, 3), ""),  # of the first only
        ((2, 0), (1, 0), ""),
        ((2.0, 4), (1, 2), ""),
    ],
)
def test_a_column_is_told_by_another_that_it_is_a_multiple_of(column: Any, other: Any, text: str) -> None:
    assert ratio(column, other) == text
