"""The abstract layer: all that a layer type must say of itself. The concrete ones stand in layers/;
this knows none of them.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from netspec.ir.boxes import Boxes
from netspec.ir.dims import Size
from netspec.ir.field import Reads, Window, same_place, window_steps
from netspec.ir.onnx import OnnxBuilder
from netspec.ir.rule import Change
from netspec.ir.traits import JUDGING, TRAITS, DefinitionError, check_traits
from netspec.ir.types import TensorType
from netspec.kinds import LARGEST
from netspec.record import Param, Record, param
from netspec.source import Source

__all__ = [
    "FILLER_WORDS",
    "REGISTRY",
    "Example",
    "FileLayer",
    "Filler",
    "Kept",
    "Layer",
    "ModuleText",
    "Weight",
    "accepts",
    "as_read",
    "constant",
    "module",
    "rejects",
]

Range = tuple[int, int | None]
FillerType = Literal[
    "constant",
    "uniform",
    "gaussian",
    "xavier",
    "msra",
    "positive_unitball",
    "bilinear",
    "kaiming_uniform",
    "values",
]
Row = tuple[float, ...]
Nested = tuple[float | tuple[float | tuple[float | Row, ...], ...], ...]
"""Numbers in lists within lists, up to four deep."""


class Filler(Record):
    """How a weight is initialised, in Caffe's words (FillerParameter).

    >>> Filler(type="gaussian", std=0.01).std
    0.01
    """

    short = "type"

    type: FillerType = param(
        default="constant",
        doc=(
            "distribution: constant value, uniform on [min, max), gaussian, xavier (uniform on +-sqrt(3/n)),"
            " msra (normal, std sqrt(2/n)), positive_unitball, bilinear (an upsampling kernel),"
            " kaiming_uniform (PyTorch's default), values (each number as given)"
        ),
    )
    value: float = param(default=0.0, doc="the constant")
    min: float = param(default=0.0, doc="lower end of uniform")
    max: float = param(default=1.0, doc="upper end of uniform")
    mean: float = param(default=0.0, doc="mean of gaussian")
    std: float = param(default=1.0, ge=0, doc="standard deviation of gaussian")
    sparse: int = param(
        default=-1,
        ge=-1,
        doc="gaussian: each value is kept with probability sparse / outputs; -1 keeps all",
    )
    variance_norm: Literal["FAN_IN", "FAN_OUT", "AVERAGE"] = param(
        default="FAN_IN", doc="which fan n is, for xavier and msra"
    )
    values: Nested = param(default=(), doc="the weight's numbers in row order, in lists within lists or not")

    @property
    def numbers(self) -> Row:
        """`values` as one row."""
        return tuple(flat(self.values))

    @property
    def own_words(self) -> tuple[str, ...]:
        """The words that its type reads, but for `values`."""
        return FILLER_WORDS[self.type]

    @property
    def conflict(self) -> str:
        """What keeps it from filling anything (Caffe's CHECKs, and what 32 bits hold); empty for nothing."""
        if self.type != "uniform":
            return ""
        if self.min > self.max:
            return f"uniform fills from min {self.min:g} to max {self.max:g}: min must not exceed max"
        if self.max - self.min > LARGEST:
            return f"max {self.max:g} - min {self.min:g} is more than the 32 bits of a number hold"
        return ""


FILLER_WORDS: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "uniform": ("min", "max"),
    "gaussian": ("mean", "std", "sparse"),
    "xavier": ("variance_norm",),
    "msra": ("variance_norm",),
    "positive_unitball": (),
    "bilinear": (),
    "kaiming_uniform": (),
    "values": (),
}
"""The numbers and words that each type of filler is told by, beside `values`, which stand by themselves."""


def flat(values: "Nested | float") -> Iterator[float]:
    """Numbers out of lists within lists, in order."""
    if isinstance(values, tuple):
        for value in values:
            yield from flat(value)
    else:
        yield values


def constant(value: float) -> Filler:
    """The filler that sets every value the same.

    >>> constant(1.0).value
    1.0
    """
    return Filler(value=value)


SWAPPED = {"FAN_IN": "FAN_OUT", "FAN_OUT": "FAN_IN"}


