"""Proposal against py-faster-rcnn's algorithm written out box by box, and how both forms of it are imported."""

from math import exp, sqrt
from pathlib import Path

import numpy as np
import pytest

from netspec.importers.prototxt import import_prototxt

RATIOS, SCALES = (0.5, 1.0, 2.0), (8.0, 16.0, 32.0)
PUBLISHED = [[-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199], [-56, -56, 71, 71], [-120, -120, 135, 135],
             [-248, -248, 263, 263], [-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359]]  # fmt: skip
"""The anchors that the original prints in its own file."""


@pytest.mark.torch
def test_anchors_are_the_published_ones() -> None:
    from netspec.torch_modules.proposals import anchor_boxes

    assert np.array_equal(np.array(anchor_boxes(16, RATIOS, SCALES)), PUBLISHED)


def overlap(a: list[float], b: list[float]) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    shared = max(0.0, w) * max(0.0, h)
    return shared / (sum((c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)) - shared)


def looped(
    scores: np.ndarray,
    offsets: np.ndarray,
    info: np.ndarray,
    least: float,
    before: int,
    after: int,
    thresh: float,
) -> list[list[float]]:
    rows: list[list[float]] = []
    for i in range(len(scores)):
        found = []
        for y, x, a in np.ndindex(*scores.shape[2:], 9):
            x1, y1, x2, y2 = (c + 16 * s for c, s in zip(PUBLISHED[a], (x, y, x, y), strict=True))
            w, h = x2 - x1 + 1, y2 - y1 + 1
            dx, dy, dw, dh = offsets[i, 4 * a : 4 * a + 4, y, x]
            cx, cy, w, h = x1 + 0.5 * w + dx * w, y1 + 0.5 * h + dy * h, exp(dw) * w, exp(dh) * h
            box = [cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h]
            box = [min(max(c, 0.0), info[i, 1 - j % 2] - 1) for j, c in enumerate(box)]
            if min(box[2] - box[0], box[3] - box[1]) + 1 >= least * info[i, 2]:
                found.append((scores[i, 9 + a, y, x], box))
        kept: list[tuple[float, list[float]]] = []
        for score, box in sorted(found, key=lambda pair: -pair[0])[:before]:
            if len(kept) < after and all(overlap(box, other) <= thresh for _, other in kept):
                kept.append((score, box))
        rows += [[i, *box, score] for score, box in kept]
    return rows


@pytest.mark.torch
@pytest.mark.parametrize(
    ("least", "before", "after", "thresh"), [(16, 6000, 300, 0.7), (40, 30, 300, 0.5), (0, 6000, 5, 0.3)]
)
def test_regions_are_those_of_a_loop(least: int, before: int, after: int, thresh: float) -> None:
    import torch

    from netspec.torch_modules.proposals import Proposal

    dice = np.random.default_rng(int(sqrt(before)) + after)
    scores, offsets = dice.uniform(size=(2, 18, 4, 5)), dice.normal(size=(2, 36, 4, 5)) / 3
    info = np.array([[264.0, 390.0, 1.0], [320.0, 280.0, 1.5]])
    module = Proposal(RATIOS, SCALES, least=least, before=before, after=after, overlap=thresh, scores=True)
    rows, found = module(*map(torch.tensor, (scores, offsets, info)))
    wanted = np.array(looped(scores, offsets, info, least, before, after, thresh))
    assert len(wanted) > 6
    np.testing.assert_allclose(np.concatenate([rows, found], 1), wanted, atol=1e-9)


INPUTS = "".join(f'input: "{n}" input_shape {{ {d} }} ' for n, d in (
    ("s", "dim: 1 dim: 18 dim: 4 dim: 5"), ("d", "dim: 1 dim: 36 dim: 4 dim: 5"), ("im_info", "dim: 1 dim: 3")))  # fmt: skip
PYTHON = "module: 'rpn.proposal_layer' layer: 'ProposalLayer'"
LAYER = 'layer {{ name: "p" type: "{}" bottom: "s" bottom: "d" bottom: "im_info" top: "rois" {} }}'


@pytest.mark.parametrize(
    ("type_", "words", "kept"),
    [
        ("Python", f"python_param {{ {PYTHON} param_str: \"'feat_stride': 16\" }}", {"feat_stride": 16}),
        ("Python", f"python_param {{ {PYTHON} param_str: '{{feat_stride: 8, scales: [4, 8, 16]}}' }}",
         {"feat_stride": 8, "scale": [4, 8, 16]}),
        ("Proposal", "proposal_param { feat_stride: 16 ratio: 0.5 ratio: 1 ratio: 2 post_nms_topn: 100 nms_thresh: 0.6 }",
         {"feat_stride": 16, "ratio": [0.5, 1, 2], "post_nms_topn": 100, "nms_thresh": 0.6}),
        ("Python", f"python_param {{ {PYTHON} param_str: '{{base_size: 8, ratios: [1, 2, 3], scales: [4, 8, 16]}}' }}",
         {"base_size": 8, "ratio": [1, 2, 3], "scale": [4, 8, 16]}),
        # Huawei's word for the overlap, and the counts that its tools take where a file gives none
        ("Proposal", "proposal_param { iou_threshold: 0.6 }",
         {"nms_thresh": 0.6, "pre_nms_topn": 3000, "post_nms_topn": 304}),
        ("Proposal", "proposal_param { post_nms_topn: 100 iou_threshold: 0.6 }",
         {"nms_thresh": 0.6, "pre_nms_topn": 3000, "post_nms_topn": 100}),
    ],
)  # fmt: skip
def test_both_forms_are_imported(tmp_path: Path, type_: str, words: str, kept: dict[str, object]) -> None:
    from netspec.repair.check import check_source
    from netspec.source import Source

    file = tmp_path / "net.prototxt"
    file.write_text(INPUTS + LAYER.format(type_, words))
    imported = import_prototxt(file)
    (layer,) = imported.tree["layers"]
    assert (layer["type"], layer["proposal_param"], imported.findings) == ("Proposal", kept, [])
    assert check_source(Source("net.yaml", imported.text)) == []


@pytest.mark.parametrize(
    "word", ["output_actual_rois_num: true", "anchor_scale: 3", "max_rois: 300", "for_deformable: true"]
)
def test_words_of_unknown_meaning_are_told(tmp_path: Path, word: str) -> None:
    """One fork counts anchors where others list them; what a word does is not guessed."""
    file = tmp_path / "net.prototxt"
    file.write_text(INPUTS + LAYER.format("Proposal", f"proposal_param {{ {word} }}"))
    assert [d.code for d in import_prototxt(file).findings] == ["NS021"]


@pytest.mark.parametrize("words", ["module: 'mine' layer: 'ProposalLayer'", f"{PYTHON} param_str: 'odd: 1'"])
def test_other_python_layers_stay(tmp_path: Path, words: str) -> None:
    file = tmp_path / "net.prototxt"
    file.write_text(INPUTS + LAYER.format("Python", f"python_param {{ {words} }}"))
    assert import_prototxt(file).tree["layers"][0]["type"] == "Python"
