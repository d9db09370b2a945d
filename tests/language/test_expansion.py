"""Blocks, variables, bases and imports in odd combinations: the right answer, or one finding at the right place."""

from pathlib import Path
from typing import Any

import pytest

from netspec import driver
from netspec.diagnostics.model import Diagnostic
from netspec.read_options import PLAIN, Reading
from netspec.repair.check import check_source
from netspec.repair.edits import apply_edits
from netspec.source import Source

INPUT = "input: {data: [N, 3, 32, 32]}\n"
HEAD = f"netspec: 1\n{INPUT}"
LAYER = "{name: c, type: Convolution, kernel_size: 3, num_output: %s}"


def found(text: str, reading: Reading = PLAIN) -> list[Diagnostic]:
    return [d for d in check_source(Source("s.yaml", text), reading) if d.severity == "error"]


def marked(d: Diagnostic) -> str:
    assert d.span is not None
    return d.span.text


@pytest.mark.parametrize(
    ("expression", "fact"),
    [
        ("(-8) ** 0.5", "no power"),
        ("'%9000000000d' % 3", "not with %"),
        ("1 is 1", "compared by"),
        ("[[1] * 100000] * 100000", "100000 items"),
    ],
)
def test_an_expression_is_bounded_and_never_a_bug(expression: str, fact: str) -> None:
    [d] = found(
        f'{HEAD}layers:\n  - {{name: c, type: Convolution, kernel_size: 3, num_output: "${{{expression}}}"}}\n'
    )
    assert d.code == "NS110"
    assert fact in d.fact


def test_variables_of_variables_do_not_fill_the_memory() -> None:
    many = "[" + ", ".join(["$a"] * 1000) + "]"
    [d] = found(
        f'netspec: 1\nvars: {{a: "${{[1] * 50000}}", b: {many}, c: 3}}\n{INPUT}layers: [{LAYER % "$c"}]\n'
    )
    assert d.code == "NS110"
    assert "in all" in d.fact


def test_what_follows_from_a_variable_without_a_value_is_not_said() -> None:
    [d] = found(
        f"netspec: 1\nvars: {{z: $later, y: $z, later: 3}}\n{INPUT}layers: [{LAYER % '$y, pad: $z'}]\n"
    )
    assert (d.code, marked(d)) == ("NS111", "$later")


def test_a_number_that_is_none_is_said_once() -> None:
    [d] = found(f"{HEAD}layers: [{{name: c, type: Convolution, kernel_size: 3, num_output: 0.5}}]\n")
    assert d.code == "NS104"


INSIDE = {
    "{name: a, type: Convolution, num_output: x, kernel_size: 1}": "NS104",
    "{name: a, type: Convolution, num_outptu: 3, kernel_size: 1}": "NS102",
    "{name: a, type: Convolutio, num_output: 3}": "NS101",
    "{name: a, type: ReLU, bottom: nix}": "NS201",
    "{name: a, type: Eltwise}": "NS205",
    "{name: a, type: ReLU, top: $nix}": "NS111",
    '{name: a, type: ReLU, top: "${1 +}"}': "NS110",
    "{name: a, type: Convolution, num_output: 2, kernel_size: 77}": "NS301",
    "{type: ReLU}": "NS103",
    "{name: a, type: ReLU, when: 3}": "NS104",
    "{name: a, block: nix}": "NS118",
}


@pytest.mark.parametrize("layer", INSIDE)
def test_an_error_in_a_block_shows_its_line_and_the_use(layer: str) -> None:
    blocks = (
        f"blocks:\n  u:\n    layers:\n      - {layer}\n  v:\n    layers:\n      - {{name: in, block: u}}\n"
    )
    text = f"{HEAD}{blocks}layers:\n  - {{name: p, block: v}}\n"
    d = found(text)[0]
    assert d.code == INSIDE[layer]
    assert d.span is not None
    assert d.span.begin[0] == 6
    assert {label.span.begin[0] for label in d.others} >= {9, 11}


