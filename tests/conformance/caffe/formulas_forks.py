"""Layers of Caffe's forks as plain NumPy, from their authors' papers and sources; the form is that of formulas.py."""

import math
from collections.abc import Callable

import numpy as np

from tests.conformance.caffe.dice import Arrays, Dice, layer_text, repeated
from tests.conformance.caffe.formulas import Array, Drawn, convolved, windows

__all__ = ["FORKS"]

REFUSED = "TRAIN"
"""The phase of layers without an ONNX form: they behave alike in both, and only nets of phase TEST are exported."""


def said(value: bool) -> str:
    return str(value).lower()


def half_away(value: float) -> int:
    """C's round."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def within(value: float, most: int) -> int:
    return int(min(max(value, 0), most))


# --- maps -------------------------------------------------------------------------------------------------------------


def depthwise(d: Dice) -> Drawn:
    axes, channels, bias = d.choice([1, 2, 2]), d.size(1, 4), d.chance(0.7)
    words, w = windows(d, axes)
    outputs = channels * d.size(1, 2)
    shape = [d.size(1, 2), channels, *(max(1, r - 2 * p) + d.size(0, 2) for r, p in zip(w.reach, w.pad, strict=True))]
    words += f" num_output: {outputs} bias_term: {said(bias)}" + (f" group: {channels}" if d.chance(0.5) else "")

    def reference(a: Arrays) -> Arrays:
        y = convolved(a["x"], a["w0"], w, channels)
        return {"y": y + a["w1"].reshape(-1, *(1,) * axes) if bias else y}

    type_ = d.choice(["DepthwiseConvolution", "ConvolutionDepthwise"])
    return Drawn(layer_text(type_, f"convolution_param {{ {words} }}"), {"x": d.normal(shape)}, reference, tolerance=1e-4)


def interp(d: Dice) -> Drawn:
    h, w = d.sizes(3, 6, 2)
    before, after = d.choice([0, 0, -1]), d.choice([0, 0, -1])
    form, shrink, zoom = d.choice(["size", "zoom", "shrink", "both"]), d.size(1, 3), d.size(1, 3)
    sizes = [h + before + after, w + before + after]
    words = f"pad_beg: {before} pad_end: {after} "
    if form in ("shrink", "both"):
        sizes, words = [(n - 1) // shrink + 1 for n in sizes], words + f"shrink_factor: {shrink} "
    if form in ("zoom", "both"):
        sizes, words = [n + (n - 1) * (zoom - 1) for n in sizes], words + f"zoom_factor: {zoom} "
    if form == "size":
        sizes = d.sizes(1, 8, 2)
        words += f"height: {sizes[0]} width: {sizes[1]}"

    def line(n: int, out: int) -> Array:
        """Weights (out, n) of the values that a place lies between: corners on corners."""
        found, step = np.zeros((out, n)), (n - 1) / (out - 1) if out > 1 else 0
        for i in range(out):
            low = int(i * step + 1e-9)
            found[i, low] += 1 - (i * step - low)
            found[i, min(low + 1, n - 1)] += i * step - low
        return found

    def reference(a: Arrays) -> Arrays:
        x = a["x"][:, :, -before : h + after, -before : w + after]
        return {"y": np.einsum("nchw,ih,jw->ncij", x, line(x.shape[2], sizes[0]), line(x.shape[3], sizes[1]))}

    return Drawn(layer_text("Interp", f"interp_param {{ {words} }}"), {"x": d.normal([1, 2, h, w])}, reference)


def shuffled(d: Dice) -> Drawn:
    group = d.size(1, 3)
    shape = [2, group * d.size(1, 3), *d.sizes(1, 3, 2)]

    def reference(a: Arrays) -> Arrays:
        return {"y": a["x"].reshape(2, group, -1, *shape[2:]).swapaxes(1, 2).reshape(shape)}

    return Drawn(layer_text("ShuffleChannel", f"shuffle_channel_param {{ group: {group} }}"), {"x": d.normal(shape)}, reference)


def unpooled(d: Dice) -> Drawn:
    """Upsample in SegNet's form: each value to the place that the mask names."""
    scale, (h, w) = d.size(1, 3), d.sizes(1, 3, 2)
    big = h * w * scale * scale
    mask = np.stack([d.numbers.permutation(big)[: h * w] for _ in range(2)]).reshape(1, 2, h, w).astype(float)

    def reference(a: Arrays) -> Arrays:
        y = np.zeros((1, 2, big))
        for c in range(2):
            y[0, c, a["m"][0, c].ravel().astype(int)] = a["x"][0, c].ravel()
        return {"y": y.reshape(1, 2, h * scale, w * scale)}

    text = layer_text("Upsample", f"upsample_param {{ scale: {scale} }}", ("x", "m"))
    return Drawn(text, {"x": d.normal([1, 2, h, w]), "m": mask}, reference, ("x",))


