"""What a net makes when it is asked for nothing: text letter by letter, or pictures of drawn codes.

Text: the next letter is drawn from softmax(log p / temperature), of a recurrent net that read all
before it, beginning with --primer (Graves 2013, arXiv:1308.0850). Pictures: codes z from the normal
distribution N(0, 1), put in at the input of a generator, or in place of the draw of a variational
autoencoder; and a walk, z = (1 - t) z_0 + t z_1, between two of them. All is drawn by --seed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from netspec.diagnostics import fail
from netspec.diagnostics.words import count_of
from netspec.pictures.figure import Figure
from netspec.pictures.tiles import tile
from netspec.seeing.outputs import draw_output
from netspec.seeing.samples import samples_of, whole
from netspec.seeing.seen import SAMPLE, Array, Asked, Seen
from netspec.seeing.subject import NetSubject, Subject

__all__ = ["TAKES", "WHOLE", "draw", "see"]

WHOLE = True
TAKES = (*SAMPLE, "count", "temperature", "primer")
LETTERS, PICTURES, STEPS = 200, 36, 10
"""Three lines of text, a sheet of 6 x 6, a walk of ten steps: `--count` asks for others."""
RECENT = 200
"""Letters that are read again for each new one."""


def see(subject: Subject, asked: Asked) -> Seen:
    """Text, or arrays of pictures. count: letters, or pictures."""
    net = subject.need_net("sample")
    name = symbols_of(net)
    if name:
        return see_text(net, asked, name)
    draws = find_draw(net)
    if not draws and not is_generator(net):
        raise fail(
            "NS750", "the net reads no letters, and draws no codes that a picture is made of", path=net.path
        )
    return see_pictures(net, asked, draws)


def symbols_of(net: NetSubject) -> str:
    """The input of numbers of letters, of a net that walks along time; empty for none."""
    if not any("recurrent" in node.layer.traits for node in net.typed.graph.nodes):
        return ""
    return next((n for n, taken in net.taken.items() if len(taken.shape) == 1 and whole(net, n) > 2), "")


def see_text(net: NetSubject, asked: Asked, name: str) -> Seen:
    from netspec.training.run.folder import read_classes

    letters = read_classes(net.folder) if net.folder is not None else None
    if not letters:
        raise fail("NS750", "only a run knows which letters its numbers are", path=net.path)
    primer = asked.primer or letters[0]
    strange = next((c for c in primer if c not in letters), None)
    if strange is not None:
        raise fail(
            "NS757", f"the letter {strange!r} of the primer is not among those of the data", path=net.path
        )
    numbers, rng = [letters.index(c) for c in primer], np.random.default_rng(asked.seed)
    for _ in range(asked.count or LETTERS):
        shares = next_letter(net, name, numbers[-RECENT:])
        numbers.append(pick(shares, asked.temperature, rng))
    text = "".join(letters[i] for i in numbers)
    values = {"text": text, "temperature": asked.temperature, "primer": primer, "seed": asked.seed}
    return Seen("sample", f"Text of {net.name}", [text[:70].replace("\n", " ")], values)


def next_letter(net: NetSubject, name: str, numbers: list[int]) -> Array:
    """Shares of the letters after some, (K,)."""
    steps = np.array(numbers)[:, None]
    feed = {name: steps.astype(np.int64 if net.taken[name].integer else np.float32)}
    for other in net.taken:
        if other != name:  # what says where a text begins: 0 at its first letter
            feed[other] = (np.arange(len(numbers))[:, None] > 0).astype(np.float32)
    net.net.reset_state()  # type: ignore[operator]
    made = next(iter(net.run(feed).values()))
    return np.asarray(made.reshape(len(numbers), -1)[-1], np.float64)


def pick(shares: Array, temperature: float, rng: Any) -> int:
    """A letter; at temperature 0 the likeliest."""
    if temperature == 0:
        return int(shares.argmax())
    logits = np.log(shares.clip(1e-30)) / temperature
    made = np.exp(logits - logits.max())
    return int(rng.choice(len(made), p=made / made.sum()))


def find_draw(net: NetSubject) -> str:
    """The layer that draws a code; empty for none."""
    found = [
        n.name
        for n in net.typed.graph.nodes
        if "stochastic" in n.layer.traits and "dropout" not in n.layer.traits
    ]
    return found[0] if len(found) == 1 else ""


def is_generator(net: NetSubject) -> bool:
    """Whether numbers without a place become a picture."""
    shapes = [taken.shape for taken in net.taken.values()]
    out = [net.typed.types[value].shape for value in net.typed.graph.outputs]
    flat = len(shapes) == 1 and shapes[0][0] and all(n == 1 for n in shapes[0][1:])
    return bool(flat) and any(len(s) == 4 and s[1] in (1, 3) for s in out)


def see_pictures(net: NetSubject, asked: Asked, layer: str) -> Seen:
    """A sheet, and a walk between the first two."""
    count, rng = asked.count or PICTURES, np.random.default_rng(asked.seed)
    base = samples_of(net, asked)[0].arrays
    if layer:
        shape = net.activations(base, [layer])[layer].shape[1:]
    else:
        shape = next(iter(base.values())).shape[1:]
    codes = rng.standard_normal((count, *shape)).astype(np.float32)
    steps = np.linspace(0, 1, STEPS, dtype=np.float32).reshape(-1, *[1] * len(shape))
    walk = (1 - steps) * codes[0] + steps * codes[-1]
    arrays = {
        "codes": codes,
        "sheet": decode(net, base, layer, codes),
        "walk": decode(net, base, layer, walk),
    }
    values = {"count": count, "seed": asked.seed, "code": list(shape), "layer": layer}
    return Seen(
        "sample",
        f"Samples of {net.name}",
        [f"{count_of(count, 'code')} of {list(shape)}, seed {asked.seed}"],
        values,
        arrays,
    )


def decode(net: NetSubject, base: Any, layer: str, codes: Array) -> Array:
    """Pictures (n, c, h, w) of codes."""
    import torch

    if not layer:
        made = next(iter(net.run({next(iter(net.taken)): codes}).values()))
    else:
        given = torch.from_numpy(codes)
        handle = net.module(layer).register_forward_hook(lambda module, inputs, out: given.to(out.device))
        try:
            feed = {name: np.repeat(value, len(codes), 0) for name, value in base.items()}
            made = next(iter(net.run(feed).values()))
        finally:
            handle.remove()
    if made.ndim != 4:
        shape = next((t.shape for t in net.taken.values() if len(t.shape) == 3), None)
        if shape is None or None in shape or made.size != len(codes) * int(np.prod([n or 0 for n in shape])):
            raise fail("NS750", "what it makes of a code is no picture", path=net.path)
        made = made.reshape(len(codes), *[n or 0 for n in shape])
    return made


def draw(seen: Seen) -> Iterator[Figure]:
    """The text, or the sheet and the walk."""
    if "text" in seen.values:
        told = f"temperature {seen.values['temperature']:g}, seed {seen.values['seed']}"
        yield Figure("Sampled text", seen.values["text"], told)
        return
    for name, told in (("sheet", "drawn codes"), ("walk", "from the first code to the last")):
        pictures = []
        for values in seen.arrays[name]:
            body = draw_output(name, values, {"kind": "picture", "shape": values.shape}, None).pixels()
            if body is not None:
                pictures.append(body)
        columns = {"sheet": 0, "walk": STEPS}[name]
        yield Figure(name, tile(pictures, columns, 56), told)
