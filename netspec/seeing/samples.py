"""What a net is shown: files that are named, samples of its data, a photograph, or drawn numbers.
In: a Subject and what is asked; out: Samples, each a batch of one for every input.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, takewhile
from typing import Any

import numpy as np

from netspec.analysis.sizes.legal import legal_sizes
from netspec.data.samples import Sample, Taken, from_data, from_words
from netspec.data.source import Source
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import count_of
from netspec.ir.dims import evaluate, symbols
from netspec.resolve.sections.image import ImageContract
from netspec.seeing.effort import open_sizes
from netspec.seeing.seen import Array, Asked
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["has_data", "own_samples", "samples_of", "show_pixels"]

TRIED = (192, 224, 227, 256, 299, 320, 128, 96, 64, 48, 32, 16, 8)
"""Sizes of a photograph for nets whose input is open, in the order that they are tried."""
STEPS = 64
"""Of an axis that is open, where the net takes so many: few would show no more of a sequence than a dot."""
DRAWN = "numbers drawn from a normal distribution, for no input was given"
PHOTOGRAPH = "flower.jpg"
ASKED = ("NS684", "NS685")
"""What is wrong with what was asked, not with the data: no such part, an index beyond it."""


def samples_of(subject: Subject, asked: Asked, count: int = 1) -> list[Sample]:
    """As many samples as are asked for, or as are named. Raises SpecError: that of the first that
    cannot be read, NS727 (a size that the net does not take), NS752.
    """
    found = list(islice(find_samples(subject, asked, count), 0, max(count, len(asked.inputs))))
    for sample in found:
        if sample.error is not None:
            raise SpecError([sample.error])
        check_sizes(subject, sample)
    if not found:
        raise fail("NS752", "no sample was found", path=subject.path)
    return found


def find_samples(subject: Subject, asked: Asked, count: int) -> Iterator[Sample]:
    if asked.inputs:
        yield from from_words(asked.inputs, subject.taken, subject.facts, asked.given)
    elif asked.data is not None:
        every = from_data(
            asked.data, None, asked.split, subject.taken, subject.facts, asked.reading.allow_code
        )
        yield from islice(every, asked.index, asked.index + count)
    elif isinstance(subject, NetSubject) and has_data(subject):
        yield from islice(own_or_made(subject, asked, count), count)
    else:
        yield make_sample(subject, asked.seed)


def own_or_made(subject: NetSubject, asked: Asked, count: int) -> Iterator[Sample]:
    """Samples of the net's own data; of a spec whose data are not on this machine a made one."""
    try:
        yield from own_samples(subject, range(asked.index, asked.index + count), asked.part)
    except SpecError as error:
        if subject.kind == "run" or error.diagnostics[0].code in ASKED:
            raise
        yield make_sample(subject, asked.seed)


def make_sample(subject: Subject, seed: int) -> Sample:
    """A photograph for a net that takes pictures, else drawn numbers."""
    if subject.picture:
        return photograph(subject)
    return draw_numbers(subject, seed)


def has_data(subject: NetSubject) -> bool:
    """Whether the spec names samples of its own; what data layers read comes in its order alone."""
    section = subject.program.resolved.file.train
    return section is not None and section.data is not None


