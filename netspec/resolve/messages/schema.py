"""Words for what JSON Schema has against a tree: one schema error comes in, findings with edits go
out. Knows no layer type.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

from netspec.diagnostics.evidence import Computed, Unheard
from netspec.diagnostics.model import Diagnostic, Edit, Fix, Label
from netspec.diagnostics.suggest import clearly, did_you_mean, nearest
from netspec.kinds import GREATEST, LEAST, is_not_finite
from netspec.layers.common.foreign_words import has_own_meaning, instead_of_word
from netspec.resolve.json_schema.judge import Fault
from netspec.source import Span
from netspec.syntax.located import Located
from netspec.syntax.scalars import look_alike
from netspec.syntax.scalars import resolve as scalar
from netspec.syntax.settings import is_setting

__all__ = ["Subject", "misspelt", "unknown_key", "what_it_is", "word_error"]

RANGES = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
TYPES = {"integer": "an integer", "number": "a number", "string": "text", "boolean": "true or false", "array": "a list",
         "object": "a mapping", "null": "empty"}  # fmt: skip
TEXT = {"string", "number", "boolean"}
# 3x3, 5;5: sides of windows have a digit or two
SIZES = re.compile(r"\d{1,2}(?:\s*[x,;]\s*\d{1,2})+")
LONGEST_LABEL = 80
QUOTIENT = re.compile(r"([-+]?\d{1,15}(?:\.\d{1,15})?)\s*/\s*(\d{1,15}(?:\.\d{1,15})?)")


class Subject(NamedTuple):
    """What the tree is: its name in messages, where a missing key is reported, further keys that
    would be right, notes on a wrong one.
    """

    what: str
    anchor: Span | None = None
    known: tuple[str, ...] = ()
    notes: Callable[[str], tuple[str, ...]] | None = None


def word_error(error: Fault, body: Located, subject: Subject, meant: set[str]) -> Iterator[Diagnostic]:
    """The findings of one schema error about `body`; keys in `meant` are there, misspelt. A value
    that an expression made is marked so.
    """
    found = word_findings(error, body, subject, meant)
    if not is_computed(follow(body, error.absolute_path)):
        yield from found
    else:
        yield from (replace(d, evidence=d.evidence or Computed()) for d in found)


def word_findings(error: Fault, body: Located, subject: Subject, meant: set[str]) -> Iterable[Diagnostic]:
    """The findings in words."""
    at, where = follow(body, error.absolute_path), place_name(error.absolute_path, subject.what)
    keyword, value = error.validator, error.instance
    if keyword == "additionalProperties":
        return unknown_keys(error, at, where, subject)
    if keyword == "required":
        return [
            missing(where, key, error, at, subject)
            for key in error.validator_value
            if key not in value and key not in meant
        ]
    if keyword == "anyOf":
        return alternatives(error, body, at, where, subject, meant)
    if keyword == "type":
        return [wrong_type(where, error.schema, at)]
    if keyword in RANGES:
        limit = limits(error.schema, keyword)
        return [
            Diagnostic(
                "NS106",
                f"{where} must be {limit}: it is {show_value(at)}",
                at.span,
                f"must be {limit}",
            )
        ]
    if keyword in ("minItems", "maxItems"):
        return [Diagnostic("NS107", f"{where} takes {length(error.schema)}: it has {len(value)}", at.span)]
    if keyword == "not":
        return [report_twice(where, error, at)]
    if keyword == "pattern" and "description" in error.schema:
        return [
            Diagnostic(
                "NS104",
                f"{where} must be {error.schema['description']}: not {show_value(at)}",
                at.span,
            )
        ]
    return [Diagnostic("NS104", f"{where}: {error.message}", at.span)]


def follow(body: Located, path: Iterable[str | int]) -> Located:
    """The part of a tree that a path of keys and indices leads to; a value that stands for a list
    of one is its own item.
    """
    for step in path:
        body = body.value[step] if isinstance(body.value, (dict, list)) else body  # type: ignore[index]
    return body


def place_name(path: Iterable[str | int], what: str) -> str:
    """`weight_filler.std`, `pad[0]`; the whole's name for an empty path."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or what


