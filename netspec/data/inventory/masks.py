"""Folders of pictures and of their masks, found by their names and files; and masks alone. In: a
folder; out: pairs of folders, or a finding.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from netspec.data.folder_layout import folders_in, name_role
from netspec.data.pictures.masked import LOOKED, has_few_colors, is_called_so, key_of, match
from netspec.data.sources.image_folder import image_files
from netspec.diagnostics import fail

__all__ = ["WHOLE", "pair_masks", "refuse_lone_masks"]

WHOLE = "all"
"""The part of data that have none."""


def pair_masks(top: Path) -> dict[str, tuple[Path, Path]]:
    """The folders of pictures and of their masks: of each part that holds two such folders, or of
    "all"; empty where there are none.
    """
    folders = folders_in(top, [top])
    whole = pair_of(folders)
    if whole is not None:
        return {WHOLE: whole}
    roles = {role: folder for folder in sorted(folders) if (role := name_role(folder.name)[0]) is not None}
    inside = {role: pair_of(folders_in(folder, [top])) for role, folder in roles.items()}
    found = {role: pair for role, pair in inside.items() if pair is not None}
    return found if "train" in found else {}


def pair_of(folders: Sequence[Path]) -> tuple[Path, Path] | None:
    """Of some folders that lie beside each other, that of pictures and that of their masks; None
    where there are no two such.
    """
    masks = [folder for folder in folders if is_called_so(folder.name)]
    for folder in folders:
        if len(masks) != 1 or folder in masks:
            continue
        both = (folder, masks[0])
        roots = [folder.parent]
        found = match(
            {top: {key_of(path, top): path for path in image_files(top, roots)} for top in both}, roots
        )
        if found is not None:
            return found
    return None


def refuse_lone_masks(top: Path) -> None:
    """Raises SpecError NS664 where a folder holds masks and nothing else: it, or its only folder, is
    called as they are, or their files lie in no folder of a class, and they hold few colours.
    """
    inside = [path for path in sorted(top.iterdir()) if not path.name.startswith(".")]
    folders = [path for path in inside if path.is_dir()]
    if len(inside) == 1 and folders and is_called_so(folders[0].name):
        refuse_lone_masks(folders[0])
        return
    if folders:
        return
    some = list(islice(sorted(image_files(top, [top])), LOOKED))
    if some and all(has_few_colors(path, [top]) for path in some):
        note = f"beside the folder of their pictures: `data: {{source: images, path: PICTURES, masks: {top.name}}}`"
        fact = "files of few colours in no folder of a class: masks, and no pictures beside them"
        raise fail("NS664", fact, path=str(top), notes=(note,))
