"""Damaged JSON and headers wherever they come from: a finding each time. A small sample; `-m slow` draws the many."""

import copy
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from netspec.data.sources.npz import member_names, read_npz
from netspec.diagnostics import SpecError
from netspec.imaging.words import contract_of
from netspec.serving.engine import _conditions, _labels
from netspec.serving.predict import image_words
from netspec.strict_json import JsonError, read_json

pytestmark = pytest.mark.torch

WRONG: list[Any] = [
    None,
    True,
    -1,
    0,
    2**31,
    2**63,
    2**70,
    1e308,
    0.5,
    "",
    "x",
    "\ud800",
    "a\0b",
    [],
    [[]],
    {},
    {"a": {}},
    [None] * 40,
]
TEXTS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "9" * 5000,
    "[" * 5000,
    '{"a":' * 5000,
    '{"a": 1, "a": 2}',
    '"\\ud800"',
    "",
    "\x00",
    "tru",
]
CONTRACT = {
    "color": "rgb",
    "resize": [8, 8],
    "interpolation": "bilinear",
    "crop_size": 4,
    "mean_value": [1.0, 2.0, 3.0],
    "scale": 0.5,
}
SIZES = {
    "axes": {"N": {"progressions": [[1, 1, None]]}},
    "parts": [["floor", [[1, "N"]], 2]],
    "demands": [
        {
            "layer": "a",
            "type": "b",
            "because": "c",
            "kind": "same",
            "left": [[1, 0]],
            "right": 3,
            "text": ["x", "y", "z"],
        }
    ],
}


def mutated(value: Any, draw: random.Random) -> str:
    """A JSON text with one or two of its values changed, or damaged as a text."""
    made = copy.deepcopy(value)
    for _ in range(draw.randint(1, 2)):
        places = list(walk(made))
        holder, key = draw.choice(places)
        kind = draw.random()
        if kind < 0.7:
            holder[key] = copy.deepcopy(draw.choice(WRONG))
        elif isinstance(holder, dict):
            holder[str(draw.choice(WRONG))] = holder.pop(key)
        else:
            del holder[key]
    text = json.dumps(made)
    at = draw.randrange(len(text))
    return text if draw.random() < 0.7 else text[:at] + draw.choice(TEXTS) + text[at + draw.randint(0, 3) :]


def walk(value: Any) -> Iterator[tuple[Any, Any]]:
    items = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    for key, inner in items:
        yield value, key
        yield from walk(inner)


def check_metadata(seed: int) -> int:
    """How many of three mutants were refused; anything but a finding is an error of ours."""
    draw, refused = random.Random(seed), 0
    model: Any = SimpleNamespace(metadata={"netspec.image.x": mutated(CONTRACT, draw)})
    outputs: Any = [SimpleNamespace(name="y")]
    for call in (
        lambda: contract_of(image_words(model, "x", "m"), "x", "m"),
        lambda: _labels({"netspec.labels": mutated({"y": ["a", "b"]}, draw)}, outputs, "m"),
        lambda: _conditions({"netspec.sizes": mutated(SIZES, draw)}, "m"),
    ):
        try:
            found: Any = call()
        except SpecError as error:
            refused += 1
            assert [d.code for d in error.diagnostics] == ["NS721"]
        else:
            if hasattr(found, "judge"):
                found.judge({"N": 3})
    return refused


def test_metadata_of_a_model() -> None:
    assert sum(check_metadata(seed) for seed in range(150)) > 200


@pytest.mark.slow
def test_metadata_of_many_models() -> None:
    assert sum(check_metadata(seed) for seed in range(1000, 6000)) > 7000


