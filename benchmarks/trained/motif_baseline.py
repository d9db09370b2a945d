"""What DeepBind learned of planted motifs, beside simpler scorers: areas under the ROC curve, and filters against the motifs.

    python benchmarks/trained/motif_baseline.py FOLDER/motifs.npz RUN/model.onnx [RUN/model.onnx ...]

- the true motifs: log of the mean, over places and motifs, of the likelihood ratio site / random letters. It knows what was planted.
- k-mers: logistic regression on the counts of all words of 6, and of 8 letters; C by 3-fold cross-validation in training.
- each model: its probabilities, by onnxruntime.

A filter's motif is read as the paper reads it: the windows of the positive test sequences at which it answers most, where that is
more than half of its largest answer, are put below each other; their letter frequencies are its motif. The correlation is Pearson's
over 4 x 12 numbers at the best shift of the planted motif along the filter.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from motifs import MOTIFS, SITE
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import numpy_helper
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import roc_auc_score

Array = NDArray[np.float64]
FEWEST = 50


def words(onehot: NDArray[np.uint8], length: int) -> csr_matrix:
    """How often each word of so many letters occurs: (N, 4 ** length)."""
    letters = onehot.argmax(1)
    numbers = sliding_window_view(letters, length, 1) @ 4 ** np.arange(length)
    rows = np.repeat(np.arange(len(letters)), numbers.shape[1])
    return csr_matrix((np.ones(numbers.size), (rows, numbers.ravel())), (len(letters), 4**length))


def by_words(arrays: dict[str, NDArray[np.uint8]], length: int) -> float:
    """The area of a logistic regression on word counts."""
    model = LogisticRegressionCV(
        Cs=np.logspace(-3, 0, 7),
        cv=3,
        scoring="roc_auc",
        max_iter=200,
        l1_ratios=(0,),
        use_legacy_attributes=False,
    )
    model.fit(words(arrays["data_train"], length), arrays["label_train"].ravel())
    return float(
        roc_auc_score(
            arrays["label_test"].ravel(), model.decision_function(words(arrays["data_test"], length))
        )
    )


def by_truth(arrays: dict[str, NDArray[np.uint8]]) -> float:
    """The area of the planted motifs' own score."""
    windows = sliding_window_view(arrays["data_test"], SITE, 2)
    ratios = [np.exp(np.einsum("nawk,ak->nw", windows, np.log(4 * motif))).mean(1) for motif in MOTIFS]
    return float(roc_auc_score(arrays["label_test"].ravel(), np.log(np.mean(ratios, 0))))


def found_motifs(model: onnx.ModelProto, onehot: NDArray[np.uint8]) -> Iterator[tuple[int, int, Array]]:
    """Filter, number of windows, and their letter frequencies (4, 24), for filters that answer to enough windows."""
    tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    kernel, bias = (
        next(value for name, value in tensors.items() if name == f"motif.{part}")
        for part in ("weight", "bias")
    )
    size = kernel.shape[2]
    padded = np.pad(onehot.astype(float), ((0, 0), (0, 0), (size - 1, size - 1)), constant_values=0.25)
    windows = sliding_window_view(padded, size, 2)
    answers = np.einsum("nawk,fak->nfw", windows, kernel, optimize=True) + bias[:, None]
    for number in range(len(kernel)):
        best, at = answers[:, number].max(1), answers[:, number].argmax(1)
        chosen = np.flatnonzero(best > max(best.max() / 2, 0))
        if len(chosen) >= FEWEST:
            yield number, len(chosen), windows[chosen, :, at[chosen]].mean(0)


def correlation(motif: Array, found: Array) -> float:
    """The largest of Pearson's correlations over the shifts."""
    shifts = range(found.shape[1] - SITE + 1)
    return max(float(np.corrcoef(motif.ravel(), found[:, i : i + SITE].ravel())[0, 1]) for i in shifts)


def main() -> None:
    arrays = dict(np.load(sys.argv[1]))
    print("| scorer | AUC |\n|---|---|")
    print(f"| the true motifs | {by_truth(arrays):.4f} |")
    for length in (6, 8):
        print(f"| logistic regression on {length}-mers | {by_words(arrays, length):.4f} |", flush=True)
    positive = arrays["data_test"][arrays["label_test"].ravel() == 1]
    lines = []
    for path in map(Path, sys.argv[2:]):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        [scores] = session.run(None, {"data": arrays["data_test"].astype(np.float32)})
        print(
            f"| DeepBind, {path.parent.name} | {roc_auc_score(arrays['label_test'].ravel(), scores.ravel()):.4f} |"
        )
        filters = list(found_motifs(onnx.load(path), positive))
        for i, motif in enumerate(MOTIFS):
            value, number, count = max(
                (correlation(motif, found), number, count) for number, count, found in filters
            )
            lines.append(f"| {path.parent.name} | {i} | {number} | {count} | {value:.3f} |")
    print("\n| run | planted motif | nearest filter | windows | correlation |\n|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
