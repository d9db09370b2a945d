"""How a folder of pictures is laid out: which of its folders are parts, which are classes. In: the
folder; out: a Layout. Reads names, no picture.
"""

import os
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from netspec.allowed_paths import reachable
from netspec.data.paths import OUTSIDE, reading_error
from netspec.diagnostics import SpecError, fail
from netspec.diagnostics.words import list_briefly

__all__ = [
    "Layout",
    "check_link",
    "choose_role",
    "entries_of",
    "folders_in",
    "name_role",
    "no_part",
    "note_below",
    "note_beside",
    "read_layout",
]

ROLES = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "validate", "dev", "development"),
    "test": ("test", "testing", "tst", "eval", "evaluation"),
}
"""What the parts of published data are called, the usual word first."""
AROUND = frozenset(("set", "data", "dataset", "split", "part", "seg", "image", "images", "img"))
"""Words that stand beside them and say nothing: Train_Set, trainset, seg_train, train-images."""
NO_CLASSES = frozenset(("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"))
"""Folders that systems leave behind; those whose names begin with a dot are none either."""
SHOWN = 6
LOWER = 8
"""Folders that hold one folder alone and are gone through to find classes: archives of archives."""
DEEP = 2
"""Folders of one name within each other that are gone through: a link may lead round for ever."""

Classes = Mapping[str, tuple[Path, ...]]
"""The folders of each class by its name, in sorted order."""


