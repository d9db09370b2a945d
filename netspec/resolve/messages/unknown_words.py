"""Words for what a layer entry has and its type does not: where it belongs instead. Asks every
layer type: imported on errors only.
"""

from collections.abc import Iterable

from netspec import layers
from netspec.diagnostics.model import Diagnostic, Edit, Fix
from netspec.diagnostics.suggest import clearly, nearest
from netspec.ir.layer import Layer
from netspec.layers.common.foreign_words import instead_of_type, remark_on_word
from netspec.resolve.read_record import as_text
from netspec.resolve.sections.spec_file import LayerFields
from netspec.source import Span
from netspec.syntax.located import Located

__all__ = ["foreign_map", "map_owners", "notes_on", "report_misplaced", "typeless", "unknown_type"]

MOST_NAMED, MOST_LISTED = 6, 10


def list_briefly(names: Iterable[str]) -> str:
    """`Convolution, Pooling and 3 others`."""
    every = list(names)
    if len(every) <= MOST_NAMED:
        return ", ".join(every[:-1]) + (" and " if every[:-1] else "") + every[-1]
    return f"{', '.join(every[: MOST_NAMED - 1])} and {len(every) - MOST_NAMED + 1} others"


def unknown_type(name: str, kind: Located, known: list[str], body: Span | None = None) -> Diagnostic:
    """A type that no layer has; `Conv2d` is also looked for without its 2d. body: the layer, whose
    parameters nobody can judge.

    They are no argument against a type that another framework's name leads to; against one that is
    only spelt alike they are.
    """
    text = as_text(kind)
    word = instead_of_type(text)
    if word is not None:
        notes = (f"other frameworks say {text}; Caffe's word is {word.type}",)
        return Diagnostic("NS101", f"layer {name} has type {text}", kind.span, f"did you mean {' '.join(filter(None, word))}?", notes=notes,
                          fixes=write_first(kind.span, [word.type], not word.more), hides=body)  # fmt: skip
    bare = text.rstrip("dD").rstrip("0123456789")
    near = nearest(text, known) or (nearest(bare, known) if bare != text else [])
    if near:
        label = f"did you mean {' or '.join(near)}?"
    else:
        label = "no layer has this type"
    notes = ("`netspec layers` lists the types",)
    fixes = write_first(kind.span, near, bool(near) and clearly(text, near[0], known))
    return Diagnostic("NS101", f"layer {name} has type {text}", kind.span, label, notes=notes, fixes=fixes)


def typeless(name: str, body: Located) -> Diagnostic:
    """A layer without type: under a misspelt key, under another word for it, or not said."""
    strangers = [key for key in body.mapping if key not in LayerFields.names]
    meant = [(key, word) for word in ("type", "block") for key in nearest(word, strangers)]
    # whatever its key, a value that is the name of a type tells what it is
    meant += [(key, "type") for key in strangers if layers.find(as_text(body.mapping[key])) is not None]
    if meant:
        key, word = meant[0]
        span = body.key_span(key)
        fixes = write_first(span, [word], bool(nearest(word, [key])))
        return Diagnostic(
            "NS102",
            f"layer {name} has {key} and no type",
            span,
            f"did you mean {word}?",
            fixes=fixes,
        )
    own = body.get("name")
    place = own.span if own is not None else body.span
    return Diagnostic(
        "NS103",
        f"layer {name} needs type, or block",
        place,
        "type is missing",
        notes=("`netspec layers` lists the types",),
    )


def map_owners(key: str) -> list[str]:
    """The layer types whose parameters stand in a param map."""
    if key.endswith("_param"):
        return [cls.type for cls in layers.every() if key in cls.groups]
    return []


def foreign_map(name: str, cls: type[Layer], key: str, body: Located) -> Diagnostic:
    """A param map of other layer types."""
    span = body.key_span(key)
    whose = f"{key} holds parameters of {list_briefly(map_owners(key))}"
    if not cls.groups:
        return Diagnostic(
            "NS102",
            f"{cls.type} {name} has no {key}",
            span,
            "not known here",
            notes=(whose, f"{cls.type} has no param map"),
        )
    suits = body.get(cls.groups[0]) is None and all(name in cls.names for name in body.mapping[key].mapping)
    fixes = write_first(span, cls.groups[:1]) if suits else ()
    label = f"{cls.type} takes {' and '.join(cls.groups)}"
    return Diagnostic("NS102", f"{cls.type} {name} has no {key}", span, label, notes=(whose,), fixes=fixes)


def report_misplaced(cls: type[Layer], key: str, group: str, item: Located) -> Diagnostic:
    """A key that stands in the wrong one of the layer's param maps, or in a map though every layer
    has it.
    """
    span = item.key_span(key)
    if key in LayerFields.names:
        return Diagnostic("NS102", f"{group} has no {key}", span, f"{key} stands beside {group}, not in it")
    home = cls.group_of(cls.names[key])
    return Diagnostic("NS102", f"{group} has no {key}", span, f"{key} stands in {home}")


def notes_on(cls: type[Layer], key: str) -> tuple[str, ...]:
    """Which types have a parameter that this one has not; the parameters that it has."""
    owners = [other.type for other in layers.every() if key in other.names]
    remark = remark_on_word(key)
    if remark is not None:
        return (remark,)
    whose = (f"{key} is a parameter of {list_briefly(owners)}",) if owners else ()
    own = (
        [f"{cls.type} has {list_all(cls)}"]
        if 0 < len(cls.params) <= MOST_LISTED
        else [f"`netspec layers {cls.type}` lists its parameters"]
    )
    if cls.params:
        return (*whose, *own)
    return (*whose, f"{cls.type} has no parameters of its own")


def list_all(cls: type[Layer]) -> str:
    return ", ".join(sorted(cls.params))


def write_first(span: Span | None, words: Iterable[str], safe: bool = False) -> tuple[Fix, ...]:
    """The fix that writes the first of some words at a place."""
    return tuple(
        Fix(f"write {word}", (Edit(span, word),) if span is not None else (), safe)
        for word in list(words)[:1]
    )
