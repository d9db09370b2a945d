"""Real samples of a run's test data. In: its Program and folder, the deployed graph; out: Samples,
or in words why there are none.

As the model's user gives them (pixels in the order that the file asks for), and beside it as
training itself prepares them. Judges nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.codes import CODES
from netspec.driver import Program
from netspec.emit.onnx_contract import raw_type
from netspec.ir.graph import Input, Node, TypedGraph, Value
from netspec.ir.traits import JUDGING
from netspec.resolve.sections.image import Shape

if TYPE_CHECKING:
    import numpy as np

    from netspec.data.source import Source
    from netspec.resolve.sections.image import ImageContract
    from netspec.resolve.sections.train import DataSection, TrainSection

    Array = np.ndarray[Any, Any]

__all__ = ["FIRST", "MOST", "Judge", "Samples", "Take", "Wanted", "firsts", "samples_of"]

MOST = 64
"""Samples at most: a number, not a time, so that a file gets the same certificate on every
machine.
"""


Part = Literal["test", "validation"]


class Wanted(NamedTuple):
    """Which samples: of the training data or the test data, how many at most; spread over all of
    them, or the first ones.
    """

    part: Literal["train", "test"] = "test"
    most: int = MOST
    spread: bool = False

    def choose(self, count: int) -> "Array":
        """Numbers of samples, of so many."""
        import numpy as np

        if self.spread and count:
            return np.unique(np.linspace(0, count - 1, min(self.most, count)).round().astype(np.int64))
        return np.arange(min(self.most, count))


FIRST = Wanted()
TOO_FEW = "too few for a batch of the model"
UNCOUNTED = "their first axis does not count them, and they come from layers"


@dataclass(frozen=True, eq=False)
class Take:
    """Samples of one size, for one call. raw: as the model is fed; prepared: the same inputs as
    training makes them; every: all that the test net is fed, labels too. count: how many. boxes:
    the inputs of `every` that hold rows of boxes, the number of the sample in front. axes: those that
    count samples, where they are not the first, as [T, N].
    """

    count: int
    raw: "Mapping[str, Array]"
    prepared: "Mapping[str, Array]"
    every: "Mapping[str, Array]"
    boxes: frozenset[str] = frozenset()
    axes: "Mapping[str, int]" = field(default_factory=dict)

    def choose(self, at: Sequence[int]) -> "Take":
        """Some of them, by their numbers."""
        raw, prepared = (
            {name: pick(values, at, axis=self.axes.get(name, 0)) for name, values in fed.items()}
            for fed in (self.raw, self.prepared)
        )
        every = {
            name: pick(values, at, name in self.boxes, self.axes.get(name, 0))
            for name, values in self.every.items()
        }
        return replace(self, count=len(at), raw=raw, prepared=prepared, every=every)


def pick(values: "Array", at: Sequence[int], boxes: bool = False, axis: int = 0) -> "Array":
    """Some samples of an input; of rows of boxes, (1, 1, rows, columns), theirs, numbered anew."""
    import numpy as np

    if not boxes:
        return values.take(at, axis)
    rows = [values[0, 0][values[0, 0, :, 0] == number].copy() for number in at]
    for i, own in enumerate(rows):
        own[:, 0] = i
    made = np.concatenate(rows)
    # a detector's label is never empty: a row of -1 says that there is no box
    if not len(made):
        made = np.full((1, values.shape[-1]), -1, values.dtype)
    return made[None, None]


@dataclass(frozen=True, eq=False)
class Judge:
    """A loss or metric of the test net whose bottoms the model has too. bottoms: the tensors there,
    of inputs their names.
    """

    node: Node
    bottoms: tuple[Value | str, ...]


@dataclass(frozen=True, eq=False)
class Samples:
    """Takes, in order; what the test net, of graph `test`, measures of them. fixed: the deployed
    net takes just so many at once. class_weights: those of the run, by layer. part: of which data
    they are.
    """

    takes: tuple[Take, ...]
    test: TypedGraph
    judges: tuple[Judge, ...]
    fixed: bool = False
    class_weights: Mapping[str, Any] = field(default_factory=dict)
    part: Part = "test"


def samples_of(
    program: Program,
    folder: Path,
    typed: TypedGraph,
    asked: "Mapping[str, ImageContract]",
    wanted: Wanted = FIRST,
) -> Samples | str:
    """The first samples of the test data, or those that are wanted; or why there are none: it is no
    reason not to export a net.

    asked: for each input with a contract what the file says that its user does to a picture:
    colours, size, interpolation. Raises SpecError NS703 where pictures treated so are none that the
    model takes.
    """
    from netspec.training.batches.feeds import batch_axis, section_of
    from netspec.training.run.folder import read_record

    try:
        if any(True for node in typed.graph.nodes for _ in node.layer.state(*typed.bottoms(node))):
            return "its layers carry a state from call to call"
        if section_of(program).data is None:
            if any(batch_axis(given, typed) for given in typed.graph.inputs):
                return UNCOUNTED
            made = take_layer_samples(program, typed, wanted)
        elif isinstance(opened := open_part(program, folder, wanted), str):
            return opened
        else:
            made = take_samples(program, folder, typed, opened, asked, wanted)
        if isinstance(made, str):
            return made
        weights = read_record(folder).get("class_weight", {})
        return replace(made, class_weights=weights, part=part_of(section_of(program)))
    except SpecError as error:
        if error.diagnostics[0].code == "NS703":
            raise
        return CODES[error.diagnostics[0].code].title


def open_part(
    program: Program,
    folder: Path,
    wanted: Wanted,
    contract: "ImageContract | None" = None,
    shape: Shape | None = None,
    raw: bool = False,
) -> "Source | str":
    """The wanted data of a run as training opens them; the classes are those that it wrote down, so
    training data need not be at hand to test.

    contract, shape: of the first input in place of the spec's. raw: rows of a table as an exported
    model takes them.
    """
    from netspec.data.facts import read_facts
    from netspec.data.mended import Mended
    from netspec.data.registry import Role, data_of, default_part, open_source
    from netspec.data.tables.rows import as_raw
    from netspec.training.batches.feeds import place_of, section_of
    from netspec.training.run.folder import read_classes

    section = section_of(program)
    asked = section.test_data or section.val_data
    alike = asked is not None and section.data is not None and data_of(section.data) == data_of(asked)
    role: Role = "val" if asked is not None and asked is section.val_data else "test"
    opened = section_of_part(section, wanted)
    if opened is None:
        return "the spec names no test data"
    if wanted.part == "train":
        role, alike = "train", alike or section.split is not None
    place = place_of(program, program.training_graph("train"))._replace(
        classes=read_classes(folder), split=section.split, facts=read_facts(folder)
    )
    if contract is not None:
        place = place._replace(contract=contract, shape=shape)
    if raw:
        place = place._replace(facts=as_raw(place.facts))
    source = open_source(opened, default_part(opened, role, alike), place)
    if opened.on_error == "skip" and not source.streams:
        return Mended(source)
    return source


def part_of(section: "TrainSection") -> Part:
    """What the data are called that stand for those of a test: those of validation where there are
    no others.
    """
    return "validation" if section.test_data is None and section.val_data is not None else "test"


def section_of_part(section: "TrainSection", wanted: Wanted) -> "DataSection | None":
    """The section of the wanted data; of test data None where there are none apart."""
    from netspec.data.registry import IN_PARTS

    if wanted.part == "train":
        return section.data
    parted = section.data is not None and section.data.source in IN_PARTS and section.data.split is None
    return section.test_data or section.val_data or (section.data if parted else None)


def take_samples(
    program: Program,
    folder: Path,
    typed: TypedGraph,
    source: "Source",
    asked: "Mapping[str, ImageContract]",
    wanted: Wanted,
) -> Samples | str:
    """Samples by input of the deployed net. Raises SpecError where data and net do not fit."""
    import numpy as np

    from netspec.data.source import Subset
    from netspec.training.batches.feeding import batches_of, feed_of
    from netspec.training.batches.feeds import (
        fills_of,
        label_rules,
        place_of,
        ports_of,
        section_of,
        with_label,
    )

    section, test = section_of(program), program.training_graph("test")
    inputs = {given.value.name: given for given in typed.graph.inputs}
    some = Subset(source, wanted.choose(len(source)))
    data = section_of_part(section, wanted) or section.data
    assert data is not None
    data = data.replace(batch_size=len(some), shuffle=False)
    ports = with_label(
        {name: port for name, port in ports_of(test).items() if name not in section.fill}, some
    )
    feed = feed_of(some, data, ports, (), "test", place_of(program, test), label_rules(test))
    with closing(
        batches_of(some, data, feed._replace(fills=fills_of(test, section.fill)), "test", 0)
    ) as batches:
        every = {name: tensor.numpy() for name, tensor in next(iter(batches)).items()}
    if not inputs.keys() <= every.keys():
        return f"they do not feed {', '.join(inputs.keys() - every.keys())}"
    axes = find_axes(test)
    raw = {name: list(np.moveaxis(every[name], axes.get(name, 0), 0)) for name in inputs}
    for name, given in inputs.items():
        if given.rows is not None and name in feed.fields:
            raw[name] = raw_rows(program, folder, wanted, some.indices, feed.fields[name])
        if given.contract is None or name not in feed.fields:
            continue
        contract, want = given.contract, as_fed(given, typed)
        shown = some
        if feed.fields[name] == next(iter(source.fields)) and (source.decoded or contract.resize is not None):
            part = open_as_fed(program, folder, given, asked[name], want, wanted)
            shown = Subset(part, some.indices)
        images = shown.batch(np.arange(len(some)))[feed.fields[name]]
        raw[name] = [order_pixels(image, contract.color, asked[name].color) for image in images]
        fitting(name, want, raw[name])
    boxes = frozenset(name for name, field in feed.fields.items() if source.fields[field].boxes)
    return in_takes(typed, test, raw, every, boxes)


def find_axes(typed: TypedGraph) -> dict[str, int]:
    """The axes of inputs that count samples, where they are not the first."""
    from netspec.training.batches.feeds import batch_axis

    found = {given.value.name: batch_axis(given, typed) for given in typed.graph.inputs}
    return {name: axis for name, axis in found.items() if axis}


def raw_rows(program: Program, folder: Path, wanted: Wanted, numbers: "Array", field: str) -> "list[Array]":
    """Rows of a table as the user of the model gives them."""
    opened = open_part(program, folder, wanted, raw=True)
    assert not isinstance(opened, str)
    return list(opened.batch(numbers)[field])


def take_layer_samples(program: Program, typed: TypedGraph, wanted: Wanted) -> Samples | str:
    """The first samples of the files that the data layers of the net of a phase read, as these
    layers hand them on.

    Raises SpecError NS642 to NS657.
    """
    import torch

    from netspec.training.batches.data_layers import layer_batches
    from netspec.training.batches.feeds import label_rules

    test = program.training_graph("test")
    read = program.training_graph(wanted.part)
    if not any(node.layer.reads for node in read.graph.sources):
        return f"no layer of the {wanted.part} net reads data"
    if any(given.contract is not None for given in typed.graph.inputs):
        return "its data come from layers, past the image contract of its input"
    tops = {top.name: top.name for node in read.graph.sources for top in node.tops}
    device, rules = torch.device("cpu"), label_rules(read)
    with closing(layer_batches(read, tops, wanted.part, 0, device, rules)) as batches:
        every = {name: tensor.numpy()[: wanted.most] for name, tensor in next(iter(batches)).items()}
    names = [given.value.name for given in typed.graph.inputs]
    if not set(names) <= every.keys():
        return f"its data layers do not feed {', '.join(sorted(set(names) - every.keys()))}"
    return in_takes(typed, test, {name: list(every[name]) for name in names}, every)


def in_takes(
    typed: TypedGraph,
    test: TypedGraph,
    raw: "Mapping[str, list[Array]]",
    every: "Mapping[str, Array]",
    boxes: frozenset[str] = frozenset(),
) -> Samples | str:
    """The samples in calls of the deployed net, or why they fill none."""
    fixed = find_fixed_count(typed)
    takes = tuple(group_samples(typed, raw, every, fixed, boxes, find_axes(test)))
    if takes:
        return Samples(takes, test, tuple(judges(test, typed)), fixed is not None)
    return TOO_FEW


def as_fed(given: Input, typed: TypedGraph) -> Shape:
    """The shape of one sample that the model takes of an input, its contract's crop not yet made;
    None where the size is open.
    """
    shape = raw_type(given, typed.types[given.value]).shape[1:]
    return tuple(size if isinstance(size, int) else None for size in shape)


def open_as_fed(
    program: Program, folder: Path, given: Input, asked: "ImageContract", shape: Shape, wanted: Wanted
) -> "Source":
    """The data as the user of the model makes them: decoded and resized by the file's words,
    the colours still those of training.
    """
    contract: Any = given.contract
    try:
        found = open_part(program, folder, wanted, asked.replace(color=contract.color), shape)
    except SpecError as error:
        raise fail(
            "NS703",
            f"the image contract of {given.value.name}, resize: {error.diagnostics[0].fact}",
        ) from error
    assert not isinstance(found, str)
    return found


def fitting(name: str, want: Shape, images: "list[Array]") -> None:
    """Raises SpecError NS703 where pictures made by the file's words are not of the size that it
    takes.
    """
    for image in images:
        if len(image.shape) != len(want) or any(
            w not in (None, have) for w, have in zip(want, image.shape, strict=True)
        ):
            raise fail(
                "NS703",
                f"the image contract of {name}, resize: by its words a picture becomes {list(image.shape)},"
                f" it takes {list(want)}",
            )


def find_fixed_count(typed: TypedGraph) -> int | None:
    """How many samples the deployed net takes at once, where that is fixed."""
    sizes = (typed.types[given.value].shape[:1] for given in typed.graph.inputs)
    return next((size[0] for size in sizes if size and isinstance(size[0], int)), None)


def order_pixels(image: Any, have: str | None, want: str | None) -> "Array":
    """The pixels of a sample as training has them, in the colour order that the file asks for."""
    import numpy as np

    from netspec.imaging.decode import recolor

    pixels = np.asarray(image)
    return pixels if have is None or want is None else recolor(pixels[None], have, want)[0]


def group_samples(
    typed: TypedGraph,
    raw: "Mapping[str, list[Array]]",
    every: "Mapping[str, Array]",
    fixed: int | None,
    boxes: frozenset[str] = frozenset(),
    axes: Mapping[str, int] | None = None,
) -> list[Take]:
    """Calls with samples of the same size, of `fixed` samples where that is given; what is left is
    not taken.
    """
    import numpy as np

    axes = {} if axes is None else axes
    types = {given.value.name: typed.types[given.value].dtype for given in typed.graph.inputs}
    alike: dict[Any, list[int]] = {}
    for i, sizes in enumerate(
        zip(*([sample.shape for sample in samples] for samples in raw.values()), strict=True)
    ):
        alike.setdefault(sizes, []).append(i)
    found = []
    for places in alike.values():
        size = fixed or len(places)
        for at in (places[i : i + size] for i in range(0, len(places) - size + 1, size)):
            fed = {
                name: np.stack([samples[i] for i in at], axes.get(name, 0)).astype(types[name])
                for name, samples in raw.items()
            }
            rows = {
                name: pick(values, at, name in boxes, axes.get(name, 0)) for name, values in every.items()
            }
            prepared = {name: rows[name].astype(kind) for name, kind in types.items()}
            found.append(Take(len(at), fed, prepared, rows, boxes, axes))
    return found


def judges(test: TypedGraph, typed: TypedGraph) -> list[Judge]:
    """The losses and metrics of the test net whose bottoms the model has too: those of a layer of
    the same name and type, and inputs.
    """
    there = {node.name: node for node in typed.graph.nodes}
    found = []
    for node in test.graph.nodes:
        if not node.layer.traits & JUDGING or test.weights[node]:
            continue
        bottoms = [
            value.name if value.node in (None, *test.graph.sources) else bottom_of(value, there)
            for value in node.bottoms
        ]
        if None not in bottoms:
            found.append(Judge(node, tuple(b for b in bottoms if b is not None)))
    return found


def bottom_of(value: Value, there: Mapping[str, Node]) -> Value | None:
    if value.node is None:
        return None
    twin = there.get(value.node.name)
    if twin is not None and type(twin.layer) is type(value.node.layer):
        return twin.tops[value.index]
    return None


def firsts(samples: Samples, most: int) -> list[Take]:
    """The first of so many samples, at least one; a net that takes a fixed number of them at once
    gets them whole.
    """
    found: list[Take] = []
    for take in samples.takes:
        room = max(most - sum(each.count for each in found), 0 if found else 1)
        if samples.fixed and (take.count <= room or not found):
            found.append(take)
        elif room and not samples.fixed:
            found.append(take.choose(range(min(room, take.count))))
    return found
