"""The plug-ins that a spec names, and the layers that stand for one. Comes in: `plugins:`; goes
out: the vocabulary, or findings.

Nothing runs unless the reader of the spec allowed it.
"""

from netspec.diagnostics.model import Diagnostic, Diagnostics, Label
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.frozen_classes import replace_fields
from netspec.ir.layer import Layer
from netspec.plugins.vocabulary import (
    NotAllowedError,
    PluginError,
    Vocabulary,
    define_augmentations,
    define_types,
)
from netspec.read_options import ALLOW
from netspec.source import Source, Span
from netspec.syntax.located import Located, place
from netspec.syntax.paths import OutsideError, resolve_path, roots
from netspec.syntax.reader import read, read_file
from netspec.syntax.spec import Spec

__all__ = ["meant", "report_refusal", "vocabulary", "with_plugin"]


def vocabulary(spec: Spec, allow_code: bool, diagnostics: Diagnostics) -> Vocabulary:
    """The types that a spec may name; not `complete` where a plug-in was refused, which is
    reported: NS114, NS121, NS122, or why unread.
    """
    section = spec.section("plugins")
    paths = (
        [item for item in section.items if item.text]
        if section is not None and section.value is not None
        else []
    )
    if paths and not allow_code:
        names = ", ".join(item.text for item in paths)
        diagnostics.error("NS121", f"the plug-in {names} is Python code, which only the reader of a spec may allow", paths[0].span,
                          notes=(ALLOW,))  # fmt: skip
        return Vocabulary(complete=False)
    found = Vocabulary(allow_code=allow_code)
    for item in paths:
        found = with_plugin(found, item, spec.folder, diagnostics)
    return found


def with_plugin(
    known: Vocabulary, item: Located, folder: str, diagnostics: Diagnostics, *, inside: bool = True
) -> Vocabulary:
    """The vocabulary with the types of one more file, `inside` the folder or anywhere."""
    own = Diagnostics()
    source = None
    try:
        source = read_file(
            resolve_path(item.text, folder, inside),
            own,
            roots(folder) if inside else None,
            spec=False,
        )
        types = define_types(source) if source is not None else {}
        changes = define_augmentations(source) if source is not None else {}
    except OutsideError:
        own.error("NS114", f"{item.text} lies outside the spec's folder", item.span)
    except PluginError as error:
        own.add(report_refusal(error, source, item.span))
    else:
        every = {**known.plugins, **known.augmentations}
        twice = next((name for name in (*types, *changes) if name in every), None)
        if twice is not None:
            own.error(
                "NS122",
                f"{item.text} defines {twice}, which a plug-in before it defines too",
                item.span,
            )
        elif source is not None:
            more = {**known.augmentations, **changes}
            return replace_fields(known, plugins={**known.plugins, **types}, augmentations=more)
    # what has no place in a file is told where the spec names the plug-in
    for each in own:
        diagnostics.add(each if each.span is not None else Diagnostic(each.code, each.fact, item.span))
    return replace_fields(known, complete=False)


def report_refusal(error: PluginError, source: Source | None, named: Span | None) -> Diagnostic:
    """NS122 at the line of the plug-in that is to blame, or where the spec names it; NS121 where it
    may not run.
    """
    if isinstance(error, NotAllowedError):
        return Diagnostic("NS121", error.fact, named, notes=(ALLOW,))
    if source is None or not 0 < error.line <= len(source.starts):
        return Diagnostic("NS122", error.fact, named, notes=error.notes)
    start, text = source.starts[error.line - 1], source.line(error.line)
    begin = start + len(text) - len(text.lstrip())
    others = (Label(named, "the plug-in is named here"),) if named is not None else ()
    return Diagnostic(
        "NS122",
        error.fact,
        Span(source, begin, start + len(text.rstrip())),
        others=others,
        notes=error.notes,
    )


def meant(
    layer: Layer, known: Vocabulary, kind: Span | None, diagnostics: Diagnostics
) -> tuple[type[Layer], Located] | None:
    """The type and the parameters of the plug-in that a layer stands for (Caffe's Python layer);
    None: it was reported.
    """
    name, text = layer.stands_for()
    try:
        cls = known.find(name)
    except PluginError as error:
        diagnostics.add(report_refusal(error, None, kind))
        return None
    if cls is None:
        if known.complete:
            near = nearest(name, [each.type for each in known.plugins.values()])
            label = did_you_mean(near, "no plug-in defines it")
            diagnostics.error("NS123", f"a plug-in must define the layer type {name}", kind, label=label,
                              notes=("a plug-in is one definition in netspec's own form: docs/plugins.md",))  # fmt: skip
        return None
    # Caffe's param_str is any text: a plug-in may take it so, else it is read as YAML
    if "param_str" in cls.names:
        return cls, Located({"param_str": place(text)}, kind)
    if not text.strip():
        return cls, Located({}, kind)
    tree = read(Source("param_str", text), diagnostics)
    if tree is not None and not isinstance(tree.value, dict):
        diagnostics.error(
            "NS104",
            f"param_str of {name} must be a mapping of its parameters: {text!r} is not",
            tree.span,
        )
        return None
    if tree is not None:
        return (cls, tree)
    return None
