"""Holds an exported file to `expect.size` and `expect.accuracy_drop`. In: numbers of the file; out:
findings that name the layers that spend them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics.evidence import Missed
from netspec.diagnostics.model import Diagnostic, Diagnostics, Label, SpecError
from netspec.diagnostics.words import count_of
from netspec.driver import Program
from netspec.ir.graph import TypedGraph
from netspec.resolve.read_record import read_record
from netspec.resolve.sections.expect import ExpectSection, show_amount

if TYPE_CHECKING:
    from netspec.exporters.quantization.compare import Compared
    from netspec.syntax.located import Located

__all__ = ["check_demands", "hold_drop", "hold_size", "owner_of"]


def check_demands(program: Program) -> None:
    """Raises SpecError where `expect:` holds what cannot be read: no file would be held to it."""
    section, found = program.resolved.spec.section("expect"), Diagnostics()
    if section is not None:
        read_record(ExpectSection, section, found, what="expect")
    if found.found:
        raise SpecError(found.sorted())


def hold_size(program: Program, typed: TypedGraph, model: Path) -> list[Diagnostic]:
    """NS742 where the file, with what lies beside it, breaks `expect.size`."""
    said, at = read_demand(program, "size")
    if at is None:
        return []
    # the folder of a draft holds nothing else
    size = sum(file.stat().st_size for file in model.parent.iterdir())
    broken = said.size.find_broken(size, "B")
    if broken is None:
        return []
    shares = {name: held / size for name, held in bytes_of(typed, model).items()}
    fact = f"size must be {broken}: it is {show_amount(size, 'B')}"
    return [finding("NS742", fact, at, typed, ranked(shares), "of the bytes")]


def hold_drop(
    program: Program, typed: TypedGraph, found: "Compared", spent: "Mapping[str, float]"
) -> list[Diagnostic]:
    """NS741 where a quantized file costs more than `expect.accuracy_drop`. spent: each layer's
    share of the error.
    """
    said, at = read_demand(program, "accuracy_drop")
    if at is None or found.drop <= said.accuracy_drop:
        return []
    name, before, after = found.accuracy
    fact = (
        f"accuracy_drop must be at most {said.accuracy_drop:g}: {name} is {before:.4f} with the float file,"
        f" {after:.4f} with this one, on {count_of(found.count, 'sample')} of the {found.part} data"
    )
    return [finding("NS741", fact, at, typed, ranked(spent), "of the error")]


def read_demand(program: Program, name: str) -> "tuple[Any, Located | None]":
    """The section and the place of a demand; None where the spec makes none, or none that can be
    read.
    """
    section = program.resolved.spec.section("expect")
    at = section.get(name) if section is not None else None
    if section is None or at is None:
        return None, None
    said = read_record(ExpectSection, section, Diagnostics(), what="expect")
    return said, at if said is not None else None


def finding(
    code: str, fact: str, at: "Located", typed: TypedGraph, shares: Sequence[tuple[str, float]], of: str
) -> Diagnostic:
    """A broken demand, with the layers that spend most of it."""
    nodes = {node.name: node for node in typed.graph.nodes}
    places = ((nodes[name].places["name"], share) for name, share in shares[:2] if name in nodes)
    others = tuple(Label(place, f"spends {share:.0%}") for place, share in places if place is not None)
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares[:5])
    notes = (f"the largest shares {of}: {told}",) if told else ()
    return Diagnostic(code, fact, at.span, others=others, notes=notes, evidence=Missed())


def ranked(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(shares.items(), key=lambda pair: -pair[1])


def bytes_of(typed: TypedGraph, model: Path) -> dict[str, int]:
    """The bytes of each layer's weights in the file or beside it."""
    import onnx
    from onnx.helper import tensor_dtype_to_np_dtype

    names, found = [node.name for node in typed.graph.nodes], dict[str, int]()
    graph = onnx.load(str(model), format="protobuf", load_external_data=False).graph
    for tensor in graph.initializer:
        count = 1
        for n in tensor.dims:
            count *= n
        owner = owner_of(tensor.name, names)
        found[owner] = found.get(owner, 0) + count * tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return {name: held for name, held in found.items() if name}


def owner_of(name: str, layers: Sequence[str]) -> str:
    """The layer of a node or a weight: `layer`, `layer/Op`, `layer.weight`; the longest name wins,
    empty where it is none's.
    """
    mine = [layer for layer in layers if name == layer or name.startswith((f"{layer}/", f"{layer}."))]
    return max(mine, key=len, default="")