class Weight(NamedTuple):
    """A tensor that a layer owns. parameter: trained; statistic: gathered while training; fixed:
    never changed by training.

    outputs: the axis along which the outputs stand. true_fans: xavier and msra count what an output
    sees; else, as Caffe, what stands behind axis 0.

    >>> Weight("bias", (20,), constant(0.0)).kind
    'parameter'
    """

    name: str
    shape: tuple[Size, ...]
    filler: Filler = Filler()
    kind: Literal["parameter", "statistic", "fixed"] = "parameter"
    outputs: int = 0
    true_fans: bool = False

    @property
    def seen(self) -> tuple[Size, ...]:
        """The sizes whose product is what one output sees."""
        return self.shape[: self.outputs] + self.shape[self.outputs + 1 :]

    @property
    def drawn(self) -> Filler:
        """The filler in terms of the tensor as it is stored."""
        if self.true_fans and self.outputs == 1 and self.filler.type in ("xavier", "msra"):
            return self.filler.replace(
                variance_norm=SWAPPED.get(self.filler.variance_norm, self.filler.variance_norm)
            )
        return self.filler


class ModuleText(NamedTuple):
    """The torch module of a layer, as data: `target(*arguments, **keywords)`.

    A target without a dot is a class of torch_modules/, or of the plug-in's own file.

    >>> ModuleText("nn.Dropout", (0.5,), {}).target
    'nn.Dropout'
    """

    target: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]


def module(
    target: str, *arguments: Any, defaults: dict[str, Any] | None = None, **keywords: Any
) -> ModuleText:
    """A module's construction; keywords equal to the module's own defaults are left out of the
    text.

    >>> module("nn.Conv2d", 3, 20, 5, stride=1, padding=2, defaults={"stride": 1, "padding": 0}).keywords
    {'padding': 2}
    """
    defaults = defaults or {}
    return ModuleText(
        target,
        arguments,
        {k: v for k, v in keywords.items() if k not in defaults or v != defaults[k]},
    )


class Example(NamedTuple):
    """A row of the table that tests, manual and schema share: parameters, bottoms, and what must
    come of them.

    weights, statistics, fixed: how many numbers of each sort the layer owns. code, at: of a
    refusal. Made by `accepts` and `rejects`.

    >>> Example("{axis: 1}", ("N,3",), ("N,3",)).dialect
    'caffe'
    """

    parameters: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...] = ()
    weights: int | None = None
    statistics: int | None = None
    fixed: int | None = None
    code: str | None = None
    at: str | None = None
    dialect: str = "caffe"
    outputs: int | None = None
    """Number of tops, where it is not the number of types in `tops` or 1."""


def accepts(parameters: str, shapes: str, **more: Any) -> Example:
    """A row that must be accepted: parameters as a spec has them, shapes of bottoms and tops;
    several are parted by `;`.

    >>> accepts("{num_output: 20, kernel_size: 5}", "N,1,28,28 -> N,20,24,24", weights=520).tops
    ('N,20,24,24',)
    """
    bottoms, tops = shapes.split("->")
    return Example(parameters, parts(bottoms), parts(tops), **more)


def rejects(parameters: str, bottoms: str, *, code: str, at: str | None = None, **more: Any) -> Example:
    """A row that must be refused with a code, at a parameter.

    >>> rejects("{num_output: 4, kernel_size: 9}", "N,3,8,8", code="NS301", at="kernel_size").code
    'NS301'
    """
    return Example(parameters, parts(bottoms), code=code, at=at, **more)


def parts(shapes: str) -> tuple[str, ...]:
    return tuple(s.strip() for s in shapes.split(";") if s.strip())


class Kept(NamedTuple):
    """What a call in training keeps for the backward pass: bottoms and tops, by their place, and
    bytes of its own.

    These are masks, indices, padded copies; statistics of a few numbers are left out. passing:
    bottoms that are kept only where a gradient goes on to them. about: how much of its own depends
    on the values, `own` is what is usual.

    >>> Kept(tops=(0,)).own
    0
    """

    bottoms: tuple[int, ...] = ()
    tops: tuple[int, ...] = ()
    own: Size = 0
    passing: tuple[int, ...] = ()
    about: bool = False


