"""Which files a spec may name: those of its own folder, and of the folder that NETSPEC_DATA names.
Reads nothing but the environment.
"""

import errno
import os
from pathlib import Path

from netspec.allowed_paths import reachable
from netspec.diagnostics import SpecError, fail
from netspec.file_reading import OutsideRootError

__all__ = ["data_root", "find_folder", "judge_found_path", "resolve_path", "roots_for", "roots_of"]

OUTSIDE = "NETSPEC_DATA, --allow-outside FOLDER, or a path given on the command line, may name any folder"


def data_root() -> Path | None:
    """The folder that NETSPEC_DATA names, if it is set."""
    folder = os.environ.get("NETSPEC_DATA")
    if folder:
        return Path(folder)
    return None


def resolve_path(path: str | Path, base: str | Path, allow_outside: bool = False) -> Path:
    """The absolute path that `path`, written in a spec in the folder `base`, stands for; it need
    not exist.

    Relative paths count from base; one that is missing there is looked for under NETSPEC_DATA.
    Symbolic links are followed before judging. Raises SpecError NS642 for a place outside both
    folders and those of --allow-outside, unless the caller allows it (a path given on the command
    line).
    """
    text = str(path)
    if "\0" in text:
        raise fail("NS642", f"{text!r} holds a null character", path=text.replace("\0", "\\0"))
    homes = [Path(base), *([root] if (root := data_root()) else [])]
    reached = [home / text for home in homes]
    allowed = [
        place for place in reached if allow_outside or any(reachable(str(place), str(home)) for home in homes)
    ]
    if not allowed:
        raise fail(
            "NS642",
            f"{text} leads to {real(reached[0])}, outside {real(homes[0])}",
            path=text,
            notes=(OUTSIDE,),
        )
    return absolute(next((place for place in allowed if exists(place)), allowed[0]))


def find_folder(
    path: str | None,
    base: str | Path,
    names: tuple[str, ...],
    wanted: str,
    allow_outside: bool = False,
) -> Path:
    """The folder of a known data set: the one named, else NETSPEC_DATA's; itself, or the first
    subfolder of `names`, that holds `wanted`.

    wanted is a glob pattern. Raises SpecError NS643 naming the places that were tried.
    """
    top = resolve_path(path, base, allow_outside) if path else data_root()
    if top is None:
        raise fail(
            "NS643",
            f"the {names[0]} data has no place: neither `path` nor the variable NETSPEC_DATA is given",
            notes=(
                f"set NETSPEC_DATA to a folder that holds {names[0]}/, or write `path:` in the data section",
            ),
        )
    places = [top, *(top / name for name in names)]
    for place in places:
        if place.is_dir() and next(place.glob(wanted), None) is not None:
            return place
    if not top.is_dir():
        raise fail("NS643", "no such folder" if not exists(top) else "not a folder", path=str(top))
    raise fail("NS643", f"no file {wanted} in {', '.join(map(str, places))}", path=str(top))


def judge_found_path(path: Path, base: str | Path, top: Path, allow_outside: bool) -> Path:
    """A file that was found in the folder `top`, which may be a link: as resolve_path; where the
    user named `top`, it stays in there.
    """
    return resolve_path(path.absolute(), top if allow_outside else base)


def roots_of(base: str | Path, top: Path, allow_outside: bool) -> list[Path]:
    """The folders that what is found in `top` may lie in: where the user named it, itself, else the
    spec's and NETSPEC_DATA's.
    """
    if allow_outside:
        return [top]
    return [Path(base), *([root] if (root := data_root()) else [])]


def roots_for(base: str | Path, allow_outside: bool) -> list[Path] | None:
    """The folders that a file which resolve_path found may lie in, once more when it is opened: a
    link may have come in between.
    """
    if allow_outside:
        return None
    return roots_of(base, Path(base), False)


def existing(path: Path, kind: str = "file") -> Path:
    """The path itself if a file (or folder) is there; raises SpecError NS643 otherwise,
    NS734 for links that lead round.
    """
    there = path.is_dir() if kind == "folder" else path.is_file()
    if not there:
        try:
            path.stat()
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise reading_error(path, error) from error
        raise fail("NS643", f"not a {kind}" if exists(path) else f"no such {kind}", path=str(path))
    return path


def reading_error(path: Path, error: OSError) -> SpecError:
    """The diagnostic for a file that is there but cannot be read, that a link leads to out of its
    folder, or that links never lead to.
    """
    if error.errno == errno.ELOOP:
        return fail("NS734", "a link that leads to itself, by itself or by others", path=str(path))
    if isinstance(error, OutsideRootError):
        return fail("NS642", str(error.strerror), path=str(path), notes=(OUTSIDE,))
    return fail("NS643", f"cannot be read: {error.strerror or error}", path=str(path))


def exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def real(path: Path) -> Path:
    return Path(os.path.realpath(path))
