"""Layers of Caffe's forks as plain NumPy, from their authors' papers and sources; the form is that of formulas.py."""

import math
from collections.abc import Callable

import numpy as np

from tests.conformance.caffe.dice import Arrays, Dice, layer_text, repeated
from tests.conformance.caffe.formulas import Array, Drawn, convolved, windows
from tests.conformance.caffe.formulas_more import softmax

__all__ = ["FORKS"]


def said(value: bool) -> str:
    return str(value).lower()


# --- maps -------------------------------------------------------------------------------------------------------------


def depthwise(d: Dice) -> Drawn:
    axes, channels, bias = d.choice([1, 2, 2]), d.size(1, 4), d.chance(0.7)
    words, w = windows(d, axes)
    outputs = channels * d.size(1, 2)
    shape = [
        d.size(1, 2),
        channels,
        *(max(1, r - 2 * p) + d.size(0, 2) for r, p in zip(w.reach, w.pad, strict=True)),
    ]
    words += f" num_output: {outputs} bias_term: {said(bias)}" + (
        f" group: {channels}" if d.chance(0.5) else ""
    )

    def reference(a: Arrays) -> Arrays:
        y = convolved(a["x"], a["w0"], w, channels)
        return {"y": y + a["w1"].reshape(-1, *(1,) * axes) if bias else y}

    type_ = d.choice(["DepthwiseConvolution", "ConvolutionDepthwise"])
    return Drawn(
        layer_text(type_, f"convolution_param {{ {words} }}"),
        {"x": d.normal(shape)},
        reference,
        tolerance=1e-4,
    )


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

    return Drawn(
        layer_text("Interp", f"interp_param {{ {words} }}"), {"x": d.normal([1, 2, h, w])}, reference
    )


def shuffled(d: Dice) -> Drawn:
    group = d.size(1, 3)
    shape = [2, group * d.size(1, 3), *d.sizes(1, 3, 2)]

    def reference(a: Arrays) -> Arrays:
        return {"y": a["x"].reshape(2, group, -1, *shape[2:]).swapaxes(1, 2).reshape(shape)}

    return Drawn(
        layer_text("ShuffleChannel", f"shuffle_channel_param {{ group: {group} }}"),
        {"x": d.normal(shape)},
        reference,
    )


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
    return Drawn(
        layer_text("Axpy", "", list(inputs)),
        inputs,
        lambda a: {"y": a["a"].reshape(n, c, 1, 1) * a["x"] + a["z"]},
    )


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
    return Drawn(
        layer_text("Normalize", f"norm_param {{ {words} }}"), {"x": d.normal(d.sizes(1, 3, 4))}, reference
    )


def gathered_bn(d: Dice) -> Drawn:
    """BN with slope, bias, mean and variance; m is what is kept of the gathered ones."""
    phase, frozen, m, eps = (
        d.choice(["TEST", "TRAIN"]),
        d.chance(0.3),
        d.choice([0.9, 0.5, 0]),
        d.choice([1e-5, 0.1]),
    )
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
        layer_text("BN", f"bn_param {{ {words} }}"),
        {"x": d.normal(shape) * 2 + 1},
        reference,
        None,
        1e-4,
        phase,
        variances,
        after,
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
    return Drawn(
        layer_text("BN", f"bn_param {{ bn_mode: {mode} }}"),
        {"x": d.normal(shape) + 1},
        reference,
        None,
        1e-4,
        phase,
    )


# --- losses -----------------------------------------------------------------------------------------------------------


def smooth_l1(d: Dice) -> Drawn:
    shape, sigma = d.sizes(1, 3, d.size(2, 4)), d.choice([1, 3, 0.5])
    inputs = {name: d.normal(shape) for name in "xzio"[: d.size(2, 4)]}

    def reference(a: Arrays) -> Arrays:
        gap = (a["x"] - a["z"]) * a.get("i", 1)
        losses = np.where(
            np.abs(gap) < sigma**-2, 0.5 * (sigma * gap) ** 2, np.abs(gap) - 0.5 * sigma**-2
        ) * a.get("o", 1)
        return {"y": np.array(losses.sum() / shape[0])}

    text = layer_text("SmoothL1Loss", f"smooth_l1_loss_param {{ sigma: {sigma} }}", list(inputs))
    return Drawn(text, inputs, reference, ("x", "z"))


