"""diff, hash and transplant: what is the same network, what changed, and where weights go."""

from pathlib import Path

import pytest
from analysis_specs import net, typed

from netspec import driver
from netspec.analysis.diff import changes, moves, totals
from netspec.analysis.fingerprint import network_hash
from netspec.source import Source

CONV = "type: Convolution, num_output: 4, kernel_size"
SMALL = net(
    "[N, 3, 8, 8]",
    f"name: a, {CONV}: 3\nname: r, type: ReLU\nname: b, {CONV}: 1\nname: ip, type: InnerProduct, num_output: 5",
)


def hash_of(text: str) -> str:
    return network_hash(driver.load_source(Source("spec.yaml", text)).graphs())


BLOCKS = """netspec: 1
input: {data: [N, 3, 8, 8]}
blocks:
  unit:
    vars: {k: required}
    layers:
      - {name: c, type: Convolution, num_output: 4, kernel_size: $k}
      - {name: r, type: ReLU}
layers:
  - {name: u, block: unit, vars: {k: 3}}
  - {name: v, block: unit, vars: {k: 1}}
"""
INLINED = net(
    "[N, 3, 8, 8]",
    f"name: u.c, {CONV}: 3\nname: u.r, type: ReLU\nname: v.c, {CONV}: 1\nname: v.r, type: ReLU",
)
OTHERWISE_NAMED = net(
    "[N, 3, 8, 8]",
    f"name: one, {CONV}: 3\nname: two, type: ReLU, bottom: one, top: one\nname: three, {CONV}: [1, 1], bottom: one\nname: x, type: ReLU",
)
ANCHORED = """netspec: 1
input: {data: [N, 3, 8, 8]}
layers:
  - &conv {name: u.c, type: Convolution, convolution_param: {num_output: 4, kernel_h: 3, kernel_w: 3, stride: 1}}
  - {name: u.r, type: RELU}
  - {name: v.c, type: Convolution, num_output: 4, kernel_size: 1, pad: valid, dilation: [1, 1]}
  - {name: v.r, type: ReLU}
name: another
description: of the same
"""
BRANCHES = "netspec: 1\ninput: {data: [N, 3, 8, 8]}\nlayers:\n"
LEFT = f"  - {{name: l, {CONV}: 3, pad: 1, bottom: data}}\n"
RIGHT = f"  - {{name: m, {CONV}: 5, pad: 2, bottom: data}}\n"
SUM = "  - {name: e, type: Eltwise, bottom: [l, m]}\n"


@pytest.mark.parametrize(("a", "b"), [
    (BLOCKS, INLINED), (BLOCKS, ANCHORED), (BLOCKS, OTHERWISE_NAMED), (BRANCHES + LEFT + RIGHT + SUM, BRANCHES + RIGHT + LEFT + SUM),
    (SMALL, SMALL + "expect: {parameters: 873}\nallow: [NS401]\n"), (SMALL, SMALL.replace("layers:", "vars: {n: 4}\nlayers:").replace("num_output: 4", "num_output: $n")),
    (BLOCKS, "defaults: {Convolution: {num_output: 4}}\n" + INLINED.replace("num_output: 4, ", "")),
])  # fmt: skip
def test_the_same_network_has_the_same_hash(a: str, b: str) -> None:
    assert hash_of(a) == hash_of(b)


@pytest.mark.parametrize("change", [
    ("kernel_size: 3", "kernel_size: 2"), ("num_output: 5", "num_output: 6"), ("type: ReLU", "type: TanH"), ("N, 3, 8, 8", "N, 3, 9, 8"), ("data:", "image:"),
    ("type: ReLU", "type: ReLU, negative_slope: 0.1"), ("name: b, type", "name: b, bottom: a, type"), ("kernel_size: 1", "kernel_size: 1, weight_filler: xavier"),
    ("kernel_size: 1", "kernel_size: 1, param: [{lr_mult: 2}]"), ("kernel_size: 1", "kernel_size: 1, bias_term: false"),
])  # fmt: skip
def test_another_network_has_another_hash(change: tuple[str, str]) -> None:
    assert change[0] in SMALL
    assert hash_of(SMALL) != hash_of(SMALL.replace(*change))


