"""What the look before the first iteration costs, beside plain reading of the same files, Pillow's own opening, and an epoch's decoding.

    python benchmarks/survey.py [--files 4000] [--size 500 375] [--rounds 3] [--memory 100000]

Each way reads all files in turn, in one process and on one thread of its own, round after round, so that whatever else the machine does falls on all of them; the
figures are medians over the rounds of milliseconds a file, by the clock and of processor time, and of (this way) / (an epoch's decoding) in the same round.

`bytes`: open, read the first 16 KB, close: what the disk and the system take. `pillow`: PIL.Image.open of each, which reads headers. `decode`: Pillow
decodes and resizes each, as an epoch without memory does. `look`: netspec's, where the pictures do not fit into memory: headers, ends, copies. `again`:
the same with what was found before. `keep`: netspec's where they fit, every picture decoded once and kept for the training.
--memory: how much the memory of a process grows by looking at so many (tiny) pictures that do not fit.
"""

import argparse
import io
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from netspec.data.inventory.pictures import Picture
from netspec.data.inventory.take import take_inventory
from netspec.data.sources import image_folder
from netspec.data.sources.image_folder import ImageFolder, open_images
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection

CLASSES = 10
KINDS = 100


class Size:
    """What pictures are resized to: side by side, at most 224."""

    side = 224


def write_files(top: Path, count: int, size: tuple[int, int]) -> None:
    """So many JPEG files in folders of classes, each with bytes of its own: a comment behind the first mark."""
    random = np.random.RandomState(0)
    encoded = []
    for _ in range(min(KINDS, count)):
        rough = Image.fromarray(
            random.randint(0, 256, (max(2, size[1] // 8), max(2, size[0] // 8), 3)).astype(np.uint8)
        )
        file = io.BytesIO()
        rough.resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        encoded.append(file.getvalue())
    for i in range(count):
        data, note = encoded[i % len(encoded)], f"{i:08}".encode()
        place = top / f"c{i % CLASSES}" / f"{i:06}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + data[2:])


def opened(top: Path) -> ImageFolder:
    """The folder as a training opens it; its files are looked at one after the other."""
    contract = ImageContract(color="rgb", resize=(Size.side, Size.side))
    source = open_images(DataSection(source="images", path=str(top)), "all", top, contract)
    assert isinstance(source, ImageFolder)
    return source


def read_bytes(files: list[Path]) -> None:
    for path in files:
        with open(path, "rb", buffering=0) as file:
            file.read(1 << 14)


def open_all(files: list[Path]) -> None:
    for path in files:
        with Image.open(path) as image:
            image.size  # noqa: B018


def decode_all(files: list[Path]) -> None:
    for path in files:
        with Image.open(path) as image:
            np.asarray(image.convert("RGB").resize((Size.side, Size.side), Image.Resampling.BILINEAR))


def look(top: Path, memory: int, known: dict[str, Picture] | None = None) -> dict[str, Picture]:
    """netspec's look through a folder, of which so many bytes may be kept decoded."""
    source = opened(top)
    source.room = memory
    found = take_inventory({"train": source}, False, known or {}, keeping=True)
    return dict(found.parts[0].pictures)


def measure(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of processor time."""
    before, clock = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - clock, spent


def compare(top: Path, rounds: int) -> None:
    files = sorted(top.rglob("*.jpg"))
    known = look(top, -1)
    ways: dict[str, Callable[[], Any]] = {
        "bytes": lambda: read_bytes(files),
        "pillow": lambda: open_all(files),
        "decode": lambda: decode_all(files),
        "look": lambda: look(top, -1),
        "again": lambda: look(top, -1, known),
        "keep": lambda: look(top, 1 << 40),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            taken[name].append(measure(work))
    print("            ms a file    of CPU    / decode    of CPU")
    for name, times in taken.items():
        each = [
            statistics.median(1000 * part / len(files) for part in column)
            for column in zip(*times, strict=True)
        ]
        ratios = [
            statistics.median(a[i] / b[i] for a, b in zip(times, taken["decode"], strict=True))
            for i in (0, 1)
        ]
        print(f"{name:10}{each[0]:11.3f}{each[1]:10.3f}{ratios[0]:12.3f}{ratios[1]:10.3f}")


def tell_memory(top: Path) -> None:
    """Print how much the memory of this process grows by a look."""
    source = opened(top)
    source.room = -1
    before = resident()
    found = take_inventory({"train": source}, keeping=True)
    print(
        f"{len(source):,} pictures: {(resident() - before) / 2**20:.0f} MB more than before the look, {resident() / 2**20:.0f} MB in all"
    )
    assert len(found.parts[0].pictures) == len(source)


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def main() -> None:
    words = argparse.ArgumentParser()
    words.add_argument("--files", type=int, default=4000)
    words.add_argument("--size", type=int, nargs=2, default=(500, 375))
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--memory", type=int, default=0)
    words.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = words.parse_args()
    image_folder.DECODERS = 1
    if given.inside:
        tell_memory(given.inside)
        return
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        if given.memory:
            write_files(top, given.memory, (32, 32))
            subprocess.run([sys.executable, __file__, "--inside", folder], check=True)
        else:
            Size.side = min(Size.side, *given.size)
            write_files(top, given.files, tuple(given.size))
            compare(top, given.rounds)


if __name__ == "__main__":
    main()
