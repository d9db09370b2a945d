"""Segmentation by single pixels and by small windows, for comparison with nets: logistic regression, mean intersection over union.

    python benchmarks/trained/pixel_baseline.py FOLDER/shapes.npz

Features are the brightness of the pixel, or of all pixels of the window around it (repeated at the picture's edge), standardised;
200,000 pixels of the training part, drawn at random, all pixels of the test part. The measure is that of the layer IoU, over all test
pictures at once.
"""

import sys

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CLASSES, DRAWN = 3, 200_000


def windows(pictures: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """(N, 1, H, W) to (N H W, size size)."""
    border = size // 2
    padded = np.pad(
        pictures[:, 0].astype(np.float32), ((0, 0), (border, border), (border, border)), mode="edge"
    )
    return sliding_window_view(padded, (size, size), (1, 2)).reshape(-1, size * size)


def mean_iou(answer: NDArray[np.int64], label: NDArray[np.int64]) -> float:
    """Mean over classes of intersection / union."""
    each = [
        ((answer == k) & (label == k)).sum() / ((answer == k) | (label == k)).sum() for k in range(CLASSES)
    ]
    return float(np.mean(each))


def main() -> None:
    arrays = np.load(sys.argv[1])
    labels = {part: arrays[f"label_{part}"].astype(np.int64).ravel() for part in ("train", "test")}
    drawn = np.random.default_rng(0).choice(len(labels["train"]), DRAWN, replace=False)
    print("| features | accuracy | mean IoU |\n|---|---|---|")
    print(
        f"| none: all ground | {(labels['test'] == 0).mean():.4f} | {mean_iou(np.zeros_like(labels['test']), labels['test']):.4f} |"
    )
    for size in (1, 5, 9):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
        model.fit(windows(arrays["data_train"], size)[drawn], labels["train"][drawn])
        answer = np.concatenate(
            [model.predict(windows(part, size)) for part in np.array_split(arrays["data_test"], 20)]
        )
        name = "the pixel" if size == 1 else f"{size} x {size} window"
        print(
            f"| {name} | {(answer == labels['test']).mean():.4f} | {mean_iou(answer, labels['test']):.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
