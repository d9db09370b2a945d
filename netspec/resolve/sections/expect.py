"""What a spec may demand of itself, declared once: `expect:` with its limits and quantities. Knows
no graph and no number of any net.
"""

import re
from math import isfinite
from typing import Any, Literal

from netspec.kinds import is_not_finite
from netspec.record import Bounds, Kind, Record, Reject, param

__all__ = [
    "ExpectSection",
    "Expectations",
    "LatencyLimit",
    "Limit",
    "MemoryLimit",
    "Quantity",
    "SizeLimit",
    "show_amount",
    "worth",
]

FACTORS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
}
NUMBER = r"([0-9]{1,100}(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,2})? ?"
"""Finite in any unit."""
PREFIX = "(k|M|G|T|Ki|Mi|Gi|Ti)?"
# Python's $ matches before a last line break too, JSON Schema's does not
END = r"$(?!\n)"
WRITTEN = f"^-?{NUMBER}(us|ms|s|{PREFIX}B?){END}"
"""As text, like those below: compiled where a quantity is read, for most specs have none."""


def worth(text: str) -> float | None:
    """The number that a quantity means, in units, bytes or seconds: `5M`, `8GiB`, `3ms`; None for
    any other text, and where there is no such float.
    """
    found = re.match(WRITTEN, text)
    if found is None:
        return None
    unit = found[4].removesuffix("B")
    value = float(text.removesuffix(found[4])) * FACTORS[unit]
    if not isfinite(value):
        return None
    if value.is_integer():
        return int(value)
    return value


def show_amount(value: float, unit: str = "") -> str:
    """A number for a message: `431,080`, `12,845,056 bytes (12.2 MiB)`, `2.4 ms`."""
    if unit == "s":
        return f"{value * 1e3:.3g} ms"
    if isinstance(value, int) or value.is_integer():
        text = f"{value:,}"
    else:
        text = f"{value:,.6g}"
    if unit != "B":
        return text.removesuffix(".0")
    power = next((p for p in ("Gi", "Mi", "Ki") if value >= FACTORS[p]), "")
    return f"{text.removesuffix('.0')} bytes" + (f" ({value / FACTORS[power]:.1f} {power}B)" if power else "")


class Quantity(Record):
    """A number, or one with a prefix: `5M`. Its kinds take units, too, and are read as numbers of
    bytes or seconds.
    """

    unit = PREFIX
    described = "a quantity such as 5M or 1.5k"

    @classmethod
    def kind(cls) -> Kind:
        amount = f"{NUMBER}{cls.unit}{END}"

        def read(node: Any, bounds: Bounds) -> float:
            written = isinstance(node.value, str) and re.match(f"^-?{amount}", node.value)
            value = worth(node.value) if written else node.value
            # what is not finite is a text to the schema
            endless = is_not_finite(value) and not re.match(f"^-?{amount}", node.text)
            negative = isinstance(node.value, str) and node.value[:1] == "-"
            if (
                isinstance(value, bool)
                or not isinstance(value, (int, float))
                or endless
                or not bounds.allow(value)
                # -0k is no number below 0, but the schema's pattern takes no sign
                or (negative and bounds.ge is not None)
            ):
                raise Reject(node)
            if isinstance(value, float) and not value.is_integer():
                return float(value)
            return int(value)

        def schema(bounds: Bounds) -> dict[str, Any]:
            if bounds.ge is None:
                pattern = f"^-?{amount}"
            else:
                pattern = f"^{amount}"
            return {
                "type": ["number", "string"],
                "allOf": [
                    {
                        "if": {"type": "string"},
                        "then": {"pattern": pattern, "description": cls.described},
                    }
                ],
                **bounds.schema,
            }

        return Kind(cls.described, ("integer", "number", "string"), read, schema)


class Bytes(Quantity):
    """A number of bytes: `8GiB`, `64M`."""

    unit = f"{PREFIX}B?"
    described = "a number of bytes such as 8GiB"


class Seconds(Quantity):
    """A time: `3ms`; a number without unit counts seconds."""

    unit = "(us|ms|s)?"
    described = "a time such as 3ms"


