"""Real samples of a run's test data. In: its Program and folder, the deployed graph; out: Samples, or in words why there are none.

As the model's user gives them (pixels in the order that the file asks for), and beside it as training itself prepares them. Judges nothing.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import SpecError
from netspec.diagnostics.codes import CODES
from netspec.driver import Program
from netspec.ir.graph import Node, TypedGraph, Value

if TYPE_CHECKING:
    import numpy as np

    from netspec.training.data.source import Source

    Array = np.ndarray[Any, Any]

__all__ = ["MOST", "Judge", "Samples", "Take", "firsts", "samples_of"]

MOST = 64
"""Samples at most: a number, not a time, so that a file gets the same certificate on every machine."""
UNCOUNTED = "their first axis does not count them"


@dataclass(frozen=True, eq=False)
class Take:
    """Samples of one size, for one call. raw: as the model is fed; prepared: the same inputs as training makes them; every: all that the
    test net is fed, labels too. count: how many."""

    count: int
    raw: "Mapping[str, Array]"
    prepared: "Mapping[str, Array]"
    every: "Mapping[str, Array]"

    def first(self, count: int) -> "Take":
        """Fewer of them."""
        parts = ({name: values[:count] for name, values in fed.items()} for fed in (self.raw, self.prepared, self.every))
        return Take(min(count, self.count), *parts)


@dataclass(frozen=True, eq=False)
class Judge:
    """A loss or metric of the test net whose bottoms the model has too. bottoms: the tensors there, of inputs their names."""

    node: Node
    bottoms: tuple[Value | str, ...]


@dataclass(frozen=True, eq=False)
class Samples:
    """Takes, in order; what the test net, of graph `test`, measures of them. fixed: the deployed net takes just so many at once."""

    takes: tuple[Take, ...]
    test: TypedGraph
    judges: tuple[Judge, ...]
    fixed: bool = False


def samples_of(program: Program, folder: Path, typed: TypedGraph, asked: Mapping[str, str | None]) -> Samples | str:
    """The first samples of the test data, or why there are none: it is no reason not to export a net.

    asked: for each input with a contract the colour order that the file asks its user for.
    """
    try:
        opened = test_source(program, folder)
        return opened if isinstance(opened, str) else taken(program, typed, opened, asked)
    except SpecError as error:
        return CODES[error.diagnostics[0].code].title


def test_source(program: Program, folder: Path) -> "Source | str":
    """The test data of a run as training opens them; the classes are those that it wrote down, so training data need not be at hand."""
    from netspec.training.data.registry import IN_PARTS, data_of, default_part, open_source
    from netspec.training.feeds import place_of, section_of
    from netspec.training.run import read_classes

    section = section_of(program)
    parted = section.data is not None and section.data.source in IN_PARTS and section.data.split is None
    tested = section.test_data or (section.data if parted else None)
    if tested is None:
        return "the spec names no test data" if section.data is not None else "its data come from layers"
    alike = section.test_data is not None and section.data is not None and data_of(section.data) == data_of(tested)
    place = place_of(program, program.training_graph("train"))._replace(classes=read_classes(folder))
    return open_source(tested, default_part(tested, "test", alike), place)


def taken(program: Program, typed: TypedGraph, source: "Source", asked: Mapping[str, str | None]) -> Samples | str:
    """Samples by input of the deployed net. Raises SpecError where data and net do not fit."""
    import numpy as np

    from netspec.training.data.feeding import batches_of, feed_of
    from netspec.training.data.source import Subset
    from netspec.training.feeds import batch_axis, fills_of, label_rules, place_of, ports_of, section_of, with_label

    section, test = section_of(program), program.training_graph("test")
    if any(True for node in typed.graph.nodes for _ in node.layer.state(*typed.bottoms(node))):
        return "its layers carry a state from call to call"
    inputs = {given.value.name: given for given in typed.graph.inputs}
    if any(batch_axis(given, typed) for given in inputs.values()):
        return UNCOUNTED
    some = Subset(source, np.arange(min(MOST, len(source))))
    data = section.test_data or section.data
    assert data is not None
    data = data.changed(batch_size=len(some), shuffle=False)
    ports = with_label({name: port for name, port in ports_of(test).items() if name not in section.fill}, some)
    feed = feed_of(some, data, ports, (), "test", place_of(program, test), label_rules(test))
    with closing(batches_of(some, data, feed._replace(fills=fills_of(test, section.fill)), "test", 0)) as batches:
        every = {name: tensor.numpy() for name, tensor in next(iter(batches)).items()}
    if not inputs.keys() <= every.keys():
        return f"they do not feed {', '.join(inputs.keys() - every.keys())}"
    rows = some.batch(np.arange(len(some)))
    pixels = {name: rows[feed.fields[name]] for name, given in inputs.items() if given.contract is not None and name in feed.fields}
    raw = {name: list(every[name]) for name in inputs}
    for name, images in pixels.items():
        contract: Any = inputs[name].contract
        raw[name] = [turned(image, contract.color, asked.get(name)) for image in images]
    fixed = fixed_count(typed)
    takes = tuple(grouped(typed, raw, every, fixed))
    return Samples(takes, test, tuple(judges(test, typed)), fixed is not None) if takes else "too few for a batch of the model"


def fixed_count(typed: TypedGraph) -> int | None:
    """How many samples the deployed net takes at once, where that is fixed."""
    sizes = (typed.types[given.value].shape[:1] for given in typed.graph.inputs)
    return next((size[0] for size in sizes if size and isinstance(size[0], int)), None)


def turned(image: Any, have: str | None, want: str | None) -> "Array":
    """The pixels of a sample as training has them, in the colour order that the file asks for."""
    import numpy as np

    from netspec.training.images import recolor

    pixels = np.asarray(image)
    return pixels if have is None or want is None else recolor(pixels[None], have, want)[0]


def grouped(typed: TypedGraph, raw: "Mapping[str, list[Array]]", every: "Mapping[str, Array]", fixed: int | None) -> list[Take]:
    """Calls with samples of the same size, of `fixed` samples where that is given; what is left is not taken."""
    import numpy as np

    types = {given.value.name: typed.types[given.value].dtype for given in typed.graph.inputs}
    alike: dict[Any, list[int]] = {}
    for i, sizes in enumerate(zip(*([sample.shape for sample in samples] for samples in raw.values()), strict=True)):
        alike.setdefault(sizes, []).append(i)
    found = []
    for places in alike.values():
        size = fixed or len(places)
        for at in (places[i : i + size] for i in range(0, len(places) - size + 1, size)):
            fed = {name: np.stack([samples[i] for i in at]).astype(types[name]) for name, samples in raw.items()}
            rows = {name: values[at] for name, values in every.items()}
            found.append(Take(len(at), fed, {name: rows[name].astype(kind) for name, kind in types.items()}, rows))
    return found


def judges(test: TypedGraph, typed: TypedGraph) -> list[Judge]:
    """The losses and metrics of the test net whose bottoms the model has too: those of a layer of the same name and type, and inputs."""
    there = {node.name: node for node in typed.graph.nodes}
    found = []
    for node in test.graph.nodes:
        if not {"loss", "metric"} & set(node.layer.traits) or test.weights[node]:
            continue
        bottoms = [bottom_of(value, there) for value in node.bottoms]
        if None not in bottoms:
            found.append(Judge(node, tuple(b for b in bottoms if b is not None)))
    return found


def bottom_of(value: Value, there: Mapping[str, Node]) -> Value | str | None:
    if value.node is None:
        return value.name
    twin = there.get(value.node.name)
    return twin.tops[value.index] if twin is not None and type(twin.layer) is type(value.node.layer) else None


def firsts(samples: Samples, most: int) -> list[Take]:
    """The first of so many samples, at least one; a net that takes a fixed number of them at once gets them whole."""
    found: list[Take] = []
    for take in samples.takes:
        room = max(most - sum(each.count for each in found), 0 if found else 1)
        if samples.fixed and (take.count <= room or not found):
            found.append(take)
        elif room and not samples.fixed:
            found.append(take.first(room))
    return found