def axpy(d: Dice) -> Drawn:
    n, c, *_ = shape = d.sizes(1, 3, 4)
    inputs = {"a": d.normal(d.choice([(n, c), (n, c, 1, 1)])), "x": d.normal(shape), "z": d.normal(shape)}
    return Drawn(layer_text("Axpy", "", list(inputs)), inputs, lambda a: {"y": a["a"].reshape(n, c, 1, 1) * a["x"] + a["z"]})


def relu6(d: Dice) -> Drawn:
    x = d.normal(d.sizes(1, 4, d.size(1, 5))) * 5
    return Drawn(layer_text("ReLU6"), {"x": x}, lambda a: {"y": np.clip(a["x"], 0, 6)})


# --- normalisation ----------------------------------------------------------------------------------------------------


def unit_length(d: Dice) -> Drawn:
    across, shared, eps = d.chance(0.5), d.chance(0.5), d.choice([1e-10, 0.5])

    def reference(a: Arrays) -> Arrays:
        norm = np.sqrt((a["x"] ** 2).sum((1, 2, 3) if across else 1, keepdims=True) + eps)
        return {"y": a["x"] / norm * (a["w0"] if shared else a["w0"][:, None, None])}

    words = f"across_spatial: {said(across)} channel_shared: {said(shared)} eps: {eps}"
    return Drawn(layer_text("Normalize", f"norm_param {{ {words} }}"), {"x": d.normal(d.sizes(1, 3, 4))}, reference)


def gathered_bn(d: Dice) -> Drawn:
    """BN with slope, bias, mean and variance; m is what is kept of the gathered ones."""
    phase, frozen, m, eps = d.choice(["TEST", "TRAIN"]), d.chance(0.3), d.choice([0.9, 0.5, 0]), d.choice([1e-5, 0.1])
    stored = frozen or phase == "TEST"
    shape = [d.size(2, 3), *d.sizes(1, 3, 3)]

    def moments(x: Array) -> tuple[Array, Array]:
        return x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)

    def reference(a: Arrays) -> Arrays:
        mean, variance = (a["w2"], a["w3"]) if stored else moments(a["x"])
        return {"y": a["w0"] * (a["x"] - mean) / np.sqrt(variance + eps) + a["w1"]}

    def after(a: Arrays) -> Arrays:
        mean, variance = (a["w2"], a["w3"]) if stored else moments(a["x"])
        keep = 1 if stored else m
        return {"w2": keep * a["w2"] + (1 - keep) * mean, "w3": keep * a["w3"] + (1 - keep) * variance}

    words = f"momentum: {m} eps: {eps} frozen: {said(frozen)}"
    variances = {"w3": d.numbers.random((1, shape[1], 1, 1)) + 0.5}
    return Drawn(
        layer_text("BN", f"bn_param {{ {words} }}"), {"x": d.normal(shape) * 2 + 1}, reference, None, 1e-4, phase, variances, after
    )