class Limit(Record):
    """A number to meet exactly, or the limits that it must keep to."""

    short = "exactly"

    exactly: Quantity | None = param(default=None, ge=0, doc="the number itself")
    min: Quantity | None = param(default=None, ge=0, doc="the least that will do")
    max: Quantity | None = param(default=None, ge=0, doc="the most that will do")
    about: Quantity | None = param(default=None, ge=0, doc="roughly this, within tolerance")
    tolerance: float = param(default=0.01, ge=0, doc="how far from `about`, as a share of it")

    def find_broken(self, value: float, unit: str = "") -> str | None:
        """The limit that a number breaks, in words; None where it keeps to all. Quantities have
        been read as numbers.
        """
        exactly, least, most, about = (self.__dict__[name] for name in ("exactly", "min", "max", "about"))
        if exactly is not None and value != exactly:
            return f"exactly {show_amount(exactly, unit)}"
        if least is not None and value < least:
            return f"at least {show_amount(least, unit)}"
        if most is not None and value > most:
            return f"at most {show_amount(most, unit)}"
        if about is not None and abs(value - about) > self.tolerance * abs(about):
            return f"about {show_amount(about, unit)}, within {self.tolerance:.3g} of it,"
        return None

    def fault(self) -> tuple[str, str] | None:
        """Why no number can keep to this limit, or every number does: a code, and the words; None
        for a limit that means something.
        """
        exactly, least, most, about = (self.__dict__[name] for name in ("exactly", "min", "max", "about"))
        if exactly is None and least is None and most is None and about is None:
            return "NS103", "demands nothing: it needs a number, min, max or about"
        if least is not None and most is not None and least > most:
            return (
                "NS120",
                f"cannot be met: min must be at most max: {show_amount(least)} > {show_amount(most)}",
            )
        broken = self.find_broken(exactly) if exactly is not None else None
        if broken is not None:
            return ("NS120", f"cannot be met: {show_amount(exactly)} is not {broken.rstrip(',')}")
        return None


class SizeLimit(Limit):
    """Limits of a number of bytes."""

    exactly: Bytes | None = param(default=None, ge=0, doc="the number itself")
    min: Bytes | None = param(default=None, ge=0, doc="the least that will do")
    max: Bytes | None = param(default=None, ge=0, doc="the most that will do")
    about: Bytes | None = param(default=None, ge=0, doc="roughly this, within tolerance")


class MemoryLimit(SizeLimit):
    """Limits of memory, for a number of samples."""

    batch: int = param(default=1, ge=1, doc="samples at a time")


class LatencyLimit(Record):
    """Limits of the time that one call takes. `check` knows no clock: export and time measure
    it.
    """

    p50: Seconds | None = param(default=None, ge=0, doc="half of the calls take at most this")
    p95: Seconds | None = param(default=None, ge=0, doc="95 of 100 calls take at most this")
    p99: Seconds | None = param(default=None, ge=0, doc="99 of 100 calls take at most this")
    mean: Seconds | None = param(default=None, ge=0, doc="the calls take at most this on average")
    device: Literal["cpu", "cuda"] = param(default="cpu", doc="where it is measured")
    batch: int = param(default=1, ge=1, doc="samples in a call")


class Expectations(Record):
    """Facts and budgets of one view of a net."""

    parameters: Limit | None = param(
        default=None, doc="numbers that training changes; a shared one counts once"
    )
    statistics: Limit | None = param(
        default=None, doc="numbers that training gathers: batch norm's mean and variance"
    )
    fixed: Limit | None = param(default=None, doc="weights that training leaves alone")
    macs: Limit | None = param(
        default=None,
        doc=(
            "multiply-accumulates for N = 1 of convolutions, transposed convolutions, dense, recurrent and"
            " attention products"
        ),
    )
    activation_memory: MemoryLimit | None = param(
        default=None, doc="bytes of the values that are alive at the same time, at most"
    )
    receptive_field: dict[str, Limit] = param(
        default={}, doc="input pixels that one unit of a blob can see, along each spatial axis"
    )
    shapes: dict[str, tuple[int | str, ...]] = param(
        default={}, doc="shapes of blobs; letters are the input's symbols, with + - * // between"
    )
    units: dict[str, Limit] = param(
        default={},
        doc="outputs of layers that own weights, N = 1: hidden; input, output and total counted apart",
    )
    connections: Limit | None = param(
        default=None,
        doc="inputs read per unit, plus one where it has a bias, over all units; N = 1",
    )
    causal: tuple[str, ...] = param(default=(), doc="blobs of which no value depends on a later input")
    equivariant: tuple[str, ...] = param(
        default=(), doc="blobs that a shift of the input by their stride shifts by one"
    )
    latency: LatencyLimit | None = param(
        default=None, doc="time of one call; measured by export and time, not by check"
    )


class ExpectSection(Expectations):
    """`expect:`, about the deployed net; `train:` in it is about the net in training."""

    size: SizeLimit | None = param(
        default=None, doc="bytes of the exported file, its weights included; measured by export"
    )
    accuracy_drop: float | None = param(
        default=None,
        ge=0,
        le=1,
        doc="how much `export --quantize` may cost of what the test net measures first",
    )

    train: Expectations | None = param(default=None, doc="the same about the net in training")
