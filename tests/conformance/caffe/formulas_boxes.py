"""Detection layers of Caffe's forks as plain NumPy, from their authors' papers and sources; the form is that of formulas.py."""

import math
from collections.abc import Callable

import numpy as np

from tests.conformance.caffe.dice import Arrays, Dice, layer_text, repeated
from tests.conformance.caffe.formulas import Array, Drawn
from tests.conformance.caffe.formulas_forks import said

__all__ = ["BOXES"]

REFUSED = "TRAIN"
"""The phase of layers without an ONNX form: they behave alike in both, and only nets of phase TEST are exported."""


def half_away(value: float) -> int:
    """C's round."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def within(value: float, most: int) -> int:
    return int(min(max(value, 0), most))


def regions(d: Dice, images: int, h: int, w: int, scale: float) -> Array:
    """(image, x1, y1, x2, y2), some of them partly outside, of no size, or turned round."""
    count = d.size(1, 3)
    ends = [d.numbers.uniform(-0.2 * n / scale, n / scale, count) for n in (w, h)]
    far = [
        begin + d.numbers.uniform(-0.3 * n / scale, n / scale, count)
        for begin, n in zip(ends, (w, h), strict=True)
    ]
    return np.float32(np.stack([d.numbers.integers(0, images, count), *ends, *far], 1))


def roi_pooling(d: Dice) -> Drawn:
    n, h, w = d.size(1, 2), *d.sizes(4, 8, 2)
    (rows, columns), scale, ratio = d.sizes(1, 3, 2), d.choice([1, 0.5, 0.25]), d.choice([0, 0, 0.25])

    def reference(a: Arrays) -> Arrays:
        y = np.zeros((len(a["r"]), 2, rows, columns))
        for place in np.ndindex(len(a["r"]), rows, columns):
            image, *ends = a["r"][place[0]]
            wide = [(ends[i + 2] - ends[i] + 1) * ratio for i in (0, 1)]
            x1, y1, x2, y2 = (
                half_away(scale * v)
                for v in (ends[0] - wide[0], ends[1] - wide[1], ends[2] + wide[0], ends[3] + wide[1])
            )
            spans = []
            for i, count, begin, end, size in ((place[1], rows, y1, y2, h), (place[2], columns, x1, x2, w)):
                length = max(end - begin + 1, 1)
                low, high = i * length // count, -(-(i + 1) * length // count)
                spans.append(slice(within(low + begin, size), within(high + begin, size)))
            inside = a["x"][(int(image), slice(None), *spans)]
            y[(place[0], slice(None), *place[1:])] = inside.max((1, 2)) if inside.size else 0
        return {"y": y}

    words = f"pooled_h: {rows} pooled_w: {columns} spatial_scale: {scale} pad_ratio: {ratio}"
    inputs = {"x": d.normal([n, 2, h, w]), "r": regions(d, n, h, w, scale)}
    return Drawn(
        layer_text("ROIPooling", f"roi_pooling_param {{ {words} }}", ("x", "r")),
        inputs,
        reference,
        ("x",),
        phase=REFUSED,
    )


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
                low, high = (
                    math.floor(np.float32(at) * step + np.float32(begin)),
                    math.ceil(np.float32(at + 1) * step + np.float32(begin)),
                )
                spans.append(slice(within(low, size), within(high, size)))
            inside = a["x"][(int(image), (c * bins + i) * bins + j, *spans)]
            y[r, c, i, j] = inside.mean() if inside.size else 0
        return {"y": y}

    words = f"output_dim: {maps} group_size: {bins} spatial_scale: {scale}"
    inputs = {"x": d.normal([2, maps * bins * bins, h, w]), "r": regions(d, 2, h, w, scale)}
    return Drawn(
        layer_text("PSROIPooling", f"psroi_pooling_param {{ {words} }}", ("x", "r")),
        inputs,
        reference,
        ("x",),
        phase=REFUSED,
    )


def prior_box(d: Dice) -> Drawn:
    (h, w), (height, width) = d.sizes(1, 4, 2), d.sizes(8, 40, 2)
    mins = [d.choice([3, 5, 8.5]) for _ in range(d.size(1, 2))]
    maxs = [m * d.choice([2, 3]) for m in mins] if d.chance(0.5) else []
    ratios, flip, clip = [d.choice([1, 2, 3, 0.5]) for _ in range(d.size(0, 3))], d.chance(0.5), d.chance(0.5)
    variances, step, offset = (
        d.choice([[], [0.2], [0.1, 0.1, 0.2, 0.3]]),
        d.choice([0, 8]),
        d.choice([0.5, 0]),
    )

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
            boxes += [
                [(x - a / 2) / width, (y - b / 2) / height, (x + a / 2) / width, (y + b / 2) / height]
                for a, b in sides()
            ]
        flat = np.clip(boxes, 0, 1) if clip else np.array(boxes)
        spread = variances if len(variances) == 4 else (variances or [0.1]) * 4
        return {"y": np.stack([flat.ravel(), np.tile(spread, len(boxes))])[None]}

    words = " ".join(
        (
            repeated("min_size", mins),
            repeated("max_size", maxs),
            repeated("aspect_ratio", ratios),
            repeated("variance", variances),
        )
    )
    words += f" flip: {said(flip)} clip: {said(clip)} offset: {offset}" + (f" step: {step}" if step else "")
    inputs = {"x": d.normal([1, 2, h, w]), "d": d.normal([1, 3, height, width])}
    return Drawn(layer_text("PriorBox", f"prior_box_param {{ {words} }}", ("x", "d")), inputs, reference, ())


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
    priors = np.stack(
        [
            np.concatenate([corner, corner + d.numbers.uniform(0.2, 0.5, (count, 2))], 1).ravel(),
            d.numbers.random(4 * count),
        ]
    )

    def decoded(offset: Array, prior: Array, variance: Array) -> Array:
        t, size = offset * (1 if in_target else variance), prior[2:] - prior[:2]
        if code != "CENTER_SIZE":
            return prior + t * (np.tile(size, 2) if code == "CORNER_SIZE" else 1)
        centre, half = (prior[:2] + prior[2:]) / 2 + t[:2] * size, np.exp(t[2:]) * size / 2
        return np.concatenate([centre - half, centre + half])

    def kept(boxes: list[Array], scores: Array) -> list[int]:
        order = sorted(
            (i for i in range(count) if confidence is None or scores[i] > confidence),
            key=lambda i: -scores[i],
        )
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
            boxes = [
                decoded(offsets[i, 0 if shared else label], priors[0, i], priors[1, i]) for i in range(count)
            ]
            rows += [[image, label, scores[i, label], *boxes[i]] for i in kept(boxes, scores[:, label])]
        if 0 <= keep < len(rows):
            cut = sorted((row[2] for row in rows), reverse=True)[keep - 1]
            rows = [row for row in rows if row[2] >= cut]
        return rows

    def reference(a: Arrays) -> Arrays:
        offsets, scores = a["x"].reshape(images, count, -1, 4), a["s"].reshape(images, count, classes)
        rows = [
            row
            for i in range(images)
            for row in of_image(i, offsets[i], scores[i], a["p"].reshape(2, count, 4))
        ]
        rows = rows or [[i, *[-1.0] * 6] for i in range(images)]
        return {"y": np.array(rows)[None, None]}

    words = f"num_classes: {classes} share_location: {said(shared)} background_label_id: {background} code_type: {code} keep_top_k: {keep} "
    words += (
        f"nms_param {{ nms_threshold: {threshold} eta: {eta} {f'top_k: {top_k}' if top_k >= 0 else ''} }} "
    )
    words += f"variance_encoded_in_target: {said(in_target)} " + (
        "" if confidence is None else f"confidence_threshold: {confidence}"
    )
    offsets = d.normal([images, count * (1 if shared else classes) * 4]) * 0.3
    inputs = {"x": offsets, "s": d.numbers.random((images, count * classes)), "p": priors[None]}
    text = layer_text("DetectionOutput", f"detection_output_param {{ {words} }}", list(inputs))
    exports = shared and eta == 1
    return Drawn(text, inputs, reference, (), phase="TEST" if exports else REFUSED)


def box_output(d: Dice) -> Drawn:
    """MS-CNN's proposals, box by box; scores and sizes are drawn so that some boxes give way."""
    images, classes, branches = d.size(1, 2), d.size(2, 3), d.size(1, 2)
    rates, fields = [d.choice([4, 8]) for _ in range(branches)], [d.sizes(12, 40, 2) for _ in range(branches)]
    threshold, overlap, least, mode = (
        d.choice([-3, -3, -3, 0.5, 9]),
        d.choice([0.2, 0.5, 0.8]),
        d.choice([0, 0, 15]),
        d.choice(["IOU", "IOMU", "IOFU"]),
    )
    looked, kept, shift, stretch = d.choice([0, 1, 3]), d.choice([0, 2]), d.choice([2, 4]), d.choice([2, 1.5])
    norm = ([0.1, -0.1, 0.2, 0.0], [0.5, 1, 2, 0.5]) if d.chance(0.4) else None
    tops = ["y", "v"][: d.size(1, 2)]

    def decoded(
        v: Array, at: tuple[int, int], space: tuple[int, int], rate: int, field: list[int]
    ) -> list[float]:
        t = v * norm[1] + norm[0] if norm else v
        found = []
        for i in (0, 1):  # x, then y
            size = field[1 - i] * math.exp(min(max(t[2 + i], -math.log(stretch)), math.log(stretch)))
            centre = min(max(t[i], -1 / shift), 1 / shift) * field[1 - i] + (at[1 - i] + 0.5) * rate
            begin = max(centre - size / 2, 0)
            found.append((begin, min(size, space[1 - i] * rate - begin)))
        return [found[0][0], found[1][0], found[0][1], found[1][1]]

    def overlapping(a: list[float], b: list[float]) -> float:
        sides = [max(0.0, min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i])) for i in (0, 1)]
        shared, areas = sides[0] * sides[1], (a[2] * a[3], b[2] * b[3])
        return shared / {"IOU": sum(areas) - shared, "IOMU": min(areas), "IOFU": areas[0]}[mode]

    def of_image(xs: list[Array]) -> list[list[float]]:
        boxes = []
        for x, rate, field in zip(xs, rates, fields, strict=True):
            for at in np.ndindex(*x.shape[1:]):
                score = x[(slice(1, classes), *at)].max() - x[(0, *at)]
                box = decoded(x[(slice(classes, None), *at)], at, x.shape[1:], rate, field)
                if score >= threshold and min(box[2:]) >= least:
                    boxes.append([*box, score])
        boxes.sort(key=lambda box: -box[4])
        found: list[list[float]] = []
        for box in boxes[: looked or None]:
            if all(overlapping(better, box) <= overlap for better in found):
                found.append(box)
        return found[: kept or None]

    def reference(a: Arrays) -> Arrays:
        rows = [
            [i, x, y, x + w, y + h, s]
            for i in range(images)
            for x, y, w, h, s in of_image([a[n][i] for n in inputs])
        ]
        places = np.array([row[:5] for row in rows] or [[0, 1, 1, 10, 10]])
        return dict(
            zip(tops, (places[:, :, None, None], np.array(rows or [[0] * 6])[:, :, None, None]), strict=False)
        )

    inputs = {f"x{i}": d.normal([images, classes + 4, *d.sizes(2, 4, 2)]) for i in range(branches)}
    words = f'fg_thr: {threshold} iou_thr: {overlap} nms_type: "{mode}" field_whr: {stretch} field_xyr: {shift} min_size: {least} '
    words += f"max_nms_num: {looked} max_post_nms_num: {kept} {repeated('downsample_rate', rates)} "
    words += repeated("field_h", [f[0] for f in fields]) + " " + repeated("field_w", [f[1] for f in fields])
    more = (
        f"bbox_reg_param {{ {repeated('bbox_mean', norm[0])} {repeated('bbox_std', norm[1])} }}"
        if norm
        else ""
    )
    text = layer_text("BoxOutput", f"box_output_param {{ {words} }} {more}", list(inputs), tops)
    return Drawn(text, inputs, reference, (), 1e-4, phase=REFUSED)


