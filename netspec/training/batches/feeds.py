"""What feeds a net: its inputs met with the spec's data. In: a Program and its training graphs;
out: opened sources and batches.

Everything that can be wrong between data and net is said here, before the first step.
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import nn

from netspec import driver
from netspec.data.binding import LabelRule, bind, check_shares, check_targets, values_of
from netspec.data.parts import role_of
from netspec.data.registry import Place, Role, beside, check_parts, open_beside, open_sources
from netspec.data.sample_weights import weigh
from netspec.data.source import Source
from netspec.diagnostics import Diagnostic, SpecError, fail
from netspec.diagnostics.words import list_briefly
from netspec.ir.graph import Input, Node, TypedGraph
from netspec.ir.traits import JUDGING
from netspec.ir.types import find_batch_axis, show_shape
from netspec.resolve.sections.train import DataSection, InputFiller, TrainSection, TransformParam
from netspec.resolve.training_heads import LABEL
from netspec.training.batches.augmenting import Augmenter
from netspec.training.batches.data_layers import LayerBatches, LayerFile, layer_batches, open_layers
from netspec.training.batches.feeding import Port, batches_of, feed_of, order_of
from netspec.training.batches.fills import Fill
from netspec.training.batches.loader import Batches, Feed

__all__ = [
    "Feeds",
    "arguments",
    "batch_axis",
    "fills_of",
    "label_rules",
    "place_of",
    "ports_of",
    "section_of",
    "skipping_parts",
    "with_label",
]

SHOWN = 6
"""Names in one message: a line and a half."""


class Manner(NamedTuple):
    """How a part of the data is read: samples at once, whether their order is drawn anew or one that
    belongs to them, and what changes them beside the input's contract.
    """

    batch_size: int
    ordered: bool
    changes: TransformParam | None = None


@dataclass(frozen=True, eq=False)
class Feeds:
    """What a program learns from: opened data, or the data layers of its net (then `train` is
    None, and `own` has their files by part). tested: whether there is a test. val: what chooses the
    best weights, where it is apart.
    """

    program: driver.Program
    train: Source | None
    test: Source | None
    place: Place
    tested: bool
    val: Source | None = None
    own: Mapping[str, LayerFile] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        program: driver.Program,
        train: TypedGraph,
        test: TypedGraph,
        facts: Mapping[str, Any] = MappingProxyType({}),
        faults: list[Diagnostic] | None = None,
        runs: Sequence[Path] = (),
    ) -> "Feeds":
        """Open `train.data`, `val_data` and `test_data`. facts: what the data that a run learned
        from have fixed. faults: takes what is wrong with single samples. runs: where an earlier look
        may have left what it found. Raises SpecError NS681 (no data), NS640 to NS663 by what is
        wrong with them: with single samples, of all parts at once.
        """
        found: list[Diagnostic] = []
        place = place_of(program, train)._replace(facts=facts, faults=found, runs=runs)
        section = section_of(program)
        check_fed(train)
        if section.data is None or section.test_data is not None:
            check_fed(test)
        if section.data is not None:
            place = place._replace(split=section.split)
            check_parts(section, place)
            opened = open_sources(section.data, section.test_data, place)
            val = None
            if section.val_data is not None:
                val = open_beside(section.data, section.val_data, "val", beside(place, opened[0]))
            if faults is not None:
                faults += found
            elif found:
                raise SpecError(found)
            return cls(program, *opened, place._replace(faults=None), opened[1] is not None, val)
        if not train.graph.sources:
            raise fail(
                "NS681",
                "the section train has no data",
                span=program.resolved.spec.root.key_span("train"),
            )
        if program.resolved.augment:
            train_section = program.resolved.spec.section("train")
            span = train_section.key_span("augment") if train_section is not None else None
            fact = "augment changes what train.data feeds: here the net's own data layers do"
            raise fail("NS661", fact, span=span, notes=("their transform_param crops and mirrors",))
        own = open_layers({"train": train, "test": test})
        return cls(program, None, None, place, bool(test.graph.sources), own=own)

    def with_parts(self, sources: Mapping[str, Source]) -> "Feeds":
        """The same with other sources for some parts."""
        if self.own:
            own = {
                part: each._replace(source=sources.get(part, each.source)) for part, each in self.own.items()
            }
            return replace(self, own=own)
        train, val, test = map(sources.get, ("train", "val", "test"))
        return replace(self, train=train, val=val, test=test)

    def weighted(self) -> "Feeds":
        """The same, the training samples as often as `sample_weights` says. NS617: they do not fit."""
        data = section_of(self.program).data
        if self.train is None or data is None or data.sample_weights is None:
            return self
        return replace(self, train=weigh(self.train, data.sample_weights, self.place))

    def parts(self) -> dict[str, Source]:
        """The opened sources by the part that they are; of the net's own data layers, where several
        read for one, by their names behind it, and what one reads for several by the first.
        """
        opened = {"train": self.train, "val": self.val, "test": self.test}
        found = {name: source for name, source in opened.items() if source is not None}
        for part, each in self.own.items():
            if all(each.source is not source for source in found.values()):
                found[part] = each.source
        return found

    def numbers(self, role: str, typed: TypedGraph) -> tuple[str, ...]:
        """The fields of a role's source that feed the net as numbers, not as classes. Raises
        SpecError NS656.
        """
        rules = label_rules(typed)
        return tuple(field for name, field in self.bound(role, typed).items() if name not in rules)

    def rules(self, role: str, typed: TypedGraph) -> dict[str, LabelRule]:
        """What may stand in the fields of a role's source that feed the net as classes. Raises
        SpecError NS656.
        """
        rules = value_rules(typed)
        return {field: rules[name] for name, field in self.bound(role, typed).items() if name in rules}

    def bound(self, role: str, typed: TypedGraph) -> dict[str, str]:
        """The field of a role's source for each input that data feed."""
        if role in self.own:
            return self.own[role].fields
        section, source, data = section_of(self.program), self.parts()[role], self.section(role)
        ports = [name for name in ports_of(typed) if name not in section.fill]
        return bind(source, ports, {} if data is None else data.fields)

    def section(self, part: str) -> DataSection | None:
        """What the spec says of a part's data; None where the net's own data layers read it."""
        section = section_of(self.program)
        return {"train": section.data, "val": section.val_data, "test": section.test_data}.get(part)

    def manner(self, part: str) -> Manner:
        """How a part is read."""
        data, layer = self.section(part), self.own[part].node.layer if part in self.own else None
        if layer is not None:
            return Manner(getattr(layer, "batch_size", 1), bool(getattr(layer, "shuffle", False)))
        if data is None:
            return Manner(1, False)
        order = order_of(data, "train" if role_of(part) == "train" else "test", 0)
        drawn = order.shuffle or order.balance or bool(data.streams) or data.sample_weights is not None
        return Manner(data.batch_size, drawn, data.transform_param)

    def batches(
        self, role: Role, typed: TypedGraph, net: nn.Module, seed: int, device: torch.device
    ) -> "Batches | LayerBatches":
        """The batches of a role for the net of its phase. Raises SpecError NS650 to NS661 where
        data and net do not fit.
        """
        section = section_of(self.program)
        data, source = {
            "train": (section.data, self.train),
            "val": (section.val_data, self.val),
            "test": (section.test_data, self.test),
        }[role]
        if data is None or source is None:
            opened = {each.node.name: each.source for part, each in self.own.items() if role_of(part) == role}
            return layer_batches(typed, arguments(net), role, seed, device, label_rules(typed), opened)
        feed = self.by_arguments(self.feed(role, typed, source, data), typed, net)
        return batches_of(source, data, feed, role, seed, str(device))

    def in_order(self, typed: TypedGraph, net: nn.Module, device: torch.device) -> Batches:
        """The training samples once, in order, unchanged. NS681: data layers read them."""
        data = section_of(self.program).data
        if data is None or self.train is None:
            raise fail("NS681", "its own data layers read the samples", path=self.program.name)
        once = data.replace(shuffle=None, balance=False, sample_weights=None)
        feed = self.by_arguments(self.feed("val", typed, self.train, once), typed, net)
        return batches_of(self.train, once, feed, "val", 0, str(device))

    def by_arguments(self, feed: Feed, typed: TypedGraph, net: nn.Module) -> Feed:
        """A feed by the names of a net's arguments in place of the spec's."""
        names = arguments(net)
        return feed._replace(
            fields={names[name]: field for name, field in feed.fields.items()},
            transforms={names[name]: change for name, change in feed.transforms.items()},
            frames={names[name]: change for name, change in feed.frames.items()},
            augmenters=tuple(rename(each, names) for each in feed.augmenters),
            integers=frozenset(names[name] for name in feed.integers),
            shares=frozenset(names[name] for name in feed.shares),
            fills={
                names[name]: fill for name, fill in fills_of(typed, section_of(self.program).fill).items()
            },
        )

    def feed(self, role: Role, typed: TypedGraph, source: Source, data: DataSection) -> Feed:
        """What feeds each input of the net of a role, by the spec's names. Raises SpecError."""
        section = section_of(self.program)
        ports = with_label(
            {name: port for name, port in ports_of(typed).items() if name not in section.fill},
            source,
        )
        if data.streams:
            check_streams(typed, section, data)
        changes = self.program.resolved.augment
        feed = feed_of(source, data, ports, changes, role, self.place, value_rules(typed))
        boxes = {name for name, field in feed.fields.items() if source.fields[field].boxes}
        check_fixed_batch(typed, data, source, role, boxes)
        check_box_classes(typed, source, boxes)
        shares = {name: layer for name, layer in shares_of(typed).items() if name in feed.fields}
        for name, layer in shares.items():
            rows = values_of(source, feed.fields[name])
            if rows is not None and rows.ndim == 2:
                check_shares(rows, layer, source.name, source.where)
        for name, (layer, ignored) in targets_of(typed).items():
            if name not in feed.fields or name in feed.transforms:
                continue  # what changes a value may bring it between 0 and 1
            rows = values_of(source, feed.fields[name])
            if rows is not None:
                check_targets(rows, layer, ignored, source.name, source.where)
        return feed._replace(shares=frozenset(shares))


