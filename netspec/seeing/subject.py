"""What is looked at: the deployed net of a spec or a run under torch, or a model under onnxruntime.
In: a path; out: a Subject. Views ask it and know no files.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from netspec.data.facts import facts_of, read_facts
from netspec.data.samples import Taken, taken_by
from netspec.diagnostics import fail
from netspec.diagnostics.suggest import nearest
from netspec.driver import Program, load
from netspec.imaging.words import contract_of
from netspec.ir.graph import Node, TypedGraph
from netspec.pictures.words import name_at, when
from netspec.read_options import PLAIN, Reading
from netspec.resolve.sections.image import ImageContract
from netspec.seeing.filters import Filters, is_picture
from netspec.seeing.finite import are_finite, check_finite
from netspec.seeing.fitting import check_weights
from netspec.seeing.seen import Array

if TYPE_CHECKING:
    from torch import nn

    from netspec.serving.engine import Model
    from netspec.training.batches.feeds import Feeds

__all__ = ["ModelSubject", "NetSubject", "Subject", "open_subject"]

FEW = 12
"""Layers named where the asked one is not there and none is spelt like it."""


class Subject:
    """A net that can be looked at.

    kind: spec, run or model; name: of the net. taken: what its inputs take; labels: class names by
    output; facts: what its data have fixed.
    """

    kind: Literal["spec", "run", "model"]
    name: str
    path: str
    taken: Mapping[str, Taken]
    labels: Mapping[str, Sequence[str]]
    facts: Mapping[str, Any]
    seed: int = 0

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in order."""
        raise NotImplementedError

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name for a batch of each input. Raises SpecError NS752, NS790 (no numbers)."""
        raise NotImplementedError

    def activations(self, feed: Mapping[str, Array], layers: Sequence[str]) -> dict[str, Array]:
        """What the first top of some layers holds, finite or not."""
        raise NotImplementedError

    def filters(self) -> Iterator[Filters]:
        """The weights of layers whose windows slide, and of dense ones that read a picture."""
        raise NotImplementedError

    def need_net(self, view: str) -> "NetSubject":
        """The same, where the view needs more than a model file holds. Raises SpecError NS750."""
        raise fail(
            "NS750",
            f"{view} needs a spec or a run: its graph, its gradients or its data; a model file holds none of them",
            path=self.path,
        )

    def layer(self, name: str) -> str:
        """A layer's name, if there is such a one. Raises SpecError NS751."""
        if name in self.layers:
            return name
        near = nearest(name, self.layers)
        names = near or self.layers[:FEW]
        more = when(not near and len(self.layers) > FEW, ", ...")
        said = "did you mean" if near else "there are"
        raise fail("NS751", f"{name}; {said} {', '.join(names)}{more}", path=self.path)

    @property
    def picture(self) -> str:
        """The only input that takes pictures, (C, H, W) with 1 or 3 channels; empty for none."""
        found = [name for name, taken in self.taken.items() if is_picture(taken)]
        return when(len(found) == 1, "".join(found))

    def contract(self, name: str) -> ImageContract:
        return self.taken[name].contract or ImageContract()

    def scores(self, outputs: Mapping[str, Array]) -> str:
        """The output that says of which class a sample is: one vector a sample. Raises SpecError
        NS750.
        """
        for name, values in outputs.items():
            if values.ndim >= 2 and values.shape[1] > 1 and values.size == values.shape[0] * values.shape[1]:
                return name
        raise fail("NS750", "no output is a vector of scores of classes", path=self.path)

    def name_class(self, output: str, number: int) -> str:
        """The name of a class, or its number."""
        return name_at(self.labels.get(output, ()), number)


