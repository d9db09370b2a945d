"""What `predict` makes of one output: the best classes of a vector of scores, with axes of one place or without; else its numbers."""

import json
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.cli.predict import output


def top(*ranked: tuple[str, int, float]) -> dict[str, Any]:
    return {"top": [{"class": name, "index": i, "score": score} for name, i, score in ranked]}


@pytest.mark.parametrize(
    ("shape", "vector"),
    [((4,), True), ((4, 1, 1), True), ((1, 4), True), ((2, 2), False), ((4, 1, 2), False)],
)
def test_a_vector_of_scores(shape: tuple[int, ...], vector: bool) -> None:
    scores = np.resize(np.array([0.5, 2.0, 0.25, 2.0], np.float32), shape)
    found = output(scores, ["a", "b", "c"], 3)
    assert found == (
        top(("b", 1, 2.0), ("3", 3, 2.0), ("a", 0, 0.5))
        if vector
        else {"shape": [*shape], "values": scores.tolist()}
    )


def test_few_scores() -> None:
    assert output(np.float32(3), ["a"], 5) == top(("a", 0, 3.0))
    assert output(np.array([7.0]), [], 5) == {"shape": [1], "values": [7.0]}
    assert output(np.array([0.25, 0.75]), [], 1) == top(("1", 1, 0.75))
    assert output(np.array([2, 9]), ["a", "b"], 1) == top(("b", 1, 9.0))


@pytest.mark.parametrize(("words", "whole"), [((), False), (("ReLU",), True)])
def test_layers_as_json(words: tuple[str, ...], whole: bool) -> None:
    """Of all types what they are, of one also the schema of its parameters."""
    done = CliRunner().invoke(group, ["layers", "--json", *words])
    found = json.loads(done.stdout)
    entries = [found] if words else found
    assert (all(("schema" in each) == whole for each in entries) and len(entries) == 1) or len(entries) > 100
