"""The abstract augmentation: all that a type must say of itself. The concrete ones stand beside it
in their families; what uses torch is in kernels/, imported when it runs.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.ir.layer import Example
from netspec.record import Record, param
from netspec.source import Source

if TYPE_CHECKING:
    from torch import Tensor

    from netspec.augmentation.kernels.batch import Batch
    from netspec.augmentation.kernels.draw import Draw
    from netspec.augmentation.kernels.maps import Map

__all__ = ["REGISTRY", "Augmentation", "ImageChange", "MapChange", "SequenceChange"]

REGISTRY: dict[str, type["Augmentation"]] = {}
SIDE = 64
"""Of any picture."""
PACKAGE = f"{__name__.partition('.')[0]}."


class Augmentation(Record):
    """A random change of training samples. Subclasses declare parameters with `param()` and define
    `apply`, or the smaller method that their base asks for.

    type: its name in a spec. takes: what it changes, one of image (C, H, W), tokens (whole numbers
    along a line), signal (numbers along time).

    >>> class Still(Augmentation, type="Still"):
    ...     amount: float = param(default=0.5, gt=0, doc="how much")
    >>> Still(amount=2.0).replace(probability=0.5).probability
    0.5
    """

    type: ClassVar[str] = ""
    takes: ClassVar[tuple[str, ...]] = ("image",)
    home: ClassVar[Source | None] = None
    """The file of a plug-in; None for netspec's own."""
    moves: ClassVar[bool] = False
    """Whether places move: masks and boxes then move with the image."""
    partners: ClassVar[int] = 0
    """Further samples that go into each one; their labels become shares of the classes."""
    colors: ClassVar[bool] = False
    """Whether it knows gray or three colours, and no other number of channels."""
    neutral: ClassVar[Mapping[str, Any]] = {}
    """Values of its parameters that leave every sample as it is, if all of them are so."""

    probability: float = param(default=1.0, ge=0, le=1, doc="share of the samples that it changes")

    def __init_subclass__(
        cls,
        *,
        type: str = "",
        takes: tuple[str, ...] = (),
        moves: bool | None = None,
        **header: Any,
    ) -> None:
        super().__init_subclass__(**header)
        cls.type = type
        if takes:
            cls.takes = takes
        if moves is not None:
            cls.moves = moves
        if type and cls.__module__.startswith(PACKAGE):
            REGISTRY[type] = cls

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        """The batch with this change made to a share of its samples, by their draws."""
        raise NotImplementedError

    def frame_size(self, height: int | None, width: int | None) -> tuple[int | None, int | None]:
        """Height and width afterwards; None where they are open."""
        return height, width

    def judge_shape(self, shape: tuple[int | None, ...]) -> str:
        """Which samples it takes, where it cannot change those of a shape, without N; else empty."""
        return ""

    def judge_still(self) -> str:
        """Why it changes nothing, where no draw does; else empty."""
        # what fits samples into a frame does so whatever the probability is
        if not self.probability and not self.frames and self.frame_size(SIDE, SIDE) == (SIDE, SIDE):
            return "probability 0 chooses no sample"
        if not self.neutral or any(getattr(self, name) != value for name, value in self.neutral.items()):
            return ""
        words = ", ".join(f"{name} {show(value)}" for name, value in self.neutral.items())
        return f"{words}: every draw is the identity"

    @property
    def tokens_made(self) -> int:
        """One more than the greatest token that it puts in; 0 where it puts in none."""
        return 0

    @property
    def frames(self) -> bool:
        """Whether it gives samples of any size one size, so that the contract's crop is not
        needed.
        """
        return False

    @staticmethod
    def examples() -> Iterator[Example]:
        """Rows of parameters and shapes that must be accepted, or refused with a code."""
        yield from ()


def show(value: Any) -> str:
    """A parameter's value as a spec has it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(show, value))}]"
    return f"{value:g}"


class MapChange(Augmentation, moves=True):
    """A change of places: each pixel of the result is read at another place. Several in a row are
    one map, and pixels are read once.

    >>> MapChange().outside
    'zeros'
    """

    def map(self, draw: "Draw", size: tuple[int, int]) -> "Map":
        """From places of the result to places of the image, pixels from the middle; size: (H,
        W).
        """
        raise NotImplementedError

    @property
    def outside(self) -> str:
        """What lies around the image: zeros, edge, reflect."""
        return "zeros"

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        chosen = draw.chance(self.probability, "probability")
        return batch.map(self.map(draw, batch.size).choose(chosen), self.outside)


class ImageChange(Augmentation):
    """A change of an image's values: masks and boxes stay.

    >>> ImageChange().takes
    ('image',)
    """

    def change(self, x: "Tensor", draw: "Draw", order: str) -> "Tensor":
        """Images (N, C, H, W), float32, 0 to 255, changed; they are limited to that range
        afterwards. order: rgb, bgr, or empty.
        """
        raise NotImplementedError

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        return batch.change_image(self.change, draw, draw.chance(self.probability, "probability"))


class SequenceChange(Augmentation):
    """A change of what runs along a line: tokens (N, T), signals (N, T) or (N, C, T).

    >>> class Reverse(SequenceChange, type="Reverse", takes=("tokens",)):
    ...     def change(self, x, draw):
    ...         return x.flip(1)
    >>> Reverse().takes
    ('tokens',)
    """

    def change(self, x: "Tensor", draw: "Draw") -> "Tensor":
        """The sequences changed, of the same shape and type."""
        raise NotImplementedError

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        return batch.change_sequence(self.change, draw, draw.chance(self.probability, "probability"))