LEARNT = """netspec: 1
input: {data: [N, 5], label: [N]}
layers:
  - {name: ip, type: InnerProduct, bottom: data, num_output: 4}
  - {name: d, type: Dropout}
  - {name: r, type: ReLU}
  - {name: ip2, type: InnerProduct, num_output: 3}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip2, label]}
"""


def test_what_only_training_sees_counts() -> None:
    changes_made = [
        ("type: ReLU", "type: ReLU, include: {phase: TRAIN}"), ("type: ReLU", "type: ReLU, include: {phase: TEST}"), ("type: Dropout", "type: Dropout, phase: TRAIN"),
        ("type: ReLU", "type: ReLU, propagate_down: [false]"), ("bottom: [ip2, label]", "bottom: [ip2, label], loss_weight: 2"),
        ("num_output: 4", "num_output: 4, param: [{decay_mult: 0}]"), ("type: Dropout", "type: Dropout, dropout_ratio: 0.4"),
    ]  # fmt: skip
    hashes = [hash_of(LEARNT), *(hash_of(LEARNT.replace(*change)) for change in changes_made)]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize(("change", "row"), [
    (("type: ReLU", "type: ReLU, propagate_down: [false]"), "changed  r: propagate_down [true] -> propagate_down [false]"),
    (("type: Dropout", "type: Dropout, phase: TRAIN"), "changed  d: phase as called -> TRAIN"),
    (("num_output: 4", "num_output: 4, param: [{lr_mult: 2}, {decay_mult: 0}]"), "changed  ip: lr_mult of weight 1 -> 2; decay_mult of bias 1 -> 0"),
    (("[ip2, label]}", "[ip2, label]}\noutput: r"), "changed  the outputs: loss -> r, loss"),
    (("data: [N, 5]", "data: {shape: [N, 5], dtype: int64}"), "changed  data: float32 -> int64"),
    (("type: Dropout", "type: Dropout, dropout_ratio: 0.4"), "changed  d: dropout_ratio 0.5 -> 0.4"),
])  # fmt: skip
def test_every_difference_that_the_hash_sees_is_told(change: tuple[str, str], row: str) -> None:
    assert change[0] in LEARNT
    assert rows(LEARNT, LEARNT.replace(*change)) == [row]


def test_sharing_that_changes_is_told() -> None:
    two = net(
        "[N, 4]",
        "name: a, type: InnerProduct, num_output: 4{}\nname: b, type: InnerProduct, num_output: 4{}".replace(
            "{}", "{}"
        ),
    )
    assert rows(two.replace("{}", ""), two.replace("{}", ", param: [{name: w}]")) == [
        "changed  b: weight its own -> of a"
    ]