def encoded(code: str, box: Array, prior: Array, scale: Array | float) -> Array:
    """The offsets of a box from its prior."""
    size = prior[2:] - prior[:2]
    if code != "CENTER_SIZE":
        return (box - prior) / (np.tile(size, 2) if code == "CORNER_SIZE" else 1) / scale
    centre = (box[:2] + box[2:] - prior[:2] - prior[2:]) / 2
    return np.concatenate([centre / size, np.log((box[2:] - box[:2]) / size)]) / scale


def multibox(d: Dice) -> Drawn:
    """SSD's loss, box by box and prior by prior."""
    images, count, classes, truths = d.size(1, 2), d.size(3, 9), d.size(2, 4), d.size(1, 4)
    code, in_target, logistic, square = (
        d.choice(["CORNER", "CENTER_SIZE", "CORNER_SIZE"]),
        d.chance(0.3),
        d.chance(0.3),
        d.chance(0.3),
    )
    background = 0 if logistic else d.size(0, classes - 1)
    mines, several, difficult = logistic or d.chance(0.8), d.chance(0.7), d.chance(0.6)
    least, most, ratio, weight = (
        d.choice([0.3, 0.5]),
        d.choice([0.2, 0.5]),
        d.choice([1, 1.5, 3]),
        d.choice([1, 0.5]),
    )
    mode = d.choice(["VALID", "FULL", "BATCH_SIZE", "NONE"])

    def corners(number: int) -> Array:
        begin = d.numbers.uniform(0, 0.5, (number, 2))
        return np.concatenate([begin, begin + d.numbers.uniform(0.2, 0.5, (number, 2))], 1)

    priors = np.stack([corners(count).ravel(), d.numbers.uniform(0.1, 1, 4 * count)])[None]
    labels = d.numbers.choice([c for c in range(classes) if c != background], truths)
    truth = np.concatenate(
        [np.stack([d.numbers.integers(-1, images, truths), labels, np.zeros(truths)], 1), corners(truths)], 1
    )
    truth = np.concatenate([truth, d.whole(2, [truths, 1])], 1)

    def matched(boxes: list[Array], own: Array) -> tuple[dict[int, int], dict[int, float]]:
        overlaps = {
            (i, j): o
            for i, j in np.ndindex(count, len(boxes))
            if (o := jaccard(own[i], boxes[j][3:7])) > 1e-6
        }
        found: dict[int, int] = {}
        free = dict(overlaps)
        while free:
            i, j = max(free, key=lambda pair: free[pair])
            found[i] = j
            free = {pair: o for pair, o in free.items() if pair[0] != i and pair[1] != j}
        best = {
            i: max((o for pair, o in overlaps.items() if pair[0] == i), default=0.0) for i in range(count)
        }
        for i in range(count):
            if several and i not in found and best[i] >= least:
                found[i] = next(j for j in range(len(boxes)) if overlaps.get((i, j)) == best[i])
        return found, best

    def entropy(scores: Array, label: int) -> float:
        if logistic:
            target = np.eye(classes)[label]
            return float((target * np.logaddexp(0, -scores) + (1 - target) * np.logaddexp(0, scores)).sum())
        return float(np.logaddexp.reduce(scores) - scores[label])

    def of_image(
        offsets: Array, scores: Array, boxes: list[Array], own: Array, variances: Array
    ) -> tuple[float, int]:
        found, best = matched(boxes, own) if boxes else ({}, dict.fromkeys(range(count), 0.0))
        total = 0.0
        for i, j in found.items():
            away = np.abs(offsets[i] - encoded(code, boxes[j][3:7], own[i], 1 if in_target else variances[i]))
            place = away**2 / 2 if square else np.where(away < 1, away**2 / 2, away - 0.5)
            total += weight * float(place.sum()) + entropy(scores[i], int(boxes[j][1]))
        misses = [
            entropy(scores[i], background)
            for i in range(count)
            if i not in found and (best[i] < most or not mines)
        ]
        return total + sum(sorted(misses, reverse=True)[: int(len(found) * ratio)] if mines else misses), len(
            found
        )

    def reference(a: Arrays) -> Arrays:
        offsets, scores = a["x"].reshape(images, count, 4), a["s"].reshape(images, count, classes)
        rows = [row for row in a["t"].reshape(-1, 8) if difficult or not row[7]]
        own, variances = a["p"].reshape(2, count, 4)
        parts = [
            of_image(offsets[i], scores[i], [r for r in rows if r[0] == i], own, variances)
            for i in range(images)
        ]
        matches = sum(number for _, number in parts)
        count_of = {"VALID": matches, "FULL": images * count, "BATCH_SIZE": images, "NONE": 1}
        return {"y": np.array(sum(total for total, _ in parts) / max(1, count_of[mode]))}

    words = f"num_classes: {classes} code_type: {code} encode_variance_in_target: {said(in_target)} loc_weight: {weight} "
    words += f"conf_loss_type: {'LOGISTIC' if logistic else 'SOFTMAX'} loc_loss_type: {'L2' if square else 'SMOOTH_L1'} "
    words += f"mining_type: {'MAX_NEGATIVE' if mines else 'NONE'} match_type: {'PER_PREDICTION' if several else 'BIPARTITE'} "
    words += f"overlap_threshold: {least} neg_overlap: {most} neg_pos_ratio: {ratio} background_label_id: {background} "
    words += f"use_difficult_gt: {said(difficult)}"
    inputs = {
        "x": d.normal([images, 4 * count]),
        "s": d.normal([images, classes * count]),
        "p": priors,
        "t": truth[None, None],
    }
    text = layer_text(
        "MultiBoxLoss",
        f"multibox_loss_param {{ {words} }} loss_param {{ normalization: {mode} }}",
        list(inputs),
    )
    return Drawn(text, inputs, reference, ("x", "s"), 1e-4, phase=REFUSED)