def own_samples(subject: NetSubject, numbers: Sequence[int], part: str = "test") -> Iterator[Sample]:
    """Samples of the net's own data by number, as a test has them: of its test, else validation,
    else training data; none from the first on that is beyond their end. Raises SpecError NS684
    (no such part), NS685 where the first one is beyond it.
    """
    from netspec.training.batches.feeding import order_of
    from netspec.training.batches.feeds import Feeds, section_of
    from netspec.training.batches.loader import Batches, Reader
    from netspec.training.run.folder import telling

    program = subject.program
    trained, tested = program.training_graph("train"), program.training_graph("test")
    with telling(program.reading.unproven):
        feeds = Feeds.open(program, trained, tested, subject.facts)
    parts, section = feeds.parts(), section_of(program)
    if part not in parts and part != "test":
        raise fail("NS684", f"its section train has no {part}_data", path=subject.path)
    role: Any = next(name for name in (part, "test", "val", "train") if name in parts)
    feeds = subject.without_damaged(feeds, role)
    source: Source = feeds.parts()[role]
    data: Any = {"train": section.data, "val": section.val_data, "test": section.test_data}[role]
    if numbers and not 0 <= numbers[0] < len(source):
        raise fail("NS685", f"index {numbers[0]} of {count_of(len(source), 'sample')}", path=source.name)
    feed = feeds.feed("test", tested, source, data)
    order = order_of(data, "test", 0)._replace(shuffle=False)
    reader = Reader(Batches(source, 1, order, feed), 0)
    for number in takewhile(lambda number: number < len(source), numbers):
        at = np.array([number])
        rows = {name: tensor.numpy() for name, tensor in reader.of_rows(at, 0 * at).items()}
        truth = next(
            (rows[n] for n, field in feed.fields.items() if field == source.label and n in rows), None
        )
        arrays = {name: rows[name] for name in subject.taken if name in rows}
        for name, taken in subject.taken.items():
            if name not in arrays:  # what train.fill makes in training
                arrays[name] = array_of(taken, (1, *[n or 1 for n in taken.shape]), number)
        name = source.where(number) if source.named else f"{source.name}[{number}]"
        yield Sample(name, arrays, name_class(truth, source.classes))


def name_class(truth: Array | None, classes: tuple[str, ...] | None) -> str | None:
    """The class of a sample in words; None where its label is no class."""
    if truth is None or truth.size != 1 or truth.reshape(-1)[0] != int(truth.reshape(-1)[0]):
        return None
    number = int(truth.reshape(-1)[0])
    if classes and 0 <= number < len(classes):
        return classes[number]
    return str(number)


