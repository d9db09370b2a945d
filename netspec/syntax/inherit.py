"""`base:`, `import:`, `override:`, `insert:`, `remove:`: one spec as a change of another. Comes in:
trees of files; goes out: one tree.
"""

import os
from dataclasses import replace

from netspec.diagnostics.model import Diagnostic, Diagnostics
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.frozen_classes import fresh, mutable
from netspec.source import Source, Span
from netspec.syntax.located import Located
from netspec.syntax.paths import OutsideError, resolve_path, roots
from netspec.syntax.reader import read, read_file

__all__ = ["CHANGES", "Files", "inherit", "overridden"]

MERGED = ("vars", "blocks", "defaults", "input")
"""Sections whose keys are joined with the base's; every other section replaces the base's."""
INSERTED = ("after", "layers")
CHANGES = ("base", "override", "insert", "remove", "import")


@mutable
class Files:
    """Reads the files that a spec names, each once; knows the ring that leads to the one being
    read.
    """

    diagnostics: Diagnostics
    inside: bool = True
    open: list[str] = fresh(default_factory=list)
    known: dict[str, tuple[Source, Located] | None] = fresh(default_factory=dict)
    """By path what was read before; None where that failed."""
    joined: dict[str, Located] = fresh(default_factory=dict)
    """By path files with their imports joined in."""
    failed: bool = False

    def tree(self, path: Located, folder: str, key: str) -> tuple[Source, Located] | None:
        """The file that a path in a spec means, under `key`; None where that was reported."""
        found = self.read(path, folder, key)
        self.failed |= found is None
        return found

    def read(self, path: Located, folder: str, key: str) -> tuple[Source, Located] | None:
        name = path.text
        if path.value is None or isinstance(path.value, (dict, list)):  # the record of the top level says so
            return None
        if not name:
            self.diagnostics.error(
                "NS104", f"{key} must be the path of a spec", path.span, label="must be a path"
            )
            return None
        try:
            full = resolve_path(name, folder, self.inside)
        except OutsideError:
            self.diagnostics.error(
                "NS114",
                f"{name} lies outside the spec's folder",
                path.span,
                notes=(
                    (
                        "a file that several specs share lies in their folder or below; zoo:NAME means one"
                        " that ships with netspec"
                    ),
                    "--allow-outside FOLDER, on the command line, lets a spec reach another folder",
                ),
            )
            return None
        if full in self.open:
            ring = " -> ".join([*self.open[self.open.index(full) :], full])
            self.diagnostics.error("NS115", f"{ring}", path.span, label="leads back here")
            return None
        if full in self.known:
            return self.known[full]
        own = Diagnostics()
        source = read_file(full, own, roots(folder) if self.inside else None)
        tree = read(source, own) if source is not None else None
        for finding in own:
            place = finding.span or path.span
            self.diagnostics.add(replace(finding, span=place))
        self.known[full] = (source, tree) if source is not None and tree is not None else None
        return self.known[full]


def inherit(tree: Located, folder: str, files: Files) -> Located:
    """The tree with its base and its imports joined in."""
    tree = with_imports(tree, folder, files)
    base = tree.get("base")
    if base is None:
        check_no_changes(tree, files.diagnostics)
        return tree
    found = files.tree(base, folder, "base")
    if found is None:
        return Located(
            {k: v for k, v in tree.mapping.items() if k not in CHANGES or k == "base"},
            tree.span,
            keys=tree.keys,
        )
    source, below = found
    path = source.name
    files.open.append(path)
    below = inherit(below, folder_of(path), files)
    files.open.pop()
    made = join_trees(below, tree, files.diagnostics)
    merged = {
        key: value
        for key, value in made.mapping.items()
        # the base's plug-ins are named as seen from its folder: they come below, moved
        if key != "plugins" or tree.get("plugins") is not None
    }
    add_plugins(merged, move_plugins(below, folder_of(path), folder))
    return Located(merged, made.span, keys=made.keys)


def check_no_changes(tree: Located, diagnostics: Diagnostics) -> None:
    """Report changes of a base where there is none: nothing would come of them."""
    for key in ("insert", "remove"):
        section = tree.get(key)
        if section is not None and section.value not in (None, []):
            diagnostics.error(
                "NS124",
                f"{key} changes a base, and this spec has none",
                tree.key_span(key),
                label="base is missing",
            )


def folder_of(path: str) -> str:
    return path.rpartition("/")[0] or "."


def with_imports(tree: Located, folder: str, files: Files) -> Located:
    """Blocks and vars of the imported files, under the spec's own."""
    section = tree.get("import")
    if section is None or section.value is None:
        return tree
    merged = dict(tree.mapping)
    for path in section.items:
        found = files.tree(path, folder, "import")
        if found is None:
            continue
        source, body = found
        if source.name not in files.joined:
            files.open.append(source.name)
            files.joined[source.name] = with_imports(body, folder_of(source.name), files)
            files.open.pop()
        body = files.joined[source.name]
        for key in ("vars", "blocks"):
            if body.get(key) is not None:
                merged[key] = under(body.mapping[key], merged.get(key))
        add_plugins(merged, move_plugins(body, folder_of(source.name), folder))
    return Located(merged, tree.span, keys=tree.keys)


def move_plugins(body: Located, home: str, folder: str) -> list[Located]:
    """The plug-ins of a file in `home`, their paths as a file in `folder` says them."""
    section = body.get("plugins")
    items = section.items if section is not None and section.value is not None else []
    texts = [os.path.relpath(os.path.join(home, item.text), folder) for item in items]
    return [Located(text, item.span, text=text, why="base") for text, item in zip(texts, items, strict=True)]


