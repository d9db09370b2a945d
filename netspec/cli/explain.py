"""`netspec explain`."""

import os
from typing import TYPE_CHECKING

import click

from netspec.cli.options import spec_options

if TYPE_CHECKING:
    from netspec.read_options import Reading

__all__ = ["command"]


@click.command("explain")
@click.argument("what", metavar="CODE | WORD | SPEC")
@click.argument("path", required=False, metavar="[LAYER | VALUE]")
@spec_options
def command(what: str, path: str | None, reading: "Reading") -> None:
    """Explain a code, a word of the language, a layer's sizes, or where a value comes from.

    `netspec explain NS301`: the code's page. `netspec explain blocks`, `... train.solver.gamma`,
    `... Convolution.pad`: a section, a key, a layer type or its parameter. `netspec explain
    lenet.yaml conv1`: how the layer's sizes come about. `netspec explain lenet.yaml conv1.stride`,
    `... train.solver.base_lr`: file and line, variables, defaults, override.
    """
    if path is None:
        explain_code(what.upper()) if is_code(what) else explain_word(what)
        return
    from netspec import driver
    from netspec.analysis.explain import explanation
    from netspec.analysis.provenance import is_layer, origin

    program = driver.load(what, reading)
    click.echo(
        explanation(program.graph("test"), path)
        if is_layer(program.resolved, path)
        else origin(program.resolved, path)
    )


def is_code(word: str) -> bool:
    return word[:2].upper() == "NS" and word[2:].isdigit()


def explain_word(word: str) -> None:
    """A page on the language, a key, a layer type or a parameter of one."""
    from netspec.reference.topics import explain_topic, nearest_topics

    text = explain_topic(word)
    if text is None and is_spec(word):
        raise click.UsageError(f"name a layer or a value of {word}: netspec explain {word} LAYER")
    if text is None:
        near = nearest_topics(word)
        if near:
            hint = f"Did you mean {' or '.join(near)}?"
        else:
            hint = "`netspec explain spec` is the page to begin with."
        raise click.UsageError(f"nothing is called {word!r}. {hint}")
    click.echo(text)


def is_spec(word: str) -> bool:
    """Whether a word names a spec: a file, or what is spelt as one."""
    return word.startswith("zoo:") or word.endswith((".yaml", ".yml")) or "/" in word or os.path.isfile(word)


def explain_code(code: str) -> None:
    """The code's page."""
    from importlib.resources import files

    from netspec.diagnostics.codes import CODES
    from netspec.diagnostics.suggest import nearest

    if code not in CODES:
        near = nearest(code, CODES)
        raise click.UsageError(f"no code {code}." + (f" Did you mean {' or '.join(near)}?" if near else ""))
    click.echo(
        files("netspec.diagnostics").joinpath("pages", f"{code}.md").read_text(encoding="utf-8").rstrip()
    )
