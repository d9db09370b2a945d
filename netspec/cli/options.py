"""Options that several commands share, and how they become a Program."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["FORMATS", "format_option", "spec_options"]

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("full", "concise", "json", "github", "sarif")


def format_option(function: F) -> F:
    """--format for findings."""
    return click.option("--format", "how", type=click.Choice(FORMATS), default="full", show_default=True, help="How findings are written.")(
        function
    )


def spec_options(function: F) -> F:
    """What picks a net out of a spec: --set, --stage, --level."""
    options = (
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set a value of the spec: train.solver.max_iter=100, conv1.num_output=32.",
        ),
        click.option("--stage", "stages", multiple=True, help="A stage for include and exclude rules."),
        click.option("--level", type=int, default=0, show_default=True, help="The level for include and exclude rules."),
    )
    for option in reversed(options):
        function = option(function)
    return function
