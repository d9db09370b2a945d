"""Files that promise more than the net keeps, and get no certificate for that. In: a typed graph; out: SpecError."""

from netspec.analysis.fixed_sizes import fixed_sizes
from netspec.diagnostics.model import Diagnostic, SpecError
from netspec.ir.graph import TypedGraph

__all__ = ["refuse_fixed_sizes"]


def refuse_fixed_sizes(typed: TypedGraph) -> None:
    """Raises SpecError NS728 where the file would declare an open size that one number alone meets."""
    found = [
        Diagnostic(
            "NS728",
            f"{one.node.name}: {one.text}; the file would declare any {one.name}",
            one.node.places["name"],
            notes=(f"`netspec check` shows the ways out; with {one.number} in place of {one.name} the file says what it takes",),
        )
        for one in fixed_sizes(typed)
    ]
    if found:
        raise SpecError(found)
