"""The page itself: a folder of static files around a model. In: a model file and the runtime; out:
the folder, written file by file, the page last.
"""

import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netspec.diagnostics import fail
from netspec.exporters.sizes import KEY as SIZES
from netspec.file_reading import read_bytes
from netspec.file_writing import refusal, replacing, write_text
from netspec.ir.types import show_shape
from netspec.strict_json import JsonError, read_json

__all__ = ["PAGE", "describe_model", "write_page"]

PAGE = Path(__file__).parent / "page"
TEMPLATES = ("style.css", "icon.svg", "picture.js", "sizes.js", "page.js", "index.html")
IMAGE = "netspec.image."


def write_page(folder: Path, model: Path, name: str, runtime: Mapping[str, bytes]) -> None:
    """Write the page, and the model beside it. Raises SpecError NS743, NS704; nothing is written
    where the model is not for a page.
    """
    words = describe_model(model)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise fail("NS704", refusal(error, folder), path=str(folder)) from error
    for file, data in {**runtime, "model.onnx": read_bytes(model)}.items():
        with replacing(folder / file, "NS704") as draft:
            draft.write_bytes(data)
    write_text(folder / "model.json", json.dumps(words, ensure_ascii=False, indent=1) + "\n")
    for file in TEMPLATES:
        text = (PAGE / file).read_text(encoding="utf-8")
        write_text(folder / file, text.replace("NAME", html.escape(name)) if file == "index.html" else text)


def describe_model(model: Path) -> dict[str, Any]:
    """What the page has to know: the input, what is done to a picture, sizes, the classes. Raises
    SpecError NS743 where the model does not take one picture.
    """
    import onnxruntime as ort

    try:
        session = ort.InferenceSession(read_bytes(model), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        fact = f"onnxruntime cannot load it from one file: {str(error).splitlines()[0][:200]}"
        raise fail("NS743", fact, path=str(model)) from error
    said, inputs = session.get_modelmeta().custom_metadata_map, session.get_inputs()
    fit = len(inputs) == 1 and inputs[0].type == "tensor(float)" and len(inputs[0].shape) == 4
    if not fit or inputs[0].shape[1] not in (1, 3) or inputs[0].shape[0] not in (1, "N"):
        shown = ", ".join(f"{each.name} {show_shape((*each.shape,))}" for each in inputs) or "nothing"
        raise fail("NS743", f"a page gives it one picture [N, 1 or 3, H, W]: it takes {shown}")
    image = words_of(said, f"{IMAGE}{inputs[0].name}")
    if not image:
        channels, *space = inputs[0].shape[1:]
        image = {"color": "gray" if channels == 1 else "rgb"}
        if all(isinstance(n, int) for n in space):
            image["resize"] = space
    return {
        "input": inputs[0].name,
        "image": image,
        "axes": list(inputs[0].shape[2:]),
        "sizes": words_of(said, SIZES) or None,
        "labels": words_of(said, "netspec.labels"),
        "about": about(said),
    }


def words_of(said: Mapping[str, str], key: str) -> dict[str, Any]:
    """A property of the model that is a JSON object; empty where it is none."""
    try:
        found = read_json(said.get(key, "{}"))
    except JsonError:
        return {}
    return found if isinstance(found, dict) else {}


def about(said: Mapping[str, str]) -> str:
    """Where the model is from, in a line."""
    proof = {
        "true": "certified against PyTorch",
        "partial": "certified in part against PyTorch",
        "quantized": "smaller than the float file that it was compared with",
    }.get(said.get("netspec.certified", ""), "not certified")
    name = said.get("netspec.spec", "").partition(" ")[0]
    if not name:
        return f"a model that netspec did not make, {proof}."
    return f"{name}, made by netspec, {proof}."
