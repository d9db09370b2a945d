"""What `netspec check --fix` does to a file: safe fixes made, told, and written whole; or shown as
a diff.
"""

from typing import TYPE_CHECKING

import click

from netspec.diagnostics.model import Diagnostics
from netspec.source import Source

if TYPE_CHECKING:
    from netspec.read_options import Reading

__all__ = ["fix_file", "show_diff", "write_source"]


def fix_file(path: str, dry_run: bool, reading: "Reading") -> None:
    """Make a spec's safe fixes, and say on standard error what was done. What cannot be read is
    left to the check that follows.
    """
    from netspec.repair.check import fix_source
    from netspec.syntax.reader import read_file

    source = read_file(path, Diagnostics())
    if source is None:
        return
    repair = fix_source(source, reading)
    if not repair.done:
        return
    if dry_run:
        show_diff(source, repair.source)
    else:
        write_source(repair.source)
    for found, fix in repair.done:
        line = found.span.begin[0] if found.span is not None else 1
        click.echo(
            f"{source.name}:{line}: {'would fix' if dry_run else 'fixed'} {found.code}: {fix.text}",
            err=True,
        )


def show_diff(before: Source, after: Source) -> None:
    """A unified diff of two versions of a file."""
    from difflib import unified_diff

    for line in unified_diff(
        before.text.splitlines(keepends=True),
        after.text.splitlines(keepends=True),
        before.name,
        after.name,
    ):
        click.echo(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n", nl=False)


def write_source(source: Source) -> None:
    """Write a spec in place, whole or not at all: a byte order mark, links and permissions stay.
    Raises SpecError.
    """
    from netspec.file_reading import read_bytes
    from netspec.file_writing import replacing

    mark = read_bytes(source.name, most=3) == b"\xef\xbb\xbf"
    with replacing(source.name) as draft:
        draft.write_bytes(source.text.encode("utf-8-sig" if mark else "utf-8"))