DEFAULTS = {
    "{Convolutio: {pad: 1}}": "NS101",
    "{Convolution: {kernel_siz: 1}}": "NS102",
    "{Convolution: {pad: -1}}": "NS106",
    "{Convolution: 3}": "NS104",
    "[1]": "NS104",
}


@pytest.mark.parametrize("defaults", DEFAULTS)
def test_defaults_of_a_block_are_checked(defaults: str) -> None:
    block = f"blocks: {{u: {{defaults: {defaults}, layers: [{{name: a, type: ReLU}}]}}}}\n"
    assert [d.code for d in found(f"{HEAD}{block}layers: [{{name: p, block: u}}]\n")] == [DEFAULTS[defaults]]


def test_defaults_of_a_block_go_by_older_names_too() -> None:
    block = "blocks: {u: {defaults: {CONVOLUTION: {kernel_size: 5}}, layers: [{name: a, type: Convolution, num_output: 2}]}}\n"
    program = driver.load_source(Source("s.yaml", f"{HEAD}{block}layers: [{{name: p, block: u}}]\n"))
    assert "kernel_size: 5" in program.resolved_text()


ODD = {
    "blocks: {u: {vars: [1], layers: [{name: a, type: ReLU}]}}\nlayers: [{name: p, block: u}]": "[1]",
    "blocks: {u: {bottom: {a: b}, layers: [{name: a, type: ReLU}]}}\nlayers: [{name: p, block: u}]": "{a: b}",
    "blocks: {u: [1]}\nlayers: [{name: p, block: u}]": "[1]",
    "blocks: {u: {layers: [{name: a, type: ReLU}]}}\nlayers: [{name: p, block: u, share: maybe, repeat: 2}]": "maybe",
    "blocks: {u: {layers: [{name: a, type: ReLU}]}}\nlayers: [{name: p, block: u, vars: 3}]": "3",
    "blocks: {u: {layers: [{name: a, type: ReLU}]}}\nlayers: [{name: p, block: [u]}]": "[u]",
    "blocks: {u: {layers: [{name: a, type: ReLU}]}}\nlayers: [{name: p, block: u, bottom: {a: b}}]": "{a: b}",
}


@pytest.mark.parametrize("text", ODD)
def test_a_word_of_a_block_that_is_of_another_kind_is_an_error(text: str) -> None:
    [d] = found(f"{HEAD}{text}\n")
    assert (d.code, marked(d)) == ("NS104", ODD[text])


def test_a_top_of_a_block_that_no_layer_makes_stands_in_the_block() -> None:
    [d] = found(
        f"{HEAD}blocks: {{u: {{top: nix, layers: [{{name: a, type: ReLU}}]}}}}\nlayers: [{{name: p, block: u}}]\n"
    )
    assert (d.code, marked(d), [label.span.text for label in d.others]) == ("NS201", "nix", ["u"])


def test_when_takes_no_word_of_yaml_1_1_and_offers_what_was_meant() -> None:
    [d] = found(f"{HEAD}layers: [{{name: a, type: ReLU}}, {{name: b, type: ReLU, when: no}}]\n")
    assert d.fixes[0].text == "write false"
    assert d.fixes[0].safe


# --- bases and imports -----------------------------------------------------------------------------------------------

BASE = """netspec: 1
input: {data: [N, 3, 32, 32]}
blocks: {u: {layers: [{name: a, type: Convolution, num_output: 2, kernel_size: 3}]}}
layers:
  - {name: c1, type: Convolution, num_output: 4, kernel_size: 3}
  - {name: r, block: u, repeat: 2}
  - {name: ip, type: InnerProduct, num_output: 10}
"""


def written(folder: Path, **files: str) -> Any:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return lambda name: check_source(Source(str(folder / f"{name}.yaml"), files[name]))


