"""The whole of an import from Caffe: definition, solver and weights in; a spec, tensors by its
names, and what is worth knowing out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import Diagnostic, SpecError
from netspec.garbage_collection import no_collection
from netspec.importers.batch import open_batch
from netspec.importers.contract import unknown_contracts, with_contract
from netspec.importers.folding.fold import Folded, fold
from netspec.importers.missing_data import Shape
from netspec.importers.nvidia import blobs_apart
from netspec.importers.prototxt import Imported, import_prototxt
from netspec.importers.weights import Row, list_wanted, match
from netspec.resolve.sections.image import ImageContract
from netspec.source import Source, Span
from netspec.syntax.writer import dump

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Weights = dict[str, list[NDArray[np.float32]]]

__all__ = ["Converted", "convert"]

NAMED = re.compile(r"name: (\"[^\"]*\"|'[^']*'|[^,}\s]+)")
"""The name of the layer that a line of a written spec holds."""


@dataclass(frozen=True, eq=False)
class Converted:
    """tree: the spec as plain values. names: leads from each layer that is called otherwise than in
    the file to its name there.

    tensors, rows: the weights and what became of each; None and () without a weights file.
    """

    tree: dict[str, Any]
    text: str
    findings: list[Diagnostic]
    names: dict[str, str]
    tensors: "dict[str, NDArray[np.float32]] | None" = None
    rows: tuple[Row, ...] = ()

    @property
    def layers(self) -> int:
        return len(self.tree["layers"])

    @property
    def blocks(self) -> int:
        return len(self.tree.get("blocks", ()))


def convert(
    net: str | Path,
    *,
    weights: str | Path | None = None,
    solver: str | Path | None = None,
    flat: bool = False,
    inputs: Mapping[str, Shape] | None = None,
    keep_batch: bool = False,
    contract: ImageContract | None = None,
) -> Converted:
    """Import a network; `inputs` as for import_prototxt. keep_batch: leave the batch of the file's
    inputs a number (see open_batch). contract: how pictures become the net's input.

    Raises SpecError: as import_prototxt; NS660 where the contract fits no input; with weights also
    NS026, NS027, NS031, and what check finds in the net.
    """
    with no_collection():
        stored = read(weights) if weights is not None else {}
        blobs = {name: len(found) for name, found in stored.items()}
        imported = import_prototxt(net, solver=solver, inputs=inputs, blobs=blobs)
        tree, names = (imported.tree, imported.renamed) if flat else fold_import(imported)
        if not keep_batch:
            tree, found = open_batch(tree, imported.places, names)
            imported.findings.extend(found)
        tree = with_contract(tree, contract, fspath(net))
        imported.findings.extend(unknown_contracts(tree, imported.places, fspath(net)))
        text = dump(tree)
    if weights is None:
        return Converted(tree, text, imported.findings, names)
    stored = blobs_apart(stored, imported.scales)
    try:
        tensors, rows = match_weights(text, fspath(net), stored, fspath(weights), names)
    except SpecError as error:
        raise SpecError(
            [place_finding(found, imported.layers, names, fspath(net)) for found in error.diagnostics]
        ) from None
    return Converted(tree, text, imported.findings, names, tensors, tuple(rows))


def place_finding(
    found: Diagnostic, layers: Mapping[str, Span], names: Mapping[str, str], file: str
) -> Diagnostic:
    """A finding in the spec, which is not written where the import fails, at the layer of the file
    that it is about; or in the file.
    """
    if found.span is None:
        return found
    named = NAMED.search(found.span.source.line(found.span.begin[0]))
    own = named[1].strip("'\"") if named else ""
    place = layers.get(own) or layers.get(names.get(own, ""))
    return replace(found, span=place, path=file, others=(), fixes=(), hides=None, like=())


def fold_import(imported: Imported) -> tuple[dict[str, Any], dict[str, str]]:
    """The spec with its repeats as blocks, and the names in the file of the layers that are called
    otherwise.
    """
    tree = imported.tree
    made = fold(tree["layers"], imported.wires, list(tree.get("input", ())))
    if not made.blocks:
        return tree, imported.renamed
    names = {
        **imported.renamed,
        **{full: imported.renamed.get(flat, flat) for full, flat in made.names.items()},
    }
    return dict(with_blocks(tree, made)), names


def with_blocks(tree: dict[str, Any], made: Folded) -> Iterator[tuple[str, Any]]:
    """The sections of a spec, blocks before the layers."""
    for key, value in tree.items():
        if key == "layers":
            yield "blocks", made.blocks
        yield key, made.layers if key == "layers" else value


def read(weights: str | Path) -> "Weights":
    """The blobs of a weights file by layer."""
    from netspec.importers.caffemodel import read_weights

    return read_weights(weights)


def match_weights(
    text: str, name: str, stored: "Weights", file: str, names: Mapping[str, str]
) -> "tuple[dict[str, NDArray[np.float32]], list[Row]]":
    """The tensors that the net of a spec wants, out of the blobs of a file."""
    from netspec import driver

    program = driver.load_source(Source(str(Path(name).with_suffix(".yaml")), text))
    return match(stored, list_wanted(program.graphs(), names), file)
