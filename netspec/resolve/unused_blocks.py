"""Blocks that no layer comes from, checked as far as that goes without the values of variables.

Comes in: the blocks as written; out: findings on types, keys, plain values and plain names. What
holds a variable is left alone.
"""

from collections.abc import Callable, Mapping

from netspec.diagnostics.model import Diagnostic, Diagnostics, Fix, Label, write_nearest
from netspec.diagnostics.suggest import nearest
from netspec.ir.layer import Layer
from netspec.kinds import INT
from netspec.plugins.vocabulary import PluginError, Vocabulary
from netspec.record import Param, Reject
from netspec.resolve.layers_read import divide, without_type
from netspec.resolve.read_record import as_text, word
from netspec.resolve.sections.spec_file import LayerFields
from netspec.source import Span
from netspec.syntax.block_checks import (
    OF_USES,
    mapping_of,
    nameless,
    names_in,
    take_variables,
    unknown_block,
)
from netspec.syntax.located import Located
from netspec.syntax.spec import Spec
from netspec.syntax.variables import FAILED, check_given

__all__ = ["check_unused"]

INPUT = "x"
"""What a block calls its bottom where it does not say."""


def check_unused(
    spec: Spec,
    check_defaults: Callable[[Located], object],
    known: Vocabulary,
    diagnostics: Diagnostics,
) -> None:
    """Report what is wrong in blocks that nobody uses, whatever the values of their variables."""
    for name, block in spec.blocks.unseen.items():
        layers, defaults = block.get("layers"), block.get("defaults")
        if defaults is not None and isinstance(defaults.value, dict):
            check_defaults(
                Located(
                    {k: mask_variables(v) for k, v in defaults.value.items()},
                    defaults.span,
                    keys=defaults.keys,
                )
            )
        if layers is None or layers.value is None:
            if isinstance(block.value, dict):
                diagnostics.error("NS209", f"block {name} has no layers", block.key_span("layers"))
            continue
        if not isinstance(layers.value, list):
            diagnostics.error("NS104", "layers must be a list of layers, each beginning with -", layers.span)
            continue
        before = len(diagnostics)
        for i, body in enumerate(layers.value):
            check_item(name, i, body, spec, known, diagnostics)
        # names are judged where the layers themselves are sound
        if len(diagnostics) == before:
            check_wiring(name, block, layers.value, diagnostics)


def check_item(
    block: str, i: int, body: Located, spec: Spec, known: Vocabulary, diagnostics: Diagnostics
) -> None:
    """One layer, or one use of a further block."""
    name = body.get("name")
    if not isinstance(body.value, dict):
        diagnostics.error(
            "NS104", "a layer is a mapping such as {name: conv1, type: Convolution, ...}", body.span
        )
    elif name is None or isinstance(name.value, (list, dict)) or name.value is None:
        diagnostics.add(nameless(i + 1, body))
    elif body.get("block") is not None:
        check_use(f"{block}.{name.text}", body, spec, diagnostics)
    else:
        check_layer(f"{block}.{name.text}", body, known, diagnostics)


def check_use(full: str, body: Located, spec: Spec, diagnostics: Diagnostics) -> None:
    """A use of a block in a block: its keys, the block's name, and the names of the variables that
    it gives.
    """
    use = body.mapping["block"]
    meant = spec.blocks.section.mapping.get(use.text)
    body = take_variables(body, meant or Located({}), as_text(use), diagnostics)
    names_in(body.get("bottom"), f"bottom of {full}", diagnostics)
    if is_open(use) or not as_text(use):
        return
    if meant is None and spec.blocks.complete:
        diagnostics.add(unknown_block(full, use.text, use, spec.blocks.section))
    if meant is not None and isinstance(meant.value, dict):
        given, silent = mapping_of(body.get("vars"), f"vars of {full}", diagnostics), Diagnostics()
        names = mapping_of(meant.get("vars"), "", silent).mapping
        if not len(silent):
            check_given(names, given, diagnostics, what=f"block {use.text}", anchor=use.span)


def check_layer(full: str, body: Located, known: Vocabulary, diagnostics: Diagnostics) -> None:
    """One layer: its type, its keys, and those of its values that hold no variable. What is left
    out may come from defaults.
    """
    kind = body.get("type")
    left_out = ("when",) if kind is not None else ("when", *OF_USES)
    body = Located({k: v for k, v in body.mapping.items() if k not in left_out}, body.span, keys=body.keys)
    if kind is not None and is_open(kind):
        return
    try:
        cls = known.find(as_text(kind)) if kind is not None else None
    except PluginError:
        return
    if kind is None or cls is None:
        if kind is None or not as_text(kind) or known.complete:
            diagnostics.add(without_type(full, kind, body, known))
        return
    closed = {
        key: mask_variables(node) if key in cls.groups else mark(node) for key, node in body.mapping.items()
    }
    common, own = divide(full, cls, Located(closed, body.span, keys=body.keys), diagnostics)
    check_values(f"layer {full}", LayerFields, common, diagnostics, ())
    if own.body is not None:
        others = () if own.nested else (*LayerFields.names, *cls.groups, "when")
        check_values(f"{cls.type} {full}", cls, own.body, diagnostics, others)