def rename(augmenter: Augmenter, names: Mapping[str, str]) -> Augmenter:
    """An augmenter by the names of the net's arguments."""
    parts = augmenter.parts
    named = parts._replace(value=names[parts.value], label=names.get(parts.label, ""))
    return replace(augmenter, parts=named)


def skipping_parts(section: TrainSection) -> set[str]:
    """The parts of the data whose damaged files are left out."""
    said = {"train": section.data, "val": section.val_data, "test": section.test_data}
    return {name for name, data in said.items() if data is not None and data.on_error == "skip"}


def check_fed(typed: TypedGraph) -> None:
    """NS681 where a layer's tops are to be passed in, which a training has nobody to do."""
    for node in typed.graph.sources:
        if node.layer.fed:
            sizes = ", ".join(f"{top.name}: {show_shape(typed.types[top].shape)}" for top in node.tops)
            fact = f"nothing passes in what {node.name} ({node.layer.type}) gives: it reads no file itself"
            note = f"in its place, `input: {{{sizes}}}` takes what `data:` of the section train reads"
            raise fail("NS681", fact, span=node.places["type"], notes=(note,))


def section_of(program: driver.Program) -> TrainSection:
    """The section train. NS681: there is none."""
    section = program.resolved.file.train
    if section is None:
        raise fail("NS681", "it has no section train", path=program.resolved.spec.source.name)
    return section


