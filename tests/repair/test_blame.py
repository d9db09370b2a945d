"""Which number an error in sizes points at: the one whose change alone makes the spec check clean."""

from pathlib import Path

import pytest

from netspec.diagnostics.model import Diagnostic
from netspec.diagnostics.words import remarks
from netspec.ir.dims import symbol
from netspec.repair.check import check_source, fix_source
from netspec.source import Source

RESIDUAL = """\
netspec: 1
input: {data: [N, 3, 32, 32]}
blocks:
  unit:
    vars: {width: required, kernel: 3}
    layers:
      - {name: conv1, type: Convolution, num_output: $width, kernel_size: $kernel, pad: 1}
      - {name: conv2, type: Convolution, num_output: $width, kernel_size: 3, pad: 1}
      - {name: sum, type: Eltwise, bottom: [x, conv2]}
layers:
  - {name: stem, type: Convolution, num_output: 16, kernel_size: 3, pad: 1}
  - {name: res1, block: unit, vars: {width: 16}}
  - {name: res2, block: unit, vars: {width: 16}}
"""
EXPECT = "expect: {shapes: {stem: [N, 16, 32, 32], res2: [N, 16, 32, 32]}, parameters: 9728}\n"


def only(text: str) -> Diagnostic:
    (found,) = check_source(Source("spec.yaml", text))
    return found


def test_the_sound_spec_is_sound() -> None:
    assert check_source(Source("spec.yaml", RESIDUAL + EXPECT)) == []


def test_a_variable_is_blamed_where_it_was_given() -> None:
    for text in (RESIDUAL, RESIDUAL + EXPECT):
        found = only(
            text.replace(
                "name: res2, block: unit, vars: {width: 16", "name: res2, block: unit, vars: {width: 61"
            )
        )
        assert found.code == "NS302"
        assert found.span is not None
        assert (found.span.text, found.span.begin[0]) == ("61", 13)
        assert [fix.text for fix in found.fixes] == ["write 16 in place of 61"]


def test_expectations_decide_which_side_is_wrong() -> None:
    found = only(RESIDUAL.replace("num_output: 16", "num_output: 8") + EXPECT)
    assert found.span is not None
    assert (found.span.text, found.span.begin[0]) == ("8", 11)


def test_one_number_behind_two_errors_is_said_once() -> None:
    found = only(RESIDUAL.replace("kernel: 3}", "kernel: 5}") + EXPECT)
    assert found.span is not None
    assert (found.span.text, found.span.begin[0]) == ("5", 5)


def test_without_expectations_nothing_is_guessed() -> None:
    text = "netspec: 1\ninput: {data: [N, 3, 8, 8]}\nlayers: [{name: c, type: Convolution, num_output: 4, kernel_size: 9}]\n"
    found = only(text)
    assert found.span is not None
    assert found.span.text == "9"
    assert [fix.text for fix in found.fixes] == ["use kernel_size <= 8", "use pad >= 1"]


def test_a_fix_of_a_variable_edits_where_it_was_given() -> None:
    blocks = "blocks: {b: {vars: {k: required}, layers: [{name: c, type: Convolution, num_output: 4, kernel_size: $k}]}}\n"
    layers = "layers: [{name: b1, block: b, vars: {k: 3}}, {name: b2, block: b, vars: {k: 9}}]\n"
    found = only("netspec: 1\ninput: {data: [N, 3, 8, 8]}\n" + blocks + layers)
    assert found.span is not None
    assert found.span.text == "9"
    assert {edit.span.text for fix in found.fixes for edit in fix.edits} == {"9"}


def test_the_odd_one_of_two_names_is_marked() -> None:
    head = "netspec: 1\ninput: {data: [N, 3, 32, 32]}\nlayers:\n"
    conv = "  - {{name: {}, type: Convolution, num_output: 4, kernel_size: 3, pad: 1}}\n"
    first = (
        head
        + conv.format("conv1")
        + conv.format("pool1")
        + "  - {name: pool1, type: Pooling, kernel_size: 2}\n"
    )
    assert (only(first).code, only(first).span.begin[0]) == ("NS203", 5)  # type: ignore[union-attr]
    second = head + conv.format("conv1") + conv.format("conv2") + conv.format("conv2")
    assert only(second).span.begin[0] == 6  # type: ignore[union-attr]


def test_what_copies_of_a_block_repeat_is_said_once() -> None:
    unit = "blocks: {u: {layers: [{name: c, type: Convolution, num_output: 3, kernel_size: 1, stride: 2}]}}\n"
    found = only(
        "netspec: 1\ninput: {data: [N, 3, 64, 64]}\n" + unit + "layers: [{name: u, block: u, repeat: 4}]\n"
    )
    assert found.code == "NS402"
    assert found.notes[-1] == "the same holds for 3 other layers made here"