def check_values(
    what: str,
    cls: type[Layer] | type[LayerFields],
    body: Located,
    diagnostics: Diagnostics,
    others: tuple[str, ...],
) -> None:
    """Report keys that a record does not have, and values that it does not take. others: further
    keys that would be right.
    """
    if all(takes(cls.names.get(key), key, node) for key, node in body.mapping.items()):
        return
    from netspec.resolve.messages.unknown_words import notes_on

    said = cls.schema()["properties"]
    left = {key for key, node in body.mapping.items() if node.why == FAILED}
    schema = {
        "type": "object",
        "properties": {key: {} if key in left else words for key, words in said.items()},
        "additionalProperties": False,
    }
    notes = (lambda key: notes_on(cls, key)) if issubclass(cls, Layer) else None
    word(schema, body, diagnostics, what=what, known=others, notes=notes)


def takes(declared: Param | None, key: str, node: Located) -> bool:
    """Whether a parameter takes a value, or the value is not known."""
    if declared is None:
        return False
    try:
        if node.why != FAILED:
            (declared.kind if key == declared.name else INT).read(node, declared.bounds)
    except Reject:
        return False
    return True


def is_open(tree: Located) -> bool:
    """Whether a variable stands in it."""
    return any(isinstance(part.value, str) and "$" in part.value for part in tree.walk())


def mask_variables(section: Located) -> Located:
    """A mapping whose values hold a mark in place of what depends on variables."""
    if not isinstance(section.value, dict):
        return mark(section)
    return Located({key: mark(node) for key, node in section.value.items()}, section.span, keys=section.keys)


def mark(node: Located) -> Located:
    if is_open(node):
        return Located(None, node.span, why=FAILED)
    return node


# --- names ---------------------------------------------------------------------------------------------------------------


def check_wiring(block: str, section: Located, layers: list[Located], diagnostics: Diagnostics) -> None:
    """Report bottoms and tops of a block that nothing in it makes. Nothing is said where a name in
    it is computed.
    """
    given, made = section.get("bottom"), section.get("top")
    parts = [
        each
        for body in layers
        for key in ("name", "bottom", "top")
        for each in [body.get(key)]
        if each is not None
    ]
    if any(is_open(each) for each in (*parts, given or Located(None), made or Located(None))):
        return
    if given is None or given.value is None:
        visible = {INPUT}
    else:
        visible = {item.text for item in given.items}
    # reversed: of several makers the first one counts
    makers = {name: body for body in reversed(layers) for name in names_made(body)}
    for body in layers:
        for item in items_of(body.get("bottom")):
            check_name(f"{block}.{body.mapping['name'].text}", item, visible, makers, diagnostics)
        visible |= names_made(body)
    for item in items_of(made):
        check_name(f"block {block}", item, visible, makers, diagnostics)


def items_of(section: Located | None) -> list[Located]:
    if section is not None and section.value is not None:
        return section.items
    return []


def names_made(body: Located) -> set[str]:
    """What a layer, or a use of a block, makes: a use's inner values are reached through its
    name.
    """
    tops = {item.text for item in items_of(body.get("top"))}
    return tops or {body.mapping["name"].text}


def check_name(
    reader: str,
    item: Located,
    visible: set[str],
    makers: Mapping[str, Located],
    diagnostics: Diagnostics,
) -> None:
    name = item.text
    if name in visible or any(
        "block" in makers[n].mapping for n in prefixes(name) if n in visible and n in makers
    ):
        return
    if name in makers:
        span = makers[name].mapping["name"].span
        others = (Label(span, "made here, after it is read"),) if span is not None else ()
        notes = ("layers run in the order of the list",)
        fact = f"{reader} reads {name}, which a later layer makes"
        diagnostics.add(Diagnostic("NS202", fact, item.span, "not made yet", others=others, notes=notes))
        return
    near = nearest(name, sorted(visible))
    if near:
        label = f"did you mean {' or '.join(near)}?"
    else:
        label = "nothing makes this"
    diagnostics.add(
        Diagnostic("NS201", f"{reader} reads {name}", item.span, label, fixes=write_near(near, item.span))
    )


def prefixes(name: str) -> list[str]:
    """`a.0.b` may be a value of the use `a`, or of `a.0`."""
    steps = name.split(".")
    return [".".join(steps[:i]) for i in range(1, len(steps) + 1)]


def write_near(near: list[str], span: Span | None) -> tuple[Fix, ...]:
    if near:
        return write_nearest(near, span)
    return ()