def photograph(subject: Subject) -> Sample:
    """One of scikit-learn's photographs, as a file of it would be taken."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    name = subject.picture
    shape = fit_shape(subject, name)
    made, image = io.BytesIO(), Image.fromarray(load_sample_image(PHOTOGRAPH))
    side = min(image.size)
    left, top = ((n - side) // 2 for n in image.size)
    image = image.crop((left, top, left + side, top + side))
    if shape != subject.taken[name].shape:
        image = image.resize((shape[2] or 1, shape[1] or 1), Image.Resampling.LANCZOS)
    image.save(made, "PNG")
    from netspec.imaging.decode import image_input

    array = image_input(made.getvalue(), subject.contract(name), subject.taken[name].shape, PHOTOGRAPH)
    others = {
        n: array_of(t, (1, *[s or 1 for s in t.shape]), 0) for n, t in subject.taken.items() if n != name
    }
    return Sample(f"scikit-learn's photograph {PHOTOGRAPH}", {name: array, **others})


def fit_shape(subject: Subject, name: str) -> tuple[int | None, ...]:
    """The shape of an input, its open sizes filled with the first of TRIED that the net takes."""
    shape = subject.taken[name].shape
    if None not in shape[1:]:
        return shape
    for side in TRIED:
        trial = (shape[0], *(side if n is None else n for n in shape[1:]))
        if refusal(subject, {name: (1, *(n or 1 for n in trial))}) is None:
            return trial
    raise fail("NS752", "no size was found that the net takes: give a picture", path=subject.path)


def draw_numbers(subject: Subject, seed: int) -> Sample:
    """Numbers of a fixed seed for every input."""
    shapes = least_shapes(subject)
    arrays = {
        name: array_of(taken, shapes[name], seed, whole(subject, name))
        for name, taken in subject.taken.items()
    }
    return Sample(DRAWN, arrays | boxes_of(subject, shapes, seed))


Shapes = Mapping[str, tuple[int, ...]]


def boxes_of(subject: Subject, shapes: Shapes, seed: int) -> dict[str, Array]:
    """The inputs that a layer reads as boxes, or makes boxes of."""
    if not isinstance(subject, NetSubject):
        return {}
    sizes, found, typed = open_sizes(subject, shapes), dict[str, Array](), subject.typed
    for node in typed.graph.nodes:
        for i, held in node.layer.holds(*typed.bottoms(node)).items():
            name = node.bottoms[i].name
            if node.bottoms[i].node is None and name in shapes:
                known = held.at(lambda size: int_of(evaluate(size, sizes)))
                drawn = known.draw(np.random.default_rng(seed), shapes[name])
                found[name] = drawn.astype(np.float32)
    return found


def array_of(taken: Taken, shape: tuple[int, ...], seed: int, most: int = 2) -> Array:
    rng = np.random.default_rng(seed)
    if taken.integer or most > 2:
        return rng.integers(0, most, shape).astype(np.int64 if taken.integer else np.float32)
    return rng.standard_normal(shape).astype(np.float32)


def whole(subject: Subject, name: str) -> int:
    """Below what its whole numbers must lie, where a layer reads an input as such; else 2."""
    if not isinstance(subject, NetSubject):
        return 2
    for node in subject.typed.graph.nodes:
        for i, value in enumerate(node.bottoms):
            if value.name == name and value.node is None:
                most = node.layer.indices(*subject.typed.bottoms(node)).get(i)
                if isinstance(most, int):
                    return max(2, most)
    return 2


def least_shapes(subject: Subject) -> dict[str, tuple[int, ...]]:
    """Shapes of all inputs, a batch of one; open sizes are STEPS, else the first number from 8
    on that is legal.
    """
    if not isinstance(subject, NetSubject):
        return {name: (1, *(n or 8 for n in taken.shape)) for name, taken in subject.taken.items()}
    typed = subject.typed
    inputs = {i.value.name: typed.types[i.value] for i in typed.graph.inputs if i.value.name in subject.taken}
    names = {n for t in inputs.values() for size in t.shape for n in symbols(size)}
    for side in (STEPS, *range(8, 129), *range(7, 0, -1), 224):
        sizes = {name: 1 if name == "N" else side for name in names}
        shapes = {name: tuple(int_of(evaluate(s, sizes)) for s in t.shape) for name, t in inputs.items()}
        if refusal(subject, shapes) is None:
            return shapes
    raise fail("NS752", "no sizes were found that the net takes", path=subject.path)


def int_of(size: Any) -> int:
    return size if isinstance(size, int) else 1


def refusal(subject: Subject, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Why the net does not take inputs of these shapes; None where it does, or does not say."""
    if not isinstance(subject, NetSubject):
        return None
    sizes = open_sizes(subject, shapes)
    if not sizes:
        return None
    found = legal_sizes(subject.typed).refuses(sizes)
    return None if found is None else found.text


def check_sizes(subject: Subject, sample: Sample) -> None:
    """Raises SpecError NS727."""
    said = refusal(subject, {name: array.shape for name, array in sample.arrays.items()})
    if said is not None:
        raise fail("NS727", said, path=sample.name)


def show_pixels(array: Array, contract: ImageContract) -> Array:
    """What a net is given of a picture, (C, h, w), as bytes (h, w, 3): mean, deviation and scale
    undone, channels in the order of a screen.
    """
    pixels = np.asarray(array, np.float64) / (contract.scale or 1.0)
    if contract.std_value:
        pixels = pixels * np.reshape(contract.std_value, (-1, 1, 1))
    if contract.mean_value:
        pixels = pixels + np.reshape(contract.mean_value, (-1, 1, 1))
    if pixels.min() < -1 or pixels.max() > 256:  # no pixels: the contract does not say what they are
        low, high = float(pixels.min()), float(pixels.max())
        pixels = (pixels - low) * (255 / max(high - low, 1e-12))
    if contract.order(len(pixels)) == "bgr":
        pixels = pixels[::-1]
    pixels = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, 0)
    return pixels.transpose(1, 2, 0).round().clip(0, 255).astype(np.uint8)
