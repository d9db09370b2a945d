"""Boxes as PASCAL VOC has them: an XML file for each picture. In: a data section; out: a Source."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.data.boxes.annotations import (
    BACKGROUND,
    Annotated,
    Fault,
    number_classes,
    open_boxed,
)
from netspec.data.folder_layout import choose_role, name_role, no_part
from netspec.data.paths import (
    existing,
    reading_error,
    resolve_path,
    roots_for,
    roots_of,
)
from netspec.data.source import Source, split_source
from netspec.data.sources.image_folder import SUFFIXES
from netspec.diagnostics import fail
from netspec.diagnostics.words import list_briefly, list_some
from netspec.file_reading import Roots, read_bytes, read_text
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection, find_missing
from netspec.strict_xml import BYTES, Element, XmlError, read_xml

__all__ = ["find_parts", "holds_voc", "open_voc", "voc_roles"]

ANNOTATIONS = ("annotations", "annotation", "xml", "xmls", "labels")
PICTURES = ("jpegimages", "images", "imgs", "image", "pictures", "photos")
"""What the two folders are called, in data that are published so, whatever the case."""
LISTS = Path("ImageSets", "Main")
ALL = "all"
SHOWN = 6


class Part(NamedTuple):
    """One part of the data: the folders of its annotations and pictures, and the file that lists
    its names; without one, all in the folders is of it.
    """

    annotations: Path
    pictures: Path
    names: Path | None = None


class Object(NamedTuple):
    """One object of an annotation: its name, its corners in pixels, whether it is difficult,
    where.
    """

    name: str
    corners: tuple[float, ...]
    difficult: bool
    place: str


class Read(NamedTuple):
    """One annotation: (width, height), 0 where it does not say; its objects; what is wrong with
    it.
    """

    size: tuple[int, int] = (0, 0)
    objects: tuple[Object, ...] = ()
    faults: tuple[Fault, ...] = ()


def open_voc(
    section: DataSection,
    split: str | None,
    root: Path,
    contract: ImageContract,
    classes: Sequence[str] | None = None,
    allow_outside: bool = False,
) -> Source:
    """The pictures of a part with their boxes. `path` is the folder with Annotations and
    JPEGImages, ImageSets/Main/train.txt and its like say the parts; or a folder for each part holds
    both.

    Labels number the names of all annotations, sorted, from 1, or the lines of the file `labels:`.
    Raises SpecError NS620 (no annotation), NS621, NS622 (annotations.py), NS641, NS643, NS650, NS663.
    """
    top = top_of(section, root, allow_outside)
    roots, reach = roots_of(root, top, allow_outside), roots_for(root, allow_outside)
    parts = find_parts(top, pictures_of(section, root, allow_outside))
    role = ALL if ALL in parts or split == ALL else choose_role(split, parts)
    if role not in parts and role != ALL:
        raise no_part(top, parts, role)
    stems = list_stems([parts[role]] if role in parts else list(parts.values()), reach)
    read = {part: read_annotation(part, reach) for part in stems.annotations if part is not None}
    refuse_unread(read, top)
    names = read_names(section, root, allow_outside)
    if names is None and classes is None:
        names = all_names(parts, read, reach)
    known = number_classes(names if names is not None else take_names(read), classes, str(top))
    found = join_boxes(top, stems, read, known)
    source = open_boxed(found, known, contract, roots, section.on_error == "skip")
    return split_source(source, split) if ALL in parts else source


def voc_roles(section: DataSection, root: Path, allow_outside: bool = False) -> tuple[str, ...]:
    """The parts that the folder of a section has."""
    top = top_of(section, root, allow_outside)
    found = find_parts(top, pictures_of(section, root, allow_outside))
    return tuple(role for role in ("train", "val", "test") if role in found)


def holds_voc(folder: Path) -> bool:
    """Whether a folder holds VOC's annotations. Raises SpecError where it holds nothing of the
    kind.
    """
    top = folder.absolute()
    parts = find_parts(top_of(DataSection(source="voc", path=str(top)), top, False))
    return any(has_xml(part.annotations) for part in parts.values())


def top_of(section: DataSection, root: Path, allow_outside: bool) -> Path:
    """The folder that holds the data: the one named, or the only one in it that does."""
    if section.path is None:
        raise fail("NS641", find_missing(section))
    top = existing(resolve_path(section.path, root, allow_outside), "folder")
    for _ in range(2):  # VOCdevkit/VOC2007
        inside = folders_in(top)
        if find_folder(inside, ANNOTATIONS) or len(inside) != 1 or has_xml(top):
            break
        top = inside[0]
    return top


def pictures_of(section: DataSection, root: Path, allow_outside: bool) -> Path | None:
    if section.images is None:
        return None
    return existing(resolve_path(section.images, root, allow_outside), "folder")


def find_parts(top: Path, pictures: Path | None = None) -> dict[str, Part]:
    """The parts of a folder by role, "all" where it has none. Raises SpecError NS643."""
    whole = find_home(top, pictures)
    if whole is None:
        roles = [(name_role(path.name)[0], path) for path in folders_in(top)]
        found = {role: home for role, path in roles if role and (home := find_home(path, pictures))}
        if not found:
            raise fail(
                "NS643",
                "no folder of annotations (Annotations/*.xml) there",
                path=str(top),
            )
        return found
    lists = sorted((top / LISTS).glob("*.txt")) if (top / LISTS).is_dir() else []
    by_name = {path.stem.casefold(): path for path in lists}
    parts: dict[str, Part] = {
        role: whole._replace(names=by_name[role]) for role in ("train", "val", "test") if role in by_name
    }
    if "train" not in parts and "trainval" in by_name:
        parts["train"] = whole._replace(names=by_name["trainval"])
    return parts or {ALL: whole}


def find_home(top: Path, pictures: Path | None) -> Part | None:
    """The folders of annotations and of pictures: two of their names, or one that holds both."""
    inside = folders_in(top)
    annotations = find_folder(inside, ANNOTATIONS) or (top if has_xml(top) else None)
    if annotations is None:
        return None
    return Part(annotations, pictures or find_folder(inside, PICTURES) or annotations)


def find_folder(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    by_name = {path.name.casefold(): path for path in folders}
    return next((by_name[name] for name in names if name in by_name), None)


def folders_in(top: Path) -> list[Path]:
    try:
        return sorted(path for path in top.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise reading_error(top, error) from error


def has_xml(folder: Path) -> bool:
    return next(folder.glob("*.xml"), None) is not None


class Stems(NamedTuple):
    """Pictures of a part and the annotation of each, None where it has none; what is wrong with
    them.
    """

    files: tuple[Path, ...]
    annotations: tuple[Path | None, ...]
    faults: tuple[Fault, ...]


def list_stems(parts: Sequence[Part], reach: Roots) -> Stems:
    """The pictures and annotations of some parts, in the order of their lists, else of their
    names.
    """
    files: dict[Path, Path | None] = {}
    faults: list[Fault] = []
    for part in parts:
        pictures = by_stem(part.pictures, SUFFIXES)
        notes = by_stem(part.annotations, (".xml",))
        names = list_names(part.names, reach) if part.names is not None else sorted({*pictures, *notes})
        twice = [name for name, count in Counter(names).items() if count > 1] if len(parts) == 1 else []
        faults += [Fault("NS622", name, f"it is listed twice in {part.names}") for name in twice]
        for name in dict.fromkeys(names):
            there = pictures.get(name, [])
            if len(there) > 1:
                names_of = list_briefly([path.name for path in there], SHOWN)
                faults.append(Fault("NS622", name, f"two pictures have this name: {names_of}"))
            file = there[0] if there else part.pictures / f"{name}.jpg"
            if not there:
                faults.append(
                    Fault(
                        "NS622",
                        name,
                        f"there is no picture of this name in {part.pictures}",
                        len(files),
                    )
                )
            files.setdefault(file, notes[name][0] if name in notes else None)
    return Stems(tuple(files), tuple(files.values()), tuple(faults))


def by_stem(folder: Path, ends: Sequence[str] | frozenset[str]) -> dict[str, list[Path]]:
    """The files of a folder with some endings, by their names without these."""
    found: dict[str, list[Path]] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in ends and not path.name.startswith("."):
                found.setdefault(path.stem, []).append(path)
    except OSError as error:
        raise reading_error(folder, error) from error
    return found


def list_names(path: Path, reach: Roots) -> list[str]:
    """The names that a list holds, one a line; behind a space stands what netspec does not need."""
    try:
        lines = read_text(path, reach).splitlines()
    except OSError as error:
        raise reading_error(path, error) from error
    except ValueError as error:
        raise fail("NS620", f"a list of names, one a line: {error}", path=str(path)) from error
    return [line.split()[0] for line in lines if line.strip()]


def read_annotation(path: Path, reach: Roots) -> Read:
    """An annotation; what is wrong with it is told, not raised."""
    try:
        top = read_xml(read_bytes(path, reach, BYTES + 1))
    except XmlError as error:
        return Read(faults=(Fault("NS620", str(path), str(error)),))
    except OSError as error:
        return Read(faults=(Fault("NS620", str(path), reading_error(path, error).diagnostics[0].fact),))
    size = top.find("size")
    sides = [number_in(size, word) for word in ("width", "height")] if size is not None else [0.0, 0.0]
    whole = tuple(int(side) if 0 < side < 1 << 31 else 0 for side in sides)
    objects, faults = [], []
    for each in top.every("object"):
        made = read_object(each, path.name)
        if isinstance(made, Fault):
            faults.append(made)
        else:
            objects.append(made)
    return Read((whole[0], whole[1]), tuple(objects), tuple(faults))


def read_object(each: Element, file: str) -> Object | Fault:
    """An object, or what is wrong with it."""
    name, box = each.word("name"), each.find("bndbox")
    place = f"{file}, line {each.line}"
    if not name:
        return Fault("NS622", place, "an object without a name")
    corners = tuple(number_in(box, word) for word in ("xmin", "ymin", "xmax", "ymax")) if box else ()
    if not corners or not np.isfinite(corners).all():
        return Fault("NS622", place, f"{name} needs a bndbox with xmin, ymin, xmax, ymax")
    return Object(name, corners, each.word("difficult") == "1", f"{place}, {name}")


def number_in(element: Element, word: str) -> float:
    """The number in an element of a name; NaN where there is none."""
    try:
        return float(element.word(word))
    except ValueError:
        return float("nan")


def refuse_unread(read: Mapping[Path, Read], top: Path) -> None:
    """NS620 for all annotations that cannot be read."""
    bad = [fault for each in read.values() for fault in each.faults if fault.code == "NS620"]
    if bad:
        fact = f"{len(bad):,} of {len(read):,} annotations"
        raise fail("NS620", fact, path=str(top), notes=list_some([*map(str, bad)]))


def read_names(section: DataSection, root: Path, allow_outside: bool) -> list[str] | None:
    """The classes that the file `labels:` lists, in the order of their numbers."""
    if section.labels is None:
        return None
    path = existing(resolve_path(section.labels, root, allow_outside))
    return [name for name in read_lines(path, roots_for(root, allow_outside)) if name != BACKGROUND]


def read_lines(path: Path, reach: Roots) -> list[str]:
    try:
        return [line.strip() for line in read_text(path, reach).splitlines() if line.strip()]
    except OSError as error:
        raise reading_error(path, error) from error


def all_names(parts: Mapping[str, Part], read: Mapping[Path, Read], reach: Roots) -> list[str]:
    """The names of all parts, sorted, so that every part numbers them alike."""
    names = set(take_names(read))
    for folder in dict.fromkeys(part.annotations for part in parts.values()):
        for path, *_ in by_stem(folder, (".xml",)).values():
            if path not in read:
                names.update(each.name for each in read_annotation(path, reach).objects)
    return sorted(names)


def take_names(read: Mapping[Path, Read]) -> list[str]:
    return sorted({each.name for one in read.values() for each in one.objects})


def join_boxes(top: Path, stems: Stems, read: Mapping[Path, Read], known: Sequence[str]) -> Annotated:
    """What all annotations say together."""
    number = {name: i for i, name in enumerate(known)}
    faults = list(stems.faults)
    rows: list[tuple[int, int, bool]] = []
    every: list[Object] = []
    sizes = np.zeros((len(stems.files), 2), np.int64)
    for i, path in enumerate(stems.annotations):
        one = read[path] if path is not None else Read()
        sizes[i] = one.size
        faults += one.faults
        for each in one.objects:
            if each.name not in number:
                faults.append(Fault("NS622", each.place, "no class of the list `labels:`"))
                continue
            rows.append((i, number[each.name], each.difficult))
            every.append(each)
    owner, label, difficult = np.array(rows, np.int64).reshape(-1, 3).T
    corners = np.array([each.corners for each in every], np.float64).reshape(-1, 4)
    return Annotated(
        str(top),
        stems.files,
        sizes,
        owner,
        label,
        corners,
        difficult,
        lambda box: every[box].place,
        tuple(faults),
    )
