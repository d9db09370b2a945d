"""In which section of a spec a word stands that was written in another. A word comes in, places go
out. Imported on errors only.
"""

from collections.abc import Iterator
from itertools import islice

from netspec.layers.common.foreign_words import instead_of_word
from netspec.record import Record
from netspec.resolve.sections.expect import ExpectSection
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.solver import SolverParameter
from netspec.resolve.sections.spec_file import InputSection, SpecFile
from netspec.resolve.sections.train import DataSection, SplitSection, TrainSection

__all__ = ["home", "is_section"]

TOP = "the spec"
SECTIONS: dict[str, type[Record]] = {
    TOP: SpecFile,
    "train": TrainSection,
    "train.solver": SolverParameter,
    "train.data": DataSection,
    "train.val_data": DataSection,
    "train.test_data": DataSection,
    "train.split": SplitSection,
    "input.NAME": InputSection,
    "input.NAME.image": ImageContract,
    "expect": ExpectSection,
}


def is_section(where: str) -> bool:
    """Whether messages call a section of the spec so."""
    return where in SECTIONS or where.startswith("input ")


def home(key: str, where: str, *, foreign: bool = True) -> str:
    """`stands in train.solver`, `train.solver says base_lr`; empty where no other section has such
    a word.

    Sections inside the one that it was written in come first, and what is ours before the words of
    other frameworks (unless not `foreign`). A word that is both, `seed`, may mean either.
    """
    order = sorted(
        (each for each in SECTIONS if each != where),
        key=lambda each: (not each.startswith(where + "."), each == TOP),
    )
    either = (find_own(key, order), find_foreign(key, order) if foreign else iter(()))
    return ", ".join(place for places in either for place in islice(places, 1))


def find_own(key: str, order: list[str]) -> Iterator[str]:
    for section in order:
        if key in SECTIONS[section].names:
            yield f"{key} stands " + ("at the top of the spec" if section == TOP else f"in {section}")


def find_foreign(key: str, order: list[str]) -> Iterator[str]:
    for section in order:
        ours = instead_of_word(key, SECTIONS[section].names)
        if ours is not None and ours != key and section != TOP:
            yield f"{section} says {ours}"
