"""Which options go with which view of `netspec see`: none is ignored. In: what is to be seen, and a
command line; out: nothing, or a UsageError.
"""

from collections.abc import Sequence

import click

__all__ = ["ALL", "check_words"]

ALL = "all"
ALWAYS = frozenset(("seed",))
"""The net is filled by it, whatever is shown."""
SEVERAL = frozenset(("diff", "method", "unit", "window"))
"""What means another thing in each view, or a channel of one layer: `all` takes none of it."""
PAIRS = (("inputs", "data"), ("inputs", "index"), ("inputs", "split"), ("inputs", "part"), ("data", "part"))
"""A sample is INPUT, one of --data, or one of the net's own data."""
FLAGS = {"inputs": "INPUT", "label": "--class"}


def check_words(what: str, ctx: click.Context) -> None:
    """Raises UsageError where the command line has a word that the view does not take, or two of
    which one would stay unread.
    """
    given = find_words(ctx)
    for word in given:
        if word not in ALWAYS:
            check_word(what, word)
    if what == ALL:
        return
    for one, other in PAIRS:
        if one in given and other in given:
            raise click.UsageError(f"{flag_of(one)} and {flag_of(other)}: give one of them")
    if "split" in given and "data" not in given:
        raise click.UsageError("--split goes with --data: --part is of the net's own data")


def find_words(ctx: click.Context) -> Sequence[str]:
    """The fields of Asked that are named."""
    from dataclasses import fields

    from netspec.seeing.seen import Asked

    known = {each.name for each in fields(Asked)} & {*ctx.params}
    default = click.core.ParameterSource.DEFAULT
    return [name for name in sorted(known) if ctx.get_parameter_source(name) != default]


def check_word(what: str, word: str) -> None:
    from netspec.seeing.registry import find_view, view_names

    if what != ALL and word in find_view(what).TAKES:
        return
    there = [name for name in view_names() if word in find_view(name).TAKES]
    if what != ALL or word in SEVERAL:
        raise click.UsageError(f"{flag_of(word)} goes with {', '.join(there)}; {what} does not read it")


def flag_of(word: str) -> str:
    """As it is written on the command line."""
    return FLAGS.get(word, f"--{word}")
