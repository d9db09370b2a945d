"""What a certification found, as it goes into the model. In: Differences, one by one; out: a
Certificate.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from netspec.diagnostics import fail
from netspec.exporters.certification.compare import Difference
from netspec.exporters.certification.plan import Level, Step
from netspec.ir.graph import Value
from netspec.seal import CERTIFICATE, PROBES

__all__ = ["Certificate", "Tally"]


@dataclass(frozen=True)
class Certificate:
    """What was compared, and how it came out.

    level: as asked for. cases, sizes, kinds: of data. layers: comparisons of a layer alone;
    outputs: of the whole; contract: of what is done to pictures. void: comparisons of these that
    prove nothing, since rounding may change more than a hundredth of the values. unproven: tensors
    of which every comparison is void. left_out: steps of a full certification that were not made.
    work: multiply-accumulates. largest_difference: the greatest |onnxruntime - truth| of
    comparisons that are not void, made by `tensor`; tolerance: what was allowed there; size: the
    greatest of its values. closest: the greatest ratio of difference to tolerance. probes: see
    `probes.probes`. samples: of a run, real ones of its test data: `count`; `best`, by output in
    how many places the best class was the same, of how many; `metrics`, each with torch and with
    onnxruntime; or of none `why`. quantized: of a file in int8 or fp16 how it compares with the
    float file, which all the rest is about.

    >>> certificate.tensors == certificate.layers + certificate.outputs + certificate.contract
    True
    """

    level: Level
    cases: int
    layers: int
    outputs: int
    contract: int
    void: int
    unproven: tuple[str, ...]
    left_out: int
    work: float
    largest_difference: float
    tolerance: float
    size: float
    tensor: str
    closest: float
    sizes: tuple[str, ...]
    kinds: tuple[str, ...]
    device: str
    torch: str
    onnxruntime: str
    samples: dict[str, Any] | None = None
    probes: tuple[dict[str, Any], ...] = ()
    quantized: dict[str, Any] | None = None

    @property
    def tensors(self) -> int:
        """All comparisons."""
        return self.layers + self.outputs + self.contract

    @property
    def partial(self) -> bool:
        """Whether anything of a full certification was left out."""
        return self.left_out > 0

    def metadata(self) -> dict[str, str]:
        """As properties of the model: two numbers by themselves, and all as JSON."""
        from netspec.version import __version__

        said = {**asdict(self), "netspec": __version__, "made": today()}
        asked = said.pop("probes")
        if self.quantized is None:
            del said["quantized"]
        certified = "partial" if self.partial else "true"
        return {
            "netspec.certified": "quantized" if self.quantized else certified,
            "netspec.largest_difference": repr(self.largest_difference),
            "netspec.tolerance": repr(self.tolerance),
            CERTIFICATE: json.dumps(said),
            PROBES: json.dumps(asked),
        }


def today() -> str:
    """The day, or that of SOURCE_DATE_EPOCH."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch) if epoch.isdecimal() else time.time(), UTC).strftime("%Y-%m-%d")


@dataclass
class Tally:
    """Counts comparisons while they are made."""

    contract: int = 0
    layers: int = 0
    outputs: int = 0
    found: list[tuple[Difference, str]] = field(default_factory=list)
    proven: set[Value] = field(default_factory=set)
    seen: dict[Value, str] = field(default_factory=dict)

    def layer(self, value: Value, name: str, found: Difference) -> None:
        self.layers += 1
        self.note(value, name, found)

    def output(self, value: Value, name: str, found: Difference) -> None:
        self.outputs += 1
        self.note(value, name, found)

    def note(self, value: Value, name: str, found: Difference) -> None:
        self.found.append((found, name))
        self.seen[value] = name
        if not found.void:
            self.proven.add(value)

    def demand(self, outputs: Sequence[Value], names: Mapping[Value, str]) -> None:
        """Raise SpecError NS716 where nothing is known of an output."""
        hidden = [names[v] for v in outputs if v in self.seen and v not in self.proven]
        if hidden:
            raise fail(
                "NS716",
                f"{', '.join(hidden)}: in every comparison rounding may change more than a hundredth of the"
                " values",
            )

    def certificate(self, level: Level, steps: Sequence[Step], left_out: int, device: str) -> Certificate:
        import onnxruntime as ort
        import torch

        sound = [(d, name) for d, name in self.found if not d.void and isfinite(d.ratio)] or [
            (Difference(0.0, 0.0), "")
        ]
        largest, tensor = max(sound, key=lambda f: f[0].distance)
        cases = list(dict.fromkeys((step.case.kind, tuple(step.case.sizes.items())) for step in steps))
        return Certificate(
            level=level,
            cases=len(cases),
            layers=self.layers,
            outputs=self.outputs,
            contract=self.contract,
            void=sum(d.void for d, _ in self.found),
            unproven=tuple(name for value, name in self.seen.items() if value not in self.proven),
            left_out=left_out,
            work=sum(step.cost for step in steps),
            largest_difference=largest.distance,
            tolerance=largest.tolerance,
            size=largest.size,
            tensor=tensor,
            closest=max(d.ratio for d, _ in sound),
            sizes=tuple(
                dict.fromkeys(
                    words for _, sizes in cases if (words := " ".join(f"{k}={v}" for k, v in sizes))
                )
            ),
            kinds=tuple(dict.fromkeys(kind for kind, _ in cases)),
            device=device,
            torch=torch.__version__,
            onnxruntime=ort.__version__,
        )
