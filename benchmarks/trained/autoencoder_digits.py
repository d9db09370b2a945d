"""How well a trained autoencoder draws digits that it has not seen, beside PCA with a code of the same size (scikit-learn).

    python benchmarks/trained/autoencoder_digits.py RUN

The figure is the mean squared error of a pixel, pixels from 0 to 1, over the 360 test digits; PCA is fitted to the 1,437 training digits.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from netspec.training.run.folder import load_run


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Training and test digits, (count, 64) float32 in 0..1, divided as netspec's source divides them."""
    pixels = np.rint(load_digits().data * (255 / 16)).astype(np.float32)
    test = np.arange(len(pixels)) % 5 == 0
    return pixels[~test], pixels[test]


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    run = load_run(parser.parse_args().run)
    code = int(run.typed.types[run.typed.graph.blobs["encode3"]].shape[1])
    train, test = digits()
    with torch.no_grad():
        drawn = run.net(torch.from_numpy(test).reshape(-1, 1, 8, 8) / 255).numpy()
    train, test = train / 255, test / 255
    pca = PCA(code, random_state=0).fit(train)
    print(f"code of {code} numbers, mean squared error of a test pixel")
    print(f"autoencoder     {np.square(drawn - test).mean():.5f}")
    print(f"PCA             {np.square(pca.inverse_transform(pca.transform(test)) - test).mean():.5f}")
    print(f"the mean digit  {np.square(train.mean(0) - test).mean():.5f}")
    for wider in (16, 20, 24):
        other = PCA(wider, random_state=0).fit(train)
        print(
            f"PCA with {wider}     {np.square(other.inverse_transform(other.transform(test)) - test).mean():.5f}"
        )


if __name__ == "__main__":
    main()
