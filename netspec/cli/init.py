"""`netspec init`."""

from pathlib import Path

import click

from netspec.source import Source

__all__ = ["command", "standing_alone"]

EDITOR = "# yaml-language-server:"


@click.command("init")
@click.argument("data", required=False, type=click.Path())
@click.option("--from", "start", metavar="zoo:NAME", help="The spec to start from; `netspec zoo` lists them.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The spec to write; - for standard output. By default NAME.yaml, here.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(data: str | None, start: str | None, output: str | None, force: bool) -> None:
    """Start a spec of your own: from DATA, or as a copy of one of the zoo.

    DATA is a folder of pictures (a folder per class, with boxes, or with masks), of WAV files or of
    FASTA files, or a file: a table (CSV, parquet), FASTA, arrays (.npz, HDF5), a text. A small net
    that fits them is written, how they are read, and how it is trained; names of classes go to a
    file beside it. From the zoo: the text, comments and all; the files it builds on, bases and
    blocks, stay in the zoo.
    """
    if (data is None) == (start is None):
        raise click.UsageError("name a folder or a file of data, or a spec with --from")
    if data is not None:
        from_data(Path(data), output, force)
    elif start is not None:
        from_zoo(start, output, force)


def from_data(place: Path, output: str | None, force: bool) -> None:
    """Write NAME.yaml, and NAME.labels.txt where classes have names, by default into the current
    folder if the data lie in it, else beside them.
    """
    import os

    from netspec.cli import report
    from netspec.cli.data import showing
    from netspec.file_writing import write_text
    from netspec.training.first.kinds import draft_for

    if output == "-":
        raise click.UsageError("a spec for data may have a file of labels beside it: name a file with -o")
    draft = draft_for(place, showing)
    full, target, home = find_target(place, output)
    labels = target.with_suffix(".labels.txt")
    written = [target, labels] if draft.classes else [target]
    for path in written:
        refuse_overwriting(path, force)
    if draft.classes:
        write_text(labels, "".join(f"{name}\n" for name in draft.classes))
    write_text(target, draft.text(name_of(full), lambda path: os.path.relpath(path, home), labels.name))
    click.echo(f"wrote {' and '.join(map(str, written))}: {draft.said}")
    for note in draft.notes:
        click.echo(note)
    click.echo(f"next: netspec train {target}")
    report(list(draft.findings))


def find_target(data: Path, output: str | None) -> tuple[Path, Path, Path]:
    """The full path of the data, the spec to write, and its folder: by default the current one if the
    data lie in it, else that beside them. Raises SpecError NS642.
    """
    import os

    from netspec.allowed_paths import reachable
    from netspec.diagnostics.model import fail

    full = Path(os.path.abspath(data))
    if reachable(str(full), str(Path.cwd())) and full != Path.cwd():
        home = Path()
    else:
        home = full.parent
    target = Path(output) if output else home / f"{name_of(full)}.yaml"
    place = Path(os.path.abspath(target)).parent
    if not reachable(str(full), str(place)):
        note = f"a spec reaches what lies in its folder or below: {full.parent / target.name} would do"
        raise fail("NS642", f"{full} lies outside {place}", path=str(target), notes=(note,))
    return full, target, place


def name_of(data: Path) -> str:
    """What a net for some data is called: as a folder, or as a file without its ending."""
    if data.is_dir():
        return data.name
    return Path(data.name.removesuffix(".gz")).stem


def refuse_overwriting(path: Path, force: bool) -> None:
    from netspec.diagnostics.model import fail

    if path.exists() and not force:
        raise fail("NS501", f"{path} is there already; --force writes over it", path=str(path))


def from_zoo(start: str, output: str | None, force: bool) -> None:
    """Copy a spec of the zoo."""
    from netspec.diagnostics.model import Diagnostics, SpecError
    from netspec.file_writing import write_text
    from netspec.syntax.paths import PREFIX
    from netspec.syntax.reader import read_file

    diagnostics = Diagnostics()
    source = read_file(start if start.startswith(PREFIX) else PREFIX + start, diagnostics)
    if source is None:
        raise SpecError(diagnostics.sorted())
    target, text = output or Path(source.name).name, standing_alone(source)
    if target == "-":
        click.echo(text, nl=False)
        return
    refuse_overwriting(Path(target), force)
    write_text(target, text)
    click.echo(f"wrote {target}")


def standing_alone(source: Source) -> str:
    """A zoo spec's text for another folder: files beside it get their `zoo:` names, the editor's
    path to the schema goes.
    """
    from netspec.diagnostics.model import Diagnostics
    from netspec.syntax.paths import PREFIX
    from netspec.syntax.reader import read

    tree = read(source, Diagnostics())
    text = source.text
    named = [
        item
        for key in ("import", "base")
        if tree is not None and (section := tree.get(key)) is not None
        for item in section.items
    ]
    # from the end, so that the places before stay what they are
    for item in sorted(named, key=lambda item: item.span.start if item.span is not None else 0, reverse=True):
        if item.span is not None and not item.text.startswith(PREFIX):
            text = text[: item.span.start] + PREFIX + zoo_name(item.text, source.name) + text[item.span.end :]
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(EDITOR))


def zoo_name(path: str, origin: str) -> str:
    """What the zoo calls the file that `path` means in the spec `origin`: its name, or for blocks
    the path below the zoo's folder.
    """
    from netspec.syntax.paths import zoo_folder, zoo_path

    full = Path(origin).parent.joinpath(path).resolve()
    if zoo_path(full.stem) == str(full):
        return full.stem
    return full.relative_to(zoo_folder()).as_posix()
