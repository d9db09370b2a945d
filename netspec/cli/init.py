"""`netspec init`."""

from pathlib import Path

import click

from netspec.source import Source

__all__ = ["command", "standing_alone"]

EDITOR = "# yaml-language-server:"


@click.command("init")
@click.option("--from", "start", required=True, metavar="zoo:NAME", help="The spec to start from; `netspec zoo` lists them.")
@click.option("-o", "--output", metavar="FILE", help="The spec to write; - for standard output. By default NAME.yaml, here.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def command(start: str, output: str | None, force: bool) -> None:
    """Start a spec of your own as a copy of one of the zoo, comments and all.

    The files it builds on, bases and blocks, stay in the zoo.
    """
    from netspec import driver
    from netspec.diagnostics.model import Diagnostics, SpecError, fail
    from netspec.files import write_text
    from netspec.syntax.paths import PREFIX

    diagnostics = Diagnostics()
    source = driver.read_file(start if start.startswith(PREFIX) else PREFIX + start, diagnostics)
    if source is None:
        raise SpecError(diagnostics.sorted())
    target, text = output or Path(source.name).name, standing_alone(source)
    if target == "-":
        click.echo(text, nl=False)
        return
    if Path(target).exists() and not force:
        raise fail("NS501", f"{target} is there already; --force writes over it", path=target)
    write_text(target, text)
    click.echo(f"wrote {target}")


def standing_alone(source: Source) -> str:
    """A zoo spec's text for another folder: files beside it get their `zoo:` names, the editor's path to the schema goes."""
    from netspec.diagnostics.model import Diagnostics
    from netspec.syntax.paths import PREFIX
    from netspec.syntax.reader import read

    tree = read(source, Diagnostics())
    text = source.text
    named = [item for key in ("import", "base") if tree is not None and (section := tree.get(key)) is not None for item in section.items]
    for item in sorted(named, key=lambda item: item.span.start if item.span is not None else 0, reverse=True):
        if item.span is not None and not item.text.startswith(PREFIX):
            text = text[: item.span.start] + PREFIX + zoo_name(item.text, source.name) + text[item.span.end :]
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(EDITOR))


def zoo_name(path: str, origin: str) -> str:
    """What the zoo calls the file that `path` means in the spec `origin`: its name, or for blocks the path below the zoo's folder."""
    from netspec.syntax.paths import zoo_folder, zoo_path

    full = Path(origin).parent.joinpath(path).resolve()
    return full.stem if zoo_path(full.stem) == str(full) else full.relative_to(zoo_folder()).as_posix()
