"""What is asked of a view, and what it answers. Knows no view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from netspec.read_options import PLAIN, Reading

__all__ = ["SAMPLE", "Array", "Asked", "Seen"]

Array = np.ndarray[Any, Any]
SAMPLE = ("inputs", "data", "index", "split", "part")
"""The words that say which sample a net is shown."""


@dataclass(frozen=True)
class Asked:
    """What is asked beside the view and the net; each view says which words it takes.

    inputs: files, or other runs and specs. data, index, split: a sample of a source. layer, unit,
    label: which layer, which of its channels, which class. count: how many of what is shown. part:
    of which data. method: a view's own word. given: bytes that came by standard input.
    """

    inputs: tuple[str, ...] = ()
    data: str | None = None
    index: int = 0
    split: str = "test"
    layer: str | None = None
    unit: int | None = None
    label: str | None = None
    count: int | None = None
    seed: int = 0
    part: str = "test"
    method: str | None = None
    temperature: float = 1.0
    primer: str = ""
    diff: bool = False
    window: int | None = None
    given: bytes = b""
    reading: Reading = PLAIN


class Seen(NamedTuple):
    """What a view found: a title, lines that tell it, values for JSON, arrays by name. `draw` of the
    view makes figures of these, wherever they are kept.
    """

    view: str
    title: str
    told: Sequence[str]
    values: Mapping[str, Any]
    arrays: Mapping[str, Array] = {}
