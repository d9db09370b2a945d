"""Draws docs/reference/pictures: the photographs of scikit-learn's samples as each augmentation changes
them. `python .ci/pictures.py [TYPE ...]`; the draws follow from a seed, so they stay what they are.
"""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from netspec.augmentation.definition import Augmentation
from netspec.augmentation.kernels.batch import Batch
from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.plan import augment, plan_rows
from netspec.diagnostics.model import Diagnostics
from netspec.reference.augmentation_page import pictured
from netspec.resolve.read_record import read_record
from netspec.source import Source
from netspec.syntax.reader import read

FOLDER = Path(__file__).resolve().parent.parent / "docs/reference/pictures"
SIZE, GAP, DRAWS, SEED = (80, 120), 3, 4, 3
SHOWN = {
    "Crop": "{size: [60, 90]}", "Pad": "{width: 12, fill: 127}", "RandomResizedCrop": "{size: [80, 120], scale: [0.1, 0.6]}",
    "Flip": "{}", "Rotate": "{degrees: 30}", "Translate": "{share: 0.3}", "Scale": "{factor: [0.6, 1.6]}", "Shear": "{degrees: 25}",
    "Affine": "{degrees: 20, translate: 0.1, scale: [0.8, 1.3], shear: 10, border: edge}", "Elastic": "{alpha: 50, sigma: 4}",
    "Brightness": "{amount: 0.6}", "Contrast": "{amount: 0.8}", "Saturation": "{amount: 1}", "Hue": "{turn: 0.5}",
    "ColorJitter": "{brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}", "Gamma": "{range: [0.4, 2.5]}",
    "ChannelShift": "{amount: 60}", "Sharpen": "{amount: [1, 4]}", "Blur": "{sigma: [0.5, 3]}", "Noise": "{std: [10, 40]}",
    "Erase": "{value: random}", "MixUp": "{alpha: 1}", "RandAugment": "{magnitude: 15}",
}  # fmt: skip


def made(cls: type[Augmentation]) -> Augmentation:
    found = Diagnostics()
    body = read(Source(cls.type, SHOWN.get(cls.type, "{}")), found)
    record = read_record(cls, body, found, what=cls.type) if body is not None else None
    assert record is not None, [d.fact for d in found]
    return record


def photographs() -> torch.Tensor:
    """china.jpg and flower.jpg, (2, 3, H, W)."""
    size = SIZE[::-1]
    small = [Image.fromarray(x).resize(size, Image.Resampling.LANCZOS) for x in load_sample_images().images]
    return torch.from_numpy(np.stack([np.asarray(x) for x in small])).movedim(-1, 1)


def picture(change: Augmentation) -> Image.Image:
    """A row a photograph: as it is, then by four draws."""
    whole = photographs()
    columns = [whole]
    for epoch in range(DRAWS):
        plan = plan_rows([change], SEED, np.full(2, epoch), np.arange(2), 2)
        batch = Batch(whole[torch.from_numpy(plan.indices)], order="rgb")
        draw = Draw.of(SEED, plan.epochs, plan.indices)
        columns.append(augment([change], batch, draw, plan.stages).pixels)
    h, w = (max(int(c.shape[a]) for c in columns) + GAP for a in (2, 3))
    sheet = np.full((2 * h - GAP, len(columns) * w - GAP, 3), 255, np.uint8)
    for j, column in enumerate(columns):
        for i, tile in enumerate(column.float().round().clamp(0, 255).byte().movedim(1, -1).numpy()):
            sheet[i * h : i * h + len(tile), j * w : j * w + tile.shape[1]] = tile
    return Image.fromarray(sheet)


def as_file(drawn: Image.Image) -> bytes:
    """As it is kept: of noise JPEG keeps little."""
    file = BytesIO()
    drawn.save(file, "jpeg", quality=78, optimize=True)
    return file.getvalue()


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for cls in pictured():
        if not sys.argv[1:] or cls.type in sys.argv[1:]:
            (FOLDER / f"{cls.type}.jpg").write_bytes(as_file(picture(made(cls))))


if __name__ == "__main__":
    main()
