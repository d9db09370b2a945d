"""A certified float file becomes a smaller one. In: a Program, its file and its certificate; out:
the smaller file in its place, its certificate, or SpecError and no file.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import SpecError, fail
from netspec.driver import Program
from netspec.emit.onnx_model import names_of
from netspec.exporters.certification.certificate import Certificate
from netspec.exporters.certification.samples import Samples, Wanted, samples_of
from netspec.exporters.certification.session import Session
from netspec.exporters.demands import hold_drop, owner_of, read_demand
from netspec.exporters.quantization.compare import Compared, Sides, feeds_of, spending
from netspec.exporters.quantization.convert import PRODUCTS, Kind, Smaller, make_smaller
from netspec.ir.graph import TypedGraph
from netspec.resolve.sections.image import ImageContract
from netspec.seal import choose_probed, probe_array

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Work", "quantize"]

CALIBRATED = Wanted("train", 256, spread=True)
COMPARED = Wanted("test", 1000, spread=True)
"""Samples that the accuracy before and after is measured on: one of a thousand is the drop of 0.001 that a
report can show.
"""
TRIED, TAKES = 32, 4
"""Layers of which it is asked what they cost, and calls with samples to ask with."""


@dataclass(frozen=True, eq=False)
class Work:
    """What is quantized: a run's program, its deployed graph, and what the file says of pictures."""

    program: Program
    folder: Path | None
    typed: TypedGraph
    asked: Mapping[str, ImageContract]

    def samples(self, wanted: Wanted) -> Samples:
        """Real samples. Raises SpecError NS740 where there are none."""
        what = {"train": "calibrated on the training data", "test": "judged on the test data"}[wanted.part]
        if self.folder is None:
            why = "a spec has no run whose data are known: export a run's folder"
        else:
            made = samples_of(self.program, self.folder, self.typed, self.asked, wanted)
            if isinstance(made, Samples):
                return made
            why = made
        raise fail("NS740", f"a smaller file is {what}: {why}")


def quantize(work: Work, kind: Kind, model: Path, certificate: Certificate, device: str) -> Certificate:
    """Put a smaller file in the float one's place; answers the certificate of it. Raises SpecError:
    NS740, NS741.
    """
    judged = work.samples(COMPARED)
    feeds = feeds_of(work.samples(CALIBRATED)) if kind == "int8" else []
    contract = frozenset(
        i.value.name for i in work.typed.graph.inputs if i.contract is not None or i.rows is not None
    )
    smaller = make_smaller(kind, model, contract)
    made = smaller.convert(feeds)
    sides = Sides(smaller.whole, judged, names_of(work.typed).tensors, device)
    found = sides.compare(made)
    hold(work, smaller, made, sides, found)
    before = model.stat().st_size
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "float.onnx")
        shutil.move(model, whole)
        save(made, model)
        probes = tuple(ask(probe, whole, model, device) for probe in certificate.probes)
    said = {
        "kind": kind,
        "calibrated": sum(len(next(iter(feed.values()))) for feed in feeds),
        "size": [before, model.stat().st_size],
        **found.data(),
    }
    return replace(certificate, quantized=said, probes=probes)


def hold(work: Work, smaller: Smaller, made: "ModelProto", sides: Sides, found: Compared) -> None:
    """Raises SpecError NS741, with the layers whose rounding costs most."""
    said, at = read_demand(work.program, "accuracy_drop")
    if at is None or found.drop <= said.accuracy_drop:
        return
    raise SpecError(hold_drop(work.program, work.typed, found, dict(spent_by(work, smaller, made, sides))))


def spent_by(work: Work, smaller: Smaller, made: "ModelProto", sides: Sides) -> list[tuple[str, float]]:
    """Each layer's share of the error: the file is tried with that layer alone as it was."""
    names, layers = [node.name for node in work.typed.graph.nodes], dict[str, list[str]]()
    for node in smaller.whole.graph.node:
        owner = owner_of(node.name, names)
        if owner:
            layers.setdefault(owner, []).append(node.name)
    heavy = {owner_of(n.name, names) for n in smaller.whole.graph.node if n.op_type in PRODUCTS}
    tried = [name for name in layers if name in heavy][:TRIED]
    whole = sides.compare(made, TAKES).error
    errors = {name: sides.compare(smaller.spare(made, layers[name]), TAKES).error for name in tried}
    return spending(errors, whole)


def save(made: "ModelProto", path: Path) -> None:
    path.write_bytes(made.SerializeToString())


def ask(probe: Mapping[str, Any], whole: Path, model: Path, device: str) -> dict[str, Any]:
    """A probe with the smaller file's answers. Another machine rounds elsewhere: it may be off by
    what quantizing itself changed, twice.
    """
    import numpy as np

    feed: dict[str, Any] = {
        name: probe_array(tuple(shape), *rest) for name, (shape, *rest) in probe["inputs"].items()
    }
    feed |= {name: np.zeros(shape, np.float32) for name, shape in probe["states"].items()}
    float_made, made = Session(whole, device).run(feed), Session(model, device).run(feed)
    answers = {}
    for name in probe["outputs"]:
        got, was = made[name].reshape(-1), float_made[name].reshape(-1)
        apart = float(np.abs(got.astype(np.float64) - was).max(initial=0.0))
        largest = float(np.abs(got.astype(np.float64)).max(initial=0.0))
        answers[name] = {
            "shape": list(made[name].shape),
            "values": [float(got[i]) for i in choose_probed(got.size)],
            "tolerance": max(2 * apart, 1e-3 * largest),
        }
    return {**probe, "outputs": answers}