def softmax_ohem(d: Dice) -> Drawn:
    n, classes, places, ignored = d.size(1, 4), d.size(2, 4), d.choice([(), (2, 3)]), d.choice([None, -1])
    labels = d.whole(classes, (n, *places))
    if ignored is not None:
        labels[d.numbers.random(labels.shape) < 0.4] = ignored
    mode, tops = d.choice(["VALID", "FULL", "BATCH_SIZE", "NONE"]), ["y", "p", "e"][: d.size(1, 3)]

    def reference(a: Arrays) -> Arrays:
        p = softmax(a["x"], 1)
        kept = a["l"] != ignored
        own = np.take_along_axis(p, np.expand_dims(np.where(kept, a["l"], 0).astype(int), 1), 1)[:, 0]
        each = np.where(kept, -np.log(own), 0)
        count = max(1, {"VALID": kept.sum(), "FULL": kept.size, "BATCH_SIZE": n, "NONE": 1}[mode])
        return dict(zip(tops, (np.array(each.sum() / count), p, each), strict=False))

    words = f"normalization: {mode} " + ("" if ignored is None else f"ignore_label: {ignored}")
    text = layer_text("SoftmaxWithLossOHEM", f"loss_param {{ {words} }}", ("x", "l"), tops)
    return Drawn(text, {"x": d.normal((n, classes, *places)), "l": labels}, reference, ("x",))


def smooth_l1_ohem(d: Dice) -> Drawn:
    shape, weighted, fixed = (
        [*d.sizes(1, 4, 2), *d.choice([[], [2, 3]])],
        d.chance(0.6),
        d.choice([0.5, 3, 128]),
    )
    mode, tops = (
        d.choice(["VALID", "FULL", "BATCH_SIZE", *["PRE_FIXED"] * 4, "NONE"]),
        ["y", "e"][: d.size(1, 2)],
    )
    inputs = {"x": d.normal(shape) * 2, "z": d.normal(shape)} | ({"w": d.normal(shape)} if weighted else {})
    places = shape[0] * math.prod(shape[2:])
    count = max(1, {"BATCH_SIZE": shape[0], "PRE_FIXED": fixed, "NONE": 1}.get(mode, places))

    def gap(a: Arrays) -> Array:
        return (a["x"] - a["z"]) * a.get("w", 1)

    def reference(a: Arrays) -> Arrays:
        away = np.abs(gap(a))
        each = np.where(away < 1, away**2 / 2, away - 0.5)
        sums = each.sum(1, keepdims=True).reshape(shape[0], 1, *(shape[2:] or (1, 1)))
        return dict(zip(tops, (np.array(each.sum() / count), sums), strict=False))

    def slopes(a: Arrays, given: Arrays) -> Arrays:
        slope = np.clip(gap(a), -1, 1) * given["y"] / count
        return {"x": slope, "z": -slope}

    words = f"normalization: {mode} pre_fixed_normalizer: {fixed}"
    text = layer_text("SmoothL1LossOHEM", f"loss_param {{ {words} }}", list(inputs), tops)
    return Drawn(text, inputs, reference, ("x", "z"), slopes=slopes)