def test_a_file_of_blocks_alone_is_clean() -> None:
    assert check_source(Source("spec.yaml", "blocks: {u: {layers: [{name: r, type: ReLU}]}}\n")) == []
    assert [d.code for d in check_source(Source("spec.yaml", "netspec: 1\ndescription: a net\n"))] == [
        "NS209"
    ]


def test_a_size_of_an_input_may_be_the_wrong_number() -> None:
    for text in (RESIDUAL + EXPECT, RESIDUAL.replace("[N, 3, 32, 32]", "{shape: [N, 3, 32, 32]}") + EXPECT):
        found = check_source(Source("spec.yaml", text.replace("3, 32, 32]}", "3, 32, 2]}", 1)))
        places = [
            span for d in found for span in (d.span, *(label.span for label in d.others)) if span is not None
        ]
        assert ("2", 2) in [(span.text, span.begin[0]) for span in places]


SEPARABLE = """\
netspec: 1
input: {data: [N, 3, 32, 32]}
vars: {base: 8}
blocks:
  part:
    vars: {channels: required, width: required, times: 2}
    layers:
      - {name: dw, type: DepthwiseConvolution, num_output: $channels, kernel_size: 3, pad: 1}
      - {name: wide, type: Convolution, num_output: "${times * channels}", kernel_size: 1}
      - {name: check, type: DepthwiseConvolution, num_output: "${2 * channels}", kernel_size: 1}
      - {name: pw, type: Convolution, num_output: $width, kernel_size: 1}
defaults: {Pooling: {kernel_size: 2, stride: 2, round_mode: EXACT}}
layers:
  - {name: stem, type: Convolution, num_output: $base, kernel_size: 3, pad: 1}
  - {name: part, block: part, repeat: 3, vars: {channels: "${[8, 24, 48][i]}", width: "${[24, 48, 96][i]}"}}
  - {name: pool, type: Pooling}
  - {name: fc, type: InnerProduct, num_output: 5}
expect: {shapes: {stem: [N, 8, 32, 32], part.0: [N, 24, 32, 32], part: [N, 96, 32, 32], pool: [N, 96, 16, 16]}, parameters: 142349}
"""


def pointed(text: str, old: str, new: str) -> tuple[str, int, list[str]]:
    """The place and the help of the only finding on a text with one stretch changed."""
    assert text.count(old) == 1
    found = only(text.replace(old, new))
    assert found.span is not None
    return found.span.text, found.span.begin[0], [fix.text for fix in found.fixes][:1]


def test_numbers_behind_expressions_are_found() -> None:
    assert [d.fact for d in check_source(Source("spec.yaml", SEPARABLE))] == []
    assert pointed(SEPARABLE, "base: 8", "base: 12") == ("12", 3, ["write 8 in place of 12"])
    assert pointed(SEPARABLE, "[8, 24, 48]", "[8, 25, 48]") == ("25", 15, ["write 24 in place of 25"])
    assert pointed(SEPARABLE, "[24, 48, 96]", "[42, 48, 96]") == ("42", 15, ["write 24 in place of 42"])
    assert pointed(SEPARABLE, "times: 2", "times: 3") == ("3", 6, ["write 2 in place of 3"])
    assert pointed(SEPARABLE, "stride: 2, round", "stride: 4, round") == ("4", 12, ["write 2 in place of 4"])


OPEN = """\
netspec: 1
input: {data: [N, 3, H, W]}
layers:
  - {name: down, type: Pooling, kernel_size: 2, stride: 2, round_mode: EXACT}
  - {name: conv, type: Convolution, num_output: 3, kernel_size: 3, pad: 1}
  - {name: up, type: Deconvolution, num_output: 3, kernel_size: 4, stride: 2, pad: 1}
  - {name: sum, type: Eltwise, bottom: [data, up]}
expect: {shapes: {sum: [N, 3, H, W]}, parameters: 231}
"""


def test_open_sizes_that_can_never_fit_are_blamed_too() -> None:
    assert [d.fact for d in check_source(Source("spec.yaml", OPEN))] == []
    assert pointed(OPEN, "num_output: 3, kernel_size: 3, pad: 1", "num_output: 3, kernel_size: 3, pad: 2")[
        :2
    ] == ("2", 5)
    assert pointed(OPEN, "kernel_size: 4, stride: 2", "kernel_size: 3, stride: 2")[:2] == ("3", 6)


