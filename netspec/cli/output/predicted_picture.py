"""The answer to one sample as a picture: `predict -o out.png`. In: a prediction as plain data; out:
the same with the file's name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from netspec.data.samples import Sample, Taken

__all__ = ["draw_answer"]


def draw_answer(
    found: Iterable[dict[str, Any]],
    samples: "Sequence[Sample]",
    taken: "Mapping[str, Taken]",
    labels: Mapping[str, Sequence[str]],
    path: Path,
) -> Iterator[dict[str, Any]]:
    """The prediction of the only sample, when all its outputs are drawn, one below the other."""
    import numpy as np

    from netspec.pictures.png import write_png
    from netspec.pictures.tiles import stack
    from netspec.resolve.sections.image import ImageContract
    from netspec.seeing.outputs import describe_output, draw_output
    from netspec.seeing.samples import show_pixels

    if len(samples) != 1:
        raise click.UsageError(f"-o FILE.png draws one sample, here are {len(samples)}: name a folder")
    (sample,), (name, port) = samples, next(iter(taken.items()))
    for each in found:
        given, pictures = None, []
        if len(port.shape) == 3 and port.shape[0] in (1, 3) and name in sample.arrays:
            given = show_pixels(sample.arrays[name][0], port.contract or ImageContract())
        for output, made in each.get("outputs", {}).items():
            values = np.asarray(made.get("values", [row["score"] for row in made.get("top", ())]), np.float32)
            if not values.size:
                continue
            said = describe_output(values, labels.get(output, ()), "top" in made, port.shape)
            if "top" in made:
                said["top"] = [(row["class"], row["score"]) for row in made["top"]]
            pixels = draw_output(output, values, said, given).pixels()
            if pixels is not None:
                pictures.append(pixels)
                made["picture"] = str(path)
        if pictures:
            write_png(path, stack(pictures) if len(pictures) > 1 else pictures[0])
        yield each