def reorg(d: Dice) -> Drawn:
    """Darknet's loops, index by index."""
    s, reverse = d.size(1, 3), d.chance(0.5)
    n, c, h, w = d.size(1, 2), s * s * d.size(1, 2), *(s * d.size(1, 2) for _ in range(2))
    top = (n, c // s**2, h * s, w * s) if reverse else (n, c * s**2, h // s, w // s)

    def reference(a: Arrays) -> Arrays:
        flat, made = a["x"].ravel(), np.zeros(a["x"].size)
        for number, (b, k, j, i) in enumerate(np.ndindex(n, c, h, w)):
            offset, channel = divmod(k, c // s**2)
            other = i * s + offset % s + w * s * (j * s + offset // s + h * s * (channel + c // s**2 * b))
            if reverse:
                made[other] = flat[number]
            else:
                made[number] = flat[other]
        return {"y": made.reshape(top)}

    return Drawn(
        layer_text("Reorg", f"reorg_param {{ stride: {s} reverse: {said(reverse)} }}"),
        {"x": d.normal([n, c, h, w])},
        reference,
    )


def merge_crop(d: Dice) -> Drawn:
    axes, add = d.size(1, 3), d.chance(0.5)
    small = [d.size(1, 2), d.size(1, 3), *d.sizes(1, 3, axes)]
    large = [*small[:2], *(n + d.size(0, 3) for n in small[2:])]
    passes = [d.chance(0.8), d.chance(0.8)] if d.chance(0.5) else []
    learns = [d.chance(0.5), d.chance(0.5)] if d.chance(0.7) else []

    def cut(a: Arrays) -> Array:
        begins = [(n - m) // 2 for n, m in zip(large[2:], small[2:], strict=True)]
        return a["z"][(..., *(slice(b, b + m) for b, m in zip(begins, small[2:], strict=True)))]

    def reference(a: Arrays) -> Arrays:
        sides = [
            part * passing for part, passing in zip((a["x"], cut(a)), passes or (True, True), strict=True)
        ]
        return {"y": sides[0] + sides[1] if add else np.concatenate(sides, 1)}

    def slopes(a: Arrays, given: Arrays) -> Arrays:
        own, other = (given["y"],) * 2 if add else np.split(given["y"], 2, 1)
        found = {"x": np.zeros(small), "z": np.zeros(large)}
        first, second = learns or (True, False)
        found["x"] += own * first
        cut(found)[...] += other * second
        return found

    words = f"operation: {'ADD' if add else 'STACK'} {repeated('forward', map(said, passes))} {repeated('backward', map(said, learns))}"
    inputs = {"x": d.normal(small), "z": d.normal(large)}
    reached = () if learns == [False, False] else None
    return Drawn(
        layer_text("MergeCrop", f"mergecrop_param {{ {words} }}", ("x", "z")),
        inputs,
        reference,
        reached,
        slopes=slopes,
    )


def flip(d: Dice) -> Drawn:
    across, down = d.chance(0.5), d.chance(0.5)
    words = f"flip_param {{ flip_width: {said(across)} flip_height: {said(down)} }}"
    steps = (slice(None, None, -1 if down else 1), slice(None, None, -1 if across else 1))
    return Drawn(
        layer_text("Flip", words), {"x": d.normal(d.sizes(1, 4, 4))}, lambda a: {"y": a["x"][(..., *steps)]}
    )


def insanity(d: Dice) -> Drawn:
    low, high = d.choice([(5, 10), (3, 5), (-4, -2)])
    mean = (high - low) / math.log(abs(high / low))
    text = layer_text("Insanity", f"insanity_param {{ lb: {low} ub: {high} }}")
    return Drawn(
        text,
        {"x": d.normal(d.sizes(1, 4, d.size(2, 4)))},
        lambda a: {"y": np.where(a["x"] > 0, a["x"], a["x"] / mean)},
    )


def center_loss(d: Dice) -> Drawn:
    n, classes, shape = d.size(1, 6), d.size(1, 3), d.sizes(1, 3, d.size(1, 2))
    labels = d.whole(classes, [n])

    def away(a: Arrays) -> Array:
        return a["x"].reshape(n, -1) - a["w0"][labels.astype(int)]

    def slopes(a: Arrays, given: Arrays) -> Arrays:
        member = np.eye(classes)[labels.astype(int)]
        own = -(member.T @ away(a)) / (1 + member.sum(0))[:, None]
        return {"x": (away(a) * given["y"] / n).reshape(n, *shape), "w0": own}

    text = layer_text("CenterLoss", f"center_loss_param {{ num_output: {classes} }}", ("x", "l"))
    inputs = {"x": d.normal([n, *shape]), "l": labels}
    return Drawn(
        text, inputs, lambda a: {"y": np.array((away(a) ** 2).sum() / (2 * n))}, ("x",), slopes=slopes
    )


def seg_accuracy(d: Dice) -> Drawn:
    n, classes, h, w = d.size(1, 2), d.size(2, 4), *d.sizes(1, 4, 2)
    ignored = d.choice([[], [255], [0, 1]])
    labels = d.whole(classes, [n, 1, h, w])
    if 255 in ignored:
        labels[d.numbers.random(labels.shape) < 0.3] = 255
    scores = d.whole(3, [n, classes, h, w]) if d.chance(0.5) else d.normal([n, classes, h, w])

    def reference(a: Arrays) -> Arrays:
        seen = np.zeros((classes, classes))
        for i, y, x in np.ndindex(n, h, w):
            label = int(a["l"][i, 0, y, x])
            if label not in ignored:
                seen[label, max(range(classes), key=lambda c: (a["x"][i, c, y, x], c))] += 1
        rows, hits, unions = seen.sum(1), seen.diagonal(), seen.sum(0) + seen.sum(1) - seen.diagonal()
        shares = [hits[c] / rows[c] for c in range(classes) if rows[c]]
        overlaps = [1 if hits[c] == unions[c] else hits[c] / unions[c] for c in range(classes)]
        values = [hits.sum() / max(seen.sum(), 1), np.mean(shares) if shares else 0, np.mean(overlaps)]
        return {"y": np.array(values).reshape(1, 1, 1, 3)}

    text = layer_text(
        "SegAccuracy", f"seg_accuracy_param {{ {repeated('ignore_label', ignored)} }}", ("x", "l")
    )
    return Drawn(text, {"x": scores, "l": labels}, reference, ())


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
        smooth_l1,
        softmax_ohem,
        smooth_l1_ohem,
        reorg,
        merge_crop,
        flip,
        insanity,
        center_loss,
        seg_accuracy,
    )
}