def test_what_only_the_other_phase_runs_is_told(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from netspec.cli import group

    text = LEARNT.replace("type: Dropout", "type: Dropout, include: {phase: TRAIN}")
    for name, each in (
        ("a", text),
        ("b", text.replace("type: Dropout", "type: Dropout, dropout_ratio: 0.4")),
    ):
        (tmp_path / f"{name}.yaml").write_text(each, encoding="utf-8")
    result = CliRunner().invoke(
        group, ["diff", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")], standalone_mode=False
    )
    assert result.return_value == 1
    assert result.output.splitlines()[:3] == [
        "different networks",
        "in training:",
        "  changed  d: dropout_ratio 0.5 -> 0.4",
    ]


@pytest.mark.parametrize("change", [
    ("bottom: [ip2, label]", "bottom: [ip2, label], propagate_down: [true, false]"), ("num_output: 4", "num_output: 4, propagate_down: [false]"),
    ("type: ReLU", "type: ReLU, engine: CAFFE"), ("type: Dropout", "type: Dropout, allow: [NS404]"), ("num_output: 4", "num_output: 4, param: [{name: w}]"),
])  # fmt: skip
def test_what_changes_nothing_leaves_the_hash(change: tuple[str, str]) -> None:
    assert change[0] in LEARNT
    assert hash_of(LEARNT) == hash_of(LEARNT.replace(*change))


def test_sharing_and_order_of_bottoms_count() -> None:
    twin = net(
        "[N, 4, 8, 8]",
        f"name: a, {CONV}: 1{{}}\nname: b, {CONV}: 1{{}}, bottom: data\nname: e, type: Concat, bottom: [a, b]".replace(
            "{}", "{}"
        ),
    )
    apart, shared = twin.replace("{}", ""), twin.replace("{}", ", param: [{name: w}, {name: v}]")
    assert hash_of(apart) != hash_of(shared)
    concat = BRANCHES + LEFT + RIGHT + "  - {name: e, type: Concat, bottom: [l, m]}\n"
    assert hash_of(concat) != hash_of(concat.replace("[l, m]", "[m, l]"))
    assert hash_of(concat) == hash_of(
        concat.replace("[l, m]", "[m, l]")
        .replace(LEFT, "L")
        .replace(RIGHT, LEFT.replace("name: l", "name: m"))
        .replace("L", RIGHT.replace("name: m", "name: l"))
    )


def rows(a: str, b: str) -> list[str]:
    return [change.text.strip() for change in changes(typed(a, "test"), typed(b, "test"))]


def carried(a: str, b: str) -> dict[str, str]:
    return {str(m.target or m.source): m.status for m in moves(typed(a, "test"), typed(b, "test"))}


def test_changed_parameters_and_shapes_are_listed() -> None:
    assert rows(SMALL, SMALL) == []
    assert rows(SMALL, SMALL.replace("kernel_size: 3", "kernel_size: [3, 3]")) == []
    cut = net("[N, 3, 8, 8]", "name: a, type: Slice, top: [b, c], slice_point: [1]")
    assert rows(cut, cut.replace("[1]", "[2]"))[0].startswith("changed  a: slice_point [1] -> [2]; gives ")
    assert rows(SMALL, SMALL.replace("kernel_size: 3", "kernel_size: 5")) == [
        "changed  a: kernel_size 3 -> 5; gives [N, 4, 6, 6] -> [N, 4, 4, 4]", "changed  r: gives [N, 4, 6, 6] -> [N, 4, 4, 4]",
        "changed  b: gives [N, 4, 6, 6] -> [N, 4, 4, 4]"]  # fmt: skip
    assert rows(SMALL, SMALL.replace("  - {name: r, type: ReLU}\n", "")) == [
        "changed  b: reads r -> a",
        "removed  r: ReLU",
    ]
    assert rows(SMALL, SMALL.replace("name: b,", "name: other,")) == ["renamed  b -> other"]
    assert (
        rows(SMALL, SMALL.replace("3, 8, 8", "3, 10, 8"))[0] == "changed  data: [N, 3, 8, 8] -> [N, 3, 10, 8]"
    )


def test_counts_that_differ_are_listed() -> None:
    found = {
        name: (x, y)
        for name, x, y in totals(typed(SMALL), typed(SMALL.replace("num_output: 5", "num_output: 6")))
    }
    assert found["parameters"] == (857, 1002)
    assert "statistics" not in found


def test_each_weight_is_kept_renamed_reshaped_or_new() -> None:
    assert set(carried(SMALL, SMALL).values()) == {"kept"}
    assert carried(SMALL, SMALL.replace("name: b,", "name: other,"))["other.weight"] == "renamed"
    assert carried(SMALL, SMALL.replace("num_output: 5", "num_output: 6")) == {
        "a.weight": "kept", "a.bias": "kept", "b.weight": "kept", "b.bias": "kept", "ip.weight": "new", "ip.bias": "new"} | {
        "ip.weight": "dropped", "ip.bias": "dropped"}  # fmt: skip


VGG = net("[N, 3, 32, 32]", f"name: c1, {CONV}: 3, pad: 1, weight_filler: xavier\nname: p, type: Pooling, kernel_size: 4, stride: 4\n"
          "name: fc6, type: InnerProduct, num_output: 12, weight_filler: xavier\nname: r6, type: ReLU\nname: fc7, type: InnerProduct, num_output: 10, weight_filler: xavier")  # fmt: skip
FCN = net("[N, 3, 32, 32]", f"name: c1, {CONV}: 3, pad: 1\nname: p, type: Pooling, kernel_size: 4, stride: 4\n"
          "name: fc6-conv, type: Convolution, num_output: 12, kernel_size: 8\nname: r6, type: ReLU\nname: fc7-conv, type: Convolution, num_output: 10, kernel_size: 1")  # fmt: skip


def test_a_dense_layer_becomes_a_convolution_by_reshaping() -> None:
    assert carried(VGG, FCN) == {"c1.weight": "kept", "c1.bias": "kept", "fc6-conv.weight": "reshaped", "fc6-conv.bias": "renamed",
                                 "fc7-conv.weight": "reshaped", "fc7-conv.bias": "renamed"}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize(("after", "share"), [
    (FCN, "100%"), (VGG.replace("name: fc7, type: InnerProduct, num_output: 10,", "name: fc7, type: InnerProduct, num_output: 10, transpose: true,"), "100%"),
    (VGG.replace("num_output: 10", "num_output: 11"), "96%"), (VGG.replace("name: fc6", "name: other"), "100%"),
])  # fmt: skip
def test_transplanted_weights_give_the_same_values(tmp_path: Path, after: str, share: str) -> None:
    import torch
    from click.testing import CliRunner

    from netspec.cli import group
    from netspec.compiled import compile
    from netspec.training.run.weights import read_tensors, write_tensors

    for name, text in (("a", VGG), ("b", after)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    torch.manual_seed(1)
    old, new = compile(typed(VGG, "test")), compile(typed(after, "test"))
    named = {
        ref.name: old.layer_parameters(ref.node.name)[ref.index] for ref in typed(VGG, "test").weight_refs()
    }
    write_tensors(tmp_path / "a.safetensors", named, {})
    result = CliRunner().invoke(
        group,
        [
            "transplant",
            *(str(tmp_path / f) for f in ("a.safetensors", "a.yaml", "b.yaml")),
            "-o",
            str(tmp_path / "b.safetensors"),
        ],
    )
    assert result.exception is None, result.output
    assert f"({share})" in result.output
    tensors, _ = read_tensors(tmp_path / "b.safetensors")
    with torch.no_grad():
        for ref in typed(after, "test").weight_refs():
            new.layer_parameters(ref.node.name)[ref.index].copy_(tensors.pop(ref.name))
    assert tensors == {}
    if share == "100%":
        x = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(new(x).flatten(1), old(x).flatten(1))


def test_a_window_over_other_inputs_is_no_reshaped_dense_layer() -> None:
    other = FCN.replace("num_output: 4, kernel_size: 3", "num_output: 16, kernel_size: 3").replace(
        "kernel_size: 8", "kernel_size: 4"
    )
    assert carried(VGG, other)["fc6-conv.weight"] == "new"
    assert carried(other, VGG)["fc6.weight"] == "new"
    assert carried(FCN, VGG)["fc6.weight"] == "reshaped"


@pytest.mark.torch
@pytest.mark.parametrize(("kind", "kept"), [("float16", "float16"), ("float64", "float64"), ("int64", None)])
def test_numbers_keep_their_kind_and_whole_numbers_are_refused(
    tmp_path: Path, kind: str, kept: str | None
) -> None:
    import torch
    from click.testing import CliRunner

    from netspec.cli import group
    from netspec.diagnostics import SpecError
    from netspec.training.run.weights import read_tensors, write_tensors

    for name, text in (("a", SMALL), ("b", SMALL.replace("num_output: 5", "num_output: 6"))):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    named = {
        r.name: torch.ones(tuple(r.weight.shape), dtype=getattr(torch, kind))
        for r in typed(SMALL, "test").weight_refs()
    }
    write_tensors(tmp_path / "w.safetensors", named, {})
    files = [str(tmp_path / name) for name in ("w.safetensors", "a.yaml", "b.yaml")]
    result = CliRunner().invoke(group, ["transplant", *files, "-o", str(tmp_path / "o.safetensors")])
    if kept is None:
        assert isinstance(result.exception, SpecError)
        assert [d.code for d in result.exception.diagnostics] == ["NS031"] * 4
        assert not (tmp_path / "o.safetensors").exists()
    else:
        tensors, _ = read_tensors(tmp_path / "o.safetensors")
        assert {str(t.dtype).removeprefix("torch.") for t in tensors.values()} == {kept}


@pytest.mark.torch
def test_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    import torch
    from click.testing import CliRunner

    from netspec.cli import group
    from netspec.diagnostics import SpecError
    from netspec.training.run.weights import write_tensors

    (tmp_path / "a.yaml").write_text(VGG, encoding="utf-8")
    write_tensors(tmp_path / "w.safetensors", {"c1.weight": torch.zeros(4, 3, 5, 5)}, {})
    target = tmp_path / "out.safetensors"
    result = CliRunner().invoke(
        group,
        [
            "transplant",
            str(tmp_path / "w.safetensors"),
            str(tmp_path / "a.yaml"),
            str(tmp_path / "a.yaml"),
            "-o",
            str(target),
        ],
    )
    assert isinstance(result.exception, SpecError)
    assert [d.code for d in result.exception.diagnostics] == ["NS031"] * 6
    assert {d.fact.rpartition(": ")[2] for d in result.exception.diagnostics[1:]} == {"it is not in the file"}
    assert not target.exists()


def test_diff_exits_by_whether_it_is_the_same(tmp_path: Path) -> None:
    import json

    from click.testing import CliRunner

    from netspec.cli import group

    for name, text in (("a", BLOCKS), ("b", INLINED), ("c", SMALL)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    same = CliRunner().invoke(
        group, ["diff", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--json"], standalone_mode=False
    )
    assert (same.return_value, json.loads(same.output)["same"]) == (0, True)
    other = CliRunner().invoke(
        group, ["diff", str(tmp_path / "a.yaml"), str(tmp_path / "c.yaml")], standalone_mode=False
    )
    assert other.return_value == 1
    assert "different networks" in other.output


def test_diff_prints_the_totals(tmp_path: Path) -> None:
    """Thousands are told apart, a share only where there is one."""
    from click.testing import CliRunner

    from netspec.cli import group

    def said(one: str, other: str) -> set[str]:
        for name, text in (("a", one), ("b", other)):
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        asked = ["diff", str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]
        return set(CliRunner().invoke(group, asked).output.splitlines())

    more = said(SMALL, SMALL.replace("num_output: 5", "num_output: 6"))
    assert {
        "parameters: 857 -> 1,002 (+16.9%)",
        "macs: 5,184 -> 5,328 (+2.8%)",
        "weights: 4 kept, 2 new, 2 dropped",
    } <= more
    wide = net("[N, 3, H, 9]", f"name: a, {CONV}: 3")
    assert "macs: 756*H - 1512 -> 567*H - 1134" in said(wide, wide.replace("num_output: 4", "num_output: 3"))
    none = net("[N, 3, 4, 4]", "name: a, type: ReLU")
    assert "statistics: 0 -> 7" in said(none, none.replace("ReLU", "BatchNorm"))
