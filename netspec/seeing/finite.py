"""Values that are no numbers: nothing true can be drawn of them. In: arrays by name; out: SpecError."""

from collections.abc import Mapping

import numpy as np

from netspec.diagnostics import fail
from netspec.seeing.seen import Array

__all__ = ["are_finite", "check_finite"]


def are_finite(values: Array) -> bool:
    return values.dtype.kind not in "fc" or bool(np.isfinite(values).all())


def check_finite(values: Mapping[str, Array], path: str, begin: str = "", untrained: bool = False) -> None:
    """Raises SpecError NS790 where one of the arrays has infinite numbers or none. begin: the layer
    whose values are the first such, where one is known.
    """
    for name, value in values.items():
        if are_finite(value):
            continue
        wrong = int((~np.isfinite(value)).sum())
        fact = f"{wrong:,} of the {value.size:,} values of {name} are infinite or no numbers"
        if begin:
            fact += f"; {begin} is the first layer with such"
        notes = ("not trained: weights are what the fillers give, and no statistics have been measured",)
        raise fail("NS790", fact, path=path, notes=notes * untrained)
