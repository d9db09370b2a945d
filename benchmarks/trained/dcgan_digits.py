"""What a trained generator draws, judged by a classifier of digits that never saw a drawn one. Both are exported files.

    python benchmarks/trained/dcgan_digits.py GENERATOR.onnx CLASSIFIER.onnx [--grid samples.png]

1,000 digits are drawn from normal noise. For drawn, real (test) and wrong images: the classifier's mean confidence in its answer, how
many of its answers have a confidence above 0.9, how often each class is the answer, and the entropy of these frequencies (log 10 =
2.303 is even). And how near the nearest training digit is, mean squared error of a pixel: near 0 would be copying.
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
from autoencoder_digits import digits

COUNT, NOISE = 1000, 32


def judged(
    classifier: onnxruntime.InferenceSession, name: str, pixels: np.ndarray, train: np.ndarray
) -> None:
    """Print a row about images (count, 64), pixels from 0 to 255."""
    prob = classifier.run(["prob"], {"data": pixels.reshape(-1, 1, 8, 8)})[0]
    counts = np.bincount(prob.argmax(1), minlength=10)
    share = counts[counts > 0] / counts.sum()
    distance = (np.square(pixels[:, None] / 255 - train[None] / 255).mean(2)).min(1).mean()
    sure = prob.max(1)
    print(
        f"{name:16} confidence {sure.mean():.3f}, above 0.9 {np.mean(sure > 0.9):.3f}, classes {counts.tolist()},"
        f" entropy {-(share * np.log(share)).sum():.3f}, nearest {distance:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("generator")
    parser.add_argument("classifier")
    parser.add_argument("--grid", type=Path)
    given = parser.parse_args()
    generator, classifier = (
        onnxruntime.InferenceSession(path) for path in (given.generator, given.classifier)
    )
    rng = np.random.default_rng(0)
    drawn = generator.run(None, {"z": rng.standard_normal((COUNT, NOISE)).astype(np.float32)})[0].reshape(
        COUNT, 64
    )
    pixels = np.clip(np.rint(drawn * 127.5 + 127.5), 0, 255).astype(np.float32)
    train, test = digits()
    judged(classifier, "drawn", pixels, train)
    judged(classifier, "real, test", test, train)
    judged(classifier, "pixels shuffled", rng.permuted(test, axis=1), train)
    judged(
        classifier,
        "two real halves",
        np.concatenate([test[:, :32], np.roll(test, 1, axis=0)[:, 32:]], axis=1),
        train,
    )
    if given.grid:
        from PIL import Image

        grid = pixels[:100].astype(np.uint8).reshape(10, 10, 8, 8).transpose(0, 2, 1, 3).reshape(80, 80)
        Image.fromarray(grid).resize((320, 320), Image.Resampling.NEAREST).save(given.grid)


if __name__ == "__main__":
    main()
