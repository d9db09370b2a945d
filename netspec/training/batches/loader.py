"""Batches of a source, in an order that follows from (seed, epoch) alone: a resumed run goes on
with the very sample it would have had.

Rows are read ahead by a thread, or, where the source is small, lie on the device and are indexed
there; random changes are made by that thread too. The batches are the same: each draw follows from
(seed, epoch, index of the sample).
"""

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import Generator, Tensor

from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.plan import Plan, Stage, plan_rows
from netspec.data.binding import LabelRule, check_labels
from netspec.data.finite import find_not_finite, not_finite_error, tell_rows
from netspec.data.identity import identify
from netspec.data.labels import samples_by_class
from netspec.data.source import Array, Source
from netspec.diagnostics import fail
from netspec.training.batches.fills import Fill
from netspec.training.batches.order import Indices, Order, Share, entropy, permutation
from netspec.training.batches.prefetch import Prefetch

__all__ = ["Batches", "Feed", "Order", "Reader", "generator_at", "permutation"]

Raw = Tensor | list[Tensor]
Transform = Callable[[Raw, Draw], Tensor]
DEPTH = 4
TORCH_TYPES = {"u2": np.int32, "u4": np.int64, "u8": np.int64, "f2": np.float32, "b1": np.uint8}


class Augmenter(Protocol):
    """What changes some of the inputs at random."""

    changes: tuple[Any, ...]

    def __call__(self, values: Mapping[str, Raw], draw: Draw, stages: Sequence[Stage]) -> dict[str, Any]: ...


class Feed(NamedTuple):
    """What becomes of a source's fields: field by input, transforms by input, the inputs that want
    integers, what labels may be.

    labels: by field. fills: the inputs that no field feeds. augmenters: random changes, before the
    transforms. shares: the inputs whose labels are shares of classes, real numbers in any file.
    frames: what gives samples one length, before anything else. axes: the axis of a batch that counts
    samples, by input.
    """

    fields: Mapping[str, str]
    transforms: Mapping[str, Transform] = {}
    integers: frozenset[str] = frozenset()
    labels: Mapping[str, LabelRule] = {}
    fills: Mapping[str, Fill] = {}
    augmenters: tuple[Any, ...] = ()
    shares: frozenset[str] = frozenset()
    frames: Mapping[str, Transform] = {}
    axes: Mapping[str, int] = {}


def generator_at(seed: int, position: int) -> Generator:
    """The source of a batch's random draws: a CPU generator that follows from the seed and the
    number of samples before the batch.
    """
    return Generator().manual_seed(
        int(entropy(seed, 1, position).generate_state(1, np.uint64)[0] >> np.uint64(1))
    )


class Ready(NamedTuple):
    """A batch by input, and how many samples it has."""

    values: dict[str, Tensor]
    samples: int


