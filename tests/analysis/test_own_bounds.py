"""Rows refused at a parameter, with a batch that equals a number of theirs: no help is at the batch, which only coincides."""

import re

from analysis_specs import findings

from netspec import layers

BOUND = ("NS301", "NS302", "NS303", "NS304", "NS305", "NS306", "NS307")


def nets() -> list[str]:
    """One net for each refused row and each number of its parameters that the batch may equal."""
    found = []
    for cls in layers.every():
        rows = (
            row
            for row in cls.examples()
            if row.code in BOUND and row.at and row.bottoms and not row.at.startswith("bottom")
        )
        for row in rows:
            for batch in sorted({"64", *re.findall(r"(?<![-\w.])[1-9]\d*", row.parameters)}):
                shapes = (re.sub(r"^N(?=,|$)", batch, bottom.split(" ")[0]) for bottom in row.bottoms)
                inputs = ", ".join(f"b{i}: [{shape}]" for i, shape in enumerate(shapes))
                reads = ", ".join(f"b{i}" for i in range(len(row.bottoms)))
                own = row.parameters.strip()[1:-1]
                layer = f"{{name: l, type: {cls.type}, bottom: [{reads}]{', ' + own if own else ''}}}"
                found.append(
                    f"netspec: 1\ndialect: {row.dialect}\ninput: {{{inputs}}}\nlayers:\n  - {layer}\n"
                )
    return found


def test_no_help_is_at_a_batch_that_coincides() -> None:
    asked = nets()
    for text in asked:
        for found in findings(text):
            for fix in found.fixes:
                at_batch = [
                    edit
                    for edit in fix.edits
                    if text[: edit.span.start].count("\n") == 2 and text[: edit.span.start].endswith(": [")
                ]
                assert not at_batch, (text, fix)
    assert len(asked) >= 100


def test_a_bound_of_its_own_is_not_mended_at_the_input() -> None:
    text = "input: {data: [4, 2, 4, 4]}\nlayers:\n  - {name: l, type: Deconvolution, num_output: 2, kernel_size: 3, pad: 4}\n"
    assert not [fix for found in findings(text) for fix in found.fixes if "on each axis" in fix.text]
