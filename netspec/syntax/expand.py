"""Located becomes Spec: the layers of a spec as entries. Comes in: the tree of a file; goes out: a Spec without variables."""

import os

from netspec.diagnostics.model import Diagnostics
from netspec.source import Source
from netspec.syntax.located import Located
from netspec.syntax.spec import Entry, Spec

__all__ = ["expand"]


def expand(source: Source, tree: Located, diagnostics: Diagnostics) -> Spec | None:
    """Entries for all layers; None where the file is not a mapping."""
    if not isinstance(tree.value, dict):
        diagnostics.error("NS104", "a spec is a mapping with netspec, input and layers", tree.span)
        return None
    layers = tree.get("layers")
    entries = []
    for i, body in enumerate(layers.items if layers is not None and layers.value is not None else ()):
        if not isinstance(body.value, dict):
            diagnostics.error("NS104", "a layer is a mapping such as {name: conv1, type: Convolution, ...}", body.span)
            continue
        name = body.get("name")
        if name is None:
            diagnostics.error("NS103", f"layer {i + 1} needs name", body.span, label="name is missing")
            continue
        entries.append(Entry(name.text, body))
    return Spec(source, tree, tuple(entries), os.path.dirname(source.name) or ".")