def segnet_bn(d: Dice) -> Drawn:
    """BN with scale and shift: the batch's statistics in both phases, or none at all."""
    mode, shape = d.choice(["LEARN", "INFERENCE"]), [d.size(2, 3), *d.sizes(1, 2, 1), *d.sizes(2, 3, 2)]

    def reference(a: Arrays) -> Arrays:
        x = a["x"]
        if mode == "LEARN":
            x = (x - x.mean((0, 2, 3), keepdims=True)) / np.sqrt(x.var((0, 2, 3), keepdims=True) + 1e-9)
        return {"y": a["w0"] * x + a["w1"]}

    phase = d.choice(["TEST", "TRAIN"])
    return Drawn(layer_text("BN", f"bn_param {{ bn_mode: {mode} }}"), {"x": d.normal(shape) + 1}, reference, None, 1e-4, phase)


# --- detection --------------------------------------------------------------------------------------------------------


def regions(d: Dice, images: int, h: int, w: int, scale: float) -> Array:
    """(image, x1, y1, x2, y2), some of them partly outside or of no size."""
    count = d.size(1, 3)
    ends = [d.numbers.uniform(-0.2 * n / scale, n / scale, count) for n in (w, h)]
    far = [begin + d.numbers.uniform(0, n / scale, count) for begin, n in zip(ends, (w, h), strict=True)]
    return np.float32(np.stack([d.numbers.integers(0, images, count), *ends, *far], 1))


def roi_pooling(d: Dice) -> Drawn:
    n, h, w = d.size(1, 2), *d.sizes(4, 8, 2)
    (rows, columns), scale = d.sizes(1, 3, 2), d.choice([1, 0.5, 0.25])

    def reference(a: Arrays) -> Arrays:
        y = np.zeros((len(a["r"]), 2, rows, columns))
        for place in np.ndindex(len(a["r"]), rows, columns):
            image, x1, y1, x2, y2 = (half_away(v * s) for v, s in zip(a["r"][place[0]], (1, *(scale,) * 4), strict=True))
            spans = []
            for i, count, begin, end, size in ((place[1], rows, y1, y2, h), (place[2], columns, x1, x2, w)):
                length = max(end - begin + 1, 1)
                low, high = i * length // count, -(-(i + 1) * length // count)
                spans.append(slice(within(low + begin, size), within(high + begin, size)))
            inside = a["x"][(image, slice(None), *spans)]
            y[(place[0], slice(None), *place[1:])] = inside.max((1, 2)) if inside.size else 0
        return {"y": y}

    words = f"pooled_h: {rows} pooled_w: {columns} spatial_scale: {scale}"
    inputs = {"x": d.normal([n, 2, h, w]), "r": regions(d, n, h, w, scale)}
    return Drawn(layer_text("ROIPooling", f"roi_pooling_param {{ {words} }}", ("x", "r")), inputs, reference, ("x",), phase=REFUSED)


def psroi_pooling(d: Dice) -> Drawn:
    bins, maps, h, w, scale = d.size(1, 3), d.size(1, 2), *d.sizes(4, 8, 2), d.choice([1, 0.5])

    def reference(a: Arrays) -> Arrays:
        y = np.zeros((len(a["r"]), maps, bins, bins))
        for r, c, i, j in np.ndindex(*y.shape):
            image, *corners = a["r"][r]
            x1, y1, x2, y2 = (scale * (half_away(v) + (k > 1)) for k, v in enumerate(corners))
            spans = []
            for at, begin, end, size in ((i, y1, y2, h), (j, x1, x2, w)):
                step = np.float32(max(end - begin, 0.1)) / np.float32(bins)
                low, high = math.floor(at * step + np.float32(begin)), math.ceil((at + 1) * step + np.float32(begin))
                spans.append(slice(within(low, size), within(high, size)))
            inside = a["x"][(int(image), (c * bins + i) * bins + j, *spans)]
            y[r, c, i, j] = inside.mean() if inside.size else 0
        return {"y": y}

    words = f"output_dim: {maps} group_size: {bins} spatial_scale: {scale}"
    inputs = {"x": d.normal([2, maps * bins * bins, h, w]), "r": regions(d, 2, h, w, scale)}
    return Drawn(layer_text("PSROIPooling", f"psroi_pooling_param {{ {words} }}", ("x", "r")), inputs, reference, ("x",), phase=REFUSED)