# --- keys ------------------------------------------------------------------------------------------------------------


def misspelt(errors: Iterable[Fault], subject: Subject) -> set[str]:
    """Keys that unknown keys probably mean: they are not missing on top of it."""
    found: set[str] = set()
    for error in errors:
        if error.validator == "additionalProperties":
            known = list_known_keys(error, subject)
            found.update(
                near[0] for key in error.instance if key not in known and (near := meant_by(key, known))
            )
    return found


def list_known_keys(error: Fault, subject: Subject) -> list[str]:
    return [*error.schema.get("properties", {}), *(() if error.absolute_path else subject.known)]


def unknown_keys(error: Fault, at: Located, where: str, subject: Subject) -> Iterator[Diagnostic]:
    known = list_known_keys(error, subject)
    notes = None if error.absolute_path else subject.notes
    return (unknown_key(key, at, known, where, notes) for key in error.instance if key not in known)


def unknown_key(
    key: str,
    at: Located,
    known: Iterable[str],
    what: str,
    notes: Callable[[str], tuple[str, ...]] | None = None,
) -> Diagnostic:
    """A key that nothing knows: with the nearest names and an edit to the first; with none near,
    with notes on it, by default the known keys.
    """
    known = list(known)
    span, near = at.key_span(key), meant_by(key, known)
    text = f"{what} has no {key}"
    elsewhere = home_of(key, near, known, what)
    if elsewhere:
        return Diagnostic("NS102", text, span, elsewhere)
    if not near:
        names = sorted(known)
        listed = (f"known: {', '.join(names)}",) if names else ()
        return Diagnostic(
            "NS102",
            text,
            span,
            "not known here",
            notes=listed if notes is None else notes(key),
            evidence=Unheard(),
        )
    edits = (
        # where the word meant stands there too, writing it would repeat a key
        (Edit(span, near[0]),) if span and near[0] not in at.mapping and not is_setting(span.source) else ()
    )
    fix = Fix(f"write {near[0]}", edits, certain(key, near[0], known))
    return Diagnostic("NS102", text, span, f"did you mean {' or '.join(near)}?", fixes=(fix,))


def home_of(key: str, near: list[str], known: list[str], where: str) -> str:
    """Where a word of another section stands; another framework's word only where it is not clearly
    one of this section misspelt.
    """
    from netspec.resolve.messages.sections_of_words import home, is_section

    if is_section(where):
        return home(key, where, foreign=not (near and certain(key, near[0], known)))
    return ""


def meant_by(word: str, known: Iterable[str]) -> list[str]:
    """The known words that a word may stand for, best first: what another framework means by it, or
    else the nearest in spelling.
    """
    known = list(known)
    other = instead_of_word(word, known)
    if other is not None:
        return [other]
    if has_own_meaning(word):
        return [each for each in known if each.casefold() == word.casefold()]
    return nearest(word, known)


def certain(word: str, meant: str, known: Iterable[str]) -> bool:
    """Whether a word can stand for nothing else."""
    known = list(known)
    return instead_of_word(word, known) == meant or clearly(word, meant, known)


def missing(where: str, key: str, error: Fault, at: Located, subject: Subject) -> Diagnostic:
    """`Convolution conv1 needs num_output, the number of filters`."""
    doc = error.schema.get("properties", {}).get(key, {}).get("description", "")
    return Diagnostic(
        "NS103",
        f"{where} needs {key}" + (f": {doc}" if doc else ""),
        anchor_of(error, at, subject),
        f"{key} is missing",
    )


def anchor_of(error: Fault, at: Located, subject: Subject) -> Span | None:
    if error.absolute_path:
        return at.span
    return subject.anchor or at.span


def report_twice(where: str, error: Fault, at: Located) -> Diagnostic:
    """kernel_h beside kernel_size."""
    halves = [option["required"][0] for option in error.validator_value["anyOf"]]
    half = next(name for name in halves if name in error.instance)
    whole = next(
        (key for key in at.mapping if key not in halves and key.startswith(half.rpartition("_")[0])),
        "",
    )
    other = at.keys.get(whole)
    return Diagnostic("NS108", f"{where} has {half} beside {whole}, which stands for every axis", at.key_span(half),
                      others=(Label(other, "said here for every axis"),) if other is not None else ())  # fmt: skip


