"""Recurrent layers over several calls with other lengths and streams each: tops, gradients through time, and the Scan of the model."""

from typing import Any

import numpy as np
import pytest
import torch

import netspec
from netspec.driver import load_source
from netspec.emit.onnx_model import onnx_model
from netspec.source import Source
from tests.conformance.caffe.dice import Arrays, Dice
from tests.conformance.caffe.formulas import Array, sigmoid

STEP = 1e-6
CALLS = 4


class Case:
    """A layer of open length and number of streams, its weights, and what the formula says of a call."""

    def __init__(self, seed: str) -> None:
        d = self.dice = Dice(seed)
        self.type, self.outputs = d.choice(["RNN", "LSTM"]), d.size(1, 3)
        self.exposed, self.static, self.features = (
            d.chance(0.4),
            d.choice([0, 0, 2]),
            d.sizes(1, 3, d.size(1, 2)),
        )
        self.states = ("h", "c")[: 1 + (self.type == "LSTM")]
        inputs = {"x": ["T", "N", *self.features], "cont": ["T", "N"]} | (
            {"s": ["N", self.static]} if self.static else {}
        )
        bottoms = [*inputs, *(f"{name}0" for name in self.states if self.exposed)]
        inputs |= {f"{name}0": [1, "N", self.outputs] for name in self.states if self.exposed}
        self.tops = ["y", *(f"{name}T" for name in self.states if self.exposed)]
        words = f"num_output: {self.outputs}, expose_hidden: {str(self.exposed).lower()}"
        declared = ", ".join(f"{name}: [{', '.join(map(str, shape))}]" for name, shape in inputs.items())
        layer = f"{{name: l, type: {self.type}, bottom: [{', '.join(bottoms)}], top: [{', '.join(self.tops)}], {words}}}"
        self.program = load_source(Source("r.yaml", f"input: {{{declared}}}\nlayers:\n  - {layer}\n"))
        self.net: Any = netspec.compile(self.program, phase="test")
        self.weights: Arrays = {}
        for i, tensor in enumerate(self.net.layer_parameters("l")):
            with torch.no_grad():
                tensor.copy_(torch.tensor(d.normal(tensor.shape)))
            self.weights[f"w{i}"] = tensor.detach().numpy().astype(float)

    def feed(self, steps: int, streams: int) -> Arrays:
        """Random values; cont runs on from the call before, begins anew, or does either by chance."""
        d, pattern = self.dice, self.dice.choice(["on", "begin", "chance"])
        cont = d.whole(2, [steps, streams]) if pattern == "chance" else np.ones([steps, streams])
        if pattern == "begin":
            cont[0] = 0
        found = {"x": d.normal([steps, streams, *self.features]), "cont": cont}
        found |= {"s": d.normal([streams, self.static])} if self.static else {}
        found |= {f"{name}0": d.normal([1, streams, self.outputs]) for name in self.states if self.exposed}
        return {name: np.asarray(value, np.float32).astype(float) for name, value in found.items()}

    def formula(self, a: Arrays, state: list[Array]) -> tuple[Arrays, list[Array]]:
        """Tops of a call, and the state after it."""
        weights = [a[f"w{i}"] for i in range(len(self.weights))]
        once = a["s"].reshape(len(a["s"]), -1) @ weights.pop(2).T if self.static else 0
        h, c = (*((a[f"{name}0"][0] for name in self.states) if self.exposed else state), None)[:2]
        made = []
        for x, cont in zip(a["x"].reshape(*a["x"].shape[:2], -1), a["cont"][..., None], strict=True):
            gates = x @ weights[0].T + weights[1] + (cont * h) @ weights[2].T + once
            if self.type == "LSTM":
                i, f, o, g = np.split(gates, 4, 1)
                c = cont * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
            else:
                h = np.tanh(gates)
            made.append(h if self.type == "LSTM" else np.tanh(h @ weights[3].T + weights[4]))
        after = [s for s in (h, c) if s is not None]
        return dict(zip(self.tops, (np.stack(made), *(s[None] for s in after)), strict=False)), after

    def fresh(self, streams: int) -> list[Array]:
        return [np.zeros((streams, self.outputs)) for _ in self.states]

    def slope(self, a: Arrays, state: list[Array], name: str, given: Array) -> Array:
        """The gradient of sum dy y by central differences; the state that came in, and what is exposed of it, pass none on."""
        found = np.zeros_like(a[name])
        for place in np.ndindex(*found.shape):
            ends = []
            for step in (STEP, -STEP):
                moved = a[name].copy()
                moved[place] += step
                ends.append(float((self.formula({**a, name: moved}, state)[0]["y"] * given).sum()))
            found[place] = (ends[0] - ends[1]) / (2 * STEP)
        return found

    def calls(self) -> list[tuple[int, int]]:
        """Length and streams of each call; mostly as many streams as before, so that the state goes on."""
        streams = self.dice.size(1, 3)
        found = []
        for _ in range(CALLS):
            streams = self.dice.size(1, 3) if self.dice.chance(0.3) else streams
            found.append((self.dice.size(1, 5), streams))
        return found


