"""Where a value of a spec comes from: file and line, variables, `defaults:`, override, --set, or
the default that a dialect fills in.

Comes in: a resolved spec and a path such as `res2.0.a.stride`; goes out: text. Looks at the places
that expansion left; check pays nothing.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from netspec.diagnostics.model import Diagnostics, fail
from netspec.diagnostics.suggest import nearest
from netspec.frozen_classes import frozen
from netspec.ir.layer import Layer
from netspec.record import Param, Record
from netspec.resolve.resolve import Resolved
from netspec.resolve.sections.spec_file import LayerFields, SpecFile
from netspec.resolve.written_out import spell
from netspec.source import Source, Span
from netspec.syntax.expression import variables_in
from netspec.syntax.located import Located, plain
from netspec.syntax.reader import read
from netspec.syntax.settings import is_setting
from netspec.syntax.spec import Entry, Instance, Item
from netspec.syntax.writer import flow

__all__ = ["is_layer", "origin"]

SECTIONS = {
    "override": "override",
    "defaults": "section defaults",
    "vars": "variable",
    "insert": "insert",
}


class Use(NamedTuple):
    """A layer or a block's instance, and the instances that it stands in, outermost first."""

    item: Item
    chain: tuple[Instance, ...]


def is_layer(resolved: Resolved, path: str) -> bool:
    """Whether a path is the whole name of a layer."""
    return any(isinstance(use.item, Entry) and use.item.name == path for use in uses(resolved.spec.items))


def origin(resolved: Resolved, path: str) -> str:
    """The value at a path, and on the lines below it each place that had a say. Raises SpecError
    (NS212) for a path that leads nowhere.

    A path is a layer's name (the longest wins) and a parameter, a use's name and a variable, or
    goes through sections of the spec.
    """
    found = Finder(resolved).lines(path)
    return "\n".join([found[0], *(f"  {line}" for line in found[1:])])


def uses(items: tuple[Item, ...], chain: tuple[Instance, ...] = ()) -> Iterator[Use]:
    for item in items:
        yield Use(item, chain)
        if isinstance(item, Instance):
            yield from uses(item.items, (*chain, item))


