"""Is a model what it was certified to be, here and now? In: a path; out: Verified, or SpecError.
onnxruntime only, never torch.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import fail
from netspec.seal import PROBES, Seal, certificate_of, choose_probed, probe_array
from netspec.serving.engine import open_model
from netspec.strict_json import read_json

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Verified", "verify"]

ELEMENTS = 1 << 28
"""Elements of a probe's input at most: the recipe is a stranger's."""


@dataclass(frozen=True)
class Verified:
    """A file that is the one that was certified: its certificate and hashes, how many probes were
    answered, and how well.

    largest: the greatest difference from a recorded answer; closest: the greatest ratio of one to
    what is allowed.
    """

    certificate: Mapping[str, Any]
    seal: Seal
    probes: int
    largest: float
    closest: float
    onnxruntime: str


def verify(path: str | os.PathLike[str], device: str = "cpu") -> Verified:
    """Check the hashes, then ask the probes under this machine's onnxruntime.

    Raises SpecError: NS712 (no certificate), NS713 (another file), NS714 (another answer), NS715
    (not readable), NS720 to NS723.
    """
    import onnxruntime as ort

    claim, seal = certificate_of(path)
    try:
        asked = read_json(seal.properties[PROBES], constants=True)
        found = [ask_again(path, probe, device) for probe in asked]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise fail("NS715", f"its probes: {error}", path=os.fspath(path)) from error
    apart = [each for answers in found for each in answers]
    closest = max((d / allowed if allowed else 0.0 for d, allowed in apart), default=0.0)
    return Verified(
        claim, seal, len(asked), max((d for d, _ in apart), default=0.0), closest, ort.__version__
    )


def ask_again(
    path: str | os.PathLike[str], probe: Mapping[str, Any], device: str
) -> list[tuple[float, float]]:
    """For each output how far its answer is from the recorded one, and how far it may be. Raises
    SpecError NS714.
    """
    import numpy as np

    feed = {name: recipe(*words) for name, words in probe["inputs"].items()}
    feed |= {name: np.zeros(limit_shape(shape), np.float32) for name, shape in probe["states"].items()}
    model = open_model(path, device, allow_uncertified=True)  # its certificate was read by who asks
    names = list(probe["outputs"])
    try:
        made = dict(zip(names, model.session.run(names, feed), strict=True))
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise fail(
            "NS714",
            f"onnxruntime cannot run it here: {str(error).splitlines()[0][:200]}",
            path=os.fspath(path),
        ) from error
    return [compare_answer(name, made[name], probe["outputs"][name], path) for name in names]


def recipe(shape: Sequence[int], dtype: str, kind: str, most: int, seed: int) -> "np.ndarray[Any, Any]":
    if dtype not in ("float32", "float64", "int64", "int32", "bool", "uint8"):
        raise ValueError(f"{dtype!r} is no element type")
    return probe_array(limit_shape(shape), dtype, kind, int(most), int(seed))


def limit_shape(shape: Sequence[int]) -> tuple[int, ...]:
    sizes = tuple(int(n) for n in shape)
    if min(sizes, default=0) < 0 or prod(sizes) > ELEMENTS:
        raise ValueError(f"a probe of shape {list(sizes)}")
    return sizes


def compare_answer(
    name: str, got: Any, said: Mapping[str, Any], path: str | os.PathLike[str]
) -> tuple[float, float]:
    import numpy as np

    if list(got.shape) != said["shape"]:
        raise fail(
            "NS714",
            f"{name} has the shape {list(got.shape)}, it had {said['shape']}",
            path=os.fspath(path),
        )
    here = got.reshape(-1)[choose_probed(got.size)].astype(np.float64)
    there, tolerance = np.asarray(said["values"], np.float64), float(said["tolerance"])
    with np.errstate(invalid="ignore"):
        apart = np.where((here == there) | (np.isnan(here) & np.isnan(there)), 0.0, np.abs(here - there))
    apart = np.where(np.isnan(apart), np.inf, apart)
    largest = float(apart.max(initial=0.0))
    if not largest <= tolerance:
        i = int(apart.argmax())
        fact = (
            f"{name} has {here[i]:.9g} where it had {there[i]:.9g}: {largest:.3g} apart, {tolerance:.3g} is"
            " allowed"
        )
        raise fail("NS714", fact, path=os.fspath(path))
    return largest, tolerance
