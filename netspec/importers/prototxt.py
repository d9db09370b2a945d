"""A Caffe network (prototxt of any generation, its solver, its weights) -> the text of a spec and a
list of what is worth knowing.

Unknown fields and types are kept and listed; nothing is left out without a finding.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import fspath
from pathlib import Path
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics, SpecError, fail
from netspec.file_reading import read_given
from netspec.garbage_collection import no_collection
from netspec.importers.decode import Piece, decode
from netspec.importers.missing_data import Shape, wanting_shapes, without_replaced
from netspec.importers.names import distinct, drop_phases
from netspec.importers.net_inputs import input_places, net_inputs
from netspec.importers.nvidia import scales_apart
from netspec.importers.prototxt_text import read_prototxt
from netspec.importers.prototxt_tree import Message
from netspec.importers.python_layers import replace_published
from netspec.importers.segnet import weigh_classes
from netspec.importers.solver import solver_section
from netspec.importers.spec_layers import Wires, entries, literal, without_idle_strangers
from netspec.importers.upgrade import upgrade
from netspec.source import Source, Span
from netspec.syntax.foreign import foreign
from netspec.syntax.printable import unfit
from netspec.syntax.writer import dump

__all__ = ["Imported", "import_prototxt", "read_source"]

MAX_BYTES = 64 * 1024 * 1024
NET_FIELDS = ("layer", "layers", "input")
NAMES = ("name", "bottom", "top", "input", "type")
SOLVER_NETS = ("net_param", "train_net_param")
WITHOUT_PLACE = {
    "force_backward": "gradients are computed where they are needed",
    "debug_info": "it does not change what the net computes",
    **dict.fromkeys(
        (
            "default_forward_type",
            "default_backward_type",
            "default_forward_math",
            "default_backward_math",
        ),
        "netspec computes in float32",
    ),
    "engine": "it does not change what the net computes",
    "state": "give the phase and the stages where the spec is used",
}


@dataclass(frozen=True, eq=False)
class Imported:
    """A spec as plain values and as text, and the findings on the way (warnings only), in the
    file's order.

    renamed: leads from a layer of the spec to its name in the file, where that differs. wires: for
    each layer, the blobs in the file. scales: leads from a BatchNorm that is NVIDIA's to the Scale
    that was made of it. places: where the file declares each input's shape. layers: where each
    layer of the spec, by its name there, stands in the file.
    """

    tree: dict[str, Any]
    findings: list[Diagnostic] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)
    wires: list[Wires] = field(default_factory=list)
    scales: dict[str, str] = field(default_factory=dict)
    places: dict[str, Span] = field(default_factory=dict)
    layers: dict[str, Span] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return dump(self.tree)


def import_prototxt(
    path: str | Path,
    *,
    solver: str | Path | None = None,
    inputs: Mapping[str, Shape] | None = None,
    blobs: Mapping[str, int] | None = None,
) -> Imported:
    """Read a network definition, and a solver's. inputs: shapes of blobs that come from outside,
    for data that are not at hand.

    blobs: how many each layer has in a weights file: forks of Caffe are told by it.

    Raises SpecError: NS001, NS002, NS007, NS008, NS020, NS023, NS028, NS042, NS213, NS214.
    """
    diagnostics = Diagnostics()
    with no_collection():
        net, own_solver = open_net(path, diagnostics)
        words = open_solver(solver, diagnostics) if solver is not None else own_solver
        if diagnostics.failed:  # a value of another kind than its field's would mislead all that follows
            raise SpecError(diagnostics.sorted())
        imported = spec_of(net, inputs or {}, blobs or {}, diagnostics)
    if words is not None:
        imported.tree["train"] = {"solver": solver_section(words, diagnostics)}
    if diagnostics.failed:
        raise SpecError(diagnostics.sorted())
    imported.findings.extend(diagnostics.sorted())
    return imported


def read_source(path: str | Path, diagnostics: Diagnostics) -> Source:
    """The text of a prototxt. Old files hold comments in other encodings than UTF-8: such bytes are
    read as Latin-1 (NS029).
    """
    name = fspath(path)
    try:
        data = read_given(path, MAX_BYTES + 1)
    except OSError as error:
        raise fail("NS001", error.strerror or str(error), path=name) from None
    if len(data) > MAX_BYTES:
        raise fail("NS008", f"more than {MAX_BYTES:,} bytes", path=name)
    stranger = foreign(name, data, importing=True)
    if stranger is not None:
        raise SpecError([stranger])
    if b"\0" in data:
        raise fail("NS002", "it holds zero bytes; a .caffemodel goes to --weights", path=name)
    try:
        # some editors put a byte order mark in front
        return Source(name, data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        diagnostics.add(
            Diagnostic("NS029", f"byte {error.start:,} and others; the file is read as Latin-1", path=name)
        )
        return Source(name, data.decode("latin-1"))


def open_net(path: str | Path, diagnostics: Diagnostics) -> tuple[Piece, Piece | None]:
    """The network of a file; and the solver, where the file is a solver's that holds its network.
    NS028: neither.
    """
    message = open_message(path, diagnostics)
    names = {field.name for field in message.fields}
    if not names.isdisjoint(NET_FIELDS):
        return decode(message, "NetParameter", diagnostics), None
    # its findings are not asked for: the file may be no solver's
    solver = decode(message, "SolverParameter", Diagnostics()) if names else Piece(message, "")
    net = next((solver[key] for key in SOLVER_NETS if key in solver), None)
    if isinstance(net, Piece):
        return net, decode(message, "SolverParameter", diagnostics, "the solver")
    hint = "; it is a solver's: import the net and give this file by --solver" if "base_lr" in names else ""
    raise fail("NS028", f"no layer and no input{hint}", path=fspath(path))


def open_solver(path: str | Path, diagnostics: Diagnostics) -> Piece:
    """The words of a solver's file."""
    return decode(open_message(path, diagnostics), "SolverParameter", diagnostics, "the solver")


