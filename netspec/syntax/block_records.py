"""The mappings that expansion itself reads, declared: a block, the use of one, an insertion into a
base. Knows no layer type.
"""

from typing import Any

from netspec.record import Record, param

__all__ = ["BlockSection", "BlockUse", "InsertEntry", "LayerSwitch"]


class BlockSection(Record):
    """A group of layers under `blocks:`, used by name."""

    description: str = param(default="", doc="what the block is")
    vars: dict[str, Any] = param(
        default={},
        doc="its variables and their defaults; `required` for those that every use must give",
    )
    bottom: tuple[str, ...] = param(default=("x",), doc="its own names for what it reads")
    top: tuple[str, ...] = param(
        default=(),
        doc="its own names for what it leaves; left out: the first top of its last layer",
    )
    defaults: dict[str, Any] = param(
        default={}, doc="parameters by layer type, for the block's layers that leave them out"
    )
    layers: Any = param(doc="the layers, in the order of execution")


class BlockUse(Record):
    """An entry of `layers:` that stands for the layers of a block."""

    name: str = param(doc="name of the instance: its layers are called name.layer, its top has this name")
    block: str = param(doc="the block that is used")
    bottom: tuple[str, ...] = param(
        default=(), doc="the values it reads; left out: the top of the layer before it"
    )
    vars: dict[str, Any] = param(default={}, doc="values of the block's variables")
    repeat: int | None = param(default=None, ge=1, doc="number of copies in a row; i counts them from 0")
    share: bool = param(default=False, doc="all copies have the weights of the first")
    when: bool = param(default=True, doc="whether it is in the net")


class LayerSwitch(Record):
    """What expansion asks of every layer: whether it is there at all."""

    when: bool = param(default=True, doc="whether the layer is in the net")


class InsertEntry(Record):
    """An entry of `insert:`: layers put into the base before or after one of its layers."""

    after: str | None = param(default=None, doc="the layer of the base that they follow")
    before: str | None = param(default=None, doc="the layer of the base that they precede")
    layers: Any = param(doc="the layers, in the order of execution")
