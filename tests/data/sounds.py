"""WAV files for tests."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile

__all__ = ["write_classes", "write_wav"]


def write_wav(path: Path, values: Any, rate: int = 8000) -> None:
    """16 bits of values from -1 to 1, (frames) or (frames, channels)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = (np.asarray(values) * 32768).clip(-32768, 32767)
    wavfile.write(path, rate, whole.astype(np.int16))


def write_classes(folder: Path, counts: dict[str, int], rate: int = 8000, frames: int = 50) -> None:
    """A folder per class of short noises."""
    chance = np.random.RandomState(0)
    for name, count in counts.items():
        for i in range(count):
            write_wav(folder / name / f"{i}.wav", chance.uniform(-0.9, 0.9, frames), rate)
