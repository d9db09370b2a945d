"""Options that several commands share, and how they become a Program."""

import math
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

import click

__all__ = [
    "FORMATS",
    "Number",
    "code_option",
    "device_option",
    "format_option",
    "phase_option",
    "plugin_option",
    "spec_options",
    "unknown_name",
]

F = TypeVar("F", bound=Callable[..., Any])
code_option = click.option(
    "--allow-code",
    is_flag=True,
    help=(
        "Let the Python code run that the spec names: plug-ins, installed or not, and data sources"
        " python:module:Class."
    ),
)
plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    help="Also the types of this Python file, which runs.",
)
FORMATS = ("full", "concise", "json", "github", "sarif")


class Number(click.FloatRange):
    """A number between bounds; click's own lets `nan` through, which is beyond no bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


def phase_option(default: str = "test", text: str = "Which layers.") -> Callable[[F], F]:
    """--phase."""
    phases = click.Choice(("deploy", "test", "train"))
    return click.option("--phase", type=phases, default=default, show_default=True, help=text)


def device_option(text: str = "Where to run.") -> Callable[[F], F]:
    """--device, of what runs here or not at all."""
    devices = click.Choice(("auto", "cpu", "cuda"))
    return click.option("--device", type=devices, default="auto", show_default=True, help=text)


def unknown_name(what: str, name: str, known: Iterable[str], lister: str) -> click.UsageError:
    """The usage error for a name that there is not, with the nearest that are; else with the
    command that lists them.
    """
    from netspec.diagnostics.suggest import nearest

    near = nearest(name, known)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"`netspec {lister}` lists them."
    return click.UsageError(f"no {what} {name!r}. {hint}")


def format_option(function: F) -> F:
    """--format for findings."""
    return click.option(
        "--format",
        "how",
        type=click.Choice(FORMATS),
        default="full",
        show_default=True,
        help="How findings are written.",
    )(function)


def spec_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What picks a net out of a spec, and what the spec may do: --set, --stage, --level,
    --allow-code, --allow-outside.

    The command gets one `reading`; the places that it allows hold while it runs.
    """

    @wraps(function)
    def read(
        *arguments: Any,
        settings: tuple[str, ...],
        stages: tuple[str, ...],
        level: int,
        allow_code: bool,
        **others: Any,
    ) -> Any:
        from netspec.allowed_paths import allowing
        from netspec.read_options import Reading

        with allowing(others.pop("outside")):
            return function(
                *arguments,
                reading=Reading(frozenset(stages), level, settings, allow_code),
                **others,
            )

    options = (
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="PATH=VALUE",
            help="Set a value of the spec: train.solver.max_iter=100, conv1.num_output=32.",
        ),
        click.option("--stage", "stages", multiple=True, help="A stage for include and exclude rules."),
        click.option(
            "--level",
            type=int,
            default=0,
            show_default=True,
            help="The level for include and exclude rules.",
        ),
        code_option,
        click.option(
            "--allow-outside",
            "outside",
            multiple=True,
            metavar="PATH",
            type=click.Path(exists=True),
            help="Let the spec reach this file or folder too: bases, imports, labels, data.",
        ),
    )
    for option in reversed(options):
        read = option(read)
    return read
