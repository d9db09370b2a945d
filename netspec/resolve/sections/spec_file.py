"""The typed records of a spec file and of what every layer has: the words that belong to no layer
type.
"""

from typing import Any, Literal

from netspec.record import Record, param
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import TrainSection

__all__ = ["InputSection", "LayerFields", "OutputSection", "ParamFields", "Rule", "SpecFile"]

Dialect = Literal["caffe", "torch", "tf"]
Phase = Literal["TRAIN", "TEST"]


class SpecFile(Record):
    """The top level of a spec."""

    netspec: int = param(default=1, ge=1, le=1, doc="version of the language")
    name: str = param(default="", doc="name of the network")
    description: str = param(default="", doc="what it is, in a sentence or a paragraph")
    source: str = param(default="", doc="where it comes from: authors, year, paper")
    dialect: Dialect = param(default="caffe", doc="whose conventions fill what the spec leaves open")
    input: dict[str, Any] = param(
        default=None,
        doc="inputs by name: a shape, or {shape, image, dtype}; letters in a shape are symbols",
    )
    defaults: dict[str, Any] = param(
        default=None,
        doc="parameters by layer type, for every layer of that type that leaves them out",
    )
    layers: Any = param(default=None, doc="the layers, in the order of execution")
    output: Any = param(
        default=None,
        doc="the outputs of the deployed net: a name, a list, or a mapping to {labels}",
    )
    expect: Any = param(default=None, doc="facts and budgets that check holds the net to")
    train: TrainSection | None = param(
        default=None, doc="how it is trained: data, test_data, augment, solver, loss"
    )
    vars: dict[str, Any] = param(default=None, doc="variables, for $name and ${...}")
    blocks: dict[str, Any] = param(default=None, doc="groups of layers to be used by name")
    import_: tuple[str, ...] = param(default=(), doc="files whose blocks and vars are taken in")
    plugins: tuple[str, ...] = param(
        default=(),
        doc="Python files that define further layer types; they run only where --allow-code permits it",
    )
    base: str = param(default=None, doc="a spec to start from")
    override: dict[str, Any] = param(
        default=None, doc="layers of the base, with the parameters to set otherwise"
    )
    insert: Any = param(default=None, doc="layers to insert into the base: [{after: layer, layers: [...]}]")
    remove: tuple[str, ...] = param(default=(), doc="layers of the base to leave out")
    allow: tuple[str, ...] = param(default=(), doc="lint codes that are not reported for this file")


class InputSection(Record):
    """One input."""

    shape: tuple[int | str, ...] = param(doc="sizes; letters are symbols")
    dtype: Literal["float32", "int64"] = param(default="float32", doc="element type")
    image: ImageContract | None = param(
        default=None,
        doc="the input contract of images: colour order, resize, crop_size, mean_value, scale",
    )


class OutputSection(Record):
    """One output, where more is said of it than its name."""

    labels: tuple[str, ...] = param(
        default=(), doc="names of the classes, or the file that lists them, one a line"
    )


class Rule(Record):
    """When a layer is in the net: Caffe's NetStateRule."""

    phase: Phase | None = param(default=None, doc="the phase that it asks for")
    min_level: int | None = param(default=None, doc="least level")
    max_level: int | None = param(default=None, doc="greatest level")
    stage: tuple[str, ...] = param(default=(), doc="stages that must all be set")
    not_stage: tuple[str, ...] = param(default=(), doc="stages of which none may be set")

    def holds(self, phase: str, stages: frozenset[str], level: int) -> bool:
        """Whether a net in this phase, with these stages and this level, meets the rule."""
        return (
            (self.phase is None or self.phase == phase)
            and (self.min_level is None or level >= self.min_level)
            and (self.max_level is None or level <= self.max_level)
            and stages.issuperset(self.stage)
            and stages.isdisjoint(self.not_stage)
        )


class ParamFields(Record):
    """How training treats one weight: Caffe's ParamSpec."""

    name: str = param(default="", doc="weights of the same name are one tensor")
    lr_mult: float = param(default=1.0, doc="factor on the learning rate; 0 fixes the weight")
    decay_mult: float = param(default=1.0, doc="factor on the weight decay")
    share_mode: Literal["STRICT", "PERMISSIVE"] = param(
        default="STRICT", doc="PERMISSIVE shares with another shape of the same count"
    )


class LayerFields(Record):
    """What every layer has, whatever its type."""

    name: str = param(doc="name of the layer, and of its top unless top says otherwise")
    type: str = param(doc="type of the layer")
    bottom: tuple[str, ...] = param(
        default=(), doc="the values it reads; left out: the top of the layer before it"
    )
    top: tuple[str, ...] = param(default=(), doc="names of the values it makes; left out: the layer's name")
    include: tuple[Rule, ...] = param(
        default=(), doc="the layer is in the net only where one of these rules holds"
    )
    exclude: tuple[Rule, ...] = param(default=(), doc="the layer is left out where one of these rules holds")
    phase: Phase | None = param(
        default=None,
        doc=(
            "the phase in which the layer behaves, whatever the net's (dropout, batch norm); it filters"
            " nothing, as in Caffe"
        ),
    )
    loss_weight: tuple[float, ...] = param(
        default=(),
        doc="weight of each top in the total loss; a loss layer's first top has 1 by default",
    )
    propagate_down: tuple[bool, ...] = param(default=(), doc="whether each bottom gets a gradient")
    allow: tuple[str, ...] = param(default=(), doc="lint codes that are not reported for this layer")
    param: tuple[ParamFields, ...] = param(default=(), doc="one entry per weight: name, lr_mult, decay_mult")