@pytest.mark.parametrize("text", [*TEXTS[:-3], "[" * 66 + "]" * 66, "\ufeff{}x"])
def test_no_text_gets_past_the_reader(text: str) -> None:
    with pytest.raises(JsonError):
        read_json(text)
    with pytest.raises(JsonError):
        read_json(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(JsonError):
        read_json(f'{{"key": {text}}}')


# --- headers of npz members ---

DTYPES = [
    "'<f4'",
    "'|O'",
    "'|V8'",
    "[('a','<f4')]",
    "'<U4'",
    "'<f16'",
    "None",
    "1",
    "('<f4',(2,))",
    "'M8[ns]'",
    "''",
    "'<f99'",
]
SHAPES = [
    "(2,2)",
    "(-1,)",
    "(2**70,)",
    "(99999999999999999999, 0)",
    "()",
    "(True,)",
    "[2]",
    "2",
    "(1.5,)",
    "(2,)*40",
    "(" * 300 + ")" * 300,
]


def header(text: str, version: tuple[int, int]) -> bytes:
    data = text.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + bytes(version) + len(data).to_bytes(2 if version == (1, 0) else 4, "little") + data


def check_npz(seed: int, folder: Path) -> bool:
    draw, path = random.Random(seed), folder / "a.npz"
    text = f"{{'descr': {draw.choice(DTYPES)}, 'fortran_order': {draw.choice(['False', '1'])}, 'shape': {draw.choice(SHAPES)}, }}"
    if draw.random() < 0.3:
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice(["\0", "(", "{", "'", "\\N{", "\xff", "1" * 5000]) + text[at:]
    with zipfile.ZipFile(
        path, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    ) as archive:
        archive.writestr(
            "a.npy", header(text, draw.choice([(1, 0), (1, 0), (2, 0), (3, 0)])) + bytes(draw.choice([0, 16]))
        )
    if draw.random() < 0.3:
        data = bytearray(path.read_bytes())
        data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data)
    try:
        read_npz(path, tuple(member_names(path)))
    except SpecError as error:
        return error.diagnostics[0].code in ("NS643", "NS644", "NS645", "NS655")
    return False


def test_headers_of_archives(tmp_path: Path) -> None:
    assert sum(check_npz(seed, tmp_path) for seed in range(150)) > 130


@pytest.mark.slow
def test_headers_of_many_archives(tmp_path: Path) -> None:
    assert sum(check_npz(seed, tmp_path) for seed in range(1000, 4000)) > 2700


# --- facts of a solver's file ---


def check_facts(run: Path, before: dict[str, Any], tensors: Any, seed: int) -> bool:
    """Resume with mutated facts under a right checksum, and no older snapshot to take; whether that was refused."""
    from netspec.training.run.checkpoint import BEFORE
    from netspec.training.run.weights import write_tensors
    from netspec.training.train import train

    draw = random.Random(seed)
    made = json.loads(json.dumps(before))
    holder, key = draw.choice(list(walk(made)))
    if draw.random() < 0.8:
        holder[key] = copy.deepcopy(draw.choice([each for each in WRONG if each != "\ud800"]))
    else:
        holder.pop(key)
    write_tensors(run / "solver.safetensors", tensors, made)
    for name in BEFORE.values():
        (run / name).unlink(missing_ok=True)
    try:
        train(run, resume=True, device="cpu")
    except SpecError as error:
        assert {d.code for d in error.diagnostics} <= {"NS659", "NS674", "NS675", "NS676"}, error
        return True
    return False


def solver_facts(tmp_path: Path, seeds: range) -> int:
    import torch

    from netspec.training.run.weights import read_tensors
    from netspec.training.train import train

    torch.set_num_threads(1)
    spec = "input: {data: [N, 1, 8, 8]}\nlayers:\n  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}\n"
    spec += "train: {data: {source: digits, batch_size: 32}, test_data: {source: digits, batch_size: 64},"
    spec += " solver: {base_lr: 0.1, max_iter: 2, test_interval: 1, random_seed: 1}}\n"
    (tmp_path / "net.yaml").write_text(spec)
    run = tmp_path / "run"
    train(tmp_path / "net.yaml", run, device="cpu")
    tensors, facts = read_tensors(run / "solver.safetensors")
    return sum(check_facts(run, facts, tensors, seed) for seed in seeds)


def test_facts_of_a_solver(tmp_path: Path) -> None:
    assert solver_facts(tmp_path, range(8)) > 5


@pytest.mark.slow
def test_facts_of_many_solvers(tmp_path: Path) -> None:
    assert solver_facts(tmp_path, range(100, 600)) > 250


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ({"color": "rgb", "scale": "much"}, "'much' is no scale"),
        ({"color": "pink", "scale": 2}, "'pink' is no color"),
        ({"color": "rgb", "mean_value": [1, "x", 3], "scale": 2}, "[1, 'x', 3] is no mean_value"),
    ],
)
def test_the_word_that_is_wrong_is_named(words: dict[str, Any], wrong: str) -> None:
    with pytest.raises(SpecError) as caught:
        contract_of(words, "x", "m.onnx")
    (found,) = caught.value.diagnostics
    assert found.code == "NS721" and f"netspec.image.x: {wrong} that" in found.fact
