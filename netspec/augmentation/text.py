"""Changes of tokens along a line: Shuffle, Replace, Drop; of letters as one-hot maps:
ReverseComplement.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.augmentation.definition import SequenceChange
from netspec.ir.layer import Example, accepts, rejects
from netspec.record import param

if TYPE_CHECKING:
    from torch import Tensor

    from netspec.augmentation.kernels.draw import Draw

__all__ = ["Drop", "Replace", "ReverseComplement", "Shuffle"]

LETTERS = "ACGT"
"""The channels of one-hot maps, each beside the end as far as its partner."""


class Shuffle(SequenceChange, type="Shuffle", takes=("tokens",), moves=True):
    """Move tokens a little: none goes further than a window.

    order by i + u_i,  u even in [0, window]     (Lample et al. 2018)
    """

    window: float = param(default=3.0, gt=0, doc="how far a token may move")

    def change(self, x: "Tensor", draw: "Draw") -> "Tensor":
        from netspec.augmentation.kernels.sequences import shuffle

        return shuffle(x, draw, self.window)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,20 -> N,20")
        yield accepts("{window: 1.5, probability: 0.5}", "N,7 -> N,7")
        yield rejects("{window: 0}", "N,20", code="NS106", at="window")


class Replace(SequenceChange, type="Replace", takes=("tokens",)):
    """Put another token, drawn evenly from all, in the place of some.

    y_t = r_t with chance share, else x_t     (Xie et al. 2017)
    """

    tokens: int = param(ge=1, doc="how many kinds of tokens there are: 0 .. tokens - 1")
    share: float = param(default=0.1, gt=0, le=1, doc="chance of each token")

    @property
    def tokens_made(self) -> int:
        return self.tokens

    def change(self, x: "Tensor", draw: "Draw") -> "Tensor":
        from netspec.augmentation.kernels.sequences import replace

        return replace(x, draw, self.share, self.tokens)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{tokens: 50}", "N,20 -> N,20")
        yield accepts("{tokens: 4, share: 0.5}", "N,7 -> N,7")
        yield rejects("{share: 0.5}", "N,20", code="NS103", at="tokens")


class Drop(SequenceChange, type="Drop", takes=("tokens",), moves=True):
    """Leave tokens out; the rest moves up, and the end is filled.

    each token stays with chance 1 - share     (Iyyer et al. 2015)
    """

    share: float = param(default=0.1, gt=0, lt=1, doc="chance of each token")
    fill: int = param(default=0, ge=0, doc="the token at the end")

    @property
    def tokens_made(self) -> int:
        return self.fill + 1

    def change(self, x: "Tensor", draw: "Draw") -> "Tensor":
        from netspec.augmentation.kernels.sequences import drop

        return drop(x, draw, self.share, self.fill)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,20 -> N,20")
        yield accepts("{share: 0.5, fill: 3}", "N,7 -> N,7")
        yield rejects("{share: 1}", "N,20", code="NS106", at="share")


class ReverseComplement(SequenceChange, type="ReverseComplement", takes=("signal",)):
    """Read DNA or RNA from the other strand.

    y_{c, t} = x_{3 - c, T - 1 - t},  channels A, C, G, T     (Shrikumar, Greenside, Kundaje 2017)

    It is turned, and each letter gives way to its partner: A and T or U, C and G. Which strand was
    written down says nothing about what binds there.
    """

    probability: float = param(default=0.5, ge=0, le=1, doc="share of the samples that it changes")

    def judge_shape(self, shape: tuple[int | None, ...]) -> str:
        fits = len(shape) > 1 and shape[0] in (len(LETTERS), None)
        return "" if fits else f"the channels {', '.join(LETTERS)}"

    def change(self, x: "Tensor", draw: "Draw") -> "Tensor":
        from netspec.augmentation.kernels.sequences import read_other_strand

        return read_other_strand(x)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,4,101 -> N,4,101")
        yield accepts("{probability: 0.3}", "N,4,7 -> N,4,7")
        yield rejects("{probability: 2}", "N,4,7", code="NS106", at="probability")
