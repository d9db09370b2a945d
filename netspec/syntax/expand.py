"""Located becomes Spec: bases and imports joined, variables put in, blocks unrolled. Comes in: the
tree of a file. Knows no layer type.
"""

import os
from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from netspec.diagnostics.model import Diagnostic, Diagnostics
from netspec.diagnostics.suggest import did_you_mean, nearest
from netspec.frozen_classes import fresh, mutable, replace_fields
from netspec.source import Source
from netspec.syntax.block_checks import (
    OF_USES,
    check_blocks,
    mapping_of,
    nameless,
    names_in,
    rename_key,
    take_variables,
    unknown_block,
    yes_or_no,
)
from netspec.syntax.expression import NO_VALUE, variables_in
from netspec.syntax.inherit import CHANGES, Files, inherit, overridden
from netspec.syntax.late_copies import WORK, Late, Values, find_late, is_same
from netspec.syntax.located import Located, plain
from netspec.syntax.settings import Inside, leads_nowhere, put, with_value
from netspec.syntax.spec import Blocks, Cut, Entry, Instance, Item, Spec
from netspec.syntax.variables import FAILED, Variables, declare

__all__ = ["expand"]

# repeats in repeats multiply: a few lines could ask for any number
MOST_LAYERS = 100_000
GLIMPSED, COPIES = 2_000, 8
"""Layers from which on a glimpse leaves out copies of a repeat, but for so many first ones: what is wrong with
a block is wrong with its first copies.
"""
APART = ("layers", "blocks", "vars", "override", "import", "base", "insert", "remove")
"""Sections that expansion itself reads; the rest has variables put in and goes on."""


def expand(
    source: Source,
    tree: Located,
    diagnostics: Diagnostics,
    *,
    settings: tuple[str, ...] = (),
    inside: bool = True,
    glimpse: bool = False,
    late: bool = False,
) -> Spec | None:
    """A spec's tree as entries and instances; None where the file is not a mapping. `inside` keeps
    its paths in its own folder. glimpse: only the first copies of long repeats; Spec.cut says of which. late:
    and those that stand for later ones.

    `settings`, PATH=VALUE texts, are put into the tree with its base and imports joined in; those
    of what is joined, before that.
    """
    if not isinstance(tree.value, dict):
        diagnostics.error("NS104", "a spec is a mapping with netspec, input and layers", tree.span)
        return None
    folder = os.path.dirname(source.name) or "."
    joining = tuple(each for each in settings if each.split("=")[0].split(".")[0] in CHANGES)
    put(tree, joining, diagnostics)
    files = Files(diagnostics, inside, [os.path.normpath(source.name)])
    tree = inherit(tree, folder, files)
    deep = put(tree, tuple(each for each in settings if each not in joining), diagnostics)
    variables = declare(
        tree.get("vars"), Variables({}), Located({}), diagnostics, what="the spec", anchor=None
    )
    root = Located(
        {k: v if k in APART else variables.fill(v, diagnostics) for k, v in tree.mapping.items()},
        tree.span,
        keys=tree.keys,
    )
    blocks = tree.get("blocks") or Located({})
    check_blocks(blocks, diagnostics)
    work = Expansion(blocks, variables, diagnostics, unread=files.failed, glimpse=glimpse, late=late)
    items = work.items(tree.get("layers"), variables, "", ())
    diagnostics.layers += work.count + work.left_out
    changes = tree.get("override")
    if changes is not None:
        items = work.override(
            items, {k: variables.fill(v, diagnostics) for k, v in changes.mapping.items()}, changes
        )
    # after all that files say: the command line has the last word
    for each in deep:
        items = work.set_inside(items, each._replace(value=variables.fill(each.value, diagnostics)))
    diagnostics.values += variables.added[0]
    known = Blocks(blocks, frozenset(work.seen), not files.failed)
    return Spec(source, root, items, folder, known, tuple(work.cut))


class Copy(NamedTuple):
    """Which copy of a use: its full name, its number in a repeat, and what Instance says of share
    and alias.
    """

    name: str
    number: int | None = None
    share: str | None = None
    alias: str | None = None


