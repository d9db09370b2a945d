"""The published schema says what stands in several places once, and means the same: references put back give the schema without."""

import json
from pathlib import Path
from typing import Any

import pytest

from netspec.resolve.json_schema import publish as published
from netspec.resolve.json_schema.shared import share, written_out

MOST_BYTES = 420_000


def put_back(schema: Any, shared: dict[str, Any]) -> Any:
    """The schema with the bodies of shared definitions in the place of references to them."""
    if isinstance(schema, list):
        return [put_back(part, shared) for part in schema]
    if not isinstance(schema, dict):
        return schema
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    body = {**shared[name], **{k: v for k, v in schema.items() if k != "$ref"}} if name in shared else schema
    return {
        word: part if word in ("examples", "default") else put_back(part, shared)
        for word, part in body.items()
    }


def test_every_shared_part_stands_for_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    short = published.build_schema()
    monkeypatch.setattr(published, "share", lambda schema: schema)
    long = published.build_schema()
    names = short["$defs"].keys() - long["$defs"].keys()
    assert len(names) > 20
    whole = put_back(short, {name: short["$defs"][name] for name in names})
    whole["$defs"] = {name: body for name, body in whole["$defs"].items() if name not in names}
    assert json.dumps(whole, sort_keys=True) == json.dumps(long, sort_keys=True)


def test_what_differs_in_one_word_is_not_shared() -> None:
    body = {"type": ["integer", "string"], "minimum": 1, "maximum": 7, "pattern": "\\$"}
    values = {f"a{i}": {**body, "description": str(i)} for i in range(3)} | {"b": {**body, "minimum": 2}}
    found = share({"properties": values, "$defs": {}})
    assert found["$defs"] == {"integer-from-1-to-7": body}
    assert found["properties"]["a1"] == {"description": "1", "$ref": "#/$defs/integer-from-1-to-7"}
    assert found["properties"]["b"] == values["b"]


def test_the_file_is_the_schema_and_short() -> None:
    text = (Path(__file__).parents[2] / "schemas/netspec.schema.json").read_text(encoding="utf-8")
    assert text == written_out(published.build_schema())
    assert json.loads(text) == published.build_schema()
    assert len(text.encode()) < MOST_BYTES
