"""What lies at a path, by its name and a look inside: the data section that reads it. In: a path;
out: a section for each part.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from netspec.data.folder_layout import entries_of
from netspec.data.inventory.masks import WHOLE, pair_masks, refuse_lone_masks
from netspec.data.paths import existing
from netspec.data.place import Place
from netspec.data.registry import own_parts
from netspec.data.sources.audio import holds_sounds
from netspec.data.sources.coco import holds_coco
from netspec.data.sources.csv import read_rows
from netspec.data.sources.sequences import ENDS
from netspec.data.sources.voc import holds_voc
from netspec.diagnostics import SpecError, fail
from netspec.resolve.sections.train import DataSection

__all__ = ["is_data", "recognise", "recognise_boxes"]

FILES: Mapping[str, str] = {
    ".parquet": "table",
    ".npz": "npz",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".txt": "text",
    ".tar": "webdataset",
    **dict.fromkeys(ENDS, "sequences"),
}
"""The source of a file by its ending; CSV has two."""
STORES: Mapping[str, Callable[[str], bool]] = {
    "lmdb": lambda name: name == "data.mdb",
    "mnist": lambda name: "idx3-ubyte" in name,
    "cifar10": lambda name: name.startswith("data_batch"),
}
"""By which file each kind of folder is known."""


def recognise(path: Path) -> dict[str, DataSection]:
    """The section of each part that the data at a path have of their own, of "all" where they have
    none. Raises SpecError NS643, NS664 (masks without pictures), NS735 (data of no known kind).
    """
    top = existing(path.absolute(), "folder") if path.is_dir() else existing(path.absolute())
    if top.is_dir():
        pairs = pair_masks(top)
        if pairs:
            sections = {
                part: DataSection(source="images", path=str(pictures), masks=str(masks))
                for part, (pictures, masks) in pairs.items()
            }
            if WHOLE not in sections:
                return sections
            section = sections[WHOLE]
        else:
            section = DataSection(source=recognise_folder(top), path=str(top))
    else:
        section = DataSection(source=recognise_file(top), path=str(top))
    roles = own_parts(section, Place(top if top.is_dir() else top.parent))
    return dict.fromkeys(roles or (WHOLE,), section)


def is_data(path: Path) -> bool:
    """Whether a file is called as one of data is."""
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    return path.is_file() and (ending == ".csv" or ending in FILES)


def recognise_file(path: Path) -> str:
    """The source that reads a file. Raises SpecError NS735."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".csv"):
        header, _, _ = read_rows(path, [path.parent], uneven=True)
        # a table has names of columns; without them its cells are numbers, the last one the label
        return "csv" if header is None else "table"
    ending = Path(name).suffix
    if ending not in FILES:
        known = ", ".join([".csv", *dict.fromkeys(FILES)])
        fact = f"nothing is known to read a file that ends in {ending or 'nothing'}"
        notes = (f"known are {known}, and folders of pictures, sounds and FASTA files",)
        raise fail("NS735", fact, path=str(path), notes=notes)
    return FILES[ending]


def recognise_folder(top: Path) -> str:
    """The source that reads a folder. NS664: of masks alone."""
    boxed = recognise_boxes(top)
    if boxed is not None:
        return boxed
    names = [each.name for each in entries_of(top)]
    for source, is_so in STORES.items():
        if any(map(is_so, names)):
            return source
    if holds_sounds(top):
        return "audio"
    if any(Path(name.removesuffix(".gz")).suffix in ENDS for name in names):
        return "sequences"
    refuse_lone_masks(top)
    return "images"


def recognise_boxes(folder: Path) -> str | None:
    """The source that reads a folder with boxes, voc or coco; None for any other folder."""
    with suppress(SpecError):
        if holds_voc(folder):
            return "voc"
    with suppress(SpecError):
        if holds_coco(folder):
            return "coco"
    return None