def as_read(layer: "Layer", bottoms: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
    """Bottoms as a layer reads them: whole numbers that are no labels, indices or masks to it are
    real ones, as all of Caffe's are.
    """
    for bottom in bottoms:
        if bottom.dtype == "int64":
            break
    else:  # nearly every layer, and asked several times of each
        return bottoms
    try:
        whole = layer.indices(*bottoms)
    except Exception:  # bottoms that it does not take: its rule says so
        return bottoms
    return tuple(b if i in whole else b._replace(dtype="float32") for i, b in enumerate(bottoms))


class FileLayer(Protocol):
    """What is asked of a layer with trait data whose `reads` names a format: where its file is, and
    in what order it is read.
    """

    reads: ClassVar[str]
    source: str
    batch_size: int
    shuffle: bool
    rand_skip: int


REGISTRY: dict[str, type["Layer"]] = {}
KEPT = re.compile(r"(bottom|top)(\.\d+)?|values")
"""The words of `keeps`."""
PACKAGE = f"{__name__.partition('.')[0]}."


class Layer(Record):
    """A layer type. Subclasses declare parameters with `param()` and override what differs from the
    defaults below.

    type: Caffe's name; groups: the param maps that hold its parameters, the first by default;
    legacy: names of older Caffe versions; bottoms, tops: how many, as (least, most), most None for
    any; traits: what passes may ask, words of ir/traits.py. keeps: what its torch module keeps for
    the backward pass: "bottom", "top", "bottom.0" (one of several), "values" (as many numbers of
    its own as the first bottom has); bottoms and tops where nothing is said. Where it depends on
    parameters, `kept` says it.
    """

    type: ClassVar[str] = ""
    groups: ClassVar[tuple[str, ...]] = ()
    legacy: ClassVar[tuple[str, ...]] = ()
    bottoms: ClassVar[Range] = (1, 1)
    tops: ClassVar[Range] = (1, 1)
    traits: ClassVar[frozenset[str]] = frozenset()
    keeps: ClassVar[tuple[str, ...]] = ("bottom", "top")
    home: ClassVar[Source | None] = None
    """The file of a plug-in, with the torch modules that it names; None for netspec's own."""
    reads: ClassVar[str] = ""
    """The format of the file that it reads (lmdb, hdf5, images, matrix), named by its parameter
    `source`; empty for none.
    """
    fed: ClassVar[bool] = False
    """Of a data layer: it neither reads its tops nor makes them, so that a call must pass them in."""
    writes: ClassVar[str] = ""
    """The format of the file that it writes (hdf5), named by its parameter `file_name`; empty for
    none.
    """
    answers: ClassVar[Literal["", "classes", "labels", "numbers", "boxes"]] = ""
    """What a loss judges its first bottom to be, against the second: scores of one class out of
    several, of labels that are there or not, numbers, boxes; empty: something else.
    """
    top_count: int
    """How many tops this instance has in its net: part of how it was built, not a parameter."""

    def __init_subclass__(
        cls,
        *,
        type: str = "",
        param: str | tuple[str, ...] = (),
        legacy: tuple[str, ...] = (),
        bottoms: int | Range | None = None,
        tops: int | Range | None = None,
        traits: tuple[str, ...] = (),
        keeps: tuple[str, ...] | None = None,
        **header: Any,
    ) -> None:
        super().__init_subclass__(**header)
        if param:
            cls.groups = (param,) if isinstance(param, str) else param
        if bottoms is not None:
            cls.bottoms = (bottoms, bottoms) if isinstance(bottoms, int) else bottoms
        if tops is not None:
            cls.tops = (tops, tops) if isinstance(tops, int) else tops
        if traits:
            cls.traits = cls.traits | frozenset(traits)
            check_traits(cls.__name__, cls.traits)
        if keeps is not None:
            cls.keeps = keeps
        if type:
            cls.check_definition()
            cls.type = type
            cls.legacy = legacy
            if cls.__module__.startswith(
                PACKAGE
            ):  # a plug-in's types are known to the specs that name it, and to no other
                REGISTRY[type] = cls

    @classmethod
    def check_definition(cls) -> None:
        """Refuse, as DefinitionError: parameters called as what every layer has, unknown words of
        `keeps`, traits without their methods.
        """
        clash = next((name for name in cls.names if hasattr(Layer, name)), None)
        if clash is not None:
            raise DefinitionError(
                f"{cls.__name__} has a parameter called {clash}, as what every layer has: another name is"
                " needed"
            )
        wrong = next((word for word in cls.keeps if not KEPT.fullmatch(word)), None)
        if wrong is not None:
            raise DefinitionError(
                f"keeps of {cls.__name__} must be of bottom, bottom.0, ..., top, top.0, ..., values:"
                f" {wrong!r} is none"
            )
        for trait in sorted(cls.traits & TRAITS.keys()):
            missing = [name for name in TRAITS[trait].methods if getattr(cls, name) is getattr(Layer, name)]
            if missing:
                raise DefinitionError(
                    f"{cls.__name__} has trait {trait}, which needs a method `{missing[0]}`"
                )

    def __init__(self, *, top_count: int = 1, **values: Any) -> None:
        super().__init__(**values)
        self.__dict__["top_count"] = top_count

    @classmethod
    def group_of(cls, declared: Param) -> str | None:
        """The param map that holds a parameter."""
        return declared.group or (cls.groups[0] if cls.groups else None)

    # The catch-all keywords below let a subclass name its bottoms (`infer(self, x, y)`) under mypy
    # --strict; nothing passes any.

    def infer(self, *bottoms: Any, **none: Any) -> TensorType | tuple[TensorType, ...]:
        """Types of the tops. Pure arithmetic; raises RuleError."""
        raise NotImplementedError

    def stands_for(self) -> tuple[str, str]:
        """With trait stands_in: the type that this layer stands for, and its parameters as text."""
        raise NotImplementedError

    def weights(self, *bottoms: Any, **none: Any) -> Iterator[Weight]:
        """The tensors it owns, in Caffe's order and layout."""
        return iter(())

    def reopen(self, *bottoms: Any, **none: Any) -> Iterator[Change]:
        """Parameters with which it takes any number where it fixes a bottom's open size now. Each
        is tried before it is shown.
        """
        return iter(())

    def indices(self, *bottoms: Any, **none: Any) -> dict[int, Size]:
        """Bottoms that hold whole numbers from 0 on, and how many there are: labels, indices,
        masks. No gradient reaches them.

        Of other bottoms whole numbers are read as real ones (`as_read`): rules and modules meet
        int64 here alone.
        """
        return {}

    def holds(self, *bottoms: Any, **none: Any) -> dict[int, Boxes]:
        """Bottoms that hold boxes, or what boxes are made of: numbers drawn for a trial are such.
        Default: none.
        """
        return {}

    @property
    def lists(self) -> int:
        """Where its top lists boxes, rows (image, class, score, corners): how many classes there
        are. Default: 0.
        """
        return 0

    def truth(self) -> TensorType | None:
        """What its label is, where that is not one for each score: boxes. Default: None."""
        return None

    def field(self, *bottoms: Any, **none: Any) -> tuple[Reads, ...]:
        """Per bottom, what one unit of the top reads along each axis. Default: elementwise its own
        place, windowed its window, else all.
        """
        if "windowed" in self.traits:
            image, rank = self.bottom(bottoms[0]), bottoms[0].rank
            transposed = "transposed" in self.traits
            return (
                window_steps(
                    self.window(image),
                    image.space,
                    rank,
                    transposed=transposed,
                    mode=self.border_mode,
                ),
            )
        if "elementwise" in self.traits:
            # a bottom of another rank has the samples in common, no more
            return tuple(same_place(b.rank if b.rank == bottoms[0].rank else min(b.rank, 1)) for b in bottoms)
        return ((),) * len(bottoms)

    def bottom(self, x: TensorType) -> TensorType:
        """With trait windowed: the first bottom as batch, channels and the axes that the window
        slides over. Default: as it stands.
        """
        return x

    def window(self, *bottoms: Any, **none: Any) -> Window:
        """With trait windowed: the window over that bottom; with transposed, over the top."""
        raise NotImplementedError

    @property
    def border_mode(self) -> str:
        """With trait windowed: what the border holds. Default: its parameter `pad_mode`, else a
        constant.
        """
        return str(self.__dict__.get("pad_mode", "constant"))

    def averages_border(self, *bottoms: Any, **none: Any) -> bool:
        """With trait pooling: whether means at the border count the padding's zeros."""
        return False

    def along(self, x: TensorType) -> int:
        """The axis of x that it works along (its classes, its channels, what it joins). Default:
        its parameter `axis`, else axis 1.
        """
        said = self.__dict__.get("axis")
        if said is None:
            return 1
        return x.axis(said)

    @property
    def ignored(self) -> tuple[int, ...]:
        """Labels that count for nothing. Default: those of its parameter `ignore_label`."""
        said = self.__dict__.get("ignore_label")
        if isinstance(said, tuple):
            return said
        if said is None:
            return ()
        return (said,)

    @property
    def balanced(self) -> bool:
        """Whether its classes weigh by how rare they are in the training labels, which are bottom
        `indices`. Default: no.
        """
        return False

    @property
    def batch_in_training(self) -> bool:
        """Whether training normalises by the batch's own statistics. Default: where it has trait
        batch_statistics.
        """
        return "batch_statistics" in self.traits

    @property
    def remembers(self) -> tuple[str, float] | None:
        """The parameter that says how much of its statistics is kept from one batch to the next,
        and its value; None: it gathers none.
        """
        return None

    @property
    def draws(self) -> bool:
        """Whether it draws numbers in training. Default: where it has trait stochastic."""
        return "stochastic" in self.traits

    @property
    def passes_on(self) -> bool:
        """Whether outside training its top is its bottom. Default: where it has trait dropout."""
        return "dropout" in self.traits

    @property
    def takes_factors(self) -> bool:
        """Whether its module can scale the channels of its top in the same pass: `norm_and_scale`
        of torch_modules/fused.py runs it. Default: no.
        """
        return False

    def scales_channels(self, *bottoms: Any, **none: Any) -> bool:
        """Whether all that it does is to multiply each channel (axis 1) by its `weight`, and to add
        its `bias` where it has one. Default: no.
        """
        return False

    @property
    def rectifies(self) -> bool:
        """Whether its top is max(x, 0). Default: no."""
        return False

    @property
    def wants_others(self) -> bool:
        """Whether one value at two of its bottoms is a slip: what comes of it needs no such layer.
        Default: where it judges.
        """
        return not self.traits.isdisjoint(JUDGING)

    def overwritable(self, *bottoms: Any, **none: Any) -> bool:
        """Whether its first top lies in memory of its own that its backward pass does not read: the
        next layer may write over it. Default: no.
        """
        return False

    def takes_every(self, *bottoms: Any, **none: Any) -> tuple[int, ...] | None:
        """Where its top is every so-manieth place of its bottom and nothing else: how many, along
        each axis after the channels. Default: None.
        """
        return None

    def scaling(self, *bottoms: Any, **none: Any) -> "Callable[..., tuple[Any, Any]] | None":
        """Where all that it does outside training is to multiply each channel (axis 1) by a number
        and to add one: what makes these of its weights, as arrays of float64. Default: None.
        """
        return None

    def folds(self, *bottoms: Any, **none: Any) -> bool:
        """Whether its `weight` and `bias` can take in such a layer behind it: channels are axis 1
        of its top, and its weight has them where `Weight.outputs` says. Default: no.
        """
        return False

    @property
    def fixed_value(self) -> float | None:
        """The number that its top holds everywhere, whatever its bottom does. Default: None."""
        return None

    def maps(self, x: float) -> float | None:
        """The number that its top holds everywhere where its bottom holds x everywhere, in training
        too, whatever its weights. May raise what arithmetic raises. Default: None.
        """
        return None

    def guess(self, *bottoms: Any, **none: Any) -> float | None:
        """Of a loss: what it is where all scores are 0, as about those of a net that knows nothing.
        Default: None, it is not known.
        """
        return None

    def stops_gradient(self, bottom: int) -> bool:
        """Whether a trait says that no gradient reaches a bottom, by its place."""
        return "no_gradient" in self.traits or f"no_gradient.{bottom}" in self.traits

    @property
    def silent(self) -> frozenset[int]:
        """Tops, by their place, that send no gradient back."""
        return frozenset()

    def population(self, *bottoms: Any, **none: Any) -> Size | None:
        """Of how many values each mean is taken that it takes away; None where it takes none."""
        return None

    def connections(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        """Inputs read per unit, plus one where it has a bias, over all units. Default: the MACs, or
        one input a unit where these are 0.
        """
        reads = self.macs(bottoms, tops)
        size = tops[0].size if tops else 0
        bias = any(w.name == "bias" for w in self.weights(*bottoms))
        return (size if isinstance(reads, int) and reads == 0 else reads) + (size if bias else 0)

    def state(self, *bottoms: Any, **none: Any) -> Iterator[tuple[str, tuple[Size, ...]]]:
        """Names and shapes of what one call leaves for the next."""
        return iter(())

    def macs(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Size:
        """Multiply-accumulate operations; 0 but for convolutions, dense, recurrent and attention
        products.
        """
        return 0

    def kept(self, bottoms: tuple[TensorType, ...], tops: tuple[TensorType, ...]) -> Kept:
        """What its torch module keeps for the backward pass. Default: as `keeps` says."""
        found = {word: tuple(i for i in range(n) if {word, f"{word}.{i}"} & set(self.keeps)) for word, n in
                 (("bottom", len(bottoms)), ("top", len(tops)))}  # fmt: skip
        return Kept(
            found["bottom"],
            found["top"],
            4 * bottoms[0].size if "values" in self.keeps and bottoms else 0,
        )

    def torch(self, *bottoms: Any, **none: Any) -> ModuleText:
        """The torch module, as data."""
        raise NotImplementedError

    def onnx(self, g: OnnxBuilder, *bottoms: Any, **weights: Any) -> Any:
        """Build its nodes with `g`; answers the value (or tuple of values) of its tops."""
        raise NotImplementedError

    @staticmethod
    def examples() -> Iterator[Example]:
        """Accepted and rejected rows."""
        return iter(())