class Batches:
    """Batches by input name, as tensors on a device: images and numbers float32, integer labels
    int64.

    With `order.wrap` it is an endless iterator; without, each `for` goes once through the data.
    Close it (or use it in a `with`) to end its thread. Raises SpecError NS651 (labels), NS693
    (numbers that are not finite): of samples in memory when it is made, of others when they are
    read.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        order: Order,
        feed: Feed,
        device: torch.device | str = "cpu",
        prefetch: int = DEPTH,
    ) -> None:
        self.source = source
        self.batch_size = batch_size
        self.order = order
        self.feed = feed
        self.device = torch.device(device)
        self.prefetch = prefetch
        self.classes = samples_by_class(source) if order.balance else []
        self.weights = source.weights if order.wrap else None
        self.indices = Indices(len(source), order, self.classes, self.weights)
        self.position = 0
        self.share = Share()
        self.ahead: Prefetch[Ready] | None = None
        arrays = source.whole()
        self.numbers = [field for field in dict.fromkeys(feed.fields.values()) if field not in feed.labels]
        if wrong := find_not_finite(source, self.numbers):
            raise not_finite_error(source, wrong)
        self.unchecked: dict[str, LabelRule] = {}
        for field, rule in feed.labels.items():
            labels = source.labels() if field == source.label else (arrays or {}).get(field)
            if labels is None:
                self.unchecked[field] = rule
            else:
                check_labels(labels, rule, source.name, where=source.where)
        self.resident = (
            None
            if arrays is None
            else {
                field: tensor_of(arrays[field], copy=True).to(self.device)
                for field in set(feed.fields.values())
            }
        )

    def __len__(self) -> int:
        """Batches in a pass, the last one included where it is not full."""
        return math.ceil(len(self.source) / self.batch_size)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        if not self.order.wrap:
            self.load(0)
        return self

    def __next__(self) -> dict[str, Tensor]:
        start = self.begin_of_next()
        ready = self.ready(start)
        if ready is None:
            self.load(0)
            raise StopIteration
        generator, batch = generator_at(self.order.seed, start), ready.values
        batch |= {
            name: self.part(fill.batch(ready.samples, generator), fill.axis).to(self.device)
            for name, fill in self.feed.fills.items()
        }
        self.position += ready.samples
        return batch

    def take_share(self, share: Share) -> None:
        """From now on hand out what one of several processes takes."""
        self.close()
        self.share = share

    def begin_of_next(self) -> int:
        """Where the batch that comes next begins, in samples of all processes."""
        if self.order.wrap or self.share.size == 1:
            return self.position
        handed_out = math.ceil(self.position / self.batch_size)
        return (handed_out * self.share.size + self.share.rank) * self.batch_size

    def part(self, values: Tensor, axis: int) -> Tensor:
        """Our rows of what is made for a whole batch that trains."""
        if not self.order.wrap:
            return values
        return values[(slice(None),) * axis + (self.share.rows,)]

    def ready(self, position: int) -> Ready | None:
        """The batch at a position, on the device; None past the end of a single pass."""
        # where a device makes the changes, a thread would only wait for it
        if self.resident is not None and not (self.feed.augmenters and self.device.type == "cpu"):
            return Reader(self, position, self.indices)(0)
        if self.ahead is None:
            self.ahead = Prefetch(Reader(self, position), self.prefetch)
        try:
            return self.ahead.next()
        except BaseException:
            self.close()
            raise

    def samples(self, batch: Mapping[str, Tensor]) -> int:
        """Samples in a batch."""
        fields = {name: self.source.fields[field] for name, field in self.feed.fields.items()}
        name = next(name for name, field in fields.items() if not field.boxes)
        return batch[name].shape[self.feed.axes.get(name, 0)]

    def state(self) -> dict[str, Any]:
        """Where the next batch begins: what a checkpoint keeps."""
        epoch, offset = divmod(self.position, len(self.source))
        return {
            "epoch": epoch,
            "position": offset,
            "samples": len(self.source),
            "seed": self.order.seed,
            "shuffle": int(self.order.shuffle),
            "balance": int(self.order.balance),
            "streams": self.source.streams,
            "weights": hash_weights(self.weights),
            "data": self.identity,
        }

    @cached_property
    def identity(self) -> str:
        """A hash of the data, found when it is first asked for."""
        return identify(self.source)

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint stood. Raises SpecError NS659 where the data or their order are
        not those of the checkpoint.
        """
        now, state = self.state(), {"streams": 0, "balance": 0, "weights": 0, **state}
        for word in ("samples", "seed", "shuffle", "balance", "streams", "weights"):
            if state.get(word, -1) != now[word]:
                raise fail(
                    "NS659",
                    f"{word} is {now[word]}, in the checkpoint {state.get(word)}",
                    path=self.source.name,
                )
        if state.get("data", now["data"]) != now["data"]:  # snapshots of before 2026-12 hold none
            fact = f"the data hash to {now['data']}, in the checkpoint to {state['data']}"
            note = "samples were added, taken away or changed since: with other data it is another training"
            raise fail("NS659", fact, path=self.source.name, notes=(note,))
        position, epoch = state.get("position", -1), state.get("epoch", -1)
        if not 0 <= position < len(self.source) or not 0 <= epoch < 2**31:
            raise fail("NS659", f"sample {position} of epoch {epoch} does not exist", path=self.source.name)
        self.load(epoch * len(self.source) + position)

    def load(self, position: int) -> None:
        """Go to a position, counted in samples over all epochs."""
        self.close()
        self.position = position

    def close(self) -> None:
        """End the thread that reads ahead; the next batch starts it anew."""
        if self.ahead is not None:
            self.ahead.close()
            self.ahead = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def hash_weights(weights: Array | None) -> int:
    """What tells the weights of samples from others; 0 where all count alike."""
    if weights is None:
        return 0
    return zlib.crc32(np.ascontiguousarray(weights, np.float64).tobytes())


