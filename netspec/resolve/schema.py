"""Reads typed records from located trees. The records check themselves; where one refuses, its JSON Schema finds the words.

`jsonschema` is imported only then. Comes in: a mapping and a Record class. Goes out: the record, or findings.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from netspec.diagnostics.model import Diagnostic, Diagnostics, Edit, Fix
from netspec.diagnostics.suggest import nearest
from netspec.kinds import Reject, is_nan
from netspec.record import Record
from netspec.source import Span
from netspec.syntax.located import Located, plain

__all__ = ["as_json", "as_text", "read_record", "unknown_key", "word"]

R = TypeVar("R", bound=Record)

RANGES = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def read_record(cls: type[R], body: Located, diagnostics: Diagnostics, *, what: str, dialect: str = "caffe",
                anchor: Span | None = None) -> R | None:
    """The record that a mapping holds. `what` names it in messages; `anchor` is where a missing parameter is reported."""
    if isinstance(body.value, dict):
        try:
            return cls.read(body.value, dialect, whole=body)
        except Reject:
            pass
    elif cls.short is not None and body.value is not None:
        try:
            return cls.read({cls.short: body}, dialect, whole=body)
        except Reject:
            pass
    word({"type": "object", **cls.schema()}, body, diagnostics, what=what, anchor=anchor)
    return None


def word(schema: dict[str, Any], body: Located, diagnostics: Diagnostics, *, what: str, anchor: Span | None = None) -> None:
    """Say what JSON Schema has against a tree. At least one finding is made: the two checks agree (tests hold them to it)."""
    from jsonschema import Draft202012Validator

    seen: set[tuple[str, Span | None, str]] = set()
    errors = flattened(Draft202012Validator(schema).iter_errors(as_json(body)))
    meant = misspelt(errors)
    for error in errors:
        at = follow(body, error.absolute_path)
        for found in worded(error, at, what, anchor or body.span, meant):
            if (found.code, found.span, found.fact) not in seen:
                seen.add((found.code, found.span, found.fact))
                diagnostics.add(found)
    if not errors:
        diagnostics.error("NS901", f"netspec refuses this {what}, its JSON Schema does not: {plain(body)!r}", body.span)


def as_json(tree: Located) -> Any:
    """The tree as JSON Schema sees it: JSON has no NaN, so that is the text it was written as."""
    value = tree.value
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return tree.text if is_nan(value) else value


def flattened(errors: Iterable[Any]) -> list[Any]:
    """Errors behind if/then and allOf come as they are already; those of anyOf stay one error."""
    return sorted(errors, key=lambda e: [str(p) for p in e.absolute_path])


def misspelt(errors: Iterable[Any]) -> set[str]:
    """Keys that unknown keys probably mean: they are not missing on top of it."""
    found: set[str] = set()
    for error in errors:
        if error.validator == "additionalProperties":
            known = error.schema.get("properties", {})
            found.update(near[0] for key in error.instance if key not in known and (near := nearest(key, known)))
    return found


def follow(body: Located, path: Iterable[str | int]) -> Located:
    for step in path:
        inner = body.value[step] if isinstance(body.value, (dict, list)) else body  # type: ignore[index]
        body = inner
    return body


def worded(error: Any, at: Located, what: str, anchor: Span | None, meant: set[str]) -> list[Diagnostic]:
    """The findings of one schema error; keys in `meant` are there, misspelt."""
    where = ".".join(str(p) for p in error.absolute_path) or what
    keyword, limit, value = error.validator, error.validator_value, error.instance
    if keyword == "additionalProperties":
        known = error.schema.get("properties", {})
        return [unknown_key(key, at, known, what if not error.absolute_path else where) for key in value if key not in known]
    if keyword == "required":
        missing = [key for key in limit if key not in value and key not in meant]
        place = anchor if not error.absolute_path else at.span
        return [Diagnostic("NS103", f"{where} needs {key}{described(error.schema, key)}", place, f"{key} is missing") for key in missing]
    if keyword == "type":
        return [wrong_type(where, limit, at)]
    if keyword in ("enum", "anyOf", "pattern", "const"):
        return [wrong_word(where, error, at)]
    if keyword in RANGES:
        return [Diagnostic("NS106", f"{where} must be {RANGES[keyword]} {limit:g}: it is {shown(value)}", at.span, f"must be {RANGES[keyword]} {limit:g}")]
    if keyword in ("minItems", "maxItems"):
        return [Diagnostic("NS107", f"{where} takes {'at least' if keyword == 'minItems' else 'at most'} {limit} values: it has {len(value)}", at.span)]
    if keyword == "not":
        return [said_twice(where, error, at)]
    return [Diagnostic("NS104", f"{where}: {error.message}", at.span)]


def described(schema: Mapping[str, Any], key: str) -> str:
    doc = schema.get("properties", {}).get(key, {}).get("description")
    return f": the {doc}" if doc else ""


def unknown_key(key: str, at: Located, known: Iterable[str], what: str) -> Diagnostic:
    """A key that nothing knows, with the nearest names; where one is clearly meant, an edit."""
    span = at.key_span(key)
    near = nearest(key, known)
    text = f"{what} has no {key}"
    if not near:
        return Diagnostic("NS102", text, span, "not known here", notes=(f"known: {', '.join(sorted(known))}",))
    edits = (Edit(span, near[0]),) if span and near[0] not in at.mapping else ()
    return Diagnostic("NS102", text, span, f"did you mean {' or '.join(near)}?", fixes=(Fix(f"write {near[0]}", edits),))


def wrong_type(where: str, types: str | list[str], at: Located) -> Diagnostic:
    """`num_output must be an integer: "abc" is text`."""
    wanted = [types] if isinstance(types, str) else list(types)
    if "number" in wanted and "integer" in wanted:
        wanted.remove("integer")
    names = " or ".join(TYPES[t] for t in wanted)
    fact = f"{where} must be {names}: {shown(at.value, at)} is {type_name(at.value)}"
    fixes = tuple(Fix(f"write {text}", (Edit(at.span, text),) if at.span else ()) for text in [repaired(at, wanted)] if text)
    return Diagnostic("NS104", fact, at.span, f"must be {names}", fixes=fixes)


TYPES = {"integer": "an integer", "number": "a number", "string": "text", "boolean": "true or false", "array": "a list", "object": "a mapping",
         "null": "empty"}
BOOLEANS = {"no": "false", "off": "false", "yes": "true", "on": "true", "n": "false", "y": "true", "True": "true", "False": "false"}


def repaired(at: Located, wanted: list[str]) -> str | None:
    """The value as it was probably meant: yes and no, 431_080, "5"."""
    text = str(at.value)
    if "boolean" in wanted and text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()]
    digits = text.replace("_", "").replace(",", "")
    if isinstance(at.value, str) and ({"integer", "number"} & set(wanted)) and as_number(digits) is not None:
        number = as_number(digits)
        return digits if "number" in wanted or isinstance(number, int) else None
    return None


def as_number(text: str) -> int | float | None:
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return None


def wrong_word(where: str, error: Any, at: Located) -> Diagnostic:
    words = error.validator_value if error.validator == "enum" else next(
        (list(s["enum"]) for s in error.validator_value if isinstance(s, dict) and "enum" in s), []) if error.validator == "anyOf" else []
    if not words:
        meant = error.schema.get("description")
        return Diagnostic("NS105", f"{where} must be {meant}: not {shown(at.value, at)}" if meant else f"{where}: {error.message}", at.span)
    near = nearest(str(at.value), words, 1)
    fixes = (Fix(f"write {near[0]}", (Edit(at.span, near[0]),) if at.span else ()),) if near else ()
    return Diagnostic("NS105", f"{where} is one of {', '.join(map(str, words))}: not {shown(at.value, at)}", at.span,
                      f"did you mean {near[0]}?" if near else "", fixes=fixes)


def said_twice(where: str, error: Any, at: Located) -> Diagnostic:
    """kernel_size beside kernel_h: which schema word it was tells the names."""
    halves = [s["required"][0] for s in error.validator_value.get("anyOf", []) if s["required"][0] in error.instance]
    half = halves[0] if halves else ""
    return Diagnostic("NS108", f"{where}: {half} says for one axis what another key says for all", at.key_span(half) if half else at.span)


def shown(value: Any, at: Located | None = None) -> str:
    """A value for a message, as it was written, not too long."""
    text = at.span.text if at is not None and at.span is not None else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:37] + "..."


def type_name(value: Any) -> str:
    if value is None:
        return "empty"
    for types, name in (((bool,), "a boolean"), ((int, float), "a number"), ((str,), "text"), ((list,), "a list")):
        if isinstance(value, types):
            return name
    return "a mapping"


def as_text(item: Located | None) -> str:
    """A scalar as it was written; empty for none."""
    return item.text if item is not None and not isinstance(item.value, (list, dict)) else ""
