"""Sequences with planted motifs, for DeepBind: which of two proteins' sites a stretch of DNA holds is unknown, only whether it does.

    python benchmarks/trained/motifs.py FOLDER [--seed 0]

Writes motifs.npz: data (N, 4, 101) uint8, one-hot in the order A, C, G, T; label (N, 1) float32, 1 where a site was planted; parts
train (20,000) and test (2,000), half of each positive. A positive sequence is random letters with one site drawn from motif 0 or 1 at
a random place; a negative one is random letters with a site whose letters were shuffled, so that they are as frequent in both. Motifs
are 12 letters long; a column prefers one letter, with probability 0.85 (about 1.2 bits), so sites differ from each other.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

LENGTH, SITE, PREFERENCE = 101, 12, 0.85
COUNTS = {"train": 20000, "test": 2000}
CONSENSUS = ("TGACGTCATGCA", "CCGGAAGTTAAC")
LETTERS = "ACGT"


def motif(consensus: str) -> NDArray[np.float64]:
    """Letter frequencies by column, (4, SITE)."""
    return np.array(
        [
            [PREFERENCE if letter == wanted else (1 - PREFERENCE) / 3 for wanted in consensus]
            for letter in LETTERS
        ]
    )


MOTIFS = [motif(each) for each in CONSENSUS]


def sequence(rng: Generator, positive: bool) -> NDArray[np.int64]:
    """Letters as numbers, (LENGTH,)."""
    letters = rng.integers(0, 4, LENGTH)
    site = np.array([rng.choice(4, p=column) for column in MOTIFS[rng.integers(2)].T])
    at = rng.integers(0, LENGTH - SITE + 1)
    letters[at : at + SITE] = site if positive else rng.permutation(site)
    return letters


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    arrays = {}
    for part, count in COUNTS.items():
        labels = rng.permutation(count) % 2
        letters = np.stack([sequence(rng, bool(label)) for label in labels])
        arrays[f"data_{part}"] = (letters[:, None] == np.arange(4)[:, None]).astype(np.uint8)
        arrays[f"label_{part}"] = labels[:, None].astype(np.float32)
    given.folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(given.folder / "motifs.npz", **arrays)


if __name__ == "__main__":
    main()
