"""Small data sets of pictures with boxes, as COCO and PASCAL VOC write them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

CATEGORIES = {7: "dog", 3: "cat", 40: "bird"}
"""By id, with gaps, in no order: cat is class 1, dog 2, bird 3 in COCO; bird 1, cat 2, dog 3 in VOC."""


class Boxed(NamedTuple):
    """A box: its picture, its category, xmin, ymin, xmax, ymax in pixels, whether it is a crowd or difficult."""

    picture: str
    name: str
    corners: tuple[float, float, float, float]
    difficult: bool = False


PICTURES = {"a": (40, 20), "b": (20, 40), "c": (30, 30)}
BOXES = (
    Boxed("a", "dog", (4, 5, 20, 15)),
    Boxed("a", "dog", (30, 0, 40, 20)),
    Boxed("a", "cat", (0, 0, 8, 10)),
    Boxed("b", "bird", (5, 10, 15, 30), True),
)


def write_picture(path: Path, size: tuple[int, int], boxes: Sequence[Boxed] = ()) -> None:
    """A dark picture, light where a box is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0]), 20, np.uint8)
    pixels[0, 0] = sum(path.stem.encode()) % 200
    for each in boxes:
        x0, y0, x1, y1 = map(round, each.corners)
        pixels[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 230
    Image.fromarray(pixels).save(path)


def coco_of(pictures: Mapping[str, tuple[int, int]], boxes: Sequence[Boxed], **lists: Any) -> dict[str, Any]:
    """The document; lists: in place of its own."""
    number = {name: i for i, name in enumerate(pictures, 100)}
    ids = {name: i for i, name in CATEGORIES.items()}
    return {
        "info": {"year": 2026},
        "images": [
            {"id": number[name], "file_name": f"{name}.png", "width": w, "height": h}
            for name, (w, h) in pictures.items()
        ],
        "annotations": [
            {
                "id": i,
                "image_id": number[each.picture],
                "category_id": ids[each.name],
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "iscrowd": int(each.difficult),
                "segmentation": [[x0, y0, x1, y1]],
            }
            for i, each in enumerate(boxes, 1)
            for x0, y0, x1, y1 in [each.corners]
        ],
        "categories": [{"id": i, "name": name, "supercategory": "animal"} for i, name in CATEGORIES.items()],
    } | lists


def write_coco(
    folder: Path,
    pictures: Mapping[str, tuple[int, int]] = PICTURES,
    boxes: Sequence[Boxed] = BOXES,
    part: str = "train2017",
    **lists: Any,
) -> Path:
    """annotations/instances_PART.json and PART/*.png."""
    for name, size in pictures.items():
        write_picture(folder / part / f"{name}.png", size, [each for each in boxes if each.picture == name])
    file = folder / f"annotations/instances_{part}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(coco_of(pictures, boxes, **lists)), encoding="utf-8")
    return file


def voc_of(size: tuple[int, int], boxes: Sequence[Boxed]) -> str:
    """An annotation of a picture."""
    objects = "".join(
        f"  <object>\n    <name>{each.name}</name>\n    <difficult>{int(each.difficult)}</difficult>\n    <bndbox>"
        + "".join(
            f"<{word}>{value}</{word}>"
            for word, value in zip(("xmin", "ymin", "xmax", "ymax"), each.corners, strict=True)
        )
        + "</bndbox>\n    <part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>\n  </object>\n"
        for each in boxes
    )
    width, height = size
    sides = f"<width>{width}</width><height>{height}</height><depth>1</depth>"
    return f"<annotation>\n  <size>{sides}</size>\n{objects}</annotation>\n"


def write_voc(
    folder: Path,
    pictures: Mapping[str, tuple[int, int]] = PICTURES,
    boxes: Sequence[Boxed] = BOXES,
    parts: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Annotations/*.xml, JPEGImages/*.png, and ImageSets/Main/PART.txt for the parts."""
    (folder / "Annotations").mkdir(parents=True, exist_ok=True)
    for name, size in pictures.items():
        own = [each for each in boxes if each.picture == name]
        write_picture(folder / f"JPEGImages/{name}.png", size, own)
        if own:
            (folder / f"Annotations/{name}.xml").write_text(voc_of(size, own), encoding="utf-8")
    for part, names in (parts or {}).items():
        (folder / "ImageSets/Main").mkdir(parents=True, exist_ok=True)
        (folder / f"ImageSets/Main/{part}.txt").write_text("".join(f"{n}\n" for n in names), encoding="utf-8")
    return folder


DETECTOR = """netspec: 1
name: detector
input: {data: {shape: [N, 1, 16, 16], image: {color: gray, resize: [16, 16]}}}
defaults: {Convolution: {weight_filler: xavier, kernel_size: 3, pad: 1}}
vars: {classes: 4}
layers:
  - {name: body, type: Convolution, num_output: 4, stride: 4}
  - {name: l, type: Convolution, bottom: body, num_output: 4}
  - {name: lp, type: Permute, order: [0, 2, 3, 1]}
  - {name: loc, type: Flatten}
  - {name: s, type: Convolution, bottom: body, num_output: $classes}
  - {name: sp, type: Permute, order: [0, 2, 3, 1]}
  - {name: conf, type: Reshape, shape: {dim: [0, -1, $classes]}}
  - {name: sm, type: Softmax, axis: 2}
  - {name: prob, type: Flatten}
  - {name: priors, type: PriorBox, bottom: [body, data], min_size: 6}
  - {name: found, type: DetectionOutput, bottom: [loc, prob, priors], num_classes: $classes}
output: found
"""
LOSS = "{name: loss, type: MultiBoxLoss, bottom: [loc, conf, priors, label], num_classes: $classes}"


def detector(data: str, more: str = "", head: str = "") -> str:
    """A small spec that learns from some data. head: further heads, a line each."""
    return (
        f"{DETECTOR}train:\n  data: {{{data}, batch_size: 2}}\n  loss:\n    - {LOSS}\n{head}{more}"
        "  solver: {base_lr: 0.001, max_iter: 2, random_seed: 1}\n"
    )