def arguments(net: nn.Module) -> dict[str, str]:
    """The argument of the net's forward for each input by the spec's name."""
    return dict(zip(net.inputs, signature(net.forward).parameters, strict=True))  # type: ignore[arg-type]


def find_fed(typed: TypedGraph) -> Iterator[Input]:
    """The inputs that data can feed: all but those of data layers that read no file and make their
    values themselves.
    """
    return (
        given
        for given in typed.graph.inputs
        if given.node not in typed.graph.sources or (given.node and given.node.layer.reads)
    )


def batch_axis(given: Input, typed: TypedGraph) -> int:
    """The axis that counts samples: that of the size N, else the first."""
    return find_batch_axis(typed.types[given.value].shape) or 0


def sample_shape(given: Input, typed: TypedGraph) -> tuple[int | None, ...]:
    """Shape of one sample; None where the size is open."""
    axis = batch_axis(given, typed)
    return tuple(
        size if isinstance(size, int) else None
        for i, size in enumerate(typed.types[given.value].shape)
        if i != axis
    )


def ports_of(typed: TypedGraph) -> dict[str, Port]:
    """What each input asks of the data."""
    return {
        given.value.name: Port(
            sample_shape(given, typed),
            given.contract,
            typed.types[given.value].dtype == "int64",
            find_batch_axis(typed.types[given.value].shape),
        )
        for given in find_fed(typed)
    }


