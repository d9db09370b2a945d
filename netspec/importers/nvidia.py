"""BatchNorm as NVIDIA's fork of Caffe has it, with a scale and a shift of its own -> a BatchNorm
and a Scale; its blobs likewise.

The fork kept its five blobs in three orders. The one with a single number is a count in none of
them: it is not divided by.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.importers.decode import Piece
from netspec.importers.names import find_free_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Weights = dict[str, list[NDArray[np.float32]]]

__all__ = ["blobs_apart", "scales_apart"]

BLOBS = 5
GROUP = "batch_norm_param"
OWN = ("scale_bias", "scale_filler", "bias_filler")
MEAN, VARIANCE, SCALE, SHIFT = range(4)
NEWEST, DIGITS, FIRST = (0, 1, 3, 4), (2, 3, 0, 1), (3, 4, 0, 1)
"""Where mean, variance, scale and shift lie: since version 0.16, in 0.15 (DIGITS), in 0.14."""


def scales_apart(
    layers: Iterable[Piece], stored: Mapping[str, int], diagnostics: Diagnostics
) -> tuple[list[Piece], dict[str, str]]:
    """The layers, each such BatchNorm followed by its Scale; and the Scale's name by the
    BatchNorm's.

    stored: how many blobs a layer has in the weights file. NS040 where only that tells that a layer
    is the fork's.
    """
    found: list[Piece] = []
    scales: dict[str, str] = {}
    layers = list(layers)
    taken = {str(layer.get("name")) for layer in layers}
    for layer in layers:
        name, words = str(layer.get("name", "")), layer.get(GROUP, {})
        said = any(words.get(word) for word in OWN)
        if layer["type"] != "BatchNorm" or not (said or stored.get(name) == BLOBS):
            found.append(layer)
            continue
        if name not in scales:
            scales[name] = find_free_name(f"{name}_scale", taken)
            taken.add(scales[name])
        if not said:
            fact = (
                f"{layer.owner} has {BLOBS} blobs in the file, 3 in the net: NVIDIA's fork, which scales and"
                " shifts there too"
            )
            label = f"layer {scales[name]} of the spec does that"
            diagnostics.add(Diagnostic("NS040", fact, layer.span("type") or layer.opening, label))
        found += [normalizing(layer, diagnostics), scaling(layer, scales[name])]
    return found, scales


def normalizing(layer: Piece, diagnostics: Diagnostics) -> Piece:
    """The layer without what scales and shifts. NS025 for `use_global_stats: false`: the fork does
    not read it in test.
    """
    one = Piece(layer.message, layer.owner)
    one.update(layer)
    words = layer.get(GROUP)
    if isinstance(words, Piece):
        one[GROUP] = kept = Piece(words.message, words.owner)
        kept.update({word: value for word, value in words.items() if word not in OWN})
        if kept.get("use_global_stats") is False:
            del kept["use_global_stats"]
            fact = (
                f"use_global_stats of {layer.owner}: NVIDIA's fork takes the gathered statistics in test all"
                " the same"
            )
            diagnostics.add(Diagnostic("NS025", fact, words.span("use_global_stats")))
    if "param" in layer:
        # the other two are the Scale's; statistics are not trained
        one["param"] = [{**spec, "lr_mult": 0, "decay_mult": 0} for spec in layer["param"][:3]]
    return one


def scaling(layer: Piece, name: str) -> Piece:
    """The Scale that follows, in place; the fork trains it whatever `param` says."""
    one = Piece(layer.message, layer.owner)
    words = layer.get(GROUP, {})
    top = layer.get("top") or [layer["name"]]
    fillers = {
        ours: words[theirs]
        for theirs, ours in (("scale_filler", "filler"), ("bias_filler", "bias_filler"))
        if theirs in words
    }
    one.update(
        name=name,
        type="Scale",
        bottom=list(top),
        top=list(top),
        scale_param={"bias_term": True, **fillers},
    )
    one.update({key: layer[key] for key in ("include", "exclude", "phase") if key in layer})
    return one


def blobs_apart(stored: "Weights", scales: Mapping[str, str]) -> "Weights":
    """The blobs of a file, those of the fork's layers in Caffe's order and under both names."""
    import numpy as np

    found = dict(stored)
    for name, scale in scales.items():
        blobs = stored.get(name, [])
        if len(blobs) == BLOBS:
            flat = [blobs[i].reshape(-1) for i in order(blobs)]
            # Caffe divides by its third blob: by 1, since these are no sums
            found[name] = [flat[MEAN], flat[VARIANCE], np.ones(1, np.float32)]
            found[scale] = [flat[SCALE], flat[SHIFT]]
    return found


def order(blobs: "list[NDArray[np.float32]]") -> tuple[int, int, int, int]:
    """Which of the fork's orders a layer's blobs have, told by the one with a single number, and in
    0.14 by its four axes.
    """
    if blobs[4].size == 1 and (blobs[2].size > 1 or blobs[2].ndim == 4):
        return DIGITS
    if blobs[2].ndim == 4:
        return FIRST
    return NEWEST
