"""Arrays through the arriving half of the input contract: what files get when they are decoded,
samples from arrays get here.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from netspec.data.source import Array, ArraySource, Field, Rows, Source
from netspec.diagnostics import Diagnostic, fail
from netspec.imaging.decode import recolor, resize
from netspec.resolve.sections.image import ImageContract

__all__ = ["Arrived", "conform_to_contract"]

CHANNELS = {"gray": 1, "rgb": 3, "bgr": 3}


class Arrived(Source):
    """A source whose first field comes in the contract's colour order and size."""

    def __init__(self, source: Source, contract: ImageContract, want: str | None) -> None:
        self.source = source
        self.contract = contract
        self.want = want
        self.name, self.label, self.classes = source.name, source.label, source.classes
        self.steady, self.named, self.left_out = source.steady, source.named, source.left_out
        self.color = source.color if want is None else contract.color
        self.first, field = next(iter(source.fields.items()))
        # one black sample tells shape and type
        sample = self.arrive(np.zeros((1, *(n or 1 for n in field.shape)), field.dtype))
        fixed = None not in field.shape or (isinstance(contract.resize, tuple) and len(contract.resize) == 2)
        self.fields = {
            **source.fields,
            self.first: Field(sample.shape[1:] if fixed else (sample.shape[1], None, None), sample.dtype),
        }

    def __len__(self) -> int:
        return len(self.source)

    def labels(self) -> Array | None:
        return self.source.labels()

    def remarks(self) -> tuple[Diagnostic, ...]:
        return self.source.remarks()

    def where(self, index: int) -> str:
        return self.source.where(index)

    def signatures(self) -> Sequence[str] | None:
        return self.source.signatures()

    def batch(self, indices: Array) -> Rows:
        rows = dict(self.source.batch(indices))
        pixels = rows[self.first]
        if isinstance(pixels, list):
            rows[self.first] = [self.arrive(x[None])[0] for x in pixels]
        else:
            rows[self.first] = self.arrive(pixels)
        return rows

    def arrive(self, pixels: Array) -> Array:
        """(N, C, h, w) in the contract's order and size; a resize needs bytes, as files have
        them.
        """
        if self.source.color is not None and self.want is not None:
            pixels = recolor(pixels, self.source.color, self.want)
        if self.contract.resize is None:
            return pixels
        if pixels.dtype != np.uint8:
            raise fail("NS660", f"resize works on bytes, {self.name} holds {pixels.dtype}", path=self.name)
        planes = [
            [np.asarray(resize(Image.fromarray(plane), self.contract)) for plane in sample]
            for sample in pixels
        ]
        return np.array(planes, np.uint8)


def conform_to_contract(source: Source, contract: ImageContract | None, channels: int | None) -> Source:
    """The source as the contract wants it on arrival, itself where nothing changes; in memory it is
    done once, for all samples.
    """
    first = next(iter(source.fields.values()))
    if contract is None or source.decoded or len(first.shape) != 3:
        return source
    want = contract.color or natural(source.color, channels)
    if contract.resize is None and want in (None, source.color):
        return source
    view = Arrived(source, contract.replace(color=want), want)
    arrays = source.whole()
    if arrays is None:
        return view
    done = {**arrays, view.first: view.arrive(arrays[view.first])}
    made = ArraySource(source.name, done, source.label, source.classes, view.color)
    made.places, made.left_out = source.where, source.left_out
    return made


def natural(have: str | None, channels: int | None) -> str | None:
    """The order for a net of so many channels where the contract names none: that of files, unless
    the source's own fits or is unknown.
    """
    if have is None or CHANNELS[have] == channels or channels is None:
        return have
    return {1: "gray", 3: "rgb"}.get(channels)
