"""Layers of every Caffe generation -> layers in today's form: Caffe's own upgrade, rule by rule. In
and out: decoded layers.

V0 (before December 2013) has one flat message and padding layers; V1 (to January 2015) enum types,
blobs_lr and transforms in the data parameters; files that mix `layer` and `layers`, which Caffe
refuses, are taken layer by layer.
"""

from collections.abc import Iterable
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.importers.decode import Piece
from netspec.importers.layer_types import definition, modern_type
from netspec.importers.oldest import fold_padding, from_v0

__all__ = ["upgrade"]

TRANSFORMS = ("scale", "mean_file", "crop_size", "mirror")
TRANSFORMED = {
    "Data": "data_param",
    "ImageData": "image_data_param",
    "WindowData": "window_data_param",
}
PER_BLOB = {"blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}
BATCH_NORM_BLOBS = 3


def upgrade(layers: Iterable[tuple[str, Piece]], diagnostics: Diagnostics) -> list[Piece]:
    """Today's form of layers, each given with the field that held it (`layer` or `layers`). NS025
    where a field has no effect.
    """
    done = []
    for field, layer in fold_padding(layers, diagnostics):
        if "layer" in layer:
            layer = from_v0(layer, diagnostics)
        layer["type"] = modern_type(str(layer.get("type", "")))
        move_params(layer)
        move_transforms(layer, field, diagnostics)
        fix_batch_norm(layer)
        fix_rounding(layer)
        done += split_layer(layer)
    return done


def split_layer(layer: Piece) -> list[Piece]:
    """A layer that does the same to each of several bottoms, as Caffe's convolutions may: one layer
    for each, with the same weights.
    """
    bottoms, tops = layer.get("bottom", ()), layer.get("top", ())
    cls = definition(layer["type"])
    if cls is None or "each_bottom" not in cls.traits or len(bottoms) < 2 or len(bottoms) != len(tops):
        return [layer]
    name = str(layer.get("name") or tops[0])
    biased = any(layer.get(group, {}).get("bias_term", True) for group in cls.groups)
    specs = [*layer.get("param", ()), {}, {}][: 2 if biased else 1]
    shared = [{**spec, "name": spec.get("name") or f"{name}/{i}"} for i, spec in enumerate(specs)]
    weighted = [*layer.get("loss_weight", ()), *[0.0] * len(tops)]
    made = []
    for i, (bottom, top) in enumerate(zip(bottoms, tops, strict=True)):
        one = Piece(layer.message, layer.owner)
        one.update(
            layer,
            name=name if i == 0 else f"{name}_{i + 1}",
            bottom=[bottom],
            top=[top],
            param=shared,
        )
        for key, value in (
            ("loss_weight", weighted[i : i + 1]),
            ("propagate_down", layer.get("propagate_down", ())[i : i + 1]),
        ):
            one.pop(key, None)
            one.update({key: value} if any(value) or (key == "propagate_down" and value) else {})
        made.append(one)
    return made


def move_params(layer: Piece) -> None:
    """Names, share modes, blobs_lr and weight_decay of V1 become entries of `param`."""
    specs: list[dict[str, Any]] = [
        {"name": p} if isinstance(p, str) else dict(p) for p in layer.get("param", ())
    ]
    for old, new in PER_BLOB.items():
        for index, value in enumerate(layer.pop(old, ())):
            while len(specs) <= index:
                specs.append({})
            specs[index].setdefault(new, value)
    if specs:
        layer["param"] = specs


def move_transforms(layer: Piece, field: str, diagnostics: Diagnostics) -> None:
    """scale, mean_file, crop_size and mirror of V1's data parameters become transform_param; in
    today's form Caffe does not read them.
    """
    data = layer.get(TRANSFORMED.get(layer["type"], ""))
    if not isinstance(data, Piece):
        return
    for name in TRANSFORMS:
        if name not in data:
            continue
        value = data.pop(name)
        if field == "layers":
            layer.setdefault("transform_param", {})[name] = value
        else:
            diagnostics.add(
                Diagnostic(
                    "NS025",
                    f"{name} of {layer.owner}: Caffe reads it from transform_param only",
                    data.span(name),
                )
            )


def fix_batch_norm(layer: Piece) -> None:
    """A BatchNorm that declares its three blobs: they are statistics, which the solver leaves
    alone.
    """
    # Caffe's UpgradeNetBatchNorm drops the entries, whereupon its layer sets these zeros
    if layer["type"] == "BatchNorm" and len(layer.get("param", ())) == BATCH_NORM_BLOBS:
        layer["param"] = [{**spec, "lr_mult": 0, "decay_mult": 0} for spec in layer["param"]]


def fix_rounding(layer: Piece) -> None:
    """A fork's ceil_mode of a pooling is today's round_mode."""
    pooling = layer.get("pooling_param")
    if isinstance(pooling, Piece) and "ceil_mode" in pooling:
        up = pooling.pop("ceil_mode")
        pooling.setdefault("round_mode", "CEIL" if up else "FLOOR")