def prior_box(d: Dice) -> Drawn:
    (h, w), (height, width) = d.sizes(1, 4, 2), d.sizes(8, 40, 2)
    mins = [d.choice([3, 5, 8.5]) for _ in range(d.size(1, 2))]
    maxs = [m * d.choice([2, 3]) for m in mins] if d.chance(0.5) else []
    ratios, flip, clip = [d.choice([1, 2, 3, 0.5]) for _ in range(d.size(0, 3))], d.chance(0.5), d.chance(0.5)
    variances, step, offset = d.choice([[], [0.2], [0.1, 0.1, 0.2, 0.3]]), d.choice([0, 8]), d.choice([0.5, 0])

    def sides() -> list[tuple[float, float]]:
        shapes = [1.0]
        for ratio in ratios:
            if all(abs(ratio - one) >= 1e-6 for one in shapes):
                shapes += [ratio, 1 / ratio] if flip else [ratio]
        found = []
        for i, least in enumerate(mins):
            found.append((least, least))
            found += [(math.sqrt(least * maxs[i]),) * 2] if maxs else []
            found += [(least * math.sqrt(a), least / math.sqrt(a)) for a in shapes[1:]]
        return found

    def reference(_: Arrays) -> Arrays:
        step_y, step_x = (step, step) if step else (height / h, width / w)
        boxes = []
        for i, j in np.ndindex(h, w):
            x, y = (j + offset) * step_x, (i + offset) * step_y
            boxes += [[(x - a / 2) / width, (y - b / 2) / height, (x + a / 2) / width, (y + b / 2) / height] for a, b in sides()]
        flat = np.clip(boxes, 0, 1) if clip else np.array(boxes)
        spread = variances if len(variances) == 4 else (variances or [0.1]) * 4
        return {"y": np.stack([flat.ravel(), np.tile(spread, len(boxes))])[None]}

    words = " ".join(
        (repeated("min_size", mins), repeated("max_size", maxs), repeated("aspect_ratio", ratios), repeated("variance", variances))
    )
    words += f" flip: {said(flip)} clip: {said(clip)} offset: {offset}" + (f" step: {step}" if step else "")
    inputs = {"x": d.normal([1, 2, h, w]), "d": d.normal([1, 3, height, width])}
    return Drawn(layer_text("PriorBox", f"prior_box_param {{ {words} }}", ("x", "d")), inputs, reference, (), phase=REFUSED)


def jaccard(a: Array, b: Array) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(sides.prod()) if (sides > 0).all() else 0.0
    areas = [float((one[2:] - one[:2]).prod()) if (one[2:] >= one[:2]).all() else 0.0 for one in (a, b)]
    return shared / (sum(areas) - shared) if shared else 0.0