@mutable
class Expansion:
    """Unrolls the blocks of one spec."""

    blocks: Located
    globals: Variables
    diagnostics: Diagnostics
    count: int = 0
    counting: dict[int, bool] = fresh(default_factory=dict)
    filled: dict[object, Located] = fresh(default_factory=dict)
    """Bodies with variables put in, by body and values: copies of a block that agree share them,
    and so all that is made of them.
    """
    unrolled: dict[object, tuple[str, tuple[Item, ...], int]] = fresh(default_factory=dict)
    """Blocks' layers by block and values: the name of the use, its layers, how many."""
    ring: list[str] = fresh(default_factory=list)
    seen: set[str] = fresh(default_factory=set)
    """Blocks whose layers were unrolled somewhere."""
    unread: bool = False
    """Whether a file that may hold blocks could not be read."""
    glimpse: bool = False
    late: bool = False
    refused: bool = False
    """Whether too many layers were told."""
    left_out: int = 0
    """Layers of copies that a glimpse left out."""
    cut: list[Cut] = fresh(default_factory=list)
    """The repeats whose copies those are."""

    def items(
        self, layers: Located | None, scope: Variables, prefix: str, defaults: tuple[Located, ...]
    ) -> tuple[Item, ...]:
        """Entries and instances for a list of layers."""
        found: list[Item] = []
        if layers is not None and layers.value is not None and not isinstance(layers.value, list):
            self.diagnostics.error(
                "NS104", "layers must be a list of layers, each beginning with -", layers.span
            )
            return ()
        for i, body in enumerate(layers.items if layers is not None and layers.value is not None else ()):
            if not isinstance(body.value, dict):
                self.diagnostics.error(
                    "NS104",
                    "a layer is a mapping such as {name: conv1, type: Convolution, ...}",
                    body.span,
                )
                continue
            if not self.is_wanted(body, scope):
                continue
            name = body.get("name")
            if name is None or isinstance(name.value, (list, dict)) or name.value is None:
                self.diagnostics.add(nameless(i + 1, body))
                near = nearest("name", body.mapping, 1)
                if name is not None or not near:
                    continue
                body, name = rename_key(body, near[0], "name"), body.mapping[near[0]]
            called = scope.fill(name, self.diagnostics)
            if called.why == FAILED:
                continue
            full = prefix + called.text
            if body.get("block") is not None:
                found += self.instances(full, body, scope)
            else:
                found.append(self.entry(full, body, scope, defaults))
        return tuple(found)

    def is_wanted(self, body: Located, scope: Variables) -> bool:
        """`when:`, which must be true or false."""
        when = body.get("when")
        if when is None:
            return True
        value = scope.fill(when, self.diagnostics)
        # a switch whose expression was reported keeps the layer, lest its readers be told of too
        return value.why == FAILED or yes_or_no(value, "when", self.diagnostics) is not False

    def entry(self, full: str, body: Located, scope: Variables, defaults: tuple[Located, ...]) -> Entry:
        self.count += 1
        # by id: bodies live as long as the tree that they stand in
        key = (id(body), scope.signature)
        if key not in self.filled:
            # Without a type, what only the use of a block has is not looked at: the misspelt word
            # is the fault.
            left_out = ("when",) if "type" in body.mapping else ("when", *OF_USES)
            bare = {k: v for k, v in body.mapping.items() if k not in left_out}
            self.filled[key] = scope.fill(
                Located(bare, body.span, keys=body.keys, used=body.used), self.diagnostics
            )
        return Entry(full, self.filled[key], defaults)

    def instances(self, full: str, body: Located, scope: Variables) -> list[Item]:
        """Every copy of one use of a block."""
        use = body.mapping["block"]
        asked = scope.fill(use, self.diagnostics)
        name = asked.text
        block = self.blocks.get(name)
        if block is None or not isinstance(block.value, dict):
            if not name and asked.why != FAILED:
                self.diagnostics.error(
                    "NS104",
                    f"block of {full} must be the name of a block",
                    use.span,
                    label="must be a name",
                )
            elif block is None and asked.why != FAILED and not self.unread:
                self.diagnostics.add(unknown_block(full, name, use, self.blocks))
            return []
        if name in self.ring:
            self.diagnostics.error(
                "NS115",
                " -> ".join([*self.ring[self.ring.index(name) :], name]),
                use.span,
                label="uses itself",
            )
            return []
        body = take_variables(body, block, name, self.diagnostics)
        if not names_in(body.get("bottom"), f"bottom of {full}", self.diagnostics):
            return []
        copies = self.repeat(body, scope)
        share = scope.fill(body.get("share") or Located(False), self.diagnostics)
        shared = share.why != FAILED and yes_or_no(share, f"share of {full}", self.diagnostics) is True
        kept = self.kept(full, copies, block, body, scope)
        made = (
            self.instance(
                copy._replace(share=f"{full}.0" if shared and copy.number else None), name, block, body, scope
            )
            for copy in kept
        )
        # where one copy cannot be made, all behind it fail alike
        return list(takewhile(lambda one: one is not None, made))  # type: ignore[arg-type]

    def kept(
        self, full: str, copies: int | None, block: Located, body: Located, scope: Variables
    ) -> Iterator[Copy]:
        """The copies of a use that are made: all, or in a glimpse that has seen enough the first ones, and in a
        late one those that stand for others. The last of these stands for the last of all.
        """
        if copies is None:
            yield Copy(full)
            return
        size, use = 0, body.mapping["block"].span
        for number in range(copies):
            rest = copies - number - 1
            if self.glimpse and rest and number + 1 >= COPIES and self.count > GLIMPSED and use is not None:
                late = self.stand_for(
                    number, copies, self.count + self.left_out + rest * size, block, body, scope
                )
                self.left_out += (rest - len(late.numbers)) * size
                self.cut.append(Cut(full, use, number + 1, late.alike, late.ends))
                self.refuse_too_many(self.count + len(late.numbers) * size + self.left_out, body)
                *before, last = (number, *late.numbers)
                yield from (Copy(f"{full}.{each}", each) for each in before)
                yield Copy(f"{full}.{last}", last, alias=full)
                return
            before_it = self.count + self.left_out
            yield Copy(f"{full}.{number}", number, alias=None if rest else full)
            size = self.count + self.left_out - before_it

    def stand_for(
        self, first: int, end: int, layers: int, block: Located, body: Located, scope: Variables
    ) -> Late:
        """What a glimpse keeps behind the copy `first`, of a net that has so many layers with all copies."""
        if layers > MOST_LAYERS:
            return Late((), (first,), False)
        if not self.late:
            return Late((), (first,), self.are_alike(first, end, block, body, scope))
        texts = (part.value for part in block.walk() if isinstance(part.value, str))
        return find_late(first, end, Values(block, body, texts, scope, self.globals))

    def are_alike(self, first: int, end: int, block: Located, body: Located, scope: Variables) -> bool:
        """Whether copies from a first one on have the same variables, and their block does not ask which copy
        it is.
        """
        if self.counts(block):
            return False
        values = Values(block, body, (), scope, self.globals)
        before = values.of(first)
        if NO_VALUE in before or (end - first) * values.cost > WORK:
            return False
        return not values.cost or all(all(map(is_same, values.of(i), before)) for i in range(first + 1, end))

    def refuse_too_many(self, count: int, place: Located) -> bool:
        """Whether there are not yet too many layers; says where they are."""
        if count > MOST_LAYERS and not self.refused:
            self.refused = True
            self.diagnostics.error("NS008", f"a spec has at most {MOST_LAYERS} layers", place.span)
        return count <= MOST_LAYERS

    def repeat(self, body: Located, scope: Variables) -> int | None:
        """How many copies; None for a plain use."""
        repeat = body.get("repeat")
        if repeat is None:
            return None
        value = plain(scope.fill(repeat, self.diagnostics))
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_LAYERS:
            # an expression without a value was reported itself
            if value is not None or repeat.value is None:
                if value is not None:
                    said = str(value).lower() if isinstance(value, bool) else repr(value)
                else:
                    said = repeat.text or "empty"
                self.diagnostics.error(
                    "NS106",
                    f"repeat must be an integer from 1 to {MOST_LAYERS}: it is {said}",
                    repeat.span,
                )
            return 1
        return value

    def instance(
        self, copy: Copy, name: str, block: Located, body: Located, scope: Variables
    ) -> Instance | None:
        """One copy. Names in the block's values are the spec's variables, the block's own, and
        `i`.
        """
        if not self.refuse_too_many(self.count + self.left_out, body):
            return None
        full, index = copy.name, {} if copy.number is None else {"i": copy.number}
        outer = scope.plus(index)
        given = mapping_of(
            outer.fill(body.get("vars") or Located({}), self.diagnostics),
            f"vars of {full}",
            self.diagnostics,
        )
        at = body.mapping["block"].span
        used = (at,) if at is not None else ()
        own = declare(
            block.get("vars"),
            self.globals.plus(index),
            given,
            self.diagnostics,
            what=f"block {name}",
            anchor=at,
        )
        if self.counts(block):
            values = own.values
        else:
            values = {k: v for k, v in own.values.items() if k != "i"}
        inner = Variables(values, (*used, *scope.used), own.places, scope.added)
        before = len(self.diagnostics)
        items = self.unroll(full, name, block, inner)
        if not items and len(self.diagnostics) == before:
            self.diagnostics.error("NS209", f"block {name} has no layers here", block.key_span("layers"))
        self.diagnostics.mark_uses(before, full, used)
        if not items:
            return None
        bottom = body.get("bottom")
        variables = {k: own.values[k] for k in (block.get("vars") or Located({})).mapping}
        return Instance(
            full,
            name,
            body,
            # later copies read the copy before them
            scope.fill(bottom, self.diagnostics) if bottom is not None and not copy.number else None,
            bool(copy.number),
            names_of(block.get("bottom"), inner, "x", self.diagnostics),
            names_of(block.get("top"), inner, local_name(items[-1], full), self.diagnostics),
            tuple(item.span for item in block.mapping["top"].items) if block.get("top") is not None else (),
            items,
            variables,
            copy.share,
            copy.alias,
            at,
        )

    def unroll(self, full: str, name: str, block: Located, inner: Variables) -> tuple[Item, ...]:
        """A block's layers; of two uses with the same values the second has the first's, renamed."""
        key = (name, inner.signature)
        if key in self.unrolled:
            first, items, count = self.unrolled[key]
            self.count += count
            return rename_items(items, first, full)
        before, counted = len(self.diagnostics), self.count
        defaults = tuple(inner.fill(d, self.diagnostics) for d in [block.get("defaults")] if d is not None)
        self.seen.add(name)
        self.ring.append(name)
        items = self.items(block.get("layers"), inner, f"{full}.", defaults)
        self.ring.pop()
        # a fault is found in each use
        if len(self.diagnostics) == before:
            self.unrolled[key] = (full, items, self.count - counted)
        return items

    def counts(self, block: Located) -> bool:
        """Whether a block's text asks which copy it is: without that, copies with the same
        variables are the same.
        """
        if id(block) not in self.counting:
            texts = [part.value for part in block.walk() if isinstance(part.value, str) and "$" in part.value]
            self.counting[id(block)] = any("i" in variables_in(text) for text in texts)
        return self.counting[id(block)]

    def override(
        self, items: tuple[Item, ...], changes: dict[str, Located], section: Located
    ) -> tuple[Item, ...]:
        """Changes by full name, inside blocks too; a name that leads nowhere is an error."""
        left = dict(changes)

        def overriding(item: Item) -> Item:
            if isinstance(item, Instance):
                return replace_fields(item, items=tuple(map(overriding, item.items)))
            if item.name in left:
                return Entry(item.name, overridden(item.body, left.pop(item.name)), item.defaults)
            return item

        done = tuple(map(overriding, items))
        for name in left:
            near = nearest(name, all_names(items))
            self.diagnostics.add(
                Diagnostic(
                    "NS117",
                    f"override names {name}, which the base does not have",
                    section.key_span(name),
                    did_you_mean(near),
                )
            )
        return done

    def set_inside(self, items: tuple[Item, ...], setting: Inside) -> tuple[Item, ...]:
        """A value of the command line in a layer of a block; the longest layer's name that the path
        begins with wins.
        """
        names = all_names(items)
        name = max((name for name in names if setting.path.startswith(f"{name}.")), key=len, default=None)
        if name is None:
            near = nearest(setting.path.rpartition(".")[0], names)
            leads_nowhere(setting.path, self.diagnostics, did_you_mean(near))
            return items
        steps = setting.path.removeprefix(f"{name}.").split(".")

        def changing(item: Item) -> Item:
            if isinstance(item, Instance):
                return replace_fields(item, items=tuple(map(changing, item.items)))
            if item.name == name:
                return replace_fields(item, body=with_value(item.body, steps, setting.value))
            return item

        return tuple(map(changing, items))