def box_annotator(d: Dice) -> Drawn:
    count, most, ignored = d.size(1, 8), d.size(1, 3), d.choice([-1, 255])
    regions = np.concatenate([d.whole(2, [count, 1]), d.normal([count, 4])], 1)
    inputs = {
        "r": regions,
        "e": d.numbers.random((count, 1)),
        "l": d.whole(4, [count]),
        "w": d.normal([count, 8]),
    }

    def reference(a: Arrays) -> Arrays:
        labels, weights = np.full((count, 1, 1, 1), float(ignored)), np.zeros((count, 8, 1, 1))
        for image in (0, 1):
            own = [i for i in range(count) if a["r"][i, 0] == image]
            for i in sorted(own, key=lambda i: -a["e"][i, 0])[:most]:
                labels[i], weights[i, :, 0, 0] = a["l"][i], a["w"][i]
        return {"y": labels, "v": weights}

    words = f"box_annotator_ohem_param {{ roi_per_img: {most} ignore_label: {ignored} }}"
    return Drawn(
        layer_text("BoxAnnotatorOHEM", words, list(inputs), ("y", "v")), inputs, reference, (), phase=REFUSED
    )


def detection_evaluate(d: Dice) -> Drawn:
    """SSD's measure, box by box in the order of its sources: image, label, score."""
    images, classes, truths, count = d.size(1, 3), d.size(2, 4), d.size(1, 6), d.size(1, 9)
    background, difficult, least = d.size(0, 1), d.chance(0.5), d.choice([0.3, 0.5])
    labels = [c for c in range(classes) if c != background]

    def corners(number: int) -> Array:
        begin = d.numbers.uniform(0, 0.3, (number, 2))
        return np.concatenate([begin, begin + d.numbers.uniform(0.3, 0.5, (number, 2))], 1)

    def begin(number: int, *more: Array) -> Array:
        image = d.numbers.integers(-1, images, number)
        return np.stack([image, d.numbers.choice(labels, number), *more], 1)

    truth = np.concatenate([begin(truths, np.zeros(truths)), corners(truths), d.whole(2, [truths, 1])], 1)
    found = np.concatenate([begin(count, d.numbers.random(count)), corners(count)], 1)
    found[:, 0] = np.abs(found[:, 0])  # a fork of Caffe gives rows of -1 for images without any

    def reference(a: Arrays) -> Arrays:
        rows, true = a["f"].reshape(-1, 7), [t for t in a["t"].reshape(-1, 8) if t[0] >= 0]
        made = [[-1, c, sum(t[1] == c and (difficult or not t[7]) for t in true), -1, -1] for c in labels]
        for image in range(images):
            for label in labels:
                own = sorted((r for r in rows if r[0] == image and r[1] == label), key=lambda r: -r[2])
                there = [t for t in true if t[0] == image and t[1] == label]
                seen: set[int] = set()
                for row in own:
                    overlaps = [jaccard(row[3:7], t[3:7]) for t in there]
                    at = int(np.argmax(overlaps)) if overlaps else -1
                    state = (0, 1)
                    if overlaps and overlaps[at] >= least:
                        if not difficult and there[at][7]:
                            state = (0, 0)
                        elif at not in seen:
                            seen.add(at)
                            state = (1, 0)
                    made.append([image, label, row[2], *state])
        return {"y": np.array(made)[None, None]}

    words = f"num_classes: {classes} background_label_id: {background} overlap_threshold: {least} "
    words += f"evaluate_difficult_gt: {said(difficult)}"
    inputs = {"f": found[None, None], "t": truth[None, None]}
    text = layer_text("DetectionEvaluate", f"detection_evaluate_param {{ {words} }}", list(inputs))
    return Drawn(text, inputs, reference, (), phase=REFUSED)


BOXES: dict[str, Callable[[Dice], Drawn]] = {
    draw.__name__: draw
    for draw in (
        roi_pooling,
        psroi_pooling,
        prior_box,
        detection_output,
        box_output,
        multibox,
        detection_evaluate,
        box_annotator,
    )
}