class NetSubject(Subject):
    """The deployed net of a program, its layers each run by itself."""

    def __init__(
        self,
        path: str,
        program: Program,
        folder: Path | None,
        weights: str | Path | None,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.path, self.program, self.folder, self.seed = path, program, folder, seed
        self.kind = "run" if folder is not None else "spec"
        self.name, self.weights, self.device = program.name, weights, device
        self.facts = read_facts(folder) if folder is not None else {}

    @cached_property
    def typed(self) -> TypedGraph:
        return self.program.graph("deploy")

    @cached_property
    def taken(self) -> Mapping[str, Taken]:  # type: ignore[override]
        from netspec.training.batches.feeds import ports_of

        ports = ports_of(self.typed)
        return {n: Taken(port.shape or (), *port[1:]) for n, port in ports.items()}

    @cached_property
    def labels(self) -> Mapping[str, Sequence[str]]:  # type: ignore[override]
        from netspec.training.class_names import labels_of

        return labels_of(self.program, self.typed, self.folder)

    def maker_of(self, output: str) -> "Node | None":
        """The layer that makes an output; None for an input that is one, and for another name."""
        return next((value.node for value in self.typed.graph.outputs if value.name == output), None)

    def without_damaged(self, feeds: "Feeds", part: str) -> "Feeds":
        """Data of its own without what `on_error: skip` leaves out of a part."""
        from netspec.training.batches.feeds import section_of, skipping_parts

        if part not in skipping_parts(section_of(self.program)):
            return feeds
        from netspec.training.test import leave_out

        return leave_out(feeds, part, self.folder, self.program.training_graph("test"))[0]

    @cached_property
    def net(self) -> "nn.Module":
        """With the run's weights, or as the fillers give them from the seed."""
        import torch

        from netspec import compiled
        from netspec.training.device import find_device
        from netspec.training.run.loading import load_weights

        if self.weights is None:
            check_weights(self.typed, self.path)
        place = find_device(self.device)
        torch.manual_seed(self.seed)
        net = compiled.compile(self.program, "deploy", fused=False)
        if self.weights is not None:
            load_weights(net, self.weights)
        return net.to(place)

    @cached_property
    def nodes(self) -> dict[str, Node]:
        return {node.name: node for node in self.typed.graph.nodes}

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self.nodes)

    def need_net(self, view: str) -> "NetSubject":
        return self

    def module(self, layer: str) -> "nn.Module":
        """The module of a layer."""
        layers: Mapping[str, tuple[str, ...]] = self.net.layers  # type: ignore[assignment]
        return self.net.get_submodule(layers[layer][0])

    def call(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name, as tensors, of tensors or arrays by name."""
        import torch

        from netspec.training.batches.feeds import arguments

        names, place = arguments(self.net), next(self.net.parameters(), torch.zeros(1)).device
        given = {
            names[name]: torch.as_tensor(value).to(place) for name, value in feed.items() if name in names
        }
        made = self.net(**given)
        outputs: Sequence[str] = self.net.outputs  # type: ignore[assignment]
        return {outputs[0]: made} if isinstance(made, torch.Tensor) else dict(made)

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        import torch

        from netspec.training.device import exact_float32

        with torch.no_grad(), exact_float32(), self.fitting(feed):
            made = {name: value.cpu().numpy() for name, value in self.call(feed).items()}
        self.check_finite(made, feed)
        return made

    def check_finite(self, values: Mapping[str, Array], feed: Mapping[str, Any]) -> None:
        """Raises SpecError NS790, with the layer that began it."""
        import torch

        begin = ""
        if not all(map(are_finite, values.values())):
            with torch.no_grad():
                sound = self.watch(feed, self.layers, lambda value: bool(torch.isfinite(value).all()))
            begin = next((name for name, each in sound.items() if not each), "")
        check_finite(values, self.path, begin, self.weights is None)

    def fitting(self, feed: Mapping[str, Any]) -> Any:
        """What torch refuses of an input becomes a finding."""
        from netspec.seeing.fitting import fitting

        return fitting(self.path, {name: tuple(value.shape) for name, value in feed.items()})

    def activations(self, feed: Mapping[str, Array], layers: Sequence[str]) -> dict[str, Array]:
        import torch

        with torch.no_grad(), self.fitting(feed):
            found = self.watch(feed, layers, lambda value: value.detach().clone())
        return {name: value.cpu().numpy() for name, value in found.items()}

    def watch(
        self, feed: Mapping[str, Any], layers: Sequence[str], take: Callable[[Any], Any]
    ) -> dict[str, Any]:
        """What `take` makes of the first top of some layers, in one call."""
        found: dict[str, Any] = {}

        def hook(name: str) -> Callable[..., None]:
            def keep(module: Any, given: Any, made: Any) -> None:
                found[name] = take(made[0] if isinstance(made, tuple) else made)

            return keep

        handles = [self.module(name).register_forward_hook(hook(name)) for name in layers]
        try:
            self.call(feed)
        finally:
            for handle in handles:
                handle.remove()
        return {name: found[name] for name in layers if name in found}

    def filters(self) -> Iterator[Filters]:
        given = {i.value: i.value.name for i in self.typed.graph.inputs}
        for node in self.typed.graph.nodes:
            if not any(w.name == "weight" for w in self.typed.weights[node]) or not node.bottoms:
                continue
            weight = self.net.layer_parameters(node.name)[0].detach().cpu().numpy()  # type: ignore[operator]
            bottom, first = self.typed.types[node.bottoms[0]], node.bottoms[0] in given
            if "windowed" in node.layer.traits and 3 <= weight.ndim <= 5:
                color = self.color(given[node.bottoms[0]]) if first else ""
                yield Filters(node.name, weight, first, color)
            elif first and weight.ndim == 2 and is_picture(self.taken[given[node.bottoms[0]]]):
                shape = tuple(n for n in bottom.shape[1:] if isinstance(n, int))
                if weight.shape[1] == math.prod(shape) and len(shape) == 3:
                    color = self.color(given[node.bottoms[0]])
                    yield Filters(node.name, weight.reshape(-1, *shape), True, color)

    def color(self, name: str) -> str:
        taken = self.taken[name]
        return self.contract(name).order(taken.shape[0] if taken.shape else None) or ""


class ModelSubject(Subject):
    """An ONNX file, whoever made it."""

    kind = "model"

    def __init__(self, path: str, device: str, allow_uncertified: bool = False) -> None:
        from netspec.ort_format import require_onnx
        from netspec.serving.engine import open_model
        from netspec.serving.predict import image_words

        require_onnx(path)
        self.path, self.name, self.device = path, Path(path).stem, device
        self.model: Model = open_model(path, device, allow_uncertified=allow_uncertified)
        self.labels = self.model.labels
        self.facts = facts_of(self.model.metadata, path)
        self.taken = {
            each.name: taken_by(
                each.shape,
                contract_of(image_words(self.model, each.name, path), each.name, path),
                each.datatype,
            )
            for each in self.model.inputs
        }

    @cached_property
    def proto(self) -> Any:
        """The file as a message, its weights beside it too."""
        import onnx

        return onnx.load(self.path, format="protobuf")

    @cached_property
    def weights(self) -> dict[str, Array]:
        from onnx import numpy_helper

        return {each.name: numpy_helper.to_array(each) for each in self.proto.graph.initializer}

    @cached_property
    def shapes(self) -> dict[str, tuple[int | str, ...]]:
        """Shapes of values, as far as the file tells them; a size that is open by its name."""
        graph = self.proto.graph
        told = {each.name: each.type.tensor_type.shape.dim for each in (*graph.value_info, *graph.output)}
        return {name: tuple(n.dim_param or n.dim_value for n in sizes) for name, sizes in told.items()}

    @cached_property
    def tops(self) -> dict[str, str]:
        """The first output of each node, by the node's name or its own."""
        return {node.name or node.output[0]: node.output[0] for node in self.proto.graph.node}

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self.tops)

    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        from netspec.serving.predict import run_model

        made = run_model(self.model, feed, self.path)
        check_finite(made, self.path)
        return made

    def activations(self, feed: Mapping[str, Array], layers: Sequence[str]) -> dict[str, Array]:
        import onnx
        import onnxruntime as ort

        model = onnx.ModelProto()
        model.CopyFrom(self.proto)
        known = {each.name for each in model.graph.output}
        for name in dict.fromkeys(self.tops[layer] for layer in layers):
            if name not in known:
                model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        wanted = [self.tops[layer] for layer in layers]
        try:
            session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            made = session.run(wanted, dict(feed))
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            why = (str(error).strip() or type(error).__name__).splitlines()[0].rpartition(" : ")[2]
            raise fail("NS726", f"the model cannot run on these inputs: {why}", path=self.path) from error
        return dict(zip(layers, made, strict=True))

    def filters(self) -> Iterator[Filters]:
        from netspec.seeing.onnx_filters import read_filters

        return read_filters(self.proto.graph.node, self.weights, self.taken)


def open_subject(
    path: str,
    weights: str | None = None,
    seed: int = 0,
    device: str = "auto",
    reading: Reading = PLAIN,
    allow_uncertified: bool = False,
) -> Subject:
    """A spec, a run's folder or an ONNX file. weights: last, best or a file, by default the last of
    a run and what the fillers give a spec.

    Raises SpecError: NS683 (a folder that is no run), NS720, NS721 (no usable model), NS712 and
    NS713 (its certificate), and what reading a spec raises.
    """
    if path.endswith(".onnx"):
        return ModelSubject(path, device, allow_uncertified)
    if not Path(path).is_dir():
        return NetSubject(path, load(path, reading), None, weights, seed, device)
    from netspec.training.run.folder import program_of, read_record, weights_file

    folder = Path(path)
    program = program_of(folder, read_record(folder), reading)
    return NetSubject(path, program, folder, weights_file(folder, weights or "last"), seed, device)
