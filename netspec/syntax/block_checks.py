"""What a block and a use of one may say: their keys, and what kind of value each takes. Comes in:
their mappings; out: findings.
"""

from netspec.diagnostics.model import Diagnostic, Diagnostics, Edit, Fix, Label
from netspec.diagnostics.suggest import clearly, did_you_mean, nearest
from netspec.source import Span
from netspec.syntax.block_records import BlockSection, BlockUse
from netspec.syntax.located import Located, plain

__all__ = [
    "OF_USES",
    "USE_KEYS",
    "check_blocks",
    "mapping_of",
    "nameless",
    "names_in",
    "rename_key",
    "strangers",
    "take_variables",
    "unknown_block",
    "yes_or_no",
]

USE_KEYS, BLOCK_KEYS = tuple(BlockUse.names), tuple(BlockSection.names)
OF_USES = tuple(key for key in USE_KEYS if key not in ("name", "block", "bottom", "when"))
"""What a use of a block says and no layer does."""
WORDS = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}
"""Words that YAML 1.1 read as true and false; to YAML 1.2 they are texts."""


def check_blocks(blocks: Located, diagnostics: Diagnostics) -> None:
    """Report blocks that are no mappings, and sections of blocks that are not what they must be,
    whether used or not.
    """
    for name, block in blocks.mapping.items():
        if not isinstance(block.value, dict):
            diagnostics.error(
                "NS104",
                f"block {name} must be a mapping with layers",
                block.span,
                label="must be a mapping",
            )
            continue
        strangers(block, BLOCK_KEYS, f"block {name}", diagnostics)
        for key in ("vars", "defaults"):
            mapping_of(block.get(key), f"{key} of block {name}", diagnostics)
        for key in ("bottom", "top"):
            names_in(block.get(key), f"{key} of block {name}", diagnostics)


def strangers(
    body: Located,
    known: tuple[str, ...],
    what: str,
    diagnostics: Diagnostics,
    notes: tuple[str, ...] = (),
) -> None:
    """Report keys that are not known; notes: by default the known ones."""
    said = notes or (f"known: {', '.join(known)}",)
    for key in body.mapping:
        if key not in known:
            near = nearest(key, known)
            span = body.key_span(key)
            # with one clear meaning `check --fix` may write it
            safe = bool(near) and clearly(key, near[0], known)
            fixes = (
                (Fix(f"write {near[0]}", (Edit(span, near[0]),), safe),) if near and span is not None else ()
            )
            label = did_you_mean(near, "not known here")
            diagnostics.add(Diagnostic("NS102", f"{what} has no {key}", span, label, notes=said, fixes=fixes))


def take_variables(body: Located, block: Located, name: str, diagnostics: Diagnostics) -> Located:
    """A use of a block with all the variables that it gives in its `vars`: those that stand beside
    it are reported as one finding and are read as they are meant. Reports keys that nothing knows, too.
    """
    names = block.get("vars")
    known = names.mapping if names is not None else {}
    given = body.get("vars") or Located({})
    sound = given.value is None or isinstance(given.value, dict)
    beside = {k: v for k, v in body.mapping.items() if sound and k in known and k not in USE_KEYS}
    what, keys = f"use of block {name}", (*USE_KEYS, *beside)
    notes = (f"known: {', '.join(USE_KEYS)}", *([f"variables, in vars: {', '.join(known)}"] if known else []))
    strangers(body, keys, what, diagnostics, notes)
    if not beside:
        return body
    words = " and ".join(beside)
    label = (
        "variables of the block stand in vars"
        if len(beside) > 1
        else "a variable of the block stands in vars"
    )
    fixes = move_into_vars(body, beside)
    place = body.key_span(next(iter(beside)))
    diagnostics.add(Diagnostic("NS102", f"{what} has no {words}", place, label, fixes=fixes))
    spans = {key: span for key in beside if (span := body.key_span(key)) is not None}
    given = Located({**beside, **given.mapping}, given.span, keys={**spans, **given.keys}, used=given.used)
    others = {key: value for key, value in body.mapping.items() if key not in beside}
    return Located({**others, "vars": given}, body.span, keys=body.keys, used=body.used)