FLAT = """\
netspec: 1
input: {data: [N, 3, 8, 8]}
layers:
  - {name: conv1, type: Convolution, num_output: 4, kernel_size: 3, pad: 1}
  - {name: relu1, type: ReLU}
  - {name: conv2, type: Convolution, num_output: 6, kernel_size: 3, pad: 1}
  - {name: pool, type: Pooling, kernel_size: 2, stride: 2}
expect: {shapes: {pool: [N, 6, 4, 4]}, parameters: 334}
"""


def test_a_failed_shape_names_the_first_layer_that_differs() -> None:
    """Also one that gives what it takes, as conv2 does here."""
    assert check_source(Source("spec.yaml", FLAT)) == []
    found = check_source(Source("spec.yaml", FLAT.replace("num_output: 6", "num_output: 4")))
    (failed,) = [d for d in found if d.code == "NS324"]
    assert remarks(failed) == ("the first layer that differs is conv2: with 6 it gives [N, 6, 8, 8]",)
    (unclear,) = [
        d
        for d in check_source(Source("spec.yaml", FLAT.replace("[N, 6, 4, 4]", "[N, 777, 4, 4]")))
        if d.code == "NS324"
    ]
    assert remarks(unclear) == ("the first layer that differs is among conv1, conv2, pool",)


def test_independent_faults_are_told_apart_also_in_uses_of_one_block() -> None:
    text = RESIDUAL.replace("res2, block: unit, vars: {width: 16}}", "res2, block: unit, vars: {width: 61}}")
    text += "  - {name: wide, type: Convolution, bottom: stem, num_output: 24, kernel_size: 3, pad: 1}\n"
    text += (
        "  - {name: res3, block: unit, vars: {width: 42}}\n  - {name: res4, block: unit, vars: {width: 24}}\n"
    )
    for expect in (
        "",
        "output: [res2, res4]\nexpect: {shapes: {res2: [N, 16, 32, 32], res4: [N, 24, 32, 32]}, parameters: 34040}\n",
    ):
        found = [d for d in check_source(Source("spec.yaml", text + expect)) if d.severity == "error"]
        assert [(d.code, d.span.text, d.span.begin[0]) for d in found if d.span is not None] == [
            ("NS302", "61", 13),
            ("NS302", "42", 15),
        ]
        assert [fix.text for d in found for fix in d.fixes] == [
            "write 16 in place of 61",
            "write 24 in place of 42",
        ]


def test_a_number_is_also_tried_as_0() -> None:
    """A stride of 0 divides an open size by nothing."""
    found = check_source(Source("spec.yaml", OPEN.replace("bottom: [data, up]", "bottom: [down, up]")))
    assert [d.code for d in found] == ["NS308"]
    with pytest.raises(ZeroDivisionError):
        symbol("H") // 0


def test_without_expectations_the_odd_one_is_told_first() -> None:
    """What is round, usual or said elsewhere is likelier meant than what is not; the layer's own remedies stay."""
    head = "netspec: 1\ninput: {data: [N, 3, 28, 28]}\nlayers:\n  - {name: conv1, type: Convolution, num_output: 32, kernel_size: 5}\n"
    pool = "  - {name: pool1, type: Pooling, kernel_size: 2, stride: 2}\n"
    text = head + pool + "  - {name: dw, type: DepthwiseConvolution, num_output: 32, kernel_size: 3}\n"
    text += "  - {name: conv2, type: Convolution, num_output: 9, kernel_size: 5}\n"
    assert check_source(Source("spec.yaml", text)) == []
    assert pointed(
        text, "conv1, type: Convolution, num_output: 32", "conv1, type: Convolution, num_output: 31"
    )[:2] == ("31", 4)
    place, line, helps = pointed(text, "kernel_size: 2, stride: 2", "kernel_size: 2, stride: 27")
    assert (place, line, helps) == ("27", 5, ["write 2 in place of 27"])
    assert pointed(text, "[N, 3, 28, 28]", "[N, 3, 8, 28]")[:2] == ("8", 2)
    found = only(text.replace("kernel_size: 2, stride: 2", "kernel_size: 2, stride: 27"))
    assert "shows here" in [label.text for label in found.others]


def test_a_layer_may_keep_its_first_top() -> None:
    text = "netspec: 1\ninput: {data: [8, 4]}\nlayers:\n  - {name: cut, type: Slice, axis: 0, slice_point: [2, 5], top: [a, b, c]}\n"
    found = only(text + "  - {name: sum, type: Eltwise, bottom: [a, b]}\n")
    assert found.span is not None
    assert (found.span.text, [fix.text for fix in found.fixes]) == ("5", ["write 4 in place of 5"])


