"""Values of which a net learns nothing, or other things than it is tested on. In: opened parts whose
samples are arrays; out: warnings. Pictures are looked at where they are decoded.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from netspec.data.inventory.oddities import find_training, name_part
from netspec.data.source import Array, Source, spread
from netspec.diagnostics import Diagnostic
from netspec.diagnostics.words import list_briefly
from netspec.imaging.contract import ImageContract

__all__ = ["judge_values", "tell_small_pixels"]

SOME = 256
"""Samples of each part in memory that are compared, spread evenly; of others FEW."""
MIDDLE = (5, 95)
"""Percentiles between which most values lie: a few outliers say nothing of the rest."""
APART = 20
"""From which ratio of these on parts were made differently. Pixels as 0 to 255 and as 0 to 1 differ by
255; parts of one kind differ by less than 2.
"""
NUMBERS = ("mean_value", "std_value", "scale")
LITTLE, MUCH = 0.05, 2
"""A scale below, a mean or deviation above which belongs to pixels of 0 to 255."""
FEW = 16
SHOWN = 4


def judge_values(parts: Mapping[str, Source]) -> Iterator[Diagnostic]:
    """NS668 for samples of one value throughout, in each part that lies in memory, and for parts
    whose values go many times as far as those of the training data.
    """
    arrays = {name: source for name, source in parts.items() if is_array(source)}
    for name, source in arrays.items():
        yield from tell_constant(source, name)
    first = find_training(arrays)
    for name, source in arrays.items():
        if first is not None and source is not first:
            yield from tell_other_scale(first, source, name)


def is_array(source: Source) -> bool:
    """Whether samples are numbers of one size, as they stand in memory or in a file of arrays."""
    field = source.fields[next(iter(source.fields))]
    return (
        not source.decoded and not source.streams and source.steady and None not in (field.shape or (None,))
    )


def tell_constant(source: Source, part: str) -> Iterator[Diagnostic]:
    """NS668 for samples whose first field holds one value alone."""
    whole, first = source.whole(), next(iter(source.fields))
    if whole is None or len(source.fields[first].shape or ()) < 2:
        return
    plain = find_plain_rows(whole[first].reshape(len(source), -1))
    if not plain:
        return
    names = list_briefly([source.where(number) for number in plain], SHOWN)
    fact = f"{first} of the {name_part(part)} data is one value throughout in {len(plain):,} of"
    fact += f" {len(source):,} samples: {names}"
    note = "such a sample teaches its one value alone: was something else meant to be there?"
    yield Diagnostic("NS668", fact, path=source.name, notes=(note,))


def find_plain_rows(rows: Array) -> list[int]:
    """The numbers of the rows that hold one value alone."""
    # most rows differ among their first values, in their middle or at their end: few are read whole
    few = rows[:, spread(rows.shape[1], FEW)]
    alike = np.flatnonzero((few == few[:, :1]).all(1)).tolist()
    return [number for number in alike if (rows[number] == rows[number, 0]).all()]


def tell_other_scale(trained: Source, source: Source, part: str) -> Iterator[Diagnostic]:
    """NS668 where values of a part lie many times as far apart as those of the training data, or
    as many times closer.
    """
    first = next(iter(trained.fields))
    if first not in source.fields:
        return
    before, now = sample_values(trained, first), sample_values(source, first)
    widths = [measure_spread(each) for each in (before, now)]
    if not min(widths) > 0 or max(widths) < APART * min(widths):
        return
    ends = [f"{each.min():.4g} to {each.max():.4g}" for each in (before, now)]
    fact = f"{first} goes from {ends[0]} in the training data,"
    fact += f" from {ends[1]} in the {name_part(part)} data:"
    wider = "training" if widths[0] > widths[1] else name_part(part)
    fact += f" most values of the {wider} data lie {max(widths) / min(widths):,.0f} times as far apart"
    note = "a net is measured by data that are scaled as those that it learned from"
    yield Diagnostic("NS668", fact, path=source.name, notes=(note,))


def measure_spread(values: Array) -> float:
    """How far apart most values lie; 0 where there are none."""
    if not values.size:
        return 0.0
    low, high = np.percentile(values, MIDDLE)
    return float(high - low)


def tell_small_pixels(source: Source, field: str, contract: ImageContract) -> Iterator[Diagnostic]:
    """NS668 for pixels from 0 to 1 under a contract whose numbers are meant for those of 0 to 255."""
    meant = contract.scale < LITTLE or max((*contract.mean_value, *contract.std_value), default=0) > MUCH
    if not meant or not is_array(source) or field not in source.fields:
        return
    values = sample_values(source, field)
    if not values.size or values.min() < 0 or values.max() > 1:
        return
    said = [f"{word} {show(value)}" for word, value in vars(contract).items() if word in NUMBERS and value]
    fact = f"{field} goes from {values.min():.4g} to {values.max():.4g}, and `image:` takes pixels"
    fact += f" from 0 to 255: {', '.join(said)}"
    note = "write the pixels as 0 to 255, or the contract for those of 0 to 1:"
    note += " `image: {}` leaves them as they are"
    yield Diagnostic("NS668", fact, path=source.name, notes=(note,))


def show(value: object) -> str:
    """A number of a contract, or its list of them, with four digits."""
    if isinstance(value, tuple):
        return f"[{', '.join(f'{each:.4g}' for each in value)}]"
    return f"{value:.4g}"


def sample_values(source: Source, field: str) -> Array:
    """The finite values of some samples, in one row."""
    # what lies on disk may be compressed in large pieces, one of which is read for each sample
    most = FEW if source.whole() is None else SOME
    values = np.asarray(source.batch(spread(len(source), most))[field]).reshape(-1)
    if values.dtype.kind not in "fiub":
        return np.empty(0)
    found: Array = values[np.isfinite(values)].astype(np.float64)
    return found
