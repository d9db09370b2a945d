"""`netspec init`."""

from pathlib import Path

import click

from netspec.diagnostics.words import count_of
from netspec.source import Source

__all__ = ["command", "standing_alone"]

EDITOR = "# yaml-language-server:"


@click.command("init")
@click.argument("images", required=False, type=click.Path())
@click.option("--from", "start", metavar="zoo:NAME", help="The spec to start from; `netspec zoo` lists them.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The spec to write; - for standard output. By default NAME.yaml, here.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(images: str | None, start: str | None, output: str | None, force: bool) -> None:
    """Start a spec of your own: from IMAGES, a folder with a folder per class (or of WAV files), or
    as a copy of one of the zoo.

    From images: a small net that fits their sizes and colours, how they are read, and how it is
    trained; the class names go to a file beside it. From the zoo: the text, comments and all; the
    files it builds on, bases and blocks, stay in the zoo.
    """
    if (images is None) == (start is None):
        raise click.UsageError("name a folder of images, or a spec with --from")
    if images is not None:
        from_images(Path(images), output, force)
    elif start is not None:
        from_zoo(start, output, force)


def from_images(folder: Path, output: str | None, force: bool) -> None:
    """Write NAME.yaml and NAME.labels.txt, by default into the current folder if the images lie in
    it, else beside them.
    """
    import os
    from functools import partial

    from netspec.cli import report
    from netspec.cli.data import showing
    from netspec.data.inventory.parts import recognise_boxes
    from netspec.data.pictures.survey import survey
    from netspec.data.sources.audio import holds_sounds
    from netspec.file_writing import write_text
    from netspec.training.first_sound_spec import sound_spec_text, survey_sounds
    from netspec.training.first_spec import spec_text, trained_on

    boxed = recognise_boxes(folder)
    if boxed is not None:
        from_boxes(folder, boxed, output, force)
        return
    if output == "-":
        raise click.UsageError("a spec for images has a file of labels beside it: name a file with -o")
    if holds_sounds(folder):
        heard = survey_sounds(folder)
        counted, word, text = heard.counted, "sounds", partial(sound_spec_text, heard)
    else:
        counted = survey(folder, showing)
        word, text = "images", partial(spec_text, counted)
    full, target, place = find_target(folder, output)
    labels = target.with_suffix(".labels.txt")
    for path in (target, labels):
        refuse_overwriting(path, force)
    write_text(labels, "".join(f"{name}\n" for name in counted.classes))
    write_text(target, text(full.name, os.path.relpath(full, place), labels.name))
    click.echo(
        f"wrote {target} and {labels}: {count_of(len(counted.classes), 'class', 'classes')},"
        f" {trained_on(counted):,} {word} to train on"
    )
    if counted.copies:
        copies = "1 image is a copy" if counted.copies == 1 else f"{counted.copies:,} images are copies"
        click.echo(f"{copies} of another: netspec data {folder} --json lists them")
    click.echo(f"next: netspec train {target}")
    report(list(counted.findings))


def from_boxes(folder: Path, source: str, output: str | None, force: bool) -> None:
    """Write NAME.yaml, a detector for pictures with boxes. source: what reads the folder."""
    import os

    from netspec.cli import report
    from netspec.data.boxes.survey import survey_boxes
    from netspec.file_writing import write_text
    from netspec.training.first_detector import count_learned, detector_text

    found = survey_boxes(folder, source)
    full, target, place = find_target(folder, output)
    refuse_overwriting(target, force)
    write_text(target, detector_text(found, full.name, os.path.relpath(full, place)))
    classes = count_of(len(found.classes), "class", "classes")
    click.echo(
        f"wrote {target}: {classes}, {count_of(count_learned(found), 'picture')} with boxes to train on"
    )
    click.echo(f"next: netspec train {target}")
    report(list(found.findings))


def find_target(folder: Path, output: str | None) -> tuple[Path, Path, Path]:
    """The folder's full path, the spec to write, and its folder: by default the current one if the
    data lie in it, else that beside them. Raises SpecError NS642.
    """
    import os

    from netspec.allowed_paths import reachable
    from netspec.diagnostics.model import fail

    full = Path(os.path.abspath(folder))
    if reachable(str(full), str(Path.cwd())) and full != Path.cwd():
        home = Path()
    else:
        home = full.parent
    target = Path(output) if output else home / f"{full.name}.yaml"
    place = Path(os.path.abspath(target)).parent
    if not reachable(str(full), str(place)):
        note = f"a spec reaches what lies in its folder or below: {full.parent / target.name} would do"
        raise fail("NS642", f"{full} lies outside {place}", path=str(target), notes=(note,))
    return full, target, place


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
