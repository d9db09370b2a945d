"""Every bound of a server, once: in, options; out, the record that the options, the first lines of a
start, a model's config and the docs are made from.
"""

from dataclasses import Field, dataclass, field, fields
from typing import Any

__all__ = ["Limits", "bounds", "limits_table", "limits_text", "size_text"]

KIB, MIB = 1024, 1024**2


def limit(default: float, unit: str, about: str, least: float = 1) -> Any:
    """A field: its default, its unit (bytes, seconds or a plain number) and what it bounds."""
    return field(default=default, metadata={"unit": unit, "about": about, "least": least})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server takes at most. The name of a field is its option, `_` as `-`."""

    max_batch: int = limit(64, "rows", "Rows of one run; more are split where rows stay apart, else refused.")
    max_elements: int = limit(16 * MIB, "numbers", "Numbers that go into one run, all inputs together.")
    max_body: int = limit(64 * MIB, "bytes", "Size of a request's body, inflated; beyond, 413.")
    max_message: int = limit(16 * MIB, "bytes", "Size of a message over gRPC; beyond, RESOURCE_EXHAUSTED.")
    max_bodies: int = limit(256 * MIB, "bytes", "Size of all bodies in flight; beyond, 503 at once.")
    max_json: int = limit(4 * MIB, "values", "Values in the JSON of a request; more go as binary tensors.")
    max_answer: int = limit(256 * MIB, "bytes", "Size of the tensors of one answer; beyond, 413.")
    max_pixels: int = limit(32 * MIB, "pixels", "Pixels of the pictures of a request; beyond, 413.")
    queue: int = limit(256, "requests", "Requests that wait for a model; beyond, 503 at once.")
    queue_seconds: float = limit(30.0, "seconds", "Wait for a model; beyond, 504, or 503 at once.", 0.001)
    connections: int = limit(1000, "connections", "Open connections; one more closes the one longest silent.")
    head_seconds: float = limit(10.0, "seconds", "Wait for a request's head, or for a first byte.", 0.1)
    body_seconds: float = limit(30.0, "seconds", "Wait for a body, or for a client to read.", 0.1)
    idle_seconds: float = limit(75.0, "seconds", "Silence between two requests of a connection.", 0.1)


def bounds() -> tuple[Field[Any], ...]:
    """The fields of the record, in order, with `unit`, `about` and `least` in their metadata."""
    return fields(Limits)


def size_text(value: float, unit: str) -> str:
    """A bound as the option takes it: whole sizes in MiB or KiB."""
    if unit == "bytes":
        for size, word in ((MIB, "MiB"), (KIB, "KiB")):
            if value % size == 0:
                return f"{value // size:g}{word}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def limits_text(limits: Limits) -> str:
    """The record on one line, as `serve` prints it."""
    said = (f"{f.name}={size_text(getattr(limits, f.name), f.metadata['unit'])}" for f in bounds())
    return f"limits: {' '.join(said)}"


def limits_table() -> str:
    """The record as docs/serving.md shows it."""
    usual = Limits()
    rows = [
        f"| `{f.name}` | {size_text(getattr(usual, f.name), f.metadata['unit'])} | {f.metadata['about']} |"
        for f in bounds()
    ]
    return "\n".join(["| limit | default | what it bounds |", "| --- | --- | --- |", *rows])