class Reader:
    """What the reading thread does: batch 0, 1, ... after a position, on the device. Shares nothing
    that changes.
    """

    def __init__(self, batches: Batches, position: int, indices: Indices | None = None) -> None:
        self.source, self.size, self.device = batches.source, batches.batch_size, batches.device
        self.ours, self.step = slice(None), self.size * batches.share.size
        if batches.order.wrap:
            self.ours, self.step = batches.share.rows, self.size
        self.feed, self.seed, self.resident = batches.feed, batches.order.seed, batches.resident
        self.fields = dict.fromkeys(batches.feed.fields.values())
        self.indices = indices or Indices(
            len(batches.source), batches.order, batches.classes, batches.weights
        )
        self.position = position
        self.rules, self.numbers = batches.unchecked, batches.numbers

    def __call__(self, number: int) -> Ready | None:
        start = self.position + number * self.step
        at = self.indices.at(start, self.size)
        if not len(at):
            return None
        epochs = self.indices.epochs(start, len(at))
        return Ready(self.of_rows(at[self.ours], epochs[self.ours]), len(at))

    def of_rows(self, at: Array, epochs: Array) -> dict[str, Tensor]:
        """The batch of some samples, as the passes that they are read in change them."""
        plan = plan_rows(self.changes, self.seed, epochs, at, len(self.source))
        return self.prepare(self.rows(plan.indices), plan, len(at))

    @property
    def changes(self) -> tuple[Any, ...]:
        if self.feed.augmenters:
            return tuple(self.feed.augmenters[0].changes)
        return ()

    def prepare(self, rows: Mapping[str, Raw], plan: Plan, count: int) -> dict[str, Tensor]:
        """Rows by field as the net's inputs: changed at random, transformed, of the right type, the
        sample axis where the field has it.
        """
        values: dict[str, Raw] = {name: rows[field] for name, field in self.feed.fields.items()}
        draw = Draw.of(self.seed, plan.epochs, plan.indices)
        values |= {name: frame(values[name], draw) for name, frame in self.feed.frames.items()}
        for augmenter in self.feed.augmenters:
            values |= augmenter(values, draw, plan.stages)
        first = draw.rows(slice(0, count))
        return {
            name: self.finish(name, field, values[name][:count], first)
            for name, field in self.feed.fields.items()
        }

    def finish(self, name: str, field: str, value: Raw, draw: Draw) -> Tensor:
        """One input's values in their last form."""
        if self.source.fields[field].boxes and isinstance(value, Tensor):
            return number_rows(value)
        transform = self.feed.transforms.get(name)
        value = transform(value, draw) if transform else value
        if isinstance(value, list):
            if len({x.shape for x in value}) > 1:
                raise fail("NS653", f"samples of field {field} differ in size", path=self.source.name)
            value = torch.stack(value)
        labels = field == self.source.label and name not in self.feed.shares
        keep = name in self.feed.integers or (labels and not value.is_floating_point())
        value = value.long() if keep else value.float()
        axis = self.feed.axes.get(name, 0)
        return value.movedim(0, axis).contiguous() if axis else value

    def rows(self, at: Array) -> dict[str, Raw]:
        """The raw rows of some samples, on the device."""
        if self.resident is not None:
            here = torch.from_numpy(at).to(self.device)
            return {field: array.index_select(0, here) for field, array in self.resident.items()}
        rows = self.source.batch(at)
        if wrong := tell_rows(self.source, rows, at, self.numbers):
            raise not_finite_error(self.source, wrong)
        for field, rule in self.rules.items():
            for row, index in zip(rows[field], at, strict=True):
                check_labels(np.asarray(row)[None], rule, self.source.name, int(index), self.source.where)
        boxes = {field for field in self.fields if self.source.fields[field].boxes}
        filled = {field: fill_rows(list(rows[field])) for field in boxes}
        return {field: self.move(filled.get(field, rows[field])) for field in self.fields}

    def move(self, rows: Array | list[Array]) -> Raw:
        if isinstance(rows, list):
            return [self.move_one(row) for row in rows]
        return self.move_one(rows)

    def move_one(self, array: Array) -> Tensor:
        tensor = tensor_of(array)
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)


def fill_rows(samples: Sequence[Array]) -> Array:
    """Rows of boxes of some samples as one array (N, most, columns): -1 in front where there is
    none.
    """
    most = max(1, *map(len, samples))
    made = np.zeros((len(samples), most, samples[0].shape[1]), np.float32)
    made[..., 0] = -1
    for into, rows in zip(made, samples, strict=True):
        into[: len(rows)] = rows
    return made


def number_rows(boxes: Tensor) -> Tensor:
    """The rows (N, most, columns) that are boxes one after another, (1, 1, rows, columns), with the
    number of their sample in front. Without any, one row of -1: a net takes no empty tensor.
    """
    number = torch.arange(len(boxes), device=boxes.device, dtype=boxes.dtype)[:, None].expand(boxes.shape[:2])
    there = boxes[..., 0] >= 0
    rows = torch.cat((number[there][:, None], boxes[there][:, 1:]), 1)
    if not len(rows):
        rows = boxes.new_full((1, boxes.shape[-1]), -1)
    return rows[None, None].float()


def tensor_of(array: Array, copy: bool = False) -> Tensor:
    """An array as a tensor of a type that torch has, in the machine's byte order; `copy` where it
    may be read-only memory.
    """
    dtype: Any = TORCH_TYPES.get(array.dtype.str[1:], array.dtype.newbyteorder("="))
    array = np.array(array, dtype) if copy else np.require(array, dtype, ["W"])
    return torch.from_numpy(array)
