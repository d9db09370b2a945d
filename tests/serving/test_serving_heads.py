"""What is remembered of requests changes no answer and no refusal, and has an end."""

import json
from pathlib import Path

import numpy as np
import pytest
from serving_parts import random

from netspec.serving.answers import encode
from netspec.serving.engine import Model, open_model
from netspec.serving.heads import MOST
from netspec.serving.protocol import Inference, parse
from netspec.serving.tensors import RequestError

pytestmark = pytest.mark.onnx


@pytest.fixture
def two(models: Path) -> Model:
    return open_model(models / "two.onnx", "cpu", 1, allow_uncertified=True)


def pack(arrays: dict[str, np.ndarray], **more: object) -> tuple[bytes, str]:
    tensors = [
        {"name": n, "datatype": "FP32", "shape": a.shape, "parameters": {"binary_data_size": a.nbytes}}
        for n, a in arrays.items()
    ]
    head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}} | more).encode()
    return head + b"".join(a.tobytes() for a in arrays.values()), str(len(head))


def answer(model: Model, asked: Inference) -> tuple[bytes, int | None]:
    names = [wanted.name for wanted in asked.outputs]
    return encode("two", "1", asked, model.run(asked.inputs, names), model)


def test_a_head_that_is_known_is_answered_as_one_that_is_not(two: Model, models: Path) -> None:
    """Inputs in the order of the request and in the other, several shapes, one output or both, in turns."""
    for number in range(3):
        for order in (("a", "b"), ("b", "a")):
            for rows, width in ((1, 2), (4, 2), (1, 5)):
                arrays = {"a": random(number, rows, 3), "b": random(9 + number, rows, width)}
                for more in (
                    {},
                    {"outputs": [{"name": "sum", "parameters": {"binary_data": True}}]},
                    {"id": f"r-{number}"},
                ):
                    body, length = pack({name: arrays[name] for name in order}, **more)
                    asked = parse(body, length, two)
                    for name, array in arrays.items():
                        np.testing.assert_array_equal(asked.inputs[name], array)
                    assert asked.id == more.get("id")
                    fresh = (
                        open_model(models / "two.onnx", "cpu", 1, allow_uncertified=True)
                        if not number
                        else two
                    )
                    assert answer(two, asked) == answer(fresh, parse(body, length, fresh))
    assert len(two.heads.asked) == 12  # those with an id are not kept


def test_a_known_head_with_other_bytes_behind_it_is_refused(two: Model) -> None:
    body, length = pack({"a": random(0, 1, 3), "b": random(1, 1, 2)})
    parse(body, length, two)
    with pytest.raises(RequestError, match="1 bytes are left over"):
        parse(body + b"x", length, two)
    with pytest.raises(RequestError, match="binary_data_size of input 'b' must be at most the 7 bytes"):
        parse(body[:-1], length, two)


def test_no_more_are_kept_than_so_many(two: Model) -> None:
    for rows in range(1, MOST + 40):
        body, length = pack({"a": np.zeros((rows, 3), np.float32), "b": np.zeros((rows, 1), np.float32)})
        asked = parse(body, length, two)
        answer(two, asked)
    assert len(two.heads.asked) == len(two.heads.answered) == MOST
    body, length = pack({"a": random(0, 1, 3), "b": random(1, 1, 2)})
    at = int(length)
    long = body[:at] + b" " * 2048 + body[at:]
    assert parse(long, str(at + 2048), two).inputs["a"].shape == (1, 3)
    assert len(max(two.heads.asked, key=len)) < 2048
