"""The rest of formulas.py: layers that multiply, join and reshape, losses and metrics, recurrent layers."""

from collections.abc import Callable

import numpy as np

from tests.conformance.caffe.dice import Arrays, Dice, layer_text, repeated
from tests.conformance.caffe.formulas import FLT_MIN, Array, Drawn, sigmoid

__all__ = ["MORE"]


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# --- products ---------------------------------------------------------------------------------------------------------


def inner_product(d: Dice) -> Drawn:
    rank = d.size(1, 5)
    shape, axis, transpose, bias = d.sizes(1, 3, rank), d.size(0, rank - 1), d.chance(0.4), d.chance(0.7)
    words = f"num_output: {d.size(1, 4)} axis: {d.axis(axis, rank)} transpose: {str(transpose).lower()} bias_term: {str(bias).lower()}"

    def reference(a: Arrays) -> Arrays:
        y = a["x"].reshape(*shape[:axis], -1) @ (a["w0"] if transpose else a["w0"].T)
        return {"y": y + a["w1"] if bias else y}

    return Drawn(
        layer_text("InnerProduct", f"inner_product_param {{ {words} }}"),
        {"x": d.normal(shape)},
        reference,
        tolerance=1e-4,
    )


def embed(d: Dice) -> Drawn:
    rows, bias = d.size(1, 6), d.chance(0.5)
    words = f"num_output: {d.size(1, 4)} input_dim: {rows} bias_term: {str(bias).lower()}"
    indices = d.whole(rows, d.sizes(1, 4, d.size(1, 3)))

    def reference(a: Arrays) -> Arrays:
        return {"y": a["w0"][a["x"].astype(int)] + (a["w1"] if bias else 0)}

    return Drawn(layer_text("Embed", f"embed_param {{ {words} }}"), {"x": indices}, reference, ())


def spread_out(d: Dice) -> Drawn:
    """Scale and Bias, trained or with a second bottom."""
    type_, rank, second, bias = d.choice(["Scale", "Bias"]), d.size(1, 5), d.chance(0.4), d.chance(0.5)
    shape, axis = d.sizes(1, 3, rank), d.size(0, rank - 1)
    inputs: Arrays = {"x": d.normal(shape)}
    span = d.size(0, rank - axis) if second else d.choice([-1, *range(rank - axis + 1)])
    if second:
        inputs["z"] = d.normal(shape[axis : axis + span])
    biased = bias and type_ == "Scale"
    words = (
        f"axis: {d.axis(axis, rank)} "
        + ("" if second else f"num_axes: {span} ")
        + ("bias_term: true" if biased else "")
    )
    first = axis if span else 0

    def reference(a: Arrays) -> Arrays:
        own, *rest = [a[name] for name in ("z", "w0", "w1") if name in a]
        own, *rest = (w.reshape(w.shape + (1,) * (rank - first - w.ndim)) for w in (own, *rest))
        y = a["x"] + own if type_ == "Bias" else a["x"] * own
        return {"y": y + rest[0] if biased else y}

    return Drawn(layer_text(type_, f"{type_.lower()}_param {{ {words} }}", list(inputs)), inputs, reference)


# --- joining and reshaping --------------------------------------------------------------------------------------------


def eltwise(d: Dice) -> Drawn:
    operation, shape = d.choice(["PROD", "SUM", "MAX"]), d.sizes(1, 4, d.size(1, 5))
    inputs = {f"x{i}": d.normal(shape) for i in range(d.size(2, 4))}
    coeff = [d.choice([1, -1, 0.5, 0]) for _ in inputs] if operation == "SUM" and d.chance(0.6) else []
    words = f"operation: {operation} " + repeated("coeff", coeff)

    def reference(a: Arrays) -> Arrays:
        xs = np.stack([a[name] for name in inputs], -1)
        return {
            "y": xs.prod(-1)
            if operation == "PROD"
            else xs.max(-1)
            if operation == "MAX"
            else (xs * (coeff or 1)).sum(-1)
        }

    return Drawn(layer_text("Eltwise", f"eltwise_param {{ {words} }}", list(inputs)), inputs, reference)


def concat(d: Dice) -> Drawn:
    rank = d.size(1, 5)
    shape, axis = d.sizes(1, 3, rank), d.size(0, rank - 1)
    inputs = {
        f"x{i}": d.normal([d.size(1, 3) if j == axis else n for j, n in enumerate(shape)])
        for i in range(d.size(1, 4))
    }
    words = f"concat_dim: {axis}" if d.chance(0.3) else f"axis: {d.axis(axis, rank)}"
    text = layer_text("Concat", f"concat_param {{ {words} }}", list(inputs))
    return Drawn(text, inputs, lambda a: {"y": np.concatenate([a[name] for name in inputs], axis)})