@frozen
class Finder:
    """Asks one spec."""

    resolved: Resolved

    @property
    def root(self) -> Located:
        return self.resolved.spec.root

    def lines(self, path: str) -> list[str]:
        every = list(uses(self.resolved.spec.items))
        # names hold dots: the longest wins, and of equal ones the layer before the use
        for use in sorted(every, key=lambda use: (-len(use.item.name), isinstance(use.item, Instance))):
            rest = path.removeprefix(f"{use.item.name}.")
            if rest != path:
                if isinstance(use.item, Instance):
                    found = self.variable(path, use, rest)
                else:
                    found = self.parameter(path, use, rest.split("."))
                if found is not None:
                    return found
        for use in every:
            if isinstance(use.item, Instance) and use.item.body.get("repeat") is not None:
                whole = use.item.name.rpartition(".")[0]
            else:
                whole = ""
            said = (
                self.word_of(path, use, path.removeprefix(f"{whole}.").split("."))
                if whole and path.startswith(f"{whole}.")
                else None
            )
            if said is not None:
                return said
        return self.section(path) or self.nowhere(path, [use.item.name for use in every])

    def nowhere(self, path: str, names: list[str]) -> list[str]:
        name, _, key = path.rpartition(".")
        if name and name not in names:
            near = nearest(name, names)
        else:
            near = nearest(path, names)
        if name in names:
            near = [f"{name}.{word}" for word in nearest(key, self.words(name))]
        raise fail(
            "NS212",
            path
            + (
                f": did you mean {near[0]}?"
                if near
                else " is neither a layer, nor a parameter of one, nor a section"
            ),
        )

    def words(self, name: str) -> list[str]:
        entry = next((e for e in self.resolved.drafts if e.name == name), None)
        if entry is not None:
            return [*LayerFields.names, *type(self.resolved.drafts[entry].layer).names]
        return []

    # --- parameters of layers ---

    def parameter(self, path: str, use: Use, steps: list[str]) -> list[str] | None:
        """A parameter of a layer: where it is written, else by which default it is what it is."""
        entry = use.item
        assert isinstance(entry, Entry)
        draft = self.resolved.drafts.get(entry)
        if draft is None:
            return None
        cls = type(draft.layer)
        if steps[0] in cls.groups and len(steps) > 1:
            steps = steps[1:]
        declared = cls.names.get(steps[0]) or LayerFields.names.get(steps[0])
        if declared is None:
            return None
        holder = draft.layer if steps[0] in cls.names else draft.fields
        value = inner_value(holder.__dict__[attribute(holder, declared.name)], steps[1:])
        head = f"{path} = {show_value(value)}"
        for tree, why in self.trees(entry, cls):
            written = [
                line
                for word in spellings(steps[0], declared)
                for line in self.trace_written(tree.get(word), word, steps[1:], why, use, entry.body)
            ]
            if written:
                return [head, *written]
        return [head, self.default(entry.name, cls, declared, steps)]

    def trees(self, entry: Entry, cls: type[Layer]) -> Iterator[tuple[Located, str]]:
        """Where a parameter may stand, first come first served: the layer, its param maps, the
        blocks' `defaults:`, the spec's.
        """
        yield entry.body, ""
        yield from ((entry.body.mapping[group], "") for group in cls.groups if group in entry.body.mapping)
        for section, owner in [
            *((d, " of the block") for d in entry.defaults),
            *((d, "") for d in [self.root.get("defaults")] if d),
        ]:
            for kind, body in section.mapping.items():
                if self.resolved.vocabulary.find(kind) is cls:
                    yield body, f"defaults{owner} for {cls.type}"

    def trace_written(
        self, node: Located | None, word: str, steps: list[str], why: str, use: Use, body: Located
    ) -> list[str]:
        """Lines on a value that stands in a text; none where it does not."""
        for step in steps:
            inner = node.get(step) if node is not None else None
            if (
                inner is None
                and node is not None
                and isinstance(node.value, list)
                and step.isdigit()
                and int(step) < len(node.value)
            ):
                inner = node.value[int(step)]
            if node is not None and isinstance(node.value, (dict, list)):
                node, word = inner, step if inner is not None else word
        if node is None:
            return []
        found = [f"{self.place(node.span)}{word}: {as_text(node)}" + remark(why, section_of(node.span))]
        if section_of(node.span) == "override":
            found += self.overridden(node, word, body)
        found += [f"used at {self.place(span).rstrip(': ')}" for span in node.used]
        return found + list(self.variables(node.why, use.chain))

    def overridden(self, node: Located, word: str, body: Located) -> Iterator[str]:
        """What the base says in the place of an overridden value."""
        tree = tree_of(body.span.source) if body.span is not None else None
        for part in tree.walk() if tree is not None else ():
            old = part.get(word) if part.span == body.span else None
            if old is not None and old.span != node.span:
                yield f"{self.place(old.span)}{word}: {as_text(old)}   (in the base)"

    def default(self, name: str, cls: type[Layer], declared: Param, steps: list[str]) -> str:
        if declared.name == "bottom":
            return "left out: the top of the layer before it, or the only input"
        if declared.name == "top":
            return "left out: the layer's name"
        if declared.name in cls.params:
            owner = cls.type
        else:
            owner = "every layer"
        if declared.dialects:
            other = {"caffe": declared.default, **declared.dialects}
            each = ", ".join(f"{dialect} {show_value(spell(value))}" for dialect, value in other.items())
            return f"default of {owner} in dialect {self.resolved.file.dialect} ({each})"
        return (
            f"default of {owner}" + (f", {'.'.join(steps)}" if len(steps) > 1 else "") + ", in every dialect"
        )

    # --- variables ---

    def variables(
        self,
        text: str,
        chain: tuple[Instance, ...],
        seen: tuple[str, ...] = (),
        copy: Instance | None = None,
    ) -> Iterator[str]:
        """For each variable of an expression: the place that gave it its value, and so on. `copy`:
        the use whose own values these are.
        """
        for name in sorted(variables_in(text)) if "$" in text else ():
            if (mark := f"{len(chain)} {name}") not in seen:
                number = next(
                    (
                        use.name.rpartition(".")[2]
                        for use in (copy, *chain[-1:])
                        if use is not None and use.body.get("repeat")
                    ),
                    None,
                )
                if name == "i" and number is not None:
                    yield f"$i = {number} <- number of the copy"
                else:
                    yield from self.variable_lines(name, chain, (*seen, mark))

    def variable_lines(self, name: str, chain: tuple[Instance, ...], seen: tuple[str, ...]) -> Iterator[str]:
        """Where a variable got its value: from the use of the innermost block, by that block's
        default, or from the spec's `vars:`.
        """
        if chain:
            use = chain[-1]
            given = (use.body.get("vars") or Located({})).get(name)
            block = (self.root.get("blocks") or Located({})).get(use.template) or Located({})
            own = (block.get("vars") or Located({})).get(name)
            if own is not None and given is not None:
                yield (
                    f"${name} = {show_value(use.variables[name])} <- {self.place(given.span)}vars of {use.name}:"
                    f" {as_text(given)}"
                )
                yield from self.variables(raw(given), chain[:-1], seen, use)
                return
            if own is not None:
                yield (
                    f"${name} = {show_value(use.variables[name])} <- {self.place(own.span)}default of block"
                    f" {use.template}: {as_text(own)}"
                )
                yield from self.variables(raw(own), chain, seen)
                return
        everywhere = (self.root.get("vars") or Located({})).get(name)
        if everywhere is not None:
            yield f"${name} <- {self.place(everywhere.span)}vars: {as_text(everywhere)}"
            yield from self.variables(raw(everywhere), (), seen)

    def variable(self, path: str, use: Use, name: str) -> list[str] | None:
        """A variable of a block's instance."""
        assert isinstance(use.item, Instance)
        if name not in use.item.variables:
            return self.word_of(path, use, name.split("."))
        return [
            f"{path} = {show_value(use.item.variables[name])}",
            *self.variable_lines(name, (*use.chain, use.item), ()),
        ]

    def word_of(self, path: str, use: Use, steps: list[str]) -> list[str] | None:
        """A word of the use itself, such as repeat, or bottom.0; None where it does not say it."""
        node: Located | None = use.item.body
        for step in steps:
            node = part_of(node, step) if node is not None else None
        if node is None:
            return None
        lines = self.trace_written(node, steps[-1], [], "", use, use.item.body)
        copy = use.item if isinstance(use.item, Instance) else None
        return [
            f"{path} = {show_value(plain(node))}",
            *lines,
            *self.variables(raw(node), use.chain, copy=copy),
        ]

    # --- sections ---

    def section(self, path: str) -> list[str] | None:
        """A value of a section: `train.solver.base_lr`."""
        steps = path.split(".")
        if steps[0] not in SpecFile.names:
            return None
        node: Located | None = self.root
        for i, step in enumerate(steps):
            below = part_of(node, step) if node is not None else None
            if below is None:
                return self.section_default(path, steps, i)
            node = below
        assert node is not None
        use = Use(Entry("", node), ())
        return [
            f"{path} = {show_value(plain(node))}",
            *self.trace_written(node, steps[-1], [], "", use, node),
        ]

    def section_default(self, path: str, steps: list[str], at: int) -> list[str] | None:
        """A value that a section leaves out; None where it has no such word."""
        record: Any = self.resolved.file
        for step in steps[:-1]:
            record = getattr(record, step, None)
        if not isinstance(record, Record) or steps[-1] not in record.params:
            return None
        value = spell(record.__dict__[attribute(record, steps[-1])])
        short = record.short == steps[-1] and at == len(steps) - 1
        return [
            f"{path} = {show_value(value)}",
            f"default of {'.'.join(steps[:-1]) or 'a spec'}" if not short else "written in its short form",
        ]

    def place(self, span: Span | None) -> str:
        """`file:line: `; the setting for what the command line sets."""
        if span is None:
            return ""
        if is_setting(span.source):
            return f"{span.source.name}: "
        return f"{span.source.name}:{span.begin[0]}: "


