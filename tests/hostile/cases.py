"""What the sweeps share: a spec, what is put before a command, what counts as a fault."""

import random
from pathlib import Path

from tests.hostile.arena import Outcome
from tests.hostile.damage import PAYLOADS, damaged
from tests.hostile.places import damage_json, damage_model, misplace

__all__ = ["SPEC", "Case", "damage", "outcome_faults", "spoil"]

SPEC = """input: {data: {shape: [N, 1, 8, 8], image: {color: gray, resize: [8, 8]}}}
layers:
  - {name: conv, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: xavier}
  - {name: one, type: InnerProduct, num_output: 10, weight_filler: xavier}
train: {data: {source: digits, batch_size: 2}, solver: {base_lr: 0.01, max_iter: 2, display: 1, snapshot: 1}}
"""
HEADERS = (
    b'{"a": ' * 3000,
    b"[]",
    b"{}",
    b'{"name": 3}',
    b'"\\ud800"',
    b"null",
    b"[[[[1]]]]",
    b'{"classes": [1, 2]}',
    b"",
)

Case = tuple[list[str], Path | None]
"""A command, and the file that is damaged before it."""


def with_metadata(path: Path, chance: random.Random) -> None:
    """A value of the model's metadata replaced, another added."""
    import onnx

    made = onnx.load(path)
    for entry in chance.sample(list(made.metadata_props), min(2, len(made.metadata_props))):
        entry.value = chance.choice(
            (*(header.decode() for header in HEADERS), *PAYLOADS, entry.value[: chance.randrange(60)], "1e400", "[" * 9000)
        ).encode(errors="replace").decode()  # fmt: skip
    onnx.save(made, path)


def damage(path: Path, chance: random.Random) -> None:
    if path.suffix == ".onnx" and chance.random() < 0.5:
        with_metadata(path, chance)
    elif path.suffix in (".json", ".jsonl") and chance.random() < 0.5:
        path.write_bytes(chance.choice(HEADERS))
    else:
        path.write_bytes(damaged(path.read_bytes(), chance))


def outcome_faults(outcome: Outcome, what: str, folder: Path) -> list[str]:
    written = [*folder.parent.rglob("PWN")]
    if outcome.faults or written:
        return [f"{what}: {outcome.faults} {written} {outcome.words[-900:]}"]
    return []


def spoil(path: Path, chance: random.Random) -> str:
    """A file damaged by its kind, or something else put in its place; answers what was done."""
    if chance.random() < 0.25:
        return misplace(path, chance)
    if path.suffix in (".json", ".jsonl") and chance.random() < 0.7:
        path.write_text(damage_json(path.read_text("utf-8"), chance), "utf-8", "surrogatepass")
        return "values"
    if path.suffix == ".onnx" and chance.random() < 0.5:
        damage_model(path, chance)
        return "graph"
    damage(path, chance)
    return "bytes"
