"""A layer that leaves out a bottom that cannot be guessed is told what to write, at its own place, and what is told holds."""

import pytest

from netspec.diagnostics.model import Diagnostic
from netspec.repair.autofix import repair
from netspec.repair.check import check_source
from netspec.source import Source

FIRST = "{name: c, type: Convolution, num_output: 2, kernel_size: 3, weight_filler: xavier}"
LAST = "{name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}"
TWO = "input: {data: [N, 1, 8, 8], label: [N]}\n"


def check(text: str) -> list[Diagnostic]:
    return [found for found in check_source(Source("s.yaml", text)) if found.severity == "error"]


def spec(*layers: str, head: str = TWO) -> str:
    return head + "layers:\n" + "".join(f"  - {each}\n" for each in layers)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (spec(FIRST, LAST, "{name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}"), [("NS207", "bottom: data", True)]),
        (spec(FIRST, LAST), [("NS207", "bottom: data", False)]),
        (
            spec(FIRST, LAST, "{name: loss, type: SoftmaxWithLoss}", "{name: acc, type: Accuracy}"),
            [("NS207", "bottom: data", False), ("NS205", "bottom: [ip, label]", False), ("NS205", "bottom: [ip, label]", False)],
        ),
        (
            spec("{name: c, type: InnerProduct, bottom: data, num_output: 2}", "{name: loss,  type: SoftmaxWithLoss }"),
            [("NS205", "bottom: [c, label]", False)],
        ),
        (
            spec("{name: c, type: InnerProduct, bottom: data, num_output: 2}", "name: loss\n    type: SoftmaxWithLoss\n    loss_weight: 2"),
            [("NS205", "bottom: [c, label]", False)],
        ),
        (
            spec("{name: c, type: InnerProduct, bottom: data, num_output: 2}", "type: SoftmaxWithLoss\n    name: loss"),
            [("NS205", "bottom: [c, label]", False)],
        ),
        (  # two inputs are left, and no input
            spec(FIRST, "{name: loss, type: SoftmaxWithLoss}", head="input: {data: [N, 1, 8, 8], label: [N], weight: [N]}\n"),
            [("NS207", "bottom: data", False), ("NS205", "", False)],
        ),
        (spec(FIRST, "{name: loss, type: SoftmaxWithLoss}", head="input: {data: [N, 1, 8, 8]}\n"), [("NS205", "", False)]),
        # what does not judge may read anything
        (spec(LAST.replace("type:", "bottom: data, type:"), "{name: s, type: Eltwise}"), [("NS205", "", False)]),
    ],
)  # fmt: skip
def test_what_a_layer_without_bottom_is_told_to_write(text: str, told: list[tuple[str, str, bool]]) -> None:
    found = check(text)
    assert [
        (each.code, each.fixes[0].text.removeprefix("write ") if each.fixes else "", bool(each.fixes) and each.fixes[0].safe)
        for each in found
    ] == told  # fmt: skip
    edits = [edit for each in found for fix in each.fixes for edit in fix.edits]
    for edit in sorted(edits, key=lambda edit: -edit.span.start):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    assert [each.code for each in check(text)] == [code for code, words, _ in told if not words]


@pytest.mark.parametrize(
    "layer",
    [
        '{name: loss, "type": SoftmaxWithLoss}',
        "{name: loss, type:\n      SoftmaxWithLoss}",
        "name: loss\n    type: SoftmaxWithLoss # of the softmax",
    ],
)
def test_words_alone_where_a_place_is_not_plain(layer: str) -> None:
    (found,) = check(spec(LAST.replace("type:", "bottom: data, type:"), layer))
    assert [(fix.text, fix.edits) for fix in found.fixes] == [("write bottom: [ip, label]", ())]


def test_the_input_that_nothing_else_reads_is_written_by_fix() -> None:
    text = spec(FIRST, LAST, "{name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}")
    source = Source("s.yaml", text)
    done = repair(source, list(check_source(source)), lambda changed: list(check_source(changed)))
    assert "type: Convolution, bottom: data," in done.source.text


def test_a_block_reads_its_own_names() -> None:
    text = """input: {data: [N, 4], target: [N, 4]}
blocks:
  judged:
    bottom: [x, y]
    layers:
      - {name: loss, type: EuclideanLoss}
layers:
  - {name: j, block: judged, bottom: [data, target]}
"""
    (found,) = check(text)
    assert [fix.text for fix in found.fixes] == ["write bottom: [x, y]"]