def alternatives(
    error: Fault, body: Located, at: Located, where: str, subject: Subject, meant: set[str]
) -> list[Diagnostic]:
    """None of several forms fits: required spellings, words of a list, or shapes of a value."""
    spellings = [list_required(option) for option in error.validator_value]
    if all(spellings):
        # it is there, misspelt: told as an unknown key
        if any(name in meant for names in spellings for name in names):
            return []
        text = ", or ".join(" and ".join(names) for names in spellings)
        return [
            Diagnostic(
                "NS103",
                f"{where} needs {text}",
                anchor_of(error, at, subject),
                f"{spellings[0][0]} is missing",
            )
        ]
    if words_in(error.schema):
        return [wrong_word(where, words_in(error.schema), at)]
    likely = likely_form(error)
    if likely:
        return [found for inner in likely for found in word_error(inner, body, subject, meant)]
    meaning = error.schema.get("description", "of another form")
    return [Diagnostic("NS104", f"{where} must be {meaning}: not {show_value(at)}", at.span)]


def list_required(option: Mapping[str, Any]) -> list[str]:
    """The keys that an alternative asks for, if that is all it asks for."""
    if option.keys() == {"required"}:
        return list(option["required"])
    if option.keys() == {"anyOf"}:
        return [name for inner in option["anyOf"] for name in list_required(inner)]
    return []


def likely_form(error: Fault) -> list[Fault]:
    """The errors of the only alternative that takes this type of value; none where that is not
    clear.
    """
    forms: dict[int, list[Fault]] = {}
    for number, inner in error.context:
        forms.setdefault(number, []).append(inner)
    fitting = [
        found
        for found in forms.values()
        if not any(e.validator == "type" and not e.relative_path for e in found)
    ]
    if len(fitting) == 1:
        return fitting[0]
    return []


# --- values ----------------------------------------------------------------------------------------------------------


def words_in(schema: Mapping[str, Any]) -> list[str]:
    """The words that a text may be, if they are few."""
    options = [
        *schema.get("anyOf", ()),
        *(part for rule in schema.get("allOf", ()) for part in rule.get("then", {}).get("anyOf", ())),
    ]
    return next((list(option["enum"]) for option in options if "enum" in option), [])


def wrong_word(where: str, words: list[str], at: Located) -> Diagnostic:
    """`pool must be one of MAX, AVE: MAXX is not`."""
    near = meant_by(str(at.value), words)[:1]
    fixes = fix(at, near[0], certain(str(at.value), near[0], words)) if near else ()
    return Diagnostic("NS105", f"{where} must be one of {', '.join(words)}: {show_value(at)} is not", at.span,
                      did_you_mean(near), fixes=fixes)  # fmt: skip


