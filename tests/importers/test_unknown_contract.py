"""The contract of a deploy file, which holds none: said to be unknown, or taken from the command line and written."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.driver import load

NET = 'input: "data" input_shape {{ dim: 10 {dims} }}\nlayer {{ name: "r" type: "ReLU" bottom: "data" top: "r" }}\n'


def brought(folder: Path, dims: tuple[int, ...], *options: str) -> Result:
    text = NET.format(dims=" ".join(f"dim: {n}" for n in dims))
    (folder / "net.prototxt").write_text(text, encoding="utf-8")
    words = ["import", str(folder / "net.prototxt"), "-o", str(folder / "net.yaml"), *options]
    return CliRunner().invoke(group, words)


@pytest.mark.parametrize("dims", [(3, 32, 32), (1, 28, 28)])
def test_it_is_unknown(dims: tuple[int, ...], tmp_path: Path) -> None:
    done = brought(tmp_path, dims)
    assert done.exit_code == 0
    assert "NS430" in done.output
    assert ("colours" in done.output) == (dims[0] == 3)


@pytest.mark.parametrize("dims", [(64, 8, 8), (3,), (3, 1, 1), (3, 4, 4), (3, 8, 8, 8)])
def test_features_need_none(dims: tuple[int, ...], tmp_path: Path) -> None:
    assert "NS430" not in brought(tmp_path, dims).output


def test_it_is_written(tmp_path: Path) -> None:
    words = ("--color", "bgr", "--mean", "104,117,123", "--std", "58.4, 57.1, 57.4", "--scale", "1/255")
    done = brought(tmp_path, (3, 32, 32), *words)
    assert done.exit_code == 0, done.output
    assert "NS430" not in done.output
    (given,) = load(str(tmp_path / "net.yaml")).graph("deploy").graph.inputs
    assert given.contract.color == "bgr"
    assert given.contract.mean_value == (104, 117, 123)
    assert given.contract.std_value == (58.4, 57.1, 57.4)
    assert given.contract.scale == 1 / 255


@pytest.mark.parametrize(
    ("dims", "words", "said"),
    [
        ((3, 32, 32), ("--mean", "104,117"), "mean_value needs 1 or 3 numbers"),
        ((1, 32, 32), ("--color", "bgr"), "the input takes 1"),
        ((64, 8, 8), ("--scale", "0.5"), "the inputs are data"),
        ((3, 32, 32), ("--mean", "a,b,c"), "numbers are wanted"),
        ((3, 32, 32), ("--std", "0"), "above 0"),
        ((3, 32, 32), ("--scale", "1/0"), "numbers are wanted"),
        ((3, 32, 32), ("--scale", "1,2"), "one number"),
        ((3, 32, 32), ("--scale", ""), "one number"),
    ],
)
def test_what_does_not_fit_is_told(
    dims: tuple[int, ...], words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = brought(tmp_path, dims, *words)
    assert done.exit_code != 0
    facts = [d.fact for d in done.exception.diagnostics] if isinstance(done.exception, SpecError) else []
    assert said in "".join([done.output, *facts])
    assert not (tmp_path / "net.yaml").exists()
