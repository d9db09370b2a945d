"""The data layers of a net as its batches: Caffe's nets say themselves what they learn from. In: a
training graph; out: batches.

A layer that reads no file (DummyData, MemoryData) feeds itself.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from netspec.data.binding import LabelRule
from netspec.data.data_layers.files import Reader
from netspec.data.data_layers.paths import folder_of
from netspec.data.data_layers.sources import fields_of, open_layer
from netspec.data.parts import part_of_layer
from netspec.data.registry import Role
from netspec.data.source import Source
from netspec.diagnostics import fail
from netspec.ir.graph import Node, TypedGraph
from netspec.ir.layer import FileLayer
from netspec.training.batches.loader import Batches, Feed, Order
from netspec.training.batches.order import Share

__all__ = ["LayerBatches", "LayerFile", "layer_batches", "open_layers"]


class LayerFile(NamedTuple):
    """A data layer and the file that it reads, opened."""

    node: Node
    source: Source

    @property
    def fields(self) -> dict[str, str]:
        """The field of the file for each top. Raises SpecError NS656."""
        return fields_of(self.source, tuple(top.name for top in self.node.tops), self.node.layer)


def open_layers(graphs: Mapping[Role, TypedGraph]) -> dict[str, LayerFile]:
    """The files of the data layers of each role's graph: by the role where there is one, else by it
    and the layer. What a layer reads for several roles is opened once. Raises SpecError NS642 to
    NS657 by what is wrong with them.
    """
    found: dict[str, LayerFile] = {}
    for role, typed in graphs.items():
        nodes = [node for node in typed.graph.sources if node.layer.reads]
        for node in nodes:
            same = [each.source for each in found.values() if each.node.layer == node.layer]
            source = same[0] if same else open_layer(node.layer, folder_of(node))
            found[role if len(nodes) == 1 else part_of_layer(role, node.name)] = LayerFile(node, source)
    return found


class LayerBatches:
    """Batches of several data layers side by side, as one: a pass ends with the shortest. size:
    samples in a batch, where none reads.
    """

    def __init__(self, parts: list[Batches], size: int) -> None:
        self.parts = parts
        self.size = size
        self.own = 0

    @property
    def source(self) -> Source | None:
        """What the first layer reads."""
        if self.parts:
            return self.parts[0].source
        return None

    @property
    def position(self) -> int:
        if self.parts:
            return self.parts[0].position
        return self.own

    def __len__(self) -> int:
        return max((len(part) for part in self.parts), default=1)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        self.load(0)
        return self

    def __next__(self) -> dict[str, Tensor]:
        self.own += self.size
        return {name: tensor for part in self.parts for name, tensor in next(part).items()}

    def state(self) -> dict[str, Any]:
        """Where each layer stands."""
        return {"own": self.own, "parts": [part.state() for part in self.parts]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint stood. Raises SpecError NS659."""
        parts = state.get("parts")
        if (
            not isinstance(state.get("own"), int)
            or not isinstance(parts, list)
            or len(parts) != len(self.parts)
        ):
            count = len(parts) if isinstance(parts, list) else 0
            raise fail("NS659", f"the data layers are {len(self.parts)}, in the checkpoint {count}")
        self.own = state["own"]
        for part, each in zip(self.parts, parts, strict=True):
            part.load_state(each)

    def take_share(self, share: Share) -> None:
        """Hand out what one of several processes takes; a layer that reads no file makes a batch of
        its own in each.
        """
        for part in self.parts:
            part.take_share(share)

    def load(self, position: int) -> None:
        """Go to a position, in samples."""
        self.own = position
        for part in self.parts:
            part.load(position)

    def close(self) -> None:
        """End the threads that read ahead."""
        for part in self.parts:
            part.close()


def layer_batches(
    typed: TypedGraph,
    names: Mapping[str, str],
    role: Role,
    seed: int,
    device: torch.device,
    rules: Mapping[str, LabelRule],
    opened: Mapping[str, Source] = MappingProxyType({}),
) -> LayerBatches:
    """The batches of the data layers that read files; `names` leads from a top to the net's
    argument, `rules` to what may stand in it. opened: by layer, files that are open already.

    Raises SpecError NS642 to NS657.
    """
    parts = [
        part_of(node, names, role, seed + i, device, rules, opened.get(node.name))
        for i, node in enumerate(typed.graph.sources)
        if node.layer.reads
    ]
    return LayerBatches(parts, parts[0].batch_size if parts else 1)


def part_of(
    node: Node,
    names: Mapping[str, str],
    role: Role,
    seed: int,
    device: torch.device,
    rules: Mapping[str, LabelRule],
    opened: Source | None,
) -> Batches:
    """The batches of one data layer, in the file's order unless it shuffles."""
    layer = cast("FileLayer", node.layer)
    tops = tuple(top.name for top in node.tops)
    reader = Reader(node.layer, tops, folder_of(node), role == "train", opened)
    source: Source = reader.source()
    feeds = fields_of(source, tops, node.layer)
    fields = {names[top]: field for top, field in feeds.items() if top in names}
    labels = {field: rules[top] for top, field in feeds.items() if top in rules}
    change = reader.transform()
    transforms = {name: change for name, field in fields.items() if field == "image" and change is not None}
    order = Order(layer.shuffle and role == "train", role == "train", seed)
    return Batches(source, layer.batch_size, order, Feed(fields, transforms, labels=labels), device)
