"""The command line: a lazy group, one file per command. Every failure ends here, as findings and an
exit code, never as a traceback.

In: words. Out: text and an exit code. Must not know: how anything is computed.
"""

import errno
import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, TextIO, cast

import click

from netspec.cli.ending import OWN_PROCESS, end_process
from netspec.diagnostics.model import Diagnostic, SpecError

if TYPE_CHECKING:
    from netspec.diagnostics.formats import Format

__all__ = ["group", "main", "run"]

COMMANDS = {
    "check": "Check a spec: is it legal, and if not, why.",
    "show": "Show every layer with its shape, parameters and MACs.",
    "sizes": "Say which input sizes a net takes.",
    "explain": "Explain a diagnostic code, or a layer's arithmetic.",
    "layers": "List the layer types, or describe one.",
    "augmentations": "List the random changes of training samples, or describe one.",
    "zoo": "List the specs that ship with netspec.",
    "fmt": "Tidy specs: spacing, quotes, indentation; nothing else.",
    "init": "Start a spec from a folder of images, or as a copy of one of the zoo.",
    "data": "Look at data before a training: counts, sizes, what cannot be read.",
    "diff": "Say how two specs differ as networks.",
    "hash": "Print a hash of the network that a spec describes.",
    "transplant": "Carry trained weights over to another spec.",
    "compile": "Write the network as a Python file that needs only torch.",
    "train": "Train as the spec says.",
    "runs": "List the runs of a folder, or compare two.",
    "test": "Measure a trained run on the test data.",
    "time": "Measure how long a call takes, and which layers take it.",
    "export": "Write the network as ONNX, certified against torch.",
    "bag": "Make one model of several runs.",
    "boost": "Train several nets, each on what those before it get wrong, as one model.",
    "prune": "Make a smaller run of a run.",
    "verify": "Check that a model is the one that was certified.",
    "predict": "Run one input through an exported model.",
    "see": "Draw a net: its filters, what it makes of an input, its mistakes.",
    "serve": "Serve an exported model over HTTP, and gRPC.",
    "import": "Turn Caffe's prototxt and caffemodel into a spec and weights.",
    "schema": "Print the JSON Schema of the spec language.",
    "completion": "Print the completion script for a shell.",
}
MODULES = {"import": "import_", "compile": "compile_"}
# 2 as click has it, 101 as a panic of rustc, 130 as a shell for SIGINT: 128 + 2
FOUND, USAGE, INTERNAL, INTERRUPTED = 1, 2, 101, 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a system says of a file that takes no more. Who opens a file by name tells of it there; without a name it is standard output."""
UNMAPPED = ("failed to map segment", "Cannot allocate memory", "cannot allocate memory")
"""What the loader of libraries says where memory ends."""


class LazyGroup(click.Group):
    """Knows its commands by name and one line; imports a command's file when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"netspec.cli.{MODULES.get(cmd_name, cmd_name)}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from netspec.diagnostics.suggest import nearest

            near = nearest(args[0], COMMANDS)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise click.UsageError(f"no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="netspec", message="netspec %(version)s")
def group() -> None:
    """Networks as YAML in Caffe's words: checked, compiled to PyTorch, trained, exported to ONNX,
    served.
    """


def main() -> None:
    """Entry point. Exit codes: 0 clean, 1 findings, 2 usage, 101 a bug in netspec, 130
    interrupted.
    """
    os.environ.setdefault(
        "PYTHONSAFEPATH", "1"
    )  # processes that Python or a library starts import nothing from the working folder either
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # threads that spin make torch 50 times slower where cores are shared
    gc.set_threshold(
        50_000, 20, 20
    )  # a net of 20,000 layers is many objects and few cycles: a quarter of its check went to the collector
    if sys.stdout.isatty():  # names may be a stranger's: none of them steers the terminal
        from netspec.cli.output.terminal import Guarded

        sys.stdout = cast("TextIO", Guarded(sys.stdout))
    try:
        code = group.main(prog_name="netspec", standalone_mode=False, obj=OWN_PROCESS)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE if isinstance(error, click.UsageError) else FOUND)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except SpecError as error:
        report(error.diagnostics)
        sys.exit(FOUND)
    except BrokenPipeError:
        give_up_stdout()
        sys.exit(FOUND)
    except Exception as error:
        told = tell_surroundings(error)
        report([told or internal(error)])
        sys.exit(FOUND if told else INTERNAL)


def run() -> None:
    """`main` as a process of its own, with nothing after it."""
    try:
        main()
    except SystemExit as stop:
        if isinstance(stop.code, int):
            end_process(stop.code)
        raise


def give_up_stdout() -> None:
    """At its end Python flushes stdout once more, and would complain of the pipe or the disk again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell_surroundings(error: Exception) -> Diagnostic | None:
    """What the machine lacks, where that is why: a package, room behind standard output, memory."""
    if isinstance(error, ModuleNotFoundError):
        from netspec.cli.extras import tell_missing

        return tell_missing(error)
    if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
        give_up_stdout()
        return Diagnostic("NS501", f"standard output: {error.strerror}")
    return tell_memory(error)


def tell_memory(error: Exception) -> Diagnostic | None:
    """NS791 where the process may have no more memory; the loader of libraries says so by an ImportError."""
    mapped = isinstance(error, ImportError) and any(words in str(error) for words in UNMAPPED)
    if not (mapped or isinstance(error, MemoryError)):
        return None
    return Diagnostic("NS791", str(error) or "no more could be had")


def internal(error: Exception) -> Diagnostic:
    """A bug of ours, as a finding with the place in our code."""
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(last.filename)}:{last.lineno} in {last.name}"
    if os.environ.get("NETSPEC_TRACEBACK"):
        traceback.print_exc()
    return Diagnostic(
        "NS901",
        f"{type(error).__name__}: {error} ({where})",
        notes=("please report it with the spec; NETSPEC_TRACEBACK=1 shows more",),
    )


def report(diagnostics: list[Diagnostic], how: "Format" = "full", *, err: bool = True) -> None:
    """Print findings, coloured where that is wanted."""
    from netspec.diagnostics.formats import format_findings

    stream = sys.stderr if err else sys.stdout
    text = format_findings(diagnostics, how, color=wants_colour(stream))
    if text:
        # color=True: `wants_colour` has decided, click would ask the stream again
        click.echo(text.rstrip("\n"), err=err, color=True)


def wants_colour(stream: object) -> bool:
    """Colours on a terminal that is not dumb, unless NO_COLOR is set; FORCE_COLOR sets them
    elsewhere too, FORCE_COLOR=0 nowhere.
    """
    force = os.environ.get("FORCE_COLOR")
    if os.environ.get("NO_COLOR") or force == "0":
        return False
    return bool(force) or (
        os.environ.get("TERM") != "dumb" and bool(getattr(stream, "isatty", lambda: False)())
    )