def test_overrides_of_a_layer_in_a_block_add_up_over_bases(tmp_path: Path) -> None:
    written(
        tmp_path,
        b=BASE,
        c="netspec: 1\nbase: b.yaml\noverride: {r.1.a: {pad: 2, dilation: 2}}\n",
        d="netspec: 1\nbase: c.yaml\noverride: {r.1.a: {stride: 2, dilation: null}}\n",
    )
    layers = {node.name: node.layer for node in driver.load(str(tmp_path / "d.yaml")).graph().graph.nodes}
    assert (layers["r.1.a"].pad, layers["r.1.a"].stride, layers["r.1.a"].dilation) == (2, 2, 1)  # type: ignore[attr-defined]
    assert layers["r.0.a"].pad == 0  # type: ignore[attr-defined]


CHANGES = {
    "base: b.yaml\nremove: [ip]\ninsert: [{after: ip, layers: []}]": ("NS117", "remove takes out"),
    "base: b.yaml\ninsert: [{after: c1, before: ip, layers: []}]": ("NS104", "an insert is"),
    "base: b.yaml\ninsert: [{after: c1, layers: {name: a}}]": ("NS104", "an insert is"),
    "base: b.yaml\noverride: {ip: 5}": ("NS104", "override of ip"),
    "base: [b.yaml]": ("NS104", "base must be text"),
    "remove: [c1]\ninput: {data: [N, 3]}\nlayers: [{name: c1, type: ReLU}]": ("NS124", "remove"),
    "insert: {after: c1, layers: []}\ninput: {data: [N, 3]}\nlayers: [{name: c1, type: ReLU}]": (
        "NS124",
        "insert",
    ),
}


@pytest.mark.parametrize("text", CHANGES)
def test_a_change_that_cannot_be_made_is_said_once(tmp_path: Path, text: str) -> None:
    check = written(tmp_path, b=BASE, s=f"netspec: 1\n{text}\n")
    [d] = [d for d in check("s") if d.severity == "error"]
    assert d.code == CHANGES[text][0]
    assert CHANGES[text][1] in d.fact


def test_files_that_import_each_other_twice_are_read_once(tmp_path: Path) -> None:
    """Two to the power of sixty reads would not end."""
    chain = {f"x{i}": f"netspec: 1\nimport: [x{i + 1}.yaml, x{i + 1}.yaml]\n" for i in range(60)}
    chain["x60"] = "netspec: 1\nblocks: {z: {layers: [{name: x, type: ReLU}]}}\n"
    check = written(tmp_path, **chain, s=f"{HEAD}import: x0.yaml\nlayers: [{{name: a, block: z}}]\n")
    assert check("s") == []


def test_blocks_of_a_file_that_cannot_be_read_are_not_called_unknown(tmp_path: Path) -> None:
    check = written(
        tmp_path,
        x="netspec: 1\nblocks: {z: {layers: [{name: x type: ReLU}]}}\n",
        s=f"{HEAD}import: x.yaml\nlayers: [{{name: a, block: z}}]\n",
    )
    assert [d.code for d in check("s")] == ["NS030"]


NOTED = [
    ("vars: {w: required}\nlayers: [{name: a, type: ReLU}]", "NS113", "required", ""),
    ("vars: {a: $b, b: 3}\nlayers: [{name: a, type: ReLU}]", "NS111", "$b", "each sees those above it"),
    ("layers: [{name: a, type: ReLU, top: $i}]", "NS111", "$i", "number of a copy"),
]


@pytest.mark.parametrize(("text", "code", "place", "note"), NOTED, ids=[row[0][:18] for row in NOTED])
def test_what_a_variable_cannot_be_is_said_where_it_stands(
    text: str, code: str, place: str, note: str
) -> None:
    [d] = found(f"{HEAD}{text}\n")
    assert (d.code, marked(d)) == (code, place)
    assert note in " ".join(d.notes)


SAID = {
    "layers: [{name: a, type: ReLU, include: {phase: TRAIN}, exclude: {phase: TEST}}, {name: b, type: ReLU, bottom: data}]": (
        "NS120",
        "{phase: TEST}",
    ),
    "layers: [{name: a, type: ReLU, loss_weight: [1, 2]}]": ("NS107", "[1, 2]"),
    "layers: [{name: a, type: ReLU}]\noutput: [a, a]": ("NS108", "a"),
    "layers: [{name: a, type: ReLU}]\noutput: {a: {label: [x, y, z]}}": ("NS102", "label"),
    "layers: [{name: a, type: ReLU}]\noutput: {a: {labels: {x: y}}}": ("NS104", "{x: y}"),
}


