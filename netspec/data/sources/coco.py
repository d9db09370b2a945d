"""Boxes as COCO's instances files have them: one JSON file, and a folder of pictures. In: a data
section; out: a Source.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netspec.data.boxes.annotations import (
    Annotated,
    Fault,
    join_annotated,
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
from netspec.data.source import Array, Source, split_source
from netspec.diagnostics import fail
from netspec.diagnostics.words import list_briefly
from netspec.file_reading import Roots, read_bytes
from netspec.garbage_collection import no_collection
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection, find_missing
from netspec.strict_json import JsonError, member, read_object

__all__ = ["coco_roles", "find_files", "holds_coco", "open_coco"]

MOST = 1 << 30
"""Bytes of a file: instances_train2017.json, of 118,287 pictures, has 448,981,445."""
UNREAD = frozenset(
    (
        "segmentation",
        "licenses",
        "info",
        "keypoints",
        "license",
        "flickr_url",
        "coco_url",
    )
)
"""What boxes do not need: nearly all of a large file."""
KIND = "instances"
"""What the file with boxes is called, beside those with captions and keypoints."""
HOMES = ("annotations", "annotation", "labels", "json")
SHOWN = 6
ALL = "all"


class Part(NamedTuple):
    """One part of the data: its annotations, and the folder that names of pictures start from."""

    file: Path
    pictures: Path


def open_coco(
    section: DataSection,
    split: str | None,
    root: Path,
    contract: ImageContract,
    classes: Sequence[str] | None = None,
    allow_outside: bool = False,
) -> Source:
    """The pictures that a COCO file lists, with their boxes. `path` is the file, or a folder with
    one for each part, told by its name (annotations/instances_train2017.json) or its folder's.

    Labels number the categories by their ids, from 1, as long as training knows no others. Raises
    SpecError NS620 (no such file as COCO's), NS621, NS622 (annotations.py), NS641, NS643, NS650, NS663.
    """
    if section.path is None:
        raise fail("NS641", find_missing(section))
    top = resolve_path(section.path, root, allow_outside)
    roots = roots_of(root, top if top.is_dir() else top.parent, allow_outside)
    files = find_files(top)
    role = choose_role(split, files)
    if not {role, ALL} & {*files, split}:
        raise no_part(top, files, str(split))
    chosen = [files[role]] if role in files else [*files.values()]
    read = [take_part(section, file, root, allow_outside) for file in chosen]
    known = number_classes(
        dict.fromkeys(name for _, names in read for name in names),
        classes,
        str(chosen[0]),
    )
    found = join_annotated([each._replace(label=renumber(each.label, names, known)) for each, names in read])
    if section.images is not None:
        roots = [
            *roots,
            *roots_of(
                root,
                existing(resolve_path(section.images, root, allow_outside), "folder"),
                allow_outside,
            ),
        ]
    source = open_boxed(found, known, contract, roots, section.on_error == "skip")
    return split_source(source, split) if ALL in files else source


def take_part(
    section: DataSection, file: Path, root: Path, allow_outside: bool
) -> tuple[Annotated, list[str]]:
    """What one file says, and the names that its labels number from 1."""
    document = read_document(file, roots_for(root, allow_outside))
    return take_boxes(
        document,
        Part(file, find_pictures(section, file, document, root, allow_outside)),
    )


def coco_roles(section: DataSection, root: Path, allow_outside: bool = False) -> tuple[str, ...]:
    """The parts that the files of a section have."""
    files = find_files(resolve_path(section.path or "", root, allow_outside))
    return tuple(role for role in ("train", "val", "test") if role in files)


def holds_coco(folder: Path) -> bool:
    """Whether a folder holds one of COCO's files with boxes. Raises SpecError where none can be
    chosen.
    """
    file = next(iter(find_files(folder.absolute()).values()))
    return bool(read_document(file, [folder.absolute()])["annotations"])


def find_files(top: Path) -> dict[str, Path]:
    """The file of annotations for each part, of "all" where there is one that is none. Raises
    SpecError NS641, NS643.
    """
    if not top.is_dir():
        return {ALL: existing(top)}
    found: dict[str, list[Path]] = {}
    for path in sorted(list_json(top)):
        role = name_role(path.stem)[0] or (name_role(path.parent.name)[0] if path.parent != top else None)
        found.setdefault(role or ALL, []).append(path)
    if not found:
        raise fail(
            "NS643",
            "no JSON file there, in annotations/ or in a folder for each part",
            path=str(top),
        )
    if len(found) > 1:
        found.pop(ALL, None)
    return {role: choose_file(files, top) for role, files in found.items()}


def list_json(top: Path) -> list[Path]:
    """The JSON files of a folder, of its folder of annotations and of those of its parts."""
    try:
        inside = [path for path in top.iterdir() if path.is_dir()]
        folders = [path for path in inside if path.name.casefold() in HOMES or name_role(path.name)[0]]
        return [file for folder in (top, *folders) for file in folder.glob("*.json") if file.is_file()]
    except OSError as error:
        raise reading_error(top, error) from error


def choose_file(files: Sequence[Path], top: Path) -> Path:
    """The file with boxes among those of one part."""
    named = [file for file in files if KIND in file.stem.casefold()] or list(files)
    if len(named) > 1:
        names = list_briefly([file.relative_to(top).as_posix() for file in named], SHOWN)
        raise fail(
            "NS641",
            f"{names} could all be meant: `path:` names one of them",
            path=str(top),
        )
    return named[0]


@no_collection()
def read_document(file: Path, roots: Roots) -> dict[str, Any]:
    """A file's lists. NS620: it is not one of COCO's."""
    try:
        document = read_object(read_bytes(file, roots, MOST + 1), most=MOST, without=UNREAD)
        for name in ("images", "annotations", "categories"):
            if not all(isinstance(each, dict) for each in member(document, name, list)):
                raise JsonError(f"{name} must be a list of objects")
    except JsonError as error:
        raise fail("NS620", str(error), path=str(file)) from error
    except OSError as error:
        raise reading_error(file, error) from error
    return document


def find_pictures(
    section: DataSection,
    file: Path,
    document: Mapping[str, Any],
    root: Path,
    allow_outside: bool,
) -> Path:
    """The folder that holds the first picture of which there is a file. NS643: none does."""
    if section.images is not None:
        return existing(resolve_path(section.images, root, allow_outside), "folder")
    tail = file.stem.removeprefix(f"{KIND}_")
    tops = (file.parent, file.parent.parent)
    inner = (*dict.fromkeys((tail, file.parent.name)), "images", f"images/{tail}", "")
    places = [top / name for name in inner for top in tops]
    # a few, since the first may be missing
    names = [
        each["file_name"] for each in document["images"][:SHOWN] if isinstance(each.get("file_name"), str)
    ]
    found = (place for place in places for name in names if is_inside(name) and (place / name).is_file())
    place = next(found, None)
    if place is None:
        lost = names[0] if names else "its pictures"
        note = "`images:` in the data section names the folder that they start from"
        raise fail(
            "NS643",
            f"{lost} lies in none of {', '.join(map(str, places))}",
            path=str(file),
            notes=(note,),
        )
    return place


def is_inside(name: str) -> bool:
    """Whether the name of a picture leads below a folder, by its words."""
    return "\0" not in name and not Path(name).is_absolute() and ".." not in Path(name).parts


def take_boxes(document: Mapping[str, Any], part: Part) -> tuple[Annotated, list[str]]:
    """What a document says of its pictures; labels number the names, from 1."""
    faults: list[Fault] = []
    numbers = take_categories(document["categories"], faults)
    files, sizes, at = take_pictures(document["images"], part.pictures, faults)
    rows: list[tuple[int, int, bool]] = []
    boxes: list[tuple[float, ...]] = []
    ids: list[Any] = []
    for count, each in enumerate(document["annotations"]):
        made = read_box(each, at, numbers)
        if isinstance(made, str):
            faults.append(Fault("NS622", f"annotation {each.get('id', f'number {count}')}", made))
            continue
        rows.append(made[0])
        boxes.append(made[1])
        ids.append(each.get("id", f"number {count}"))
    owner, label, crowd = np.array(rows, np.int64).reshape(-1, 3).T
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    names = sorted(numbers.values())
    called = [name for _, name in names]

    def place(box: int) -> str:
        return f"annotation {ids[box]}, {called[label[box] - 1]} in {files[owner[box]].name}"

    return (
        Annotated(
            str(part.file),
            files,
            sizes,
            owner,
            label,
            corners,
            crowd,
            place,
            tuple(faults),
        ),
        called,
    )


def take_categories(given: Sequence[Mapping[str, Any]], faults: list[Fault]) -> dict[Any, tuple[int, str]]:
    """The number and the name of each category by its id, in the order of the ids."""
    known: dict[Any, str] = {}
    for each in given:
        number, name = each.get("id"), each.get("name")
        if type(number) is not int or not isinstance(name, str):
            faults.append(
                Fault(
                    "NS622",
                    f"category {number!r}",
                    f"its name is {name!r}: an id is a whole number, a name a text",
                )
            )
        elif number in known or name in known.values():
            faults.append(
                Fault(
                    "NS622",
                    f"category {number}, {name}",
                    "another category has this id or name",
                )
            )
        else:
            known[number] = name
    return {number: (i, known[number]) for i, number in enumerate(sorted(known), 1)}


def take_pictures(
    given: Sequence[Mapping[str, Any]], folder: Path, faults: list[Fault]
) -> tuple[list[Path], Array, dict[Any, int]]:
    """The files of the pictures, their sizes, and the number of each by its id."""
    files: list[Path] = []
    sizes: list[tuple[int, int]] = []
    at: dict[Any, int] = {}
    twice = Counter(each.get("file_name") for each in given if isinstance(each.get("file_name"), str))
    for each in given:
        number, name = each.get("id"), each.get("file_name")
        if type(number) not in (int, str) or not isinstance(name, str) or not is_inside(name):
            faults.append(
                Fault(
                    "NS622",
                    f"picture {number!r}",
                    f"its file_name is {name!r}: a name below the folder",
                )
            )
            continue
        i = len(files)
        if number in at or twice[name] > 1:
            faults.append(Fault("NS622", f"picture {number}, {name}", "it is listed twice", i))
        elif not (folder / name).is_file():
            faults.append(
                Fault(
                    "NS622",
                    f"picture {number}, {name}",
                    f"there is no such file in {folder}",
                    i,
                )
            )
        at.setdefault(number, i)
        files.append(folder / name)
        sizes.append((side_of(each.get("width")), side_of(each.get("height"))))
    return files, np.array(sizes, np.int64).reshape(-1, 2), at


def side_of(said: Any) -> int:
    """The length of a side as a document says it; 0 where it is none."""
    if type(said) is int and 0 < said < 1 << 31:
        return said
    return 0


def read_box(
    each: Mapping[str, Any],
    at: Mapping[Any, int],
    numbers: Mapping[Any, tuple[int, str]],
) -> tuple[tuple[int, int, bool], tuple[float, ...]] | str:
    """The picture, class and crowd of an annotation, and its box as x, y, width, height; or what is
    wrong with it.
    """
    picture, category, box = (
        each.get("image_id"),
        each.get("category_id"),
        each.get("bbox"),
    )
    if type(picture) not in (int, str) or picture not in at:
        return f"there is no picture {picture!r}"
    if type(category) is not int or category not in numbers:
        return f"there is no category {category!r}"
    if not isinstance(box, list) or len(box) != 4 or not all(type(x) in (int, float) for x in box):
        return "its bbox must be [x, y, width, height]"
    return (at[picture], numbers[category][0], bool(each.get("iscrowd", 0))), tuple(map(float, box))


def renumber(labels: Array, names: Sequence[str], known: Sequence[str]) -> Array:
    """Numbers of names as the numbers of known classes."""
    numbers = {name: i for i, name in enumerate(known)}
    table = np.array([0, *(numbers.get(name, 0) for name in names)], np.int64)
    return table[labels]