def open_message(path: str | Path, diagnostics: Diagnostics) -> Message:
    """The tree of a file; its syntax errors end the import, since what they cut off would be missed
    everywhere.
    """
    message = read_prototxt(read_source(path, diagnostics), diagnostics)
    diagnostics.found += unfit_names(message)
    if diagnostics.failed:
        raise SpecError(diagnostics.sorted())
    return message


def unfit_names(message: Message) -> Iterator[Diagnostic]:
    """NS213 and NS214 for each name that a spec could not hold, at any depth."""
    for part in message.fields:
        if isinstance(part.value, Message):
            yield from unfit_names(part.value)
        elif (
            part.name in NAMES
            and (finding := unfit(str(part.value), part.name, message.value_span(part))) is not None
        ):
            yield finding


def spec_of(
    net: Piece, given: Mapping[str, Shape], blobs: Mapping[str, int], diagnostics: Diagnostics
) -> Imported:
    """The spec of a decoded network, with the shapes that are given for some of its blobs."""
    # upgrade first: all that follows knows today's names only
    layers, scales = scales_apart(replace_published(upgrade(in_order(net), diagnostics)), blobs, diagnostics)
    layers = weigh_classes(layers, diagnostics)
    places = input_places(net, layers)
    declared, layers = net_inputs(net, layers, diagnostics)
    inputs = {**declared, **given}
    layers = without_replaced(layers, given, diagnostics)
    layers = without_idle_strangers(layers, diagnostics)
    wanting_shapes(layers, inputs, Path(net.message.source.name), diagnostics)
    tree: dict[str, Any] = {"netspec": 1}
    if "name" in net:
        tree["name"] = literal(net["name"])
    if inputs:
        tree["input"] = {literal(name): shape for name, shape in inputs.items()}
    for key, why in WITHOUT_PLACE.items():
        if key in net:
            diagnostics.add(Diagnostic("NS025", f"{key} of the net: {why}", net.span(key)))
    tree["layers"] = found = entries(layers, list(inputs), diagnostics)
    drop_phases(found, list(tree.get("input", ())), layers, diagnostics)
    wires = [Wires(tuple(layer.get("bottom", ())), tuple(layer.get("top", ()))) for layer in layers]
    renamed = distinct(found, layers, diagnostics)
    named = {
        str(entry["name"]): layer.span("name") or layer.opening
        for entry, layer in zip(found, layers, strict=True)
    }
    declared_at = {name: place for name, place in places.items() if name not in given}
    return Imported(tree, renamed=renamed, wires=wires, scales=scales, places=declared_at, layers=named)


def in_order(net: Piece) -> Iterator[tuple[str, Piece]]:
    """The layers with the field that held each, as they follow in the file, whichever field that
    is.
    """
    queues = {key: iter(net.get(key, ())) for key in ("layer", "layers")}
    for item in net.message.fields:
        if item.name in queues and isinstance(item.value, Message):
            yield item.name, next(queues[item.name])
