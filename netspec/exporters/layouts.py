"""An exported model in the folder of a model server: Triton's repository, and KServe's manifest for
it. In: a model file; out: folders and texts, the version moved to its place in one step.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from netspec.diagnostics import fail
from netspec.file_reading import read_bytes
from netspec.file_writing import draft_of, forget_drafts, refusal, sync, write_text
from netspec.strict_json import JsonError, read_json

__all__ = ["LAYOUTS", "Layout", "Model", "config_of", "manifest_of", "read_model", "write_layout"]

Layout = Literal["triton", "kserve"]
LAYOUTS: tuple[Layout, ...] = ("triton", "kserve")
TYPES = {
    "tensor(float)": "TYPE_FP32",
    "tensor(float16)": "TYPE_FP16",
    "tensor(double)": "TYPE_FP64",
    "tensor(int64)": "TYPE_INT64",
    "tensor(int32)": "TYPE_INT32",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(bool)": "TYPE_BOOL",
}
ROWS = 64
"""Rows that are joined at most, as `netspec serve` does."""
UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")


class Tensor(NamedTuple):
    """A name, Triton's type, and the shape: a letter where a size is open."""

    name: str
    kind: str
    shape: tuple[int | str | None, ...]


class Model(NamedTuple):
    """What a server has to know. joined: whether requests may run together along the first axis."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    joined: bool
    labels: Mapping[str, Sequence[str]]
    sizes: str | None


def read_model(path: Path) -> Model:
    """What an exported file says of itself. Raises SpecError NS745 for a type that Triton lacks."""
    import onnxruntime as ort

    try:
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise fail("NS721", str(error).splitlines()[0][:200], path=str(path)) from error
    said = session.get_modelmeta().custom_metadata_map
    inputs, outputs = (tuple(map(tensor, side)) for side in (session.get_inputs(), session.get_outputs()))
    firsts = {each.shape[0] if each.shape else 1 for each in (*inputs, *outputs)}
    alike = len(firsts) == 1 and isinstance(next(iter(firsts)), str)
    joined = said.get("netspec.rows") == "apart" and alike
    name = UNFIT.sub("-", said.get("netspec.spec", "model").rpartition(" ")[0]).strip("-.") or "model"
    return Model(name, inputs, outputs, joined, read_labels(said), said.get("netspec.sizes"))


def read_labels(said: Mapping[str, str]) -> dict[str, list[str]]:
    try:
        found = read_json(said.get("netspec.labels", "{}"))
    except JsonError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): [str(each) for each in words] for name, words in found.items()}


def tensor(given: Any) -> Tensor:
    if given.type not in TYPES:
        raise fail("NS745", f"{given.name} is {given.type}: Triton's configuration has no such type")
    return Tensor(given.name, TYPES[given.type], tuple(given.shape))


def config_of(model: Model) -> str:
    """Triton's config.pbtxt. Sizes behind N are -1 where they are open; which of them the net takes
    stands in comments and in the parameter netspec.sizes.
    """
    lines = [f"name: {quoted(model.name)}", 'platform: "onnxruntime_onnx"']
    lines.append(f"max_batch_size: {ROWS if model.joined else 0}")
    lines += [line for each in model.inputs for line in block("input", each, model)]
    lines += [line for each in model.outputs for line in block("output", each, model)]
    if model.joined:
        lines.append("dynamic_batching { }")
    lines += size_lines(model.sizes)
    return "\n".join(lines) + "\n"


def block(word: str, each: Tensor, model: Model) -> Iterator[str]:
    """One input or output; without N where requests are joined."""
    dims = [n if isinstance(n, int) else -1 for n in each.shape[int(model.joined) :]]
    yield f"{word} ["
    yield "  {"
    yield f"    name: {quoted(each.name)}"
    yield f"    data_type: {each.kind}"
    yield f"    dims: {dims or [1]}"
    if not dims:  # Triton takes no empty list
        yield "    reshape { shape: [ ] }"
    if word == "output" and each.name in model.labels:
        yield f"    label_filename: {quoted(label_file(each.name))}"
    yield "  }"
    yield "]"


def size_lines(sizes: str | None) -> Iterator[str]:
    if sizes is None:
        return
    try:
        axes = read_json(sizes).get("axes", {})
    except (JsonError, AttributeError):
        axes = {}
    for name, axis in axes.items():
        yield f"# {name}: {' '.join(str(axis.get('text', '')).split())}"
    yield f'parameters {{ key: "netspec.sizes" value {{ string_value: {quoted(sizes)} }} }}'


def quoted(text: str) -> str:
    """A string of protobuf's text format."""
    return json.dumps(text, ensure_ascii=True).replace("\\u007f", "\\177")


def label_file(output: str) -> str:
    return f"labels-{UNFIT.sub('-', output)}.txt"


def manifest_of(model: Model, storage: str) -> str:
    """KServe's InferenceService that lets Triton serve the repository at `storage`."""
    # a label of DNS, as Kubernetes has it: lower case, at most 63 characters
    name = re.sub(r"[^a-z0-9-]+", "-", model.name.lower()).strip("-") or "model"
    return f"""\
# The folder {model.name} of this repository belongs at {storage}
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name[:63]}
spec:
  predictor:
    model:
      modelFormat:
        name: onnx
      protocolVersion: v2
      runtime: kserve-tritonserver
      storageUri: {json.dumps(storage)}
"""


def write_layout(layout: Layout, folder: Path, files: Path, storage: str) -> Path:
    """Put model.onnx of the folder `files`, with what lies beside it, into a repository as its next
    version; answers the version's folder. Raises SpecError NS704, NS745.
    """
    model = read_model(files / "model.onnx")
    place = folder / model.name
    try:
        place.mkdir(parents=True, exist_ok=True)
        there = [int(each.name) for each in place.iterdir() if each.is_dir() and each.name.isdecimal()]
        target = place / str(max(there, default=0) + 1)
        write_text(place / "config.pbtxt", config_of(model), "NS704")
        for output, labels in model.labels.items():
            write_text(place / label_file(output), "".join(f"{label}\n" for label in labels), "NS704")
        publish(files, target)
        if layout == "kserve":
            write_text(folder / f"{model.name}.yaml", manifest_of(model, storage), "NS704")
    except OSError as error:
        raise fail("NS704", refusal(error, place), path=str(place)) from error
    return target


def publish(files: Path, target: Path) -> None:
    """Copy files into a hidden folder that then gets the version's name: a server that looks sees a
    whole version or none.
    """
    forget_drafts(target.parent, target.name)
    draft = draft_of(target)
    try:
        draft.mkdir()
        for file in sorted(files.iterdir()):
            (draft / file.name).write_bytes(read_bytes(file))
            sync(draft / file.name)
        draft.replace(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