def detection_output(d: Dice) -> Drawn:
    images, count, classes, shared = d.size(1, 2), d.size(2, 8), d.size(2, 4), d.chance(0.6)
    code, in_target = d.choice(["CORNER", "CENTER_SIZE", "CORNER_SIZE"]), d.chance(0.3)
    background, threshold, eta = d.choice([-1, 0, 1]), d.choice([0.1, 0.3, 0.6, 0.9]), d.choice([1, 0.8])
    top_k, keep, confidence = d.choice([-1, 3]), d.choice([-1, 4]), d.choice([None, 0.3, 0.99])
    corner = d.numbers.uniform(0, 0.5, (count, 2))
    priors = np.stack([np.concatenate([corner, corner + d.numbers.uniform(0.2, 0.5, (count, 2))], 1).ravel(), d.numbers.random(4 * count)])

    def decoded(offset: Array, prior: Array, variance: Array) -> Array:
        t, size = offset * (1 if in_target else variance), prior[2:] - prior[:2]
        if code != "CENTER_SIZE":
            return prior + t * (np.tile(size, 2) if code == "CORNER_SIZE" else 1)
        centre, half = (prior[:2] + prior[2:]) / 2 + t[:2] * size, np.exp(t[2:]) * size / 2
        return np.concatenate([centre - half, centre + half])

    def kept(boxes: list[Array], scores: Array) -> list[int]:
        order = sorted((i for i in range(count) if confidence is None or scores[i] > confidence), key=lambda i: -scores[i])
        found: list[int] = []
        bound = threshold
        for i in order[:top_k] if top_k >= 0 else order:
            if all(jaccard(boxes[i], boxes[j]) <= bound for j in found):
                found.append(i)
                bound *= eta if eta < 1 and bound > 0.5 else 1
        return found

    def of_image(image: int, offsets: Array, scores: Array, priors: Array) -> list[list[float]]:
        rows: list[list[float]] = []
        for label in set(range(classes)) - {background}:
            boxes = [decoded(offsets[i, 0 if shared else label], priors[0, i], priors[1, i]) for i in range(count)]
            rows += [[image, label, scores[i, label], *boxes[i]] for i in kept(boxes, scores[:, label])]
        if 0 <= keep < len(rows):
            cut = sorted((row[2] for row in rows), reverse=True)[keep - 1]
            rows = [row for row in rows if row[2] >= cut]
        return rows

    def reference(a: Arrays) -> Arrays:
        offsets, scores = a["x"].reshape(images, count, -1, 4), a["s"].reshape(images, count, classes)
        rows = [row for i in range(images) for row in of_image(i, offsets[i], scores[i], a["p"].reshape(2, count, 4))]
        rows = rows or [[i, *[-1.0] * 6] for i in range(images)]
        return {"y": np.array(rows)[None, None]}

    words = f"num_classes: {classes} share_location: {said(shared)} background_label_id: {background} code_type: {code} keep_top_k: {keep} "
    words += f"nms_param {{ nms_threshold: {threshold} eta: {eta} {f'top_k: {top_k}' if top_k >= 0 else ''} }} "
    words += f"variance_encoded_in_target: {said(in_target)} " + ("" if confidence is None else f"confidence_threshold: {confidence}")
    offsets = d.normal([images, count * (1 if shared else classes) * 4]) * 0.3
    inputs = {"x": offsets, "s": d.numbers.random((images, count * classes)), "p": priors[None]}
    text = layer_text("DetectionOutput", f"detection_output_param {{ {words} }}", list(inputs))
    return Drawn(text, inputs, reference, (), phase=REFUSED)


# --- losses -----------------------------------------------------------------------------------------------------------


def smooth_l1(d: Dice) -> Drawn:
    shape, sigma = d.sizes(1, 3, d.size(2, 4)), d.choice([1, 3, 0.5])
    inputs = {name: d.normal(shape) for name in "xzio"[: d.size(2, 4)]}

    def reference(a: Arrays) -> Arrays:
        gap = (a["x"] - a["z"]) * a.get("i", 1)
        losses = np.where(np.abs(gap) < sigma**-2, 0.5 * (sigma * gap) ** 2, np.abs(gap) - 0.5 * sigma**-2) * a.get("o", 1)
        return {"y": np.array(losses.sum() / shape[0])}

    text = layer_text("SmoothL1Loss", f"smooth_l1_loss_param {{ sigma: {sigma} }}", list(inputs))
    return Drawn(text, inputs, reference, ("x", "z"))


FORKS: dict[str, Callable[[Dice], Drawn]] = {
    draw.__name__: draw
    for draw in (
        depthwise,
        interp,
        shuffled,
        unpooled,
        axpy,
        relu6,
        unit_length,
        gathered_bn,
        segnet_bn,
        roi_pooling,
        psroi_pooling,
        prior_box,
        detection_output,
        smooth_l1,
    )
}