def move_into_vars(body: Located, beside: dict[str, Located]) -> tuple[Fix, ...]:
    """Write keys of a use in its `vars`, and nothing where they stood; no fix where a comment or a line's
    indentation would be lost.
    """
    order, given, edits = list(body.mapping), body.get("vars"), []
    texts = {key: value.span.text for key, value in beside.items() if value.span is not None}
    moved = ", ".join(f"{key}: {text}" for key, text in texts.items())
    if given is not None and given.span is not None:
        if not given.mapping or not given.span.text.endswith("}"):
            return ()
        end = given.span.end - 1
        edits.append(Edit(Span(given.span.source, end, end), f", {moved}"))
    for key, value in beside.items():
        start, before = body.key_span(key), body.mapping[order[max(order.index(key) - 1, 0)]].span
        if start is None or value.span is None or before is None or "\n" in value.span.text:
            return ()
        if edits:
            gone = Span(start.source, before.end, value.span.end)
            if "#" in gone.text or before.end > start.start:
                return ()
            edits.append(Edit(gone, ""))
        else:
            edits.append(Edit(Span(start.source, start.start, value.span.end), f"vars: {{{moved}}}"))
    return (Fix(f"write {moved} in vars", tuple(edits), safe=True),)


def mapping_of(section: Located | None, what: str, diagnostics: Diagnostics) -> Located:
    """A section that must be a mapping; an empty one where it is left out or empty, or reported to
    be something else.
    """
    if section is None or section.value is None or isinstance(section.value, dict):
        if section is not None and section.value is not None:
            return section
        return Located({})
    diagnostics.error("NS104", f"{what} must be a mapping", section.span, label="must be a mapping")
    return Located({})


def names_in(section: Located | None, what: str, diagnostics: Diagnostics) -> bool:
    """Whether a section is a name or a list of names; says so where not. A section that is left out
    is.
    """
    if section is None or all(
        not isinstance(item.value, (dict, list)) and item.text for item in section.items
    ):
        return True
    diagnostics.error(
        "NS104", f"{what} must be a name or a list of names", section.span, label="must be a name"
    )
    return False


def yes_or_no(value: Located, what: str, diagnostics: Diagnostics) -> bool | None:
    """A value that must be true or false; None where that was reported."""
    if isinstance(value.value, bool):
        return value.value
    from netspec.syntax.missing_dollar import dollar_note

    text = repr(plain(value)) if value.value is not None else "empty"
    meant = WORDS.get(value.text.lower()) if isinstance(value.value, str) and not value.why else None
    word = str(meant).lower()
    edits = (Edit(value.span, word),) if value.span is not None else ()
    # in quotes a word was made a text, perhaps on purpose
    fixes = (Fix(f"write {word}", edits, value.plain_style),) if meant is not None else ()
    diagnostics.error(
        "NS104",
        f"{what} must be true or false: it is {text}",
        value.span,
        notes=dollar_note(value),
        fixes=fixes,
    )
    return None


def nameless(number: int, body: Located) -> Diagnostic:
    """A layer without name: not said, no text, or under a misspelt key."""
    name = body.get("name")
    if name is not None:
        fact = "it is empty" if name.value is None else "this is not"
        return Diagnostic("NS104", f"name of layer {number} must be text: {fact}", name.span, "must be text")
    near = nearest("name", body.mapping, 1)
    if not near:
        first = next(iter(body.mapping.values()), body)
        return Diagnostic("NS103", f"layer {number} needs name", first.span, "name is missing")
    span = body.key_span(near[0])
    fixes = (Fix("write name", (Edit(span, "name"),) if span is not None else (), safe=True),)
    return Diagnostic(
        "NS102",
        f"layer {number} has {near[0]} and no name",
        span,
        "did you mean name?",
        fixes=fixes,
    )


def rename_key(body: Located, key: str, meant: str) -> Located:
    """A mapping with a key as it was meant, so that what follows from its misspelling is not
    reported too.
    """
    items = {meant if k == key else k: v for k, v in body.mapping.items()}
    return Located(
        items,
        body.span,
        keys={meant if k == key else k: span for k, span in body.keys.items()},
        used=body.used,
    )


def unknown_block(full: str, name: str, use: Located, blocks: Located) -> Diagnostic:
    near = nearest(name, blocks.mapping)
    fixes = (Fix(f"write {near[0]}", (Edit(use.span, near[0]),)),) if near and use.span is not None else ()
    label = did_you_mean(near, "no block has this name")
    others = (Label(span, "the blocks") for span in [blocks.span] if span is not None and not near)
    return Diagnostic(
        "NS118", f"{full} uses block {name}", use.span, label, others=tuple(others), fixes=fixes
    )
