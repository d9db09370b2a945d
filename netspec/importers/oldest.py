"""Caffe's oldest layers (V0: one flat message, padding as a layer of its own) -> the form after it.
In and out: decoded layers.
"""

from collections.abc import Iterable
from typing import Any

from netspec.diagnostics import Diagnostic, Diagnostics
from netspec.importers.decode import Piece
from netspec.importers.layer_types import modern_type

__all__ = ["fold_padding", "from_v0"]

# Where a flat field goes, by the layer's type: today's param map, and its name there if that
# changed.
CONVOLUTION, DENSE, POOLING = (
    ("Convolution", "convolution_param"),
    ("InnerProduct", "inner_product_param"),
    ("Pooling", "pooling_param"),
)
LRN, CONCAT, DROPOUT = (
    ("LRN", "lrn_param"),
    ("Concat", "concat_param"),
    ("Dropout", "dropout_param"),
)
DATA, IMAGES, WINDOWS = (
    ("Data", "data_param"),
    ("ImageData", "image_data_param"),
    ("WindowData", "window_data_param"),
)
HDF5, INFOGAIN = ("HDF5Data", "hdf5_data_param"), ("InfogainLoss", "infogain_loss_param")
FLAT: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "num_output": ("num_output", (CONVOLUTION, DENSE)),
    "biasterm": ("bias_term", (CONVOLUTION, DENSE)),
    "weight_filler": ("weight_filler", (CONVOLUTION, DENSE)),
    "bias_filler": ("bias_filler", (CONVOLUTION, DENSE)),
    "pad": ("pad", (CONVOLUTION, POOLING)),
    "kernelsize": ("kernel_size", (CONVOLUTION, POOLING)),
    "group": ("group", (CONVOLUTION,)),
    "stride": ("stride", (CONVOLUTION, POOLING)),
    "pool": ("pool", (POOLING,)),
    "dropout_ratio": ("dropout_ratio", (DROPOUT,)),
    "local_size": ("local_size", (LRN,)),
    "alpha": ("alpha", (LRN,)),
    "beta": ("beta", (LRN,)),
    "k": ("k", (LRN,)),
    "source": ("source", (DATA, HDF5, IMAGES, WINDOWS, INFOGAIN)),
    "batchsize": ("batch_size", (DATA, HDF5, IMAGES, WINDOWS)),
    "rand_skip": ("rand_skip", (DATA, IMAGES)),
    "shuffle_images": ("shuffle", (IMAGES,)),
    "new_height": ("new_height", (IMAGES,)),
    "new_width": ("new_width", (IMAGES,)),
    "concat_dim": ("concat_dim", (CONCAT,)),
    "det_fg_threshold": ("fg_threshold", (WINDOWS,)),
    "det_bg_threshold": ("bg_threshold", (WINDOWS,)),
    "det_fg_fraction": ("fg_fraction", (WINDOWS,)),
    "det_context_pad": ("context_pad", (WINDOWS,)),
    "det_crop_mode": ("crop_mode", (WINDOWS,)),
}
TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
KEPT = ("name", "type", "blobs", "blobs_lr", "weight_decay", "hdf5_output_param")
PADDED = ("Convolution", "Pooling")


def from_v0(connection: Piece, diagnostics: Diagnostics) -> Piece:
    """The layer of a V0 connection (`layers { layer { ... } bottom top }`). NS025 for a field that
    its type does not take.
    """
    flat = connection["layer"]
    layer = Piece(connection.message, connection.owner)
    layer.update({key: value for key, value in connection.items() if key != "layer"})
    kind = modern_type(str(flat.get("type", "")))
    for name, value in flat.items():
        if name in KEPT or name not in {**FLAT, **TRANSFORM}:
            layer.setdefault(name, value)
        elif name in TRANSFORM:
            layer.setdefault("transform_param", {})[TRANSFORM[name]] = value
        else:
            modern, places = FLAT[name]
            group = dict(places).get(kind)
            if group is None:
                fact = f"{name} of {layer.owner}: Caffe does not read it in a layer of type {kind}"
                diagnostics.add(Diagnostic("NS025", fact, flat.span(name)))
            else:
                layer.setdefault(group, {})[modern] = value
    return layer


def fold_padding(layers: Iterable[tuple[str, Piece]], diagnostics: Diagnostics) -> list[tuple[str, Piece]]:
    """V0's padding layers become the pad of the convolution or pooling that reads them. NS025 for
    one that nothing reads.
    """
    kept: list[tuple[str, Piece]] = []
    padding: dict[str, Piece] = {}
    unread: dict[str, Piece] = {}
    for field, layer in layers:
        flat: Any = layer.get("layer", {})
        if flat.get("type") == "padding" and len(layer.get("bottom", ())) == len(layer.get("top", ())) == 1:
            padding[layer["top"][0]] = unread[layer["top"][0]] = layer
            continue
        for index, bottom in enumerate(layer.get("bottom", ())):
            if bottom in padding:
                unread.pop(bottom, None)
                take_padding(layer, index, padding[bottom], diagnostics)
        for top in layer.get("top", ()):
            padding.pop(top, None)  # another blob by now
        kept.append((field, layer))
    for layer in unread.values():
        diagnostics.add(Diagnostic("NS025", f"{layer.owner}: no layer reads what it pads", layer.opening))
    return kept


def take_padding(layer: Piece, index: int, source: Piece, diagnostics: Diagnostics) -> None:
    """Let a layer's bottom be what its padding layer read, with that layer's pad as its own. NS023
    where it takes no pad.
    """
    flat = layer.get("layer")
    layer["bottom"][index] = source["bottom"][0]
    if flat is not None and modern_type(str(flat.get("type", ""))) in PADDED and len(layer["bottom"]) == 1:
        flat["pad"] = source["layer"].get("pad", 0)
    else:
        fact = (
            f"the padding of {source.owner}: {layer.owner} reads it, and only a convolution or a pooling can"
            " take it over"
        )
        diagnostics.add(Diagnostic("NS023", fact, source.opening))