class Layout(NamedTuple):
    """top: the folder. parts: the classes of each part by role (train, val, test), or of "all"
    where the folder has no parts. homes: the folder of a part, as messages name it. beside: folders
    beside the parts that hold a class of theirs, and are read as nothing.
    """

    top: Path
    parts: Mapping[str, Classes]
    homes: Mapping[str, Path]
    beside: tuple[Path, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """The parts that the folder has of its own."""
        return tuple(role for role in ROLES if role in self.parts)

    def part(self, split: str | None) -> tuple[Path, Classes]:
        """The folder and the classes of a part: by default that for training. A test takes val
        where nothing is called test. Raises SpecError NS643 for one that is not there.
        """
        if not self.roles or split == "all":
            return self.top, self.parts.get("all") or join_classes(self.parts.values())
        role = choose_role(split, self.parts)
        if role not in self.parts:
            wanted = " or ".join(dict.fromkeys((split or "train", role)))
            raise no_part(self.top, [self.homes[each].name for each in self.roles], wanted)
        return self.homes[role], self.parts[role]


def no_part(top: Path, parts: Iterable[str], wanted: str) -> SpecError:
    """NS643 for a part that some data do not have."""
    return fail("NS643", f"has the parts {', '.join(parts)} but none called {wanted}", path=str(top))


def choose_role(split: str | None, roles: Container[str | None]) -> str:
    """The part to take of some: by default that for training; for a test val, where nothing is
    called test. It need not be there.
    """
    if split == "test" and split not in roles:
        return "val"
    return split or "train"


def read_layout(top: Path, roots: Sequence[Path]) -> Layout:
    """The layout of a folder: of parts with classes, of classes with parts, or of classes alone.

    Raises SpecError NS642 (a link that leads elsewhere), NS664 (folders that are neither).
    """
    folders = folders_in(top, roots)
    parts = find_parts(folders, roots)
    if parts:
        homes = {role: innermost(role, folder, roots) for role, folder in parts.items()}
        classes = {role: classes_in(home, roots) for role, home in homes.items()}
        others = [folder for folder in folders if folder not in parts.values()]
        return Layout(top, classes, homes, tuple(f for f in others if holds_classes(f, classes, roots)))
    inner = same_inside(folders, roots)
    roles = {name: name_role(name)[0] for name in inner}
    if inner and all(roles.values()) and len(set(roles.values())) == len(inner):
        return by_class(top, folders, {str(role): name for name, role in roles.items()})
    if inner:
        raise not_classes(top, folders, inner)
    return Layout(top, {"all": {folder.name: (folder,) for folder in folders}}, {})


def name_role(name: str) -> tuple[str | None, tuple[str, ...]]:
    """The part that a folder's name stands for, and the words around it that say something.

    >>> name_role("Training_Set"), name_role("asl_test"), name_role("tram")
    (('train', ()), ('test', ('asl',)), (None, ('tram',)))
    """
    words = [word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|[^\W\dA-Za-z_]+", name)]
    words = [strip_affix(word) for word in words]
    found = [role for word in words for role, names in ROLES.items() if word in names]
    rest = tuple(w for w in words if w not in AROUND and not any(w in names for names in ROLES.values()))
    if len(found) != 1:
        return None, rest
    return found[0], rest


def strip_affix(word: str) -> str:
    """trainset, testdata, trainimages: the part's word alone."""
    parts = (word.removesuffix(end) for end in AROUND if word.endswith(end))
    return next((part for part in parts if any(part in names for names in ROLES.values())), word)


def find_parts(folders: Sequence[Path], roots: Sequence[Path]) -> dict[str, Path]:
    """The folder of each part, where some of these are parts.

    A word may stand beside the part's (asl_train, asl_test) where two have it. One part alone is
    one if it holds folders and none beside it holds pictures: trains, too, are a class.
    """
    groups: dict[tuple[str, ...], dict[str, Path]] = {}
    for folder in sorted(folders, key=lambda f: usual(f.name)):
        role, rest = name_role(folder.name)
        if role is not None:
            groups.setdefault(rest, {}).setdefault(role, folder)
    for rest, found in sorted(groups.items(), key=lambda item: len(item[0])):
        if len(found) > 1 and (not rest or all(folders_in(each, roots) for each in found.values())):
            return found
        others = [folder for folder in folders if folder not in found.values()]
        if not rest and (not others or all(folders_in(each, roots) for each in folders)):
            return found
    return {}


def usual(name: str) -> tuple[int, str]:
    """The usual word of a part first: of test and eval, test."""
    words = {strip_affix(word) for word in re.findall(r"[a-z]+", name.casefold())}
    places = [names.index(word) for names in ROLES.values() for word in words if word in names]
    return min(places, default=len(ROLES)), name


def innermost(role: str, folder: Path, roots: Sequence[Path]) -> Path:
    """The folder that holds a part's classes: unpacked archives have seg_train/seg_train,
    train/images.
    """
    for _ in range(DEEP):
        inside = folders_in(folder, roots)
        if len(inside) != 1 or name_role(inside[0].name) not in ((role, ()), (None, ())):
            break
        if not folders_in(inside[0], roots):
            break
        folder = inside[0]
    return folder


def same_inside(folders: Sequence[Path], roots: Sequence[Path]) -> tuple[str, ...]:
    """The names that two or more folders hold all alike, at least two; none where one differs."""
    if len(folders) < 2:
        return ()
    names = names_in(folders[0], roots)
    if len(names) > 1 and all(names_in(folder, roots) == names for folder in folders[1:]):
        return names
    return ()


def holds_classes(folder: Path, parts: Mapping[str, Classes], roots: Sequence[Path]) -> bool:
    """Whether a folder holds a class that a part has: it is mostly one that is called otherwise."""
    try:
        return any(name in classes for classes in parts.values() for name in names_in(folder, roots))
    except SpecError:
        return False  # what nobody reads may lead anywhere


def by_class(top: Path, folders: Sequence[Path], names: Mapping[str, str]) -> Layout:
    """Each class holds the parts: cat/train, cat/test."""
    parts = {role: {folder.name: (folder / name,) for folder in folders} for role, name in names.items()}
    return Layout(top, parts, {role: top / "*" / name for role, name in names.items()})


def not_classes(top: Path, folders: Sequence[Path], inner: tuple[str, ...]) -> SpecError:
    names, inside = (list_briefly(each, SHOWN) for each in ([f.name for f in folders], inner))
    return fail(
        "NS664",
        f"{names} all hold the same folders, {inside}: they look like parts of the data, not classes",
        path=str(top),
        notes=(
            f"one of them alone: `path: {folders[0]}`; as parts they are called train, val, test",
            f"if they are the classes, put their pictures into them, without folders {inside}",
        ),
    )


def note_below(name: str, folder: str) -> tuple[str, ...]:
    """Where the classes may lie, for a source whose only class is a folder of folders."""
    only = Path(name, folder)
    if not only.is_dir():
        return ()
    inside = folder_names(only)
    for _ in range(LOWER):
        if len(inside) != 1:
            break
        only /= inside[0]
        inside = folder_names(only)
    if len(inside) < 2:
        return ()
    names = list_briefly(sorted(inside), SHOWN)
    return (f"{only} holds {names}: if they are the classes, `path:` leads there",)


def folder_names(folder: Path) -> list[str]:
    return [each.name for each in entries_of(folder) if is_folder(each)]


def note_beside(folders: Sequence[Path]) -> tuple[str, str]:
    """What is to be said of folders beside the parts that hold their classes: a fact, a note."""
    names = list_briefly([folder.name for folder in folders], SHOWN)
    usual = ", ".join(words[-1] for words in ROLES.values())
    fact = f"{names} beside the parts {'holds' if len(folders) == 1 else 'hold'} classes, and is not read"
    return fact, f"a part is called train, val or test, or so: {usual}; what is none may lie elsewhere"


def join_classes(parts: Iterable[Classes]) -> Classes:
    """The classes of all parts together."""
    joined: dict[str, tuple[Path, ...]] = {}
    for part in parts:
        for name, folders in part.items():
            joined[name] = (*joined.get(name, ()), *folders)
    return dict(sorted(joined.items()))


def classes_in(folder: Path, roots: Sequence[Path]) -> Classes:
    return {each.name: (each,) for each in folders_in(folder, roots)}


def names_in(folder: Path, roots: Sequence[Path]) -> tuple[str, ...]:
    return tuple(each.name for each in folders_in(folder, roots))


def folders_in(folder: Path, roots: Sequence[Path]) -> list[Path]:
    """The folders that may be parts or classes, sorted by name. Raises SpecError NS642, NS643, NS734."""
    check_link(folder, roots)
    found = [Path(each.path) for each in entries_of(folder) if is_folder(each)]
    return sorted(each for each in found if not is_left_behind(each.name))


def is_left_behind(name: str) -> bool:
    return name.startswith(".") or name.casefold() in NO_CLASSES


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, but for what is hidden. Raises SpecError NS643."""
    try:
        with os.scandir(folder) as entries:
            return [each for each in entries if not is_left_behind(each.name)]
    except OSError as error:
        raise reading_error(folder, error) from error


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one. Raises SpecError NS734."""
    try:
        return entry.is_dir()
    except OSError as error:
        raise reading_error(Path(entry.path), error) from error


def check_link(path: Path, roots: Sequence[Path]) -> None:
    """Raises SpecError NS642 for a link that leads out of the folders that a spec may read."""
    if not any(reachable(str(path), str(root)) for root in roots):
        raise fail(
            "NS642",
            f"a link that leads to {os.path.realpath(path)}",
            path=str(path),
            notes=(OUTSIDE,),
        )