def part_of(node: Located, step: str) -> Located | None:
    """The value under a key of a mapping, or at an index of a list."""
    if isinstance(node.value, list):
        if step.isdigit() and int(step) < len(node.value):
            return node.value[int(step)]
        return None
    return node.get(step)


def spellings(word: str, declared: Param) -> tuple[str, ...]:
    """A parameter's own name and its halves; for a half, that and the whole."""
    if word == declared.name:
        return (declared.name, *declared.pair)
    return (word, declared.name)


def attribute(record: Any, name: str) -> str:
    if name in record.__dict__:
        return name
    return f"{name}_"


def inner_value(value: Any, steps: list[str]) -> Any:
    """The part of a value that steps lead to."""
    for step in steps:
        if isinstance(value, Record) and step in value.params:
            value = value.__dict__[attribute(value, step)]
        elif isinstance(value, (tuple, list)) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
    return spell(value)


def show_value(value: Any) -> str:
    if value is not None:
        return flow(spell(value))
    return "not set"


def raw(node: Located) -> str:
    """The expressions of a value, not yet put in."""
    return " ".join(part.value for part in node.walk() if isinstance(part.value, str))


def as_text(node: Located) -> str:
    """A value as it is written, on one line."""
    if node.span is not None:
        return " ".join(node.span.text.split())
    return flow(plain(node))


def remark(why: str, section: str) -> str:
    said = why or SECTIONS.get(section, "")
    if said:
        return f"   ({said})"
    return ""


def section_of(span: Span | None) -> str:
    """The section of its file that a place lies in."""
    tree = tree_of(span.source) if span is not None and not is_setting(span.source) else None
    for key, body in tree.mapping.items() if tree is not None else ():
        if (
            body.span is not None
            and span is not None
            and body.span.start <= span.start
            and span.end <= body.span.end
        ):
            return key
    return ""


# by id; the source is held beside its tree, so that no other is given the same
TREES: dict[int, tuple[Source, Located | None]] = {}


def tree_of(source: Source) -> Located | None:
    """A file's tree as it was before expansion; read once."""
    if id(source) not in TREES:
        TREES[id(source)] = source, read(source, Diagnostics())
    return TREES[id(source)][1]