@pytest.mark.onnx
@pytest.mark.parametrize("number", range(24))
def test_several_calls(number: int) -> None:
    import onnxruntime

    case = Case(f"recurrent calls/{number}")
    typed = case.program.graph("test")
    model = onnx_model(
        typed, {ref.name: case.weights[f"w{ref.index}"].astype(np.float32) for ref in typed.weight_refs()}
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    state: list[Array] = case.fresh(1)
    kept: list[Array] = []
    for steps, streams in case.calls():
        if len(state[0]) != streams:
            state, kept = case.fresh(streams), []
        arrays = {**case.feed(steps, streams), **case.weights}
        want, after = case.formula(arrays, state)
        passes(case, arrays, state, want)
        kept = exported(case, session, arrays, kept, want)
        state = after


def passes(case: Case, arrays: Arrays, state: list[Array], want: Arrays) -> None:
    """torch's tops and gradients of one call."""
    names = [name for name in arrays if name != "cont" and not name.startswith("w")]
    given = {
        name: torch.tensor(value, dtype=torch.float32)
        for name, value in arrays.items()
        if not name.startswith("w")
    }
    leaves = {name: given[name].requires_grad_() for name in names}
    leaves |= {f"w{i}": tensor for i, tensor in enumerate(case.net.layer_parameters("l"))}
    case.net.zero_grad()
    blobs = case.net.forward_blobs(given)
    for top, value in want.items():
        np.testing.assert_allclose(blobs[top].detach(), value, 1e-4, 1e-5, err_msg=top)
    dy = case.dice.normal(want["y"].shape)
    (blobs["y"] * torch.tensor(dy, dtype=torch.float32)).sum().backward()
    for name, leaf in leaves.items():
        np.testing.assert_allclose(
            leaf.grad, case.slope(arrays, state, name, dy), 1e-3, 1e-4, err_msg=f"gradient of {name}"
        )


def exported(case: Case, session: Any, arrays: Arrays, kept: list[Array], want: Arrays) -> list[Array]:
    """onnxruntime's tops of one call, and the state that it hands back for the next."""
    feed, carried = {}, iter(kept)
    for given in session.get_inputs():
        value = (
            arrays[given.name]
            if given.name in arrays
            else next(carried, np.zeros((arrays["x"].shape[1], case.outputs)))
        )
        feed[given.name] = value.astype(np.float32)
    made = dict(zip((o.name for o in session.get_outputs()), session.run(None, feed), strict=True))
    for top, value in want.items():
        np.testing.assert_allclose(made.pop(top), value, 1e-4, 1e-5, err_msg=f"{top} of the model")
    return list(made.values())
