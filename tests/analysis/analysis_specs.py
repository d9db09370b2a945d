"""Short ways from a spec's text to what analysis says of it."""

from netspec import driver
from netspec.diagnostics.model import Diagnostic
from netspec.ir.graph import TypedGraph
from netspec.repair.check import check_source
from netspec.source import Source


def findings(text: str, name: str = "spec.yaml") -> list[Diagnostic]:
    return check_source(Source(name, text))


def codes(text: str) -> list[str]:
    return [found.code for found in findings(text)]


def typed(text: str, phase: str = "deploy") -> TypedGraph:
    return driver.load_source(Source("spec.yaml", text)).graph(phase)


def net(shape: str, layers: str, rest: str = "") -> str:
    """A spec with one input and layers written one to a line, without the dashes."""
    body = "".join(f"  - {{{line.strip()}}}\n" for line in layers.strip().splitlines())
    return f"netspec: 1\ninput: {{data: {shape}}}\nlayers:\n{body}{rest}"