def wrong_type(where: str, schema: Mapping[str, Any], at: Located) -> Diagnostic:
    """`num_output must be an integer: 431_080 is text`."""
    wanted = [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
    words = words_in(schema)
    if wanted == ["string"] and words and at.value is not None:
        return wrong_word(where, words, at)
    names = " or ".join(type_words(wanted, words))
    # a label stands behind its line: all words of a choice are too long for it
    if len(names) < LONGEST_LABEL:
        label = names
    else:
        label = " or ".join(type_words(wanted, []))
    notes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    meant = guess_meant(at, wanted)
    quotient = (
        QUOTIENT.fullmatch(at.value.strip())
        if isinstance(at.value, str) and "number" in wanted and not is_computed(at)
        else None
    )
    if meant is None and quotient and float(quotient[2]):
        meant = repr(float(quotient[1]) / float(quotient[2]))
        beside = (f'`"${{{quotient[1]} / {quotient[2]}}}"`, in quotes, is worked out to the same',)
    elif meant is None and isinstance(at.value, str):
        from netspec.syntax.missing_dollar import dollar_note, with_dollar

        meant, notes = with_dollar(at) or None, dollar_note(at)
    fixes = fix(at, meant) if meant and not is_computed(at) else ()
    fact = f"{where} must be {names}: {what_it_is(at, wanted)}"
    return Diagnostic(
        "NS104", fact, at.span, f"must be {label}", notes=beside if fixes else notes, fixes=fixes
    )


def type_words(wanted: list[str], words: list[str]) -> list[str]:
    """Names of the types, simplest first; what is read as text takes any scalar."""
    if set(wanted) >= TEXT:
        wanted = ["string", *(t for t in wanted if t not in TEXT)]
    kinds = [
        t
        for t in TYPES
        if t in wanted and not (t == "integer" and "number" in wanted) and not (t == "string" and words)
    ]
    return [TYPES[t] for t in kinds] + (
        [f"one of {', '.join(words)}"] if words and "string" in wanted else []
    )


def what_it_is(at: Located, wanted: list[str]) -> str:
    """`431_080 is text`, `it is empty`, `4.5 is not`."""
    value = at.value
    if value is None:
        return "it is empty"
    if isinstance(value, (int, float)) and is_not_finite(value) and abs(value) < inf:
        return f"{show_value(at)} is more than the 32 bits of a number hold"
    if is_not_finite(value) or (isinstance(value, float) and "integer" in wanted):
        return f"{show_value(at)} is not"
    for types, name in (
        ((bool,), "a boolean"),
        ((int, float), "a number"),
        ((list,), "a list"),
        ((dict,), "a mapping"),
    ):
        if isinstance(value, types):
            return f"{show_value(at)} is {name}"
    return f"{show_value(at)} is text" + (" in YAML 1.2" if at.plain_style and look_alike(str(value)) else "")


def guess_meant(at: Located, wanted: list[str]) -> str | None:
    """The value as it was probably meant: no, 431_080, "5", 3x3; only where it was written in
    place.
    """
    if not isinstance(at.value, str) or is_computed(at):
        return None
    text = at.value.strip()
    if "array" in wanted and SIZES.fullmatch(text):
        return f"[{', '.join(re.findall('[0-9]+', text))}]"
    meant = look_alike(text) or text
    # longer ones nobody meant, and `resolve` refuses integers of more than 250 digits
    value = scalar(meant) if meant and len(meant) < 100 else meant
    fits = {
        "boolean": isinstance(value, bool),
        "integer": type(value) is int,
        "number": type(value) in (int, float) and not is_not_finite(value),
    }
    if any(fits.get(t, False) for t in wanted):
        return meant
    return None


def fix(at: Located, text: str, safe: bool = True) -> tuple[Fix, ...]:
    """Write `text` in its place; no edit where an expression made the value."""
    return (
        Fix(
            f"write {text}",
            (Edit(at.span, text),) if at.span is not None and not is_computed(at) else (),
            safe,
        ),
    )


def is_computed(at: Located) -> bool:
    """Whether an expression made the value."""
    return "$" in at.why


def limits(schema: Mapping[str, Any], broken: str = "") -> str:
    """`>= 0 and < 1`; `1` where there is only one value. The limits of all integers are named where
    one of them is broken.
    """
    if "minimum" in schema and schema["minimum"] == schema.get("maximum"):
        return f"{schema['minimum']:g}"
    said = {
        word: schema[word]
        for word in RANGES
        if word in schema and (word == broken or schema[word] not in (LEAST, GREATEST))
    }
    if said.get(broken) in (LEAST, GREATEST):
        said = {broken: said[broken]}
    return " and ".join(
        f"{RANGES[word]} {limit:{'' if isinstance(limit, int) else 'g'}}" for word, limit in said.items()
    )


def length(schema: Mapping[str, Any]) -> str:
    """`2 values`, `at least 1 value`."""
    least, most = schema.get("minItems"), schema.get("maxItems")
    number = most if least is None else least
    if least == most:
        bound = ""
    elif least is None:
        bound = "at most "
    else:
        bound = "at least "
    return f"{bound}{number} value{'' if number == 1 else 's'}"


def show_value(at: Located) -> str:
    """A value as it was written, not too long; what an expression gave, beside it."""
    text = " ".join((at.span.text if at.span is not None else str(at.value)).split())
    if is_computed(at) and not isinstance(at.value, (list, dict)):
        text = f"{text} = {at.value!r}"
    if len(text) <= 40:
        return text
    return text[:37] + "..."
