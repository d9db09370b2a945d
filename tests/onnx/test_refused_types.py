"""The layer types that export refuses are one list, in docs/caffe.md: each with NS701 and its reason, and no other."""

import re
from pathlib import Path

import netspec
from netspec import layers
from netspec.diagnostics import SpecError
from netspec.driver import load_source
from netspec.emit.onnx_model import outline_model
from tests.layers import rows

PAGE = Path(netspec.__file__).parents[1] / "docs" / "caffe.md"
LISTED = re.compile(r"<!-- refused -->\n(.*?)<!-- end -->", re.DOTALL)


def reasons(row: rows.Row) -> list[str]:
    """Why export refuses the row's layer; nothing where it takes it."""
    try:
        outline_model(load_source(rows.source(row)).graph("test"), {})
    except SpecError as error:
        assert {d.code for d in error.diagnostics} == {"NS701"}
        assert all(d.fact and d.place for d in error.diagnostics)
        return [d.fact for d in error.diagnostics]
    return []


def test_the_list_is_what_export_refuses() -> None:
    refused: dict[str, list[bool]] = {}
    for row in rows.every():
        if (
            row.accepted and row.tops and not row.cls.traits & {"data", "input"}
        ):  # those are the model's inputs
            refused.setdefault(row.cls.type, []).append(bool(reasons(row)))
    always = sorted(name for name, found in refused.items() if all(found))
    sometimes = sorted(name for name, found in refused.items() if any(found) and not all(found))
    want = f"Always: {', '.join(always)}.\n\nIn some forms: {', '.join(sometimes)}.\n"
    page = LISTED.search(PAGE.read_text(encoding="utf-8"))
    assert page is not None and page[1] == want, f"docs/caffe.md should say\n{want}"
    assert {cls.type for cls in layers.every() if "loss" in cls.traits} <= {*always, *sometimes}