def test_a_pad_that_was_left_out_is_offered() -> None:
    """Beside a literal kernel_size, where a join needs it; a window that does not fit has its rule's own remedies."""
    text = RESIDUAL.replace(
        "kernel_size: 3, pad: 1}\n      - {name: sum", "kernel_size: 3}\n      - {name: sum"
    )
    assert text != RESIDUAL
    for each in (text, text + EXPECT):
        found = only(each)
        assert found.span is not None
        assert (found.span.text, found.span.begin[0]) == ("3", 8)
        assert found.label == "with pad: 1 beside it the sizes agree"
        assert [(fix.text, fix.edits[0].text) for fix in found.fixes] == [("add pad: 1", "3, pad: 1")]
    up = OPEN.replace("kernel_size: 4, stride: 2, pad: 1", "kernel_size: 4, stride: 2")
    assert [fix.text for fix in only(up).fixes] == ["add pad: 1"]
    assert fix_source(Source("spec.yaml", up)).done == ()


def test_no_change_is_told_that_leaves_one_number_of_an_open_size() -> None:
    """With axis 1 the sizes would agree for a batch of 16 alone."""
    text = "netspec: 1\ninput: {a: [N, 16, 8, 8], g: [N, 8]}\nlayers: [{name: s, type: Scale, bottom: [a, g], axis: 0}]\n"
    assert [fix.text for fix in only(text).fixes] == ["write 16 in place of 8", "write 8 in place of 16"]
    sound = check_source(Source("spec.yaml", text.replace("axis: 0", "axis: 1").replace("a: [N", "a: [16")))
    assert [d.code for d in sound] == ["NS414"]


CHAIN = """\
netspec: 1
input: {data: [N, 3, 32, 32]}
layers:
  - {name: s, type: Convolution, num_output: 16, kernel_size: 3, pad: 1}
  - {name: a1, type: Convolution, num_output: 16, kernel_size: 3, pad: 1}
  - {name: a2, type: Convolution, num_output: 61, kernel_size: 3, pad: 1}
  - {name: as, type: Eltwise, bottom: [s, a2]}
  - {name: b1, type: Convolution, num_output: 16, kernel_size: 3, pad: 1}
  - {name: b2, type: Convolution, num_output: 15, kernel_size: 3, pad: 1}
  - {name: bs, type: Eltwise, bottom: [as, b2]}
"""


def test_faults_one_behind_another_are_all_told() -> None:
    for expect in ("", "expect: {shapes: {bs: [N, 16, 32, 32]}}\n"):
        found = [d for d in check_source(Source("spec.yaml", CHAIN + expect)) if d.severity == "error"]
        assert [(d.code, d.span.text, d.span.begin[0]) for d in found if d.span is not None] == [
            ("NS302", "61", 6),
            ("NS302", "15", 9),
        ]
        assert [fix.text for d in found for fix in d.fixes] == [
            "write 16 in place of 61",
            "write 16 in place of 15",
        ]
        assert found[1].notes[-1] == "appears once 16 is written in place of 61"


def test_a_wrong_bottom_is_no_row_of_wrong_numbers() -> None:
    text = (
        CHAIN.replace("61", "16")
        .replace("15", "16")
        .replace("name: b1,", "name: p, type: Pooling, kernel_size: 2, stride: 2}\n  - {name: b1,")
    )
    found = only(text)
    assert found.span is not None
    assert found.span.text == "b2"


def test_layers_of_the_training_phase_alone_are_looked_at_too() -> None:
    """What is tried on the net of the test phase has no such layer."""
    text = (
        OPEN.partition("expect:")[0]
        .replace("H, W]", "8, 8]")
        .replace("kernel_size: 4, stride: 2, pad: 1", "kernel_size: 4, stride: 2")
    )
    phased = "".join(
        f"{line[:-1]}, include: {{phase: TRAIN}}}}\n" if "up" in line else f"{line}\n"
        for line in text.splitlines()
    )
    assert "NS302" in {d.code for d in check_source(Source("spec.yaml", phased))}


def test_one_number_that_clears_all_is_no_row_of_two() -> None:
    """A branch of 8 in place of 384 leaves 712 channels where two layers say 1088, and 1704 where one says 2080."""
    text = (Path(__file__).parents[2] / "specs/imagenet/inception-resnet-v2.yaml").read_text().partition(
        "\nexpect:"
    )[0] + "\n"
    narrow = text.replace(
        "block: valid, bottom: x, vars: {width: 384,", "block: valid, bottom: x, vars: {width: 8,", 1
    )
    assert narrow != text
    assert not any(note.startswith("shows once") for note in only(narrow).notes)
