"""Files that promise more than the net keeps, and get no certificate for that. In: a typed graph;
out: SpecError.
"""

from netspec.analysis.batch_rows import keeps_rows_apart, mixing
from netspec.analysis.sizes.fixed import find_fixed_sizes
from netspec.diagnostics.model import Diagnostic, SpecError
from netspec.ir.graph import TypedGraph

__all__ = ["ROWS", "refuse", "rows_word"]

ROWS = "netspec.rows"
"""Where a file says whether samples stay apart: `apart`, `together: LAYERS`, or `unknown`. A server
joins requests if they do.
"""


def rows_word(typed: TypedGraph) -> str:
    """What a file says of the rows of a batch."""
    mixed = mixing(typed)
    if mixed:
        return f"together: {', '.join(node.name for node in mixed)}"
    if keeps_rows_apart(typed):
        return "apart"
    return "unknown"


def refuse(typed: TypedGraph, allow_batch_dependence: bool) -> None:
    """Raises SpecError with what keeps a file from a certificate: NS728, NS729."""
    refuse_fixed_sizes(typed)
    found = [
        Diagnostic(
            "NS729",
            f"{node.name}: what comes out for one sample depends on the others in the batch",
            node.places["type"],
            notes=(
                (
                    "with --allow-batch-dependence it is certified nonetheless; the file then says so, and a"
                    " server joins no requests"
                ),
            ),
        )
        for node in mixing(typed)
    ]
    if found and not allow_batch_dependence:
        raise SpecError(found)


def refuse_fixed_sizes(typed: TypedGraph) -> None:
    """Raises SpecError NS728 where the file would declare an open size that one number alone
    meets.
    """
    found = [
        Diagnostic(
            "NS728",
            f"{one.node.name}: {one.text}; the file would declare any {one.name}",
            one.node.places["name"],
            notes=(
                (
                    f"`netspec check` shows the ways out; with {one.number} in place of {one.name} the file"
                    " says what it takes"
                ),
            ),
        )
        for one in find_fixed_sizes(typed)
    ]
    if found:
        raise SpecError(found)
