"""What may stand in a file's place, and what a file may be called: pipes, folders, links that lead out, names that hurt.

Comes in: a path and a chance; goes out: what was done. Knows no format but JSON's and ONNX's frames.
"""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.damage import PAYLOADS

__all__ = ["NAMES", "damage_json", "damage_model", "lead_out", "misplace"]

NAMES = (
    "a'b",
    'a"b',
    "a\nb",
    "\x1b[2J\x1b[31m",
    "\u202egnp",
    "..",
    "-rf",
    "--help",
    "$(touch PWN)",
    "`touch PWN`;",
    "${9**9}",
    "<script>PWN</script>",
    "\udcff\udcfe",
    "\u0301" * 20,
    "n" * 250,
    " ",
    "%s%n{0}{self}",
    "CON",
)
"""Names that a system takes for files and folders, but the two dots."""
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 2**62, 2**64 - 1, 1.5, 1e308, "", "x", "../../outside", "/", "\0", "\u2028", "x" * 100_000,
    [], {}, [[]], [None], {"a": {}}, ["x"], [1e300], *PAYLOADS[:5],
)  # fmt: skip
RAW = ("NaN", "-Infinity", "1e999", "9" * 5000, '"\\ud800"', "[" * 70 + "]" * 70, '{"a":1,"a":2}')
"""Values that no honest writer of JSON makes."""


def misplace(path: Path, chance: random.Random) -> str:
    """Put something else in a file's place; answers what."""
    ways: dict[str, Callable[[], object]] = {
        "a pipe": lambda: os.mkfifo(path),
        "a folder": path.mkdir,
        "a device": lambda: path.symlink_to("/dev/zero"),
        "a link to itself": lambda: path.symlink_to(path.name),
        "a link to nothing": lambda: path.symlink_to("nothing"),
        "a link to a folder": lambda: path.symlink_to(".."),
        "nothing": lambda: None,
        "an empty file": path.touch,
    }
    way = chance.choice([*ways])
    path.unlink()
    ways[way]()
    return way


def lead_out(path: Path, outside: Path) -> None:
    """A sound file moved away, and a link to it in its place."""
    outside.mkdir(parents=True, exist_ok=True)
    shutil.move(path, outside / path.name)
    path.symlink_to(outside / path.name)


def damage_json(text: str, chance: random.Random) -> str:
    """One to three values of a document, or of a line of it, become others: of the wrong kind, huge, none that JSON has."""
    lines = text.splitlines() if text.count("\n{") else [text]
    at = chance.randrange(len(lines))
    try:
        value = json.loads(lines[at])
    except ValueError:
        return text
    marks = []
    for _ in range(chance.randint(1, 3)):
        holder = value
        while isinstance(holder, dict | list) and holder:
            key = chance.choice([*holder] if isinstance(holder, dict) else range(len(holder)))
            if not isinstance(holder[key], dict | list) or not holder[key] or chance.random() < 0.4:
                marks.append(chance.random() < 0.3)
                holder[key] = "@mark@" if marks[-1] else chance.choice(WRONG)
                if isinstance(holder, dict) and chance.random() < 0.2:
                    del holder[key]
                break
            holder = holder[key]
    lines[at] = json.dumps(value).replace('"@mark@"', chance.choice(RAW))
    return "\n".join(lines)


def damage_model(path: Path, chance: random.Random) -> None:  # noqa: PLR0912 - a branch for each damage
    """A model file whose graph says what its makers never meant, its frame still sound."""
    import onnx

    made = onnx.load(path)
    graph = made.graph
    for _ in range(chance.randint(1, 2)):
        kind = chance.randrange(10)
        tensor = chance.choice(graph.initializer) if graph.initializer else None
        node = chance.choice(graph.node) if graph.node else None
        if kind == 0 and tensor is not None:
            tensor.dims[:] = [chance.choice((0, -1, 1, 1 << 40, 7)) for _ in range(chance.randrange(5))]
        elif kind == 1 and tensor is not None:
            tensor.raw_data = tensor.raw_data[: chance.randrange(9)]
        elif kind == 2 and tensor is not None:
            tensor.data_type = chance.choice((0, 2, 8, 10, 16, 23, 99))
        elif kind == 3 and tensor is not None:
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            where = chance.choice(("../outside.bin", "/etc/passwd", "w.bin", "", "/dev/zero"))
            tensor.external_data.add(key="location", value=where)
            tensor.external_data.add(key="length", value=chance.choice(("-1", "9" * 30, "4", "x")))
        elif kind == 4 and node is not None:
            del node.output[:]
        elif kind == 5 and node is not None:
            del node.input[chance.randrange(len(node.input) + 1) :]
        elif kind == 6 and node is not None:
            node.name = chance.choice((*PAYLOADS, "\x1b[2J", "", "x" * 1_000_000))
        elif kind == 7:
            sizes = chance.choice((graph.input, graph.output))[0].type.tensor_type.shape.dim
            if sizes:
                chance.choice(sizes).dim_value = chance.choice((0, 1, 1 << 20, 1 << 31, 1 << 62))
        elif kind == 8:
            sizes = graph.input[0].type.tensor_type.shape.dim
            if sizes:
                chance.choice(sizes).dim_param = chance.choice(("N", "H", "", "\x1b[2J", "x" * 9000))
        elif node is not None:
            node.op_type = chance.choice(
                ("Conv", "Gemm", "Loop", "If", "Nope", "Identity", "MatMul", "Resize")
            )
    path.write_bytes(made.SerializeToString())
