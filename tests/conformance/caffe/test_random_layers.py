"""Random nets of one layer against formulas.py: tops, gradients by central differences, weights left behind, and the exported model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import netspec
from netspec.emit.onnx_model import onnx_model
from netspec.frozen_classes import replace_fields
from netspec.importers.prototxt import import_prototxt
from netspec.resolve.deploy import cut_to_outputs
from tests.conformance.caffe.dice import Arrays, Dice, net_text
from tests.conformance.caffe.formulas import DRAWS, Drawn
from tests.conformance.caffe.formulas_boxes import BOXES
from tests.conformance.caffe.formulas_forks import FORKS
from tests.conformance.caffe.formulas_more import MORE

FAMILIES = {**DRAWS, **MORE, **FORKS, **BOXES}
ASIDE = {"loss", "metric", "data", "input"}
STEP = 1e-6
FEW = 3


@pytest.mark.onnx
@pytest.mark.parametrize("family", FAMILIES)
def test_a_few_of_each(family: str, tmp_path: Path) -> None:
    for number in range(FEW):
        Trial(family, number, tmp_path).run()


@pytest.mark.slow
@pytest.mark.onnx
@pytest.mark.parametrize("family", FAMILIES)
def test_many_of_each(family: str, tmp_path: Path) -> None:
    for number in range(FEW, 400):
        Trial(family, number, tmp_path).run()


class Trial:
    """One random net: netspec's, by its own doors, and what the formula says of it."""

    def __init__(self, family: str, number: int, folder: Path) -> None:
        dice = Dice(f"{family}/{number}")
        self.drawn: Drawn = FAMILIES[family](dice)
        self.what = f"{family} {number}: {self.drawn.layer}"
        text, spec = folder / "net.prototxt", folder / "net.yaml"
        text.write_text(net_text(self.drawn.layer, self.drawn.inputs))
        spec.write_text(import_prototxt(text).text)
        self.program = netspec.load(str(spec), stages=[], level=0)
        self.net: nn.Module = netspec.compile(self.program, phase=self.drawn.phase.lower())
        self.arrays: Arrays = {
            name: np.array(np.asarray(value, np.float32), float) for name, value in self.drawn.inputs.items()
        }
        self.weights: list[Tensor] = self.net.layer_parameters("l") if "l" in self.net.layers else []
        for i, tensor in enumerate(self.weights):
            value = np.broadcast_to(
                self.drawn.weights.get(f"w{i}", dice.normal(tensor.shape) / 2), tensor.shape
            )
            with torch.no_grad():
                tensor.copy_(torch.tensor(value))
            self.arrays[f"w{i}"] = np.array(tensor.detach().numpy(), float)
        self.numbers = dice.numbers

    def run(self) -> None:
        want = self.drawn.reference(self.arrays)
        learns = tuple(self.drawn.inputs) if self.drawn.learns is None else self.drawn.learns
        exported = dict(self.exported()) if self.drawn.phase == "TEST" else {}
        feed = {
            name: torch.tensor(self.arrays[name], dtype=torch.float32).requires_grad_(name in learns)
            for name in self.drawn.inputs
        }
        blobs = self.net.forward_blobs(feed)
        for name, value in want.items():
            self.close(blobs[name].detach(), value, name)
            if name in exported:
                self.close(exported[name], value, f"{name} of the model")
        for name, value in (self.drawn.after(self.arrays) if self.drawn.after else {}).items():
            self.close(self.weights[int(name[1:])], value, f"{name} after the pass")
        leaves = {
            **{name: feed[name] for name in learns},
            **{f"w{i}": w for i, w in enumerate(self.weights) if w.requires_grad},
        }
        given = {
            name: self.numbers.standard_normal(value.shape)
            for name, value in want.items()
            if blobs[name].requires_grad
        }
        if given:
            sum(
                (blobs[name] * torch.tensor(dy, dtype=torch.float32)).sum() for name, dy in given.items()
            ).backward()
            slopes = self.drawn.slopes(self.arrays, given) if self.drawn.slopes else {}
            for name, leaf in leaves.items():
                found = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
                self.close(
                    found, slopes[name] if name in slopes else self.slope(name, given), f"gradient of {name}"
                )
        assert given or not learns, f"{self.what}: no gradient"

    def slope(self, name: str, given: Arrays) -> np.ndarray:
        """The gradient of sum dy y, element by element, by central differences."""
        found = np.zeros_like(self.arrays[name])
        for place in np.ndindex(*found.shape):
            ends = []
            for step in (STEP, -STEP):
                moved = self.arrays[name].copy()
                moved[place] += step
                tops = self.drawn.reference({**self.arrays, name: moved})
                ends.append(sum(float((tops[top] * dy).sum()) for top, dy in given.items()))
            found[place] = (ends[0] - ends[1]) / (2 * STEP)
        return found

    def exported(self) -> Iterator[tuple[str, np.ndarray]]:
        """Blobs that the ONNX model gives, losses and metrics aside; recurrent state begins at 0."""
        import onnxruntime

        typed = self.program.graph("test")
        tops = tuple(top for node in typed.graph.nodes if not node.layer.traits & ASIDE for top in node.tops)
        if not tops:
            return
        typed = replace_fields(typed, graph=cut_to_outputs(typed.graph, tops))
        model = onnx_model(
            typed, {ref.name: self.weights[ref.index].detach().numpy().copy() for ref in typed.weight_refs()}
        )
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        feed: dict[str, Any] = {name: np.asarray(self.arrays[name], np.float32) for name in self.drawn.inputs}
        for given in session.get_inputs():
            if given.name not in feed:
                feed[given.name] = np.zeros([feed["x"].shape[1], given.shape[-1]], np.float32)
        wanted = {given.name for given in session.get_inputs()}
        made = session.run(None, {name: value for name, value in feed.items() if name in wanted})
        yield from zip((o.name for o in session.get_outputs()), made, strict=True)

    def close(self, have: Any, want: Any, what: str) -> None:
        have, tolerance = (
            np.asarray(have.detach() if isinstance(have, Tensor) else have),
            self.drawn.tolerance,
        )
        assert have.shape == np.shape(want), f"{self.what}: shape of {what}"
        np.testing.assert_allclose(have, want, tolerance, tolerance, err_msg=f"{self.what}: {what}")
