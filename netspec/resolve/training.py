"""What `train:` and `image:` must satisfy beyond their types: words of the solver that go together, a contract that fits its input."""

from netspec.diagnostics.model import Diagnostic, Diagnostics
from netspec.ir.dims import Size
from netspec.resolve.image_contract import ImageContract
from netspec.resolve.sections import SpecFile
from netspec.resolve.solver_section import solver_faults
from netspec.syntax.located import Located
from netspec.syntax.spec import Spec

__all__ = ["check_contract", "check_training"]


def check_training(spec: Spec, file: SpecFile, diagnostics: Diagnostics) -> None:
    """NS670 for each word of the solver that does not go with another, at that word."""
    section = spec.section("train")
    solver = section.get("solver") if section is not None else None
    if file.train is None or section is None or solver is None:
        return
    for word, fact in solver_faults(file.train.solver):
        own = solver.get(word)
        diagnostics.add(Diagnostic("NS670", fact, own.span if own is not None else section.key_span("solver")))


def check_contract(name: str, contract: ImageContract | None, shape: tuple[Size, ...], body: Located, diagnostics: Diagnostics) -> None:
    """NS660 where the `image:` of an input does not fit the input's shape."""
    problem = contract.conflict(tuple(size if isinstance(size, int) else None for size in shape[1:])) if contract is not None else None
    if problem:
        diagnostics.add(Diagnostic("NS660", f"input {name}: {problem}", body.key_span("image")))
