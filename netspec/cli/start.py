"""What a training starts from. In: the words --weights, --new and --rename; out: a Start, or none."""

from typing import Any

import click

__all__ = ["read_start"]


def read_start(words: Any) -> Any:
    """What --weights, --new and --rename say; None without --weights."""
    if not words["weights"]:
        return None
    from netspec.training.starting import Start

    return Start(words["weights"], words["new"], tuple(map(split_rename, words["rename"])))


def split_rename(text: str) -> tuple[str, str]:
    old, _, new = text.partition("=")
    if not old or not new or new.count("*") > old.count("*") or old.count("*") > 1:
        raise click.UsageError(f"--rename {text}: OLD=NEW, with at most one * in each")
    return old, new