def fills_of(typed: TypedGraph, fillers: Mapping[str, InputFiller]) -> dict[str, Fill]:
    """What fills the inputs that no data feed; their sizes were found to be numbers when the spec
    was resolved.
    """
    found = {}
    for given in find_fed(typed):
        name = given.value.name
        if name in fillers:
            shape = tuple(size for size in sample_shape(given, typed) if size is not None)
            found[name] = Fill(
                fillers[name],
                shape,
                batch_axis(given, typed),
                typed.types[given.value].dtype == "int64",
            )
    return found


def with_label(ports: dict[str, Port], source: Source) -> dict[str, Port]:
    """The ports; labels may come with axes of length 1 more or less than the net declares, as in
    Caffe: layers count them.
    """
    port = ports.get(LABEL)
    if port is None or port.shape is None or source.label is None:
        return ports
    have = source.fields[source.label].shape
    same = [n for n in have if n != 1] == [n for n in port.shape if n != 1]
    if same:
        return {**ports, LABEL: port._replace(shape=None)}
    return ports


def place_of(program: driver.Program, typed: TypedGraph) -> Place:
    """Where the data section stands, and the input that its first field feeds: the first that is
    not the label.
    """
    root, allow_outside = (
        Path(program.resolved.spec.folder),
        names_data(program.reading.settings[program.reading.recorded :]),
    )
    filled = section_of(program).fill
    first = next(
        (given for given in find_fed(typed) if given.value.name != LABEL and given.value.name not in filled),
        None,
    )
    if first is None:
        return Place(root, allow_outside=allow_outside, allow_code=program.reading.allow_code)
    return Place(
        root,
        sample_shape(first, typed),
        first.contract,
        None,
        allow_outside,
        program.reading.allow_code,
    )


def names_data(settings: tuple[str, ...]) -> bool:
    """Whether the command line says where the data are: it may name any folder, a spec only its
    own.
    """
    return any(each.startswith(("train.data", "train.val_data", "train.test_data")) for each in settings)


def shares_of(typed: TypedGraph) -> dict[str, str]:
    """The inputs whose values are shares of classes, each with the loss that reads them so."""
    return {
        node.bottoms[1].name: node.name
        for node in find_judges(typed, "takes_shares")
        if not node.layer.indices(*typed.bottoms(node))
    }


def targets_of(typed: TypedGraph) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The inputs whose values are targets between 0 and 1, each with the loss that reads them so and
    what that leaves out.
    """
    return {
        node.bottoms[1].name: (node.name, node.layer.ignored) for node in find_judges(typed, "takes_logits")
    }


def find_judges(typed: TypedGraph, trait: str) -> Iterator[Node]:
    """The losses of a trait whose labels are an input of the net."""
    return (
        node
        for node in typed.graph.nodes
        if trait in node.layer.traits
        and len(node.bottoms) > 1
        and node.bottoms[1].node in (None, *typed.graph.sources)
    )


def label_rules(typed: TypedGraph) -> dict[str, LabelRule]:
    """What may stand in each input whose values count classes, by its name: the narrowest that a
    layer which reads them takes.

    Layers that judge (losses, metrics) count; for an input called label, all. A width of 1 counts
    something else than classes.
    """
    found: dict[str, list[LabelRule]] = {}
    for node in typed.graph.nodes:
        widths = node.layer.indices(*typed.bottoms(node)) if node.bottoms else {}
        judges = bool(node.layer.traits & JUDGING)
        for at, width in widths.items():
            value = node.bottoms[at]
            given = value.node in (None, *typed.graph.sources) and (judges or value.name == LABEL)
            if given and isinstance(width, int) and width > 1:
                maker = node.bottoms[0].node
                if maker is not None and at:
                    layer = maker.name
                else:
                    layer = node.name
                shares = "takes_shares" in node.layer.traits
                rule = LabelRule(width, node.layer.ignored, layer, "" if shares else node.name)
                found.setdefault(value.name, []).append(rule)
    return {name: join_rules(rules) for name, rules in found.items()}


def value_rules(typed: TypedGraph) -> dict[str, LabelRule]:
    """What may stand in each input that holds classes, or rows of a layer's table, by its name."""
    return label_rules(typed) | row_rules(typed)