def rename_items(items: tuple[Item, ...], old: str, new: str) -> tuple[Item, ...]:
    """The same layers with `new` in place of `old` at the head of their names."""
    return tuple(
        replace_fields(
            each,
            name=new + each.name[len(old) :],
            items=rename_items(each.items, old, new),
            share=each.share and new + each.share[len(old) :],
            alias=each.alias and new + each.alias[len(old) :],
        )
        if isinstance(each, Instance)
        else Entry(new + each.name[len(old) :], each.body, each.defaults)
        for each in items
    )


def names_of(
    section: Located | None, scope: Variables, default: str, diagnostics: Diagnostics
) -> tuple[str, ...]:
    """The names under a block's bottom or top."""
    if section is None or section.value is None:
        return (default,)
    return tuple(item.text or str(plain(item)) for item in scope.fill(section, diagnostics).items)


def local_name(item: Item, full: str) -> str:
    """What a block leaves when it does not say: the first top of its last layer."""
    if isinstance(item, Instance):
        return (item.alias or item.name).removeprefix(f"{full}.")
    top = item.body.get("top")
    if top is not None and top.items:
        return top.items[0].text
    return item.name.removeprefix(f"{full}.")


def all_names(items: tuple[Item, ...]) -> list[str]:
    return [
        name
        for item in items
        for name in (all_names(item.items) if isinstance(item, Instance) else [item.name])
    ]