def add_plugins(merged: dict[str, Located], below: list[Located]) -> None:
    """Put the plug-ins of a base or an import before the spec's own, each once."""
    section = merged.get("plugins")
    own = section.items if section is not None and section.value is not None else []
    if below:
        every = {item.text: item for item in (*own, *below)}
        merged["plugins"] = Located(
            list({**{b.text: every[b.text] for b in below}, **every}.values()), below[0].span
        )


def under(below: Located, above: Located | None) -> Located:
    """Two mappings as one; the upper's keys win."""
    if above is None or not isinstance(above.value, dict) or not isinstance(below.value, dict):
        return above or below
    return Located({**below.value, **above.value}, above.span, keys={**below.keys, **above.keys})


def join_trees(below: Located, above: Located, diagnostics: Diagnostics) -> Located:
    """The base with this spec's changes."""
    merged = dict(below.mapping)
    keys = {**below.keys, **above.keys}
    if above.get("layers") is not None:
        diagnostics.error(
            "NS116",
            "a spec with a base has no layers of its own",
            above.key_span("layers"),
            label="write insert: [{after: ..., layers: [...]}]",
        )
    for key, body in above.mapping.items():
        if key in MERGED:
            merged[key] = under(below.mapping[key], body) if key in below.mapping else body
        elif key not in (*CHANGES, "layers"):
            merged[key] = body
    layers = below.get("layers")
    items = list(layers.items) if layers is not None and layers.value is not None else []
    gone = above.get("remove")
    items = remove_layers(items, gone, diagnostics)
    items = insert_layers(
        items,
        above.get("insert"),
        [name.text for name in gone.items] if gone is not None else [],
        diagnostics,
    )
    late: dict[str, Located] = {
        key: below.mapping["override"].mapping[key] for key in (below.get("override") or Located({})).mapping
    }
    override = above.get("override")
    for name, change in (override.mapping if override is not None else {}).items():
        if not isinstance(change.value, dict):
            diagnostics.error(
                "NS104",
                f"override of {name} must be a mapping of parameters",
                change.span,
                label="must be a mapping",
            )
            continue
        at = index_of(items, name)
        if at is None:
            # a layer inside a block is there only once blocks are unrolled: expand.py does the rest
            late[name] = overriding(late[name], change) if name in late else change
        else:
            items[at] = overridden(items[at], change)
    merged["layers"] = Located(items, layers.span if layers is not None else above.span)
    if late:
        merged["override"] = Located(
            late, override.span if override else None, keys={**(override.keys if override else {})}
        )
    else:
        merged.pop("override", None)
    return Located(merged, above.span, keys=keys)


def index_of(items: list[Located], name: str) -> int | None:
    return next(
        (i for i, item in enumerate(items) if (own := item.get("name")) is not None and own.text == name),
        None,
    )


def overridden(body: Located, change: Located) -> Located:
    """A layer with some keys set otherwise; null takes a key out; mappings such as vars and
    convolution_param join.
    """
    merged = dict(body.mapping)
    for key, value in change.mapping.items():
        if value.value is None:
            merged.pop(key, None)
        elif isinstance(value.value, dict) and key in merged and isinstance(merged[key].value, dict):
            merged[key] = overridden(merged[key], value)
        else:
            merged[key] = Located(
                value.value,
                value.span,
                text=value.text,
                plain_style=value.plain_style,
                keys=value.keys,
                why="override",
            )
    return Located(merged, body.span, keys={**body.keys, **change.keys}, used=body.used)


def overriding(below: Located, above: Located) -> Located:
    """Two overrides of one layer as one: the upper's keys win, and its null still takes a key of
    the layer out.
    """
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    merged = dict(below.value)
    for key, value in above.value.items():
        merged[key] = overriding(merged[key], value) if key in merged else value
    return Located(merged, above.span, keys={**below.keys, **above.keys})


def missing(name: str, items: list[Located], span: Span | None, what: str) -> Diagnostic:
    names = [own.text for item in items if (own := item.get("name")) is not None]
    near = nearest(name, names)
    return Diagnostic(
        "NS117",
        f"{what} names {name}, which the base does not have",
        span,
        did_you_mean(near),
    )


def remove_layers(items: list[Located], section: Located | None, diagnostics: Diagnostics) -> list[Located]:
    for name in section.items if section is not None and section.value is not None else ():
        at = index_of(items, name.text)
        if at is None:
            diagnostics.add(missing(name.text, items, name.span, "remove"))
        else:
            items = items[:at] + items[at + 1 :]
    return items


def insert_layers(
    items: list[Located], section: Located | None, gone: list[str], diagnostics: Diagnostics
) -> list[Located]:
    """The layers with those of `insert:` among them. gone: what `remove:` took out before."""
    for entry in section.items if section is not None and section.value is not None else ():
        anchor, layers = entry.get("after") or entry.get("before"), entry.get("layers")
        if (
            anchor is None
            or layers is None
            or not isinstance(layers.value, list)
            or len(entry.mapping) != len(INSERTED)
        ):
            diagnostics.error(
                "NS104",
                "an insert is {after: layer, layers: [...]}, or before instead of after",
                entry.span,
            )
            continue
        at = index_of(items, anchor.text)
        if at is None and anchor.text in gone:
            diagnostics.error(
                "NS117",
                f"insert names {anchor.text}, which remove takes out",
                anchor.span,
                label="taken out before",
            )
        elif at is None:
            diagnostics.add(missing(anchor.text, items, anchor.span, "insert"))
        else:
            at += entry.get("after") is not None
            items = items[:at] + list(layers.items) + items[at:]
    return items