def slices(d: Dice) -> Drawn:
    tops, rank = d.size(1, 4), d.size(1, 5)
    shape, axis = d.sizes(1, 3, rank), d.size(0, rank - 1)
    shape[axis] = tops * d.size(1, 3) if d.chance(0.5) else tops + d.size(0, 4)
    even = shape[axis] % tops == 0 and d.chance(0.5)
    points = (
        [shape[axis] // tops * i for i in range(1, tops)]
        if even
        else sorted(d.sample(range(1, shape[axis]), tops - 1))
    )
    words = (f"slice_dim: {axis} " if d.chance(0.3) else f"axis: {d.axis(axis, rank)} ") + repeated(
        "slice_point", [] if even else points
    )
    names = [f"y{i}" for i in range(tops)]
    text = layer_text("Slice", f"slice_param {{ {words} }}", tops=names)
    return Drawn(
        text, {"x": d.normal(shape)}, lambda a: dict(zip(names, np.split(a["x"], points, axis), strict=True))
    )


def reshape(d: Dice) -> Drawn:
    rank = d.size(1, 5)
    shape, axis = d.sizes(1, 4, rank), d.size(0, rank - 1)
    end = d.size(axis + 1, rank)
    rest, sizes = int(np.prod(shape[axis:end])), []
    for _ in range(2):
        sizes.append(d.choice([n for n in range(1, rest + 1) if rest % n == 0]))
        rest //= sizes[-1]
    sizes.append(rest)
    said = [
        0 if axis + i < rank and shape[axis + i] == n and d.chance(0.6) else n for i, n in enumerate(sizes)
    ]
    if d.chance(0.6):
        said[d.size(0, 2)] = -1
    begin, count = axis if d.chance(0.5) else axis - rank - 1, end - axis if end < rank else -1
    words = f"shape {{ {repeated('dim', said)} }} axis: {begin} num_axes: {count}"
    text = layer_text("Reshape", f"reshape_param {{ {words} }}")
    return Drawn(
        text, {"x": d.normal(shape)}, lambda a: {"y": a["x"].reshape(*shape[:axis], *sizes, *shape[end:])}
    )


def rearranged(d: Dice) -> Drawn:
    """Flatten, Tile, Reduction and Softmax along an axis."""
    type_, rank = d.choice(["Flatten", "Tile", "Reduction", "Softmax"]), d.size(1, 5)
    shape, axis, coeff, tiles = d.sizes(1, 3, rank), d.size(0, rank - 1), d.choice([1, 2.5, -1]), d.size(1, 3)
    end, operation = d.size(axis, rank - 1), d.choice(["SUM", "ASUM", "SUMSQ", "MEAN"])
    summed: dict[str, Callable[[Array], Array]] = {
        "SUM": lambda x: x.sum(-1),
        "ASUM": lambda x: np.abs(x).sum(-1),
        "SUMSQ": lambda x: (x**2).sum(-1),
        "MEAN": lambda x: x.mean(-1),
    }
    function, more = {
        "Flatten": (
            lambda x: x.reshape(*shape[:axis], -1, *shape[end + 1 :]),
            f"end_axis: {d.axis(end, rank)}",
        ),
        "Tile": (lambda x: np.concatenate([x] * tiles, axis), f"tiles: {tiles}"),
        "Reduction": (
            lambda x: coeff * summed[operation](x.reshape(*shape[:axis], -1)),
            f"operation: {operation} coeff: {coeff}",
        ),
        "Softmax": (lambda x: softmax(x, axis), ""),
    }[type_]
    text = layer_text(type_, f"{type_.lower()}_param {{ axis: {d.axis(axis, rank)} {more} }}")
    return Drawn(text, {"x": d.normal(shape)}, lambda a: {"y": function(a["x"])})


def crop(d: Dice) -> Drawn:
    rank = d.size(1, 5)
    axis = d.size(0, rank - 1)
    cut, form = rank - axis, d.choice(["none", "one", "each"])
    offset = {"none": [0] * cut, "one": [d.size(0, 2)] * cut, "each": d.sizes(0, 2, cut)}[form]
    like = d.sizes(1, 3, rank)
    shape = [*d.sizes(1, 3, axis), *(n + o + d.size(0, 2) for n, o in zip(like[axis:], offset, strict=True))]
    words = f"axis: {d.axis(axis, rank)} " + repeated(
        "offset", {"none": [], "one": offset[:1], "each": offset}[form]
    )
    place = (*(slice(None),) * axis, *(slice(o, o + n) for o, n in zip(offset, like[axis:], strict=True)))
    text = layer_text("Crop", f"crop_param {{ {words} }}", ("x", "z"))
    return Drawn(text, {"x": d.normal(shape), "z": d.normal(like)}, lambda a: {"y": a["x"][place]}, ("x",))


def chosen(d: Dice) -> Drawn:
    """Filter and BatchReindex: samples by a selector or an index."""
    n, k = d.size(1, 5), d.size(1, 3)
    xs = {f"x{i}": d.normal([n, *d.sizes(1, 3, d.size(0, 3))]) for i in range(k)}
    if d.chance(0.5):
        index = d.whole(n, [d.size(1, 6)])
        text = layer_text("BatchReindex", bottoms=("x0", "i"))
        return Drawn(
            text, {"x0": xs["x0"], "i": index}, lambda a: {"y": a["x0"][a["i"].astype(int)]}, ("x0",)
        )
    selector = d.whole(2, [n])
    selector[0] = 1
    tops = {f"y{i}": f"x{i}" for i in range(k)}
    text = layer_text("Filter", "", [*xs, "s"], list(tops))
    inputs = {**xs, "s": selector.reshape(n, *(1,) * d.size(0, 3))}
    return Drawn(text, inputs, lambda a: {y: a[x][a["s"].ravel() != 0] for y, x in tops.items()}, tuple(xs))


def argmax(d: Dice) -> Drawn:
    rank = d.size(1, 5)
    shape, axis, values = d.sizes(1, 4, rank), d.choice([None, *range(rank)]), d.chance(0.5)
    top_k = d.size(1, int(np.prod(shape[1:])) if axis is None else shape[axis])

    def reference(a: Arrays) -> Arrays:
        rows = a["x"].reshape(shape[0], -1) if axis is None else np.moveaxis(a["x"], axis, -1)
        order = rows.shape[-1] - 1 - np.argsort(-rows[..., ::-1], -1, kind="stable")[..., :top_k]
        best = np.take_along_axis(rows, order, -1)
        if axis is not None:
            return {"y": np.moveaxis(best if values else order, -1, axis)}
        y = np.stack([order, best], 1) if values else order[:, None]
        return {"y": y.reshape(*y.shape, *(1,) * (max(3, rank) - 3))}

    words = f"top_k: {top_k} out_max_val: {str(values).lower()} " + (
        "" if axis is None else f"axis: {d.axis(axis, rank)}"
    )
    return Drawn(layer_text("ArgMax", f"argmax_param {{ {words} }}"), {"x": d.whole(4, shape)}, reference, ())


# --- losses and metrics -----------------------------------------------------------------------------------------------


class Labelled:
    """Scores with classes on an axis, a label for each place, some of them to ignore."""

    def __init__(self, d: Dice) -> None:
        rank = d.size(2, 4)
        self.axis = d.size(0, rank - 1) if d.chance(0.4) else 1
        self.shape = d.sizes(1, 3, rank)
        self.classes = self.shape[self.axis] = d.size(2, 4)
        self.ignored = d.choice([None, None, -1, 0, 255])
        places = [n for i, n in enumerate(self.shape) if i != self.axis]
        self.labels = d.whole(self.classes, places)
        if self.ignored is not None:
            self.labels[d.numbers.random(places) < 0.4] = self.ignored
        self.outer = int(np.prod(self.shape[: self.axis]))
        self.inner = int(np.prod(self.shape[self.axis + 1 :]))
        self.written = d.axis(self.axis, rank)

    def rows(self, x: Array) -> Array:
        return np.moveaxis(x, self.axis, -1).reshape(-1, self.classes)

    def kept(self, labels: Array) -> list[tuple[int, int]]:
        """Place and label of what counts."""
        return [(i, int(label)) for i, label in enumerate(labels.ravel()) if label != self.ignored]


def normalization(d: Dice, default: str) -> tuple[str, str]:
    """Words of a LossParameter, and the mode that they mean."""
    mode, older = d.choice([None, "FULL", "VALID", "BATCH_SIZE", "NONE"]), d.choice([None, None, True, False])
    words = ("" if mode is None else f"normalization: {mode} ") + (
        "" if older is None else f"normalize: {str(older).lower()} "
    )
    return words, mode or (default if older is None else "VALID" if older else "BATCH_SIZE")


def divisor(mode: str, outer: int, inner: int, valid: int) -> int:
    return max(1, {"FULL": outer * inner, "VALID": valid, "BATCH_SIZE": outer, "NONE": 1}[mode])


def classified(d: Dice) -> Drawn:
    """SoftmaxWithLoss and InfogainLoss."""
    type_, net = d.choice(["SoftmaxWithLoss", "InfogainLoss"]), Labelled(d)
    words, mode = normalization(d, "VALID")
    inputs: Arrays = {"x": d.normal(net.shape), "l": net.labels}
    floor, gains = FLT_MIN, np.eye(net.classes)
    if type_ == "InfogainLoss":
        floor, inputs["h"] = (
            1e-20,
            d.numbers.random(d.choice([(net.classes,) * 2, (1, 1, net.classes, net.classes)])),
        )

    def reference(a: Arrays) -> Arrays:
        logs, kept = np.log(np.maximum(net.rows(softmax(a["x"], net.axis)), floor)), net.kept(a["l"])
        matrix = a["h"].reshape(gains.shape) if "h" in a else gains
        total = -sum(float(matrix[label] @ logs[i]) for i, label in kept)
        return {"y": np.array(total / divisor(mode, net.outer, net.inner, len(kept)))}

    words += "" if net.ignored is None else f"ignore_label: {net.ignored}"
    own = "infogain_loss_param" if "h" in inputs else "softmax_param"
    weight = d.choice(["", "loss_weight: 0.5"])
    text = layer_text(
        type_, f"loss_param {{ {words} }} {own} {{ axis: {net.written} }} {weight}", list(inputs)
    )
    return Drawn(text, inputs, reference, ("x",))


def sigmoid_cross_entropy(d: Dice) -> Drawn:
    shape, ignored = d.sizes(1, 3, d.size(1, 4)), d.choice([None, None, -1, 255])
    words, mode = normalization(d, "BATCH_SIZE")
    targets = d.numbers.random(shape) if d.chance(0.3) else d.whole(2, shape)
    if ignored is not None:
        targets[d.numbers.random(shape) < 0.4] = ignored

    def reference(a: Arrays) -> Arrays:
        kept = np.trunc(a["l"]) != ignored if ignored is not None else np.ones(shape, bool)
        losses = a["l"] * np.logaddexp(0, -a["x"]) + (1 - a["l"]) * np.logaddexp(0, a["x"])
        return {
            "y": np.array(
                losses[kept].sum() / divisor(mode, shape[0], int(np.prod(shape[1:])), int(kept.sum()))
            )
        }

    words += "" if ignored is None else f"ignore_label: {ignored}"
    text = layer_text("SigmoidCrossEntropyLoss", f"loss_param {{ {words} }}", ("x", "l"))
    return Drawn(text, {"x": d.normal(shape) * 2, "l": targets}, reference, ("x",))


def plain_loss(d: Dice) -> Drawn:
    """Losses that divide by the number of samples."""
    type_ = d.choice(["EuclideanLoss", "HingeLoss", "MultinomialLogisticLoss", "ContrastiveLoss"])
    n, c, squared, margin, legacy = d.size(1, 4), d.size(2, 4), d.chance(0.5), d.choice([1, 3]), d.chance(0.4)
    x, z, labels, pairs = d.normal([n, c]), d.normal([n, c]), d.whole(c, [n]), d.whole(2, [n])

    def euclidean(a: Arrays) -> float:
        return ((a["x"] - a["z"]) ** 2).sum() / (2 * n)

    def hinge(a: Arrays) -> float:
        sign = 2 * np.eye(c)[a["l"].astype(int)] - 1
        margins = np.maximum(0, 1 - sign * a["x"])
        return (margins**2 if squared else margins).sum() / n

    def logistic(a: Arrays) -> float:
        return -np.log(np.maximum(a["x"][range(n), a["l"].astype(int)], 1e-20)).sum() / n

    def contrastive(a: Arrays) -> float:
        square = ((a["x"] - a["z"]) ** 2).sum(1)
        apart = np.maximum(margin - square, 0) if legacy else np.maximum(margin - np.sqrt(square), 0) ** 2
        return np.where(a["s"] != 0, square, apart).sum() / (2 * n)

    function, inputs, words, learns = {
        "EuclideanLoss": (euclidean, {"x": x, "z": z}, "", ("x", "z")),
        "HingeLoss": (
            hinge,
            {"x": x, "l": labels},
            f"hinge_loss_param {{ norm: {'L2' if squared else 'L1'} }}",
            ("x",),
        ),
        "MultinomialLogisticLoss": (logistic, {"x": softmax(x, 1), "l": labels}, "", ("x",)),
        # Caffe's gradient of the distance divides by d + 1e-4: only the legacy formula has none
        "ContrastiveLoss": (
            contrastive,
            {"x": x, "z": z, "s": pairs},
            f"contrastive_loss_param {{ margin: {margin} legacy_version: {str(legacy).lower()} }}",
            ("x", "z") if legacy else (),
        ),
    }[type_]
    return Drawn(
        layer_text(type_, words, list(inputs)), inputs, lambda a: {"y": np.array(function(a))}, learns
    )


def accuracy(d: Dice) -> Drawn:
    net, tops = Labelled(d), d.choice([["y"], ["y", "p"]])
    top_k = d.size(1, net.classes)
    scores = d.whole(4, net.shape) if d.chance(0.5) else d.normal(net.shape)

    def reference(a: Arrays) -> Arrays:
        rows, kept = net.rows(a["x"]), net.kept(a["l"])
        right = np.array([(rows[i] >= rows[i][label]).sum() <= top_k for i, label in kept], float)
        seen = np.eye(net.classes)[[label for _, label in kept]].reshape(-1, net.classes)
        share = right @ seen / np.maximum(seen.sum(0), 1)
        return dict(zip(tops, (np.array(right.mean() if kept else 0.0), share), strict=False))

    words = f"top_k: {top_k} axis: {net.written} " + (
        "" if net.ignored is None else f"ignore_label: {net.ignored}"
    )
    text = layer_text("Accuracy", f"accuracy_param {{ {words} }}", ("x", "l"), tops)
    return Drawn(text, {"x": scores, "l": net.labels}, reference, ())


# --- recurrent --------------------------------------------------------------------------------------------------------


def recurrent(d: Dice) -> Drawn:
    type_, steps, n, outputs = d.choice(["RNN", "LSTM"]), d.size(1, 4), d.size(1, 3), d.size(1, 3)
    static, exposed, lstm = d.chance(0.4), d.chance(0.4), type_ == "LSTM"
    inputs: Arrays = {"x": d.normal([steps, n, *d.sizes(1, 3, d.size(1, 2))]), "cont": d.whole(2, [steps, n])}
    if static:
        inputs["s"] = d.normal([n, *d.sizes(1, 3, d.size(1, 2))])
    states = ("h", "c")[: 1 + lstm] if exposed else ()
    inputs |= {f"{name}0": d.normal([1, n, outputs]) for name in states}
    tops = ["y", *(f"{name}T" for name in states)]

    def reference(a: Arrays) -> Arrays:
        weights = [a[f"w{i}"] for i in range(6) if f"w{i}" in a]
        once = a["s"].reshape(n, -1) @ weights.pop(2).T if static else 0
        h, c = (a[f"{name}0"][0] if name in states else np.zeros((n, outputs)) for name in ("h", "c"))
        made = []
        for x, cont in zip(a["x"].reshape(steps, n, -1), a["cont"][..., None], strict=True):
            gates = x @ weights[0].T + weights[1] + (cont * h) @ weights[2].T + once
            if lstm:
                i, f, o, g = np.split(gates, 4, 1)
                c = cont * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
            else:
                h = np.tanh(gates)
            made.append(h if lstm else np.tanh(h @ weights[3].T + weights[4]))
        return dict(zip(tops, (np.stack(made), h[None], c[None]), strict=False))

    words = f"recurrent_param {{ num_output: {outputs} {'expose_hidden: true' if exposed else ''} }}"
    learns = tuple(name for name in inputs if name != "cont")
    return Drawn(layer_text(type_, words, list(inputs), tops), inputs, reference, learns)


def lstm_unit(d: Dice) -> Drawn:
    n, outputs = d.size(1, 3), d.size(1, 3)
    inputs = {"c": d.normal([1, n, outputs]), "g": d.normal([1, n, 4 * outputs]), "cont": d.whole(2, [1, n])}

    def reference(a: Arrays) -> Arrays:
        i, f, o, g = np.split(a["g"], 4, 2)
        c = a["cont"][..., None] * sigmoid(f) * a["c"] + sigmoid(i) * np.tanh(g)
        return {"c1": c, "h1": sigmoid(o) * np.tanh(c)}

    return Drawn(layer_text("LSTMUnit", "", list(inputs), ("c1", "h1")), inputs, reference, ("c", "g"))


MORE: dict[str, Callable[[Dice], Drawn]] = {
    draw.__name__: draw
    for draw in (
        inner_product,
        embed,
        spread_out,
        eltwise,
        concat,
        slices,
        reshape,
        rearranged,
        crop,
        chosen,
        argmax,
        classified,
        sigmoid_cross_entropy,
        plain_loss,
        accuracy,
        recurrent,
        lstm_unit,
    )
}