def row_rules(typed: TypedGraph) -> dict[str, LabelRule]:
    """What may stand in each input whose numbers are rows of a layer's table, by its name: what the
    smallest table has.
    """
    found: dict[str, LabelRule] = {}
    for node in typed.graph.nodes:
        if not node.bottoms or node.layer.traits & JUDGING:
            continue
        value, width = node.bottoms[0], node.layer.indices(*typed.bottoms(node)).get(0)
        if value.node is not None or value.name == LABEL or not isinstance(width, int):
            continue
        if value.name not in found or width < found[value.name].width:
            found[value.name] = LabelRule(width, layer=node.name, rows=True)
    return found


def join_rules(rules: list[LabelRule]) -> LabelRule:
    """The narrowest; strict where any is."""
    narrowest = min(rules, key=lambda rule: rule.width)
    return narrowest._replace(strict=next((rule.strict for rule in rules if rule.strict), ""))


def check_streams(typed: TypedGraph, section: TrainSection, data: DataSection) -> None:
    """NS662 where streams would run through the data and no layer would remember them, or not in
    their order.
    """
    if data.source != "text":
        raise fail("NS662", f"source text has streams, {data.source} has none", path=data.path)
    if data.shuffle:
        raise fail("NS662", "streams keep the order of the text, `shuffle: true` does not", path=data.path)
    if section.players:
        raise fail("NS662", "each player would see only some batches of a stream", path=data.path)
    if not any(True for node in typed.graph.nodes for _ in node.layer.state(*typed.bottoms(node))):
        raise fail("NS662", "no layer of the net carries a state from call to call", path=data.path)


def check_box_classes(typed: TypedGraph, source: Source, boxes: Container[str]) -> None:
    """NS624 where a loss of boxes tells fewer classes apart than the data have, the background
    among them.
    """
    for node in typed.graph.nodes:
        width = getattr(node.layer, "num_classes", None)
        reads = any(value.name in boxes for value in node.bottoms)
        if width is None or not reads or not source.classes or width >= len(source.classes):
            continue
        names = list_briefly(source.classes[1:], SHOWN)
        raise fail(
            "NS624",
            f"{node.name} tells {width} classes apart, the data have {len(source.classes)}:"
            f" {source.classes[0]}, {names}",
            span=node.places["num_classes"] or node.places["name"],
            path=source.name,
            notes=(f"`num_classes: {len(source.classes)}`, there and at the layers that make its scores",),
        )


def check_fixed_batch(
    typed: TypedGraph, data: DataSection, source: Source, role: Role, boxes: Container[str] = ()
) -> None:
    """NS652 where an input is declared with a number of samples that batches do not have. boxes:
    inputs whose axes count none.
    """
    for given in find_fed(typed):
        if given.value.name in boxes:
            continue
        if typed.types[given.value].shape:
            count = typed.types[given.value].shape[batch_axis(given, typed)]
        else:
            count = 1
        if isinstance(count, int) and (data.batch_size != count or (role != "train" and len(source) % count)):
            last = len(source) % data.batch_size
            fact = f"input {given.value.name} takes {count} samples at a time, " + (
                f"batch_size is {data.batch_size}"
                if data.batch_size != count
                else f"the last batch of the {role} data holds {last}"
            )
            raise fail(
                "NS652",
                fact,
                path=source.name,
                notes=("a letter in place of the number, [N, ...], takes any",),
            )
