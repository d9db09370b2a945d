"""Hostile bytes from a seed: sound files damaged, and texts that were made to hurt. Knows no format but by its samples."""

import json
import random

__all__ = ["NUMBERS", "PAYLOADS", "damaged", "extreme_layer", "hostile_prototxt", "hostile_spec"]

PAYLOADS = (
    "r\\n        open('PWN','w').write('ran')\\n        #",
    "\\\"\\\"\\\"\\nopen('PWN','w').write('ran')\\n\\\"\\\"\\\"",
    "../../../tmp/PWN",
    "__import__('os').system('touch PWN')",
    "$(touch PWN)",
    "a\\u202eb\\ud800",
    "x" * 20_000,
    "${9**9**9}",
    "\\x1b[2J",
)
NUMBERS = (
    "-1",
    "0",
    "1e23",
    "4294967297",
    "9223372036854775808",
    "1e400",
    "nan",
    "0.5",
    "9" * 400,
    "[]",
    "{}",
    "null",
    "true",
)
TYPES = (
    "ReLU",
    "Convolution",
    "Pooling",
    "InnerProduct",
    "LSTM",
    "Reshape",
    "Slice",
    "Crop",
    "Eltwise",
    "SPP",
    "DummyData",
    "HDF5Output",
)
KEYS = (
    "num_output",
    "kernel_size",
    "stride",
    "pad",
    "axis",
    "shape",
    "dim",
    "slice_point",
    "pyramid_height",
    "bottom",
    "top",
    "weight_filler",
)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One to three damages: cut, flipped, overwritten, doubled, nested, or no sense at all."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at, kind = chance.randrange(len(made) + 1), chance.randrange(8)
        if kind == 0:
            del made[at:]
        elif kind == 1:
            for _ in range(chance.randint(1, 9) if made else 0):
                made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
        elif kind == 2:
            made[at : at + 8] = chance.choice((b"\xff" * 8, b"\x00" * 8, b"9" * 400, b"\x7f\xff\xff\xff"))
        elif kind == 3:
            made[at:at] = made[at : at + 4096] * chance.choice((1, 2, 50))
        elif kind == 4:
            made[at:at] = chance.choice((b"[", b"{", b"a: {", b"layer {", b"\x0a")) * chance.choice(
                (3, 200, 50_000)
            )
        elif kind == 5:
            made[at : at + chance.randrange(1, 200)] = b""
        elif kind == 6:
            made[at:at] = chance.choice(PAYLOADS).encode()
        else:
            made = bytearray(chance.randbytes(chance.randrange(4096)))
    return bytes(made)


def value(chance: random.Random, depth: int = 0) -> str:
    """A value of a spec: a number, a hostile text, or a list or mapping of such."""
    kind = chance.randrange(6 if depth < 3 else 4)
    if kind < 2:
        return chance.choice(NUMBERS)
    if kind == 2:
        return f'"{chance.choice(PAYLOADS)}"'
    if kind == 3:
        return str(chance.randrange(1, 64))
    inner = [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == 4:
        return f"[{', '.join(inner)}]"
    return f"{{{', '.join(f'{chance.choice(KEYS)}: {each}' for each in inner)}}}"


def hostile_spec(chance: random.Random) -> bytes:
    """A spec of layers with names, types and values of every wrong kind."""
    rows = []
    for i in range(chance.randrange(1, 6)):
        name = f'"{chance.choice(PAYLOADS)}"' if chance.random() < 0.2 else f"l{i}"
        given = "".join(f", {key}: {value(chance)}" for key in chance.sample(KEYS, chance.randrange(4)))
        rows.append(f"  - {{name: {name}, type: {chance.choice(TYPES)}{given}}}\n")
    sizes = ", ".join(
        chance.choice(("N", "3", "8", "16", *NUMBERS[:4])) for _ in range(chance.randrange(1, 5))
    )
    more = f"{chance.choice(('vars', 'blocks', 'expect', 'train', 'output', 'defaults', 'import', 'base'))}: {value(chance)}\n"
    return f"input: {{data: [{sizes}]}}\n{more if chance.random() < 0.4 else ''}layers:\n{''.join(rows)}".encode()


def hostile_prototxt(chance: random.Random) -> bytes:
    """A net's prototxt with hostile words and counts."""
    rows = []
    for i in range(chance.randrange(1, 6)):
        fields = [
            f'name: "{chance.choice(PAYLOADS) if chance.random() < 0.2 else f"l{i}"}"',
            f'type: "{chance.choice(TYPES)}"',
        ]
        fields += [f'bottom: "{"data" if not i else f"l{i - 1}"}"', f'top: "l{i}"']
        for key in chance.sample(KEYS[:9], chance.randrange(4)):
            fields.append(
                f"{chance.choice(('convolution', 'pooling', 'reshape', 'slice'))}_param {{ {key}: {chance.choice(NUMBERS)} }}"
            )
        rows.append(f"layer {{ {' '.join(fields)} }}\n")
    sizes = " ".join(
        f"dim: {chance.choice(('1', '3', '8', *NUMBERS[:6]))}" for _ in range(chance.randrange(6))
    )
    return f'name: "t"\ninput: "data"\ninput_shape {{ {sizes} }}\n{"".join(rows)}'.encode()


EXTREMES = (
    ".inf",
    "-.inf",
    ".nan",
    "1e308",
    "-1e308",
    "1e-320",
    "2147483647",
    "-2147483648",
    "[.inf, 1]",
    "[2147483647]",
    *NUMBERS,
)


def extreme_layer(chance: random.Random) -> bytes:
    """A sound example of any layer type, one or two of its parameters another number than anybody means."""
    import yaml

    from netspec.layers import every

    rows = [(each, row) for each in every() if each.params for row in each.examples() if row.code is None]
    cls, example = chance.choice(rows)
    given = yaml.safe_load(example.parameters or "{}") or {}
    written = {key: json.dumps(value) for key, value in given.items()}
    for name in chance.sample([*cls.params], min(chance.randint(1, 2), len(cls.params))):
        written[name] = chance.choice(EXTREMES)
    bottoms = [f"b{i}" for i in range(len(example.bottoms))]
    inputs = "".join(
        f"  {b}: [{shape.strip('()')}]\n" for b, shape in zip(bottoms, example.bottoms, strict=True)
    )
    tops = [f"t{i}" for i in range(example.outputs or len(example.tops) or 1)]
    more = "".join(f", {key}: {value}" for key, value in written.items())
    return (
        f"dialect: {example.dialect}\n{f'input:{chr(10)}{inputs}' if inputs else ''}layers:\n  - {{name: l, type: {cls.type},"
        f" bottom: [{', '.join(bottoms)}], top: [{', '.join(tops)}]{more}}}\n"
    ).encode()