@pytest.mark.parametrize("text", SAID)
def test_what_caffe_or_the_words_forbid_is_not_passed_over(text: str) -> None:
    [d] = found(f"{HEAD}{text}\n")
    assert d.code == SAID[text][0]
    assert marked(d) in (SAID[text][1], "exclude")


def test_a_misspelt_block_is_the_only_fault() -> None:
    """Though `i` in its variables then counts no copies."""
    blocks = "blocks: {u: {vars: {w: required}, layers: [{name: c, type: Convolution, num_output: $w, kernel_size: 1}]}}\n"
    text = f'{HEAD}{blocks}layers: [{{name: p, bloc: u, repeat: 2, vars: {{w: "${{[4, 8][i]}}"}}}}]\n'
    assert [(d.code, marked(d)) for d in found(text)] == [("NS102", "bloc")]
    assert found(text.replace("bloc:", "block:")) == []


@pytest.mark.parametrize(
    ("parameters", "fact"),
    [
        ('num_output: "${8 + i}"', "u.1.c has [9, 8], u.0.c has [8, 8]: copies of a block with `share` have one weight"),
        ('num_output: 8, bias_term: "${i > 0}"', "u.1.c has [8], u.0.c has no bias: copies of a block with `share` have one bias"),
    ],
)  # fmt: skip
def test_shared_copies_that_differ_are_told_apart(parameters: str, fact: str) -> None:
    layer = f"{{name: c, type: InnerProduct, weight_filler: xavier, {parameters}}}"
    text = (
        f"blocks: {{b: {{layers: [{layer}]}}}}\nlayers:\n  - {{name: u, block: b, repeat: 2, share: true}}\n"
    )
    [d] = found("netspec: 1\ninput: {data: [N, 8]}\n" + text)
    assert (d.code, d.fact) == ("NS211", fact)
    assert marked(d) == "c"


@pytest.mark.parametrize(
    ("use", "meant"),
    [
        ("{name: u, block: b, width: 8, kernel: 3}", "{name: u, block: b, vars: {width: 8, kernel: 3}}"),
        ("{width: 8, name: u, block: b, kernel: 3}", "{vars: {width: 8, kernel: 3}, name: u, block: b}"),
        (
            "{name: u, block: b, vars: {width: 8}, kernel: 3}",
            "{name: u, block: b, vars: {width: 8, kernel: 3}}",
        ),
        (
            "{name: u, block: b, kernel: 3, vars: {width: 8}}",
            "{name: u, block: b, vars: {width: 8, kernel: 3}}",
        ),
        (
            "name: u\n    width: 8\n    block: b\n    kernel: 3",
            "name: u\n    vars: {width: 8, kernel: 3}\n    block: b",
        ),
        ("name: u\n    block: b\n    width: 8  # wide\n    kernel: 3", None),
        ("{kernel: 3, name: u, block: b, vars: {width: 8}}", None),
        ("{name: u, block: b, kernel: 3, vars: }", None),
    ],
)
def test_variables_beside_vars_are_moved_into_them(use: str, meant: str | None) -> None:
    """And are read as they are meant: nothing is called missing, no size follows that is wrong."""
    text = (
        f"{HEAD}blocks:\n  b:\n    vars: {{width: required, kernel: 1}}\n    layers:\n      - "
        "{name: c, type: Convolution, kernel_size: $kernel, num_output: $width}\nlayers:\n  - "
    )
    d, *more = sorted(found(text + use + "\n"), key=lambda d: d.code)
    assert d.code == "NS102" and [m.code for m in more] == (["NS113"] if "vars: }" in use else [])
    made = [apply_edits(Source("s.yaml", text + use + "\n"), fix.edits) for fix in d.fixes]
    assert [m and m.text for m in made] == ([text + meant + "\n"] if meant else [])
