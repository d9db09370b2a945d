"""Every page whose example is a command, or a section of a spec for training: it is run, and its code must come of it.

What an example takes for granted (a folder of photos, a run, a model) is made in `GIVEN`; what cannot be run here says why in `NOT_RUN`.
"""

import json
import re
import shlex
import struct
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from test_pages import checked

from netspec.cli import group
from netspec.diagnostics.codes import CODES
from netspec.diagnostics.model import SpecError
from netspec.seal import seal_of
from tests.data.boxed_files import DETECTOR, Boxed, write_coco, write_voc
from tests.data.sounds import write_classes, write_wav
from tests.data.test_webdataset import picture, write_shard

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

ROOT = Path(__file__).parents[2]
NOT_RUN = {
    "NS331": "no layer that ships is without sizes as symbols",
    "NS503": "no such bug is known; a planted one fires it in tests/emit",
    "NS609": "a state_dict of another net in tests/training/test_by_structure.py",
    "NS618": "a net without classes, and what ends a boosting, in tests/recipes/test_boost.py",
    "NS698": "what ends a boosting in tests/recipes/test_boost.py: a page would have to train several nets",
    "NS602": "another process trains in tests/training/test_owner.py",
    "NS603": "a full disk stands in tests/training/test_owner.py",
    "NS605": "processes are not launched here; tests/training/test_world.py has them",
    "NS606": "a process is killed in tests/training/test_world.py",
    "NS607": "a run goes on with other processes in tests/training/test_world.py",
    "NS771": "processes are not launched here; tests/training/test_world.py asks for them",
    "NS614": "there is a compiler where the tests run; one that fails is planted in tests/training/test_pace.py",
    "NS635": "a run of other bits is planted in tests/training/test_reproduce.py",
    "NS636": "another version is planted in tests/training/test_reproduce.py",
    "NS657": "every extra is installed where the tests run",
    "NS665": "a folder that can be made and not written to",
    "NS666": "only a net that Python calls writes",
    "NS667": "lists of labels are held against data in tests/training/test_class_names.py",
    "NS703": "torch and onnxruntime agree",
    "NS716": "rounding that hides an output is planted in tests/export",
    "NS706": "a net that no size suits is NS308",
    "NS741": "a run is quantized in tests/export/test_quantized.py",
    "NS742": "a run is exported in tests/export/test_quantized.py",
    "NS761": "a process is ended in tests/serving/test_serving_repository.py",
    "NS760": "weights of 2 GiB; planted in tests/export/test_ort_file.py",
    "NS747": "gRPC is installed where the tests run; tests/serving/test_grpc.py hides it",
    "NS745": "no layer that ships gives words",
    "NS770": "processes are not launched here; tests/training/test_world.py asks for them",
    "NS754": "every extra is installed where the tests run; tests/seeing/test_made.py hides one",
    "NS791": "these tests need their memory; tests/cli/test_ending.py lets it end",
    "NS755": "a log is damaged in tests/seeing/test_seeing_pages.py",
    "NS733": "a worker is killed in tests/serving/test_serving_workers.py",
    "NS901": "no bug is known",
}
COSTLY = ("NS604", "NS608", "NS619", "NS691", "NS702", "NS705", "NS743")
"""Trainings and exports of seconds, whose codes tests of their own fire as well: their pages are run before a release."""
WITHOUT_GPU = ("NS332", "NS678", "NS722")
HEAD = """netspec: 1
name: demo
input: {data: %s}
layers:
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}
"""
SHAPES = {
    "NS616": "[N, 64]",
    "NS630": "[N, 1, 50]",
    "NS631": "[N, 1, 50]",
    "NS633": "[N, 3]",
    "NS634": "[N, 3]",
    "NS652": "[N, 1, 9, 9]",
    "NS651": "[N, 1, 4, 4]",
    "NS654": "[N, 3]",
    "NS650": "[N, 3]",
    "NS661": "[N, 3]",
    "NS641": "[N, 3]",
}
HEADS = {"NS623": DETECTOR, "NS624": DETECTOR.replace("classes: 4", "classes: 3")}
PHOTOS = "{shape: [N, 3, 8, 8]}"
TINY = """netspec: 1
name: tiny
input: {data: {shape: [N, 1, 8, 8], image: {scale: 0.0039}}}
layers:
  - {name: ip, type: InnerProduct, num_output: 10, weight_filler: xavier}
  - {name: prob, type: Softmax}
output: prob
train:
  data: {source: digits, batch_size: 64}
  test_data: {source: digits, split: test, batch_size: 64}
  solver: {base_lr: 0.1, max_iter: 2, random_seed: 1}
"""


def five_blobs(folder: Path) -> None:
    """Weights of a BatchNorm as NVIDIA's fork writes them."""

    def piece(field: int, payload: bytes) -> bytes:
        return (
            bytes(
                [field << 3 & 127 | 130, field >> 4, len(payload)]
                if field > 15
                else [field << 3 | 2, len(payload)]
            )
            + payload
        )

    blobs = [
        piece(7, piece(7, piece(1, bytes([n]))) + piece(5, struct.pack(f"<{n}f", *range(1, n + 1))))
        for n in (4, 4, 1, 4, 4)
    ]
    (folder / "five_blobs.caffemodel").write_bytes(piece(100, piece(1, b"bn1") + b"".join(blobs)))


def run(*words: str) -> list[str]:
    """The codes that a command ends with or prints."""
    result = CliRunner().invoke(group, list(words), standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SpecError):
        raise AssertionError(f"{words}: {result.exception!r}\n{result.output}") from result.exception
    raised = [d.code for d in result.exception.diagnostics] if isinstance(result.exception, SpecError) else []
    return raised + re.findall(r"\[(NS\d{3})\]", result.output)


def image(path: Path, size: tuple[int, int] = (8, 8), light: int = 90) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", size, (9, 8, 7))
    picture.putpixel((0, 0), (light, 80, 70))
    picture.save(path)


def idx(path: Path, values: np.ndarray) -> None:
    path.write_bytes(
        bytes([0, 0, 8, values.ndim])
        + struct.pack(f">{values.ndim}I", *values.shape)
        + values.astype(">u1").tobytes()
    )


def photos(folder: Path) -> None:
    for light, name in ((90, "cat/a.png"), (200, "dog/b.png")):
        image(folder / "photos" / name, light=light)


def sounds(folder: Path, damaged: bool) -> None:
    write_classes(folder / "words", {"no": 3, "yes": 3}, 16000)
    write_wav(folder / "words/yes/17.wav", np.zeros(50), 44100)
    if damaged:
        (folder / "words/yes/17.wav").write_bytes(b"")


def cut_shard(folder: Path) -> None:
    for n in range(2):
        members = {f"{n}.png": picture(n), f"{n}.cls": b"0"}
        path = write_shard(folder / "shards" / f"{n}.tar", members)
    path.write_bytes(path.read_bytes()[:700])


def other_columns(folder: Path) -> None:
    (folder / "flowers.csv").write_text("a,b,c,label\n1,2,3,0\n4,5,6,1\n")
    (folder / "others.csv").write_text("a,b,d,label\n1,2,3,0\n")


def other_words(folder: Path) -> None:
    (folder / "rooms.csv").write_text("size,city,label\n1,Bonn,0\n4,Rome,1\n")
    (folder / "others.csv").write_text("size,city,label\n1,Bonn,0\n4,Oslo,1\n")


def copied_photo(folder: Path) -> None:
    photos(folder)
    image(folder / "photos/dog/c.png")


def broken_photo(folder: Path) -> None:
    photos(folder)
    (folder / "photos/cat/a.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")


def one_broken_photo(folder: Path) -> None:
    broken_photo(folder)
    image(folder / "photos/cat/c.png", (9, 9))
    image(folder / "photos/dog/d.png", (7, 7))


def masks_without_a_class(folder: Path) -> None:
    for name in ("a", "b"):
        image(folder / "photos" / f"{name}.png")
        image(folder / "masks" / f"{name}.png")


def huge_photo(folder: Path) -> None:
    import zlib

    photos(folder)
    header = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(b"\0" * 9), b"IEND"]
    packed = (
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )
    (folder / "photos/cat/a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


def empty_class(folder: Path) -> None:
    photos(folder)
    (folder / "photos/bird").mkdir()


def ring_of_links(folder: Path) -> None:
    photos(folder)
    (folder / "photos/cat/more").symlink_to("..")


def unlike_photos(folder: Path) -> None:
    photos(folder)
    image(folder / "photos/dog/b.png", (9, 7))


def cut_mnist(folder: Path) -> None:
    (folder / "truncated").mkdir()
    for part in ("train", "t10k"):
        idx(folder / f"truncated/{part}-images-idx3-ubyte", np.zeros((4, 28, 28)))
        idx(folder / f"truncated/{part}-labels-idx1-ubyte", np.zeros(4))
        whole = (folder / f"truncated/{part}-images-idx3-ubyte").read_bytes()
        (folder / f"truncated/{part}-images-idx3-ubyte").write_bytes(whole[:-9])


def labels_from_one(folder: Path) -> None:
    idx(folder / "i.idx", np.zeros((10, 4, 4)))
    idx(folder / "one-to-ten.idx", np.arange(1, 11))


def other_class(folder: Path) -> None:
    photos(folder)
    image(folder / "more/bird/c.png")


def unpacked(folder: Path) -> None:
    for name in ("cat/a.png", "dog/b.png"):
        image(folder / "upload/pets" / name)


def one_birch(folder: Path) -> None:
    for name in ("birch/0.png", *(f"oak/{i}.png" for i in range(9))):
        image(folder / "trees" / name)


def grown(folder: Path) -> None:
    photos(folder)
    (folder / "photos").rename(folder / "folder-that-grew")
    spec = (
        HEAD % PHOTOS
        + "train:\n  data: {source: images, path: folder-that-grew}\n  solver: {base_lr: 0.01, max_iter: 1, random_seed: 1}\n"
    )
    (folder / "begun.yaml").write_text(spec, encoding="utf-8")
    assert run("train", "begun.yaml", "--run", "run", "--quiet") == ["NS668"]  # ten outputs, two classes
    image(folder / "folder-that-grew/cat/new.png")


def module(folder: Path) -> None:
    (folder / "mydata.py").write_text(
        "class Faces:\n    def __init__(self):\n        raise ValueError('no faces')\n", encoding="utf-8"
    )


def trained(folder: Path) -> None:
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    for name in ("demo", "LeNet/2026-11-21T10-00-00"):
        spec = "tiny.yaml" if name == "demo" else "untested.yaml"
        (folder / "untested.yaml").write_text(re.sub("  test_data.*\n", "", TINY), encoding="utf-8")
        assert run("train", spec, "--run", f"runs/{name}", "--quiet") == []


def begun(folder: Path) -> None:
    assert (
        run(
            "train",
            "specs/lenet-digits.yaml",
            "--set",
            "train.solver.max_iter=1",
            "--run",
            "runs/demo",
            "--quiet",
        )
        == []
    )


def other_blobs(folder: Path) -> None:
    text = "input: {data: [1, 3, 8, 8]}\nlayers:\n  - {name: c, type: Convolution, num_output: 4, kernel_size: 3, weight_filler: xavier}\n"
    from netspec.training.run.weights import write_tensors

    write_tensors(
        folder / "w.safetensors", {"c.weight": torch.zeros(4, 3, 3, 3), "c.bias": torch.zeros(4)}, {}
    )
    for name, spec, more in (
        ("other_net", text, ("--weights", "w.safetensors")),
        ("train_val", text.replace("num_output: 4", "num_output: 5"), ()),
    ):
        (folder / f"{name}.yaml").write_text(spec, encoding="utf-8")
        assert run("export", f"{name}.yaml", "--to", "prototxt", "-o", f"{name}.prototxt", *more) == []


def too_heavy(folder: Path) -> None:
    (folder / "net.yaml").write_text(
        "input: {data: [N, 4096]}\nlayers: [{name: ip, type: InnerProduct, num_output: 2000000000}]"
    )


def two_plugins(folder: Path) -> None:
    for name in ("One", "Two"):
        text = f"""from netspec.plugin import Layer, module
import torch
from torch import nn


class {name}(Layer, type="{name}", param="{name.lower()}_param", traits=("elementwise",)):
    \"\"\"Squash values.\"\"\"

    def infer(self, x):
        return x

    def torch(self, x):
        return module("Squash{name}")

    def onnx(self, g, x):
        return g.Tanh(x)


def squashed(x):
    return torch.tanh(x)  # {name}


class Squash{name}(nn.Module):
    def forward(self, x):
        return squashed(x)
"""
        (folder / f"{name.lower()}.py").write_text(text, encoding="utf-8")
    spec = "plugins: [one.py, two.py]\ninput: {data: [N, 3]}\nlayers:\n  - {name: a, type: One}\n  - {name: b, type: Two}\n"
    (folder / "net.yaml").write_text(spec, encoding="utf-8")


def model(folder: Path) -> None:
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    assert run("export", "tiny.yaml", "-o", "model.onnx") == []


def certified(change: Callable[[Any], None]) -> Callable[[Path], None]:
    """A certified model, changed afterwards."""

    def make(folder: Path) -> None:
        import onnx

        model(folder)
        made = onnx.load(str(folder / "model.onnx"))
        change(made)
        onnx.save(made, str(folder / "model.onnx"))

    return make


def other_weights(made: Any) -> None:
    weight = max(made.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weight.raw_data = bytes(len(weight.raw_data))


def other_answers(made: Any) -> None:
    said = next(p for p in made.metadata_props if p.key == "netspec.probes")
    probes = json.loads(said.value)
    for answer in probes[0]["outputs"].values():
        answer["values"][0] += 1
    said.value = json.dumps(probes)


def resealed(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """The same, with the hashes that the file has now: then it is no other file to `verify`, but one that answers otherwise."""

    def seal(folder: Path) -> None:
        import onnx

        make(folder)
        made, own = onnx.load(str(folder / "model.onnx")), seal_of(folder / "model.onnx")
        next(p for p in made.metadata_props if p.key == "netspec.seal").value = own.text()
        onnx.save(made, str(folder / "model.onnx"))

    return seal


def no_certificate(made: Any) -> None:
    next(p for p in made.metadata_props if p.key == "netspec.certificate").value = "{"


def sequence(folder: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    made = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("SequenceConstruct", ["x"], ["y"])], "g", [given], [made])
    onnx.save(
        helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)]),
        folder / "sequence.onnx",
    )


ONE = ("--set", "train.solver.max_iter=1", "--quiet")
ADDED = {
    "NS658": ("--allow-code",),
    "NS659": ("--resume",),
    "NS675": ONE,
    "NS676": ONE,
    "NS677": ONE,
    "NS690": ("--set", "train.solver.max_iter=18"),
}
"""What is added to commands: they would train for long, or say only beside the example what they do."""
GIVEN: dict[str, Callable[[Path], None]] = {
    "NS031": other_blobs,
    "NS615": trained,
    "NS616": trained,
    "NS502": two_plugins,
    "NS505": too_heavy,
    "NS040": five_blobs,
    "NS644": cut_mnist,
    "NS645": lambda f: (f / "notes.txt").write_text("notes", encoding="utf-8") and None,
    "NS693": lambda f: [
        np.savez(f / f"{name}.npz", x=np.full((4, 2), value, np.float32), label=np.arange(4) % 2)
        for name, value in (("good", 1.0), ("holed", np.nan))
    ],
    "NS646": lambda f: np.savez(f / "unequal.npz", image=np.zeros((4, 8, 8)), label=np.zeros(3)),
    "NS647": broken_photo,
    "NS648": huge_photo,
    "NS630": partial(sounds, damaged=True),
    "NS631": partial(sounds, damaged=False),
    "NS632": cut_shard,
    "NS633": other_columns,
    "NS634": other_words,
    "NS649": empty_class,
    "NS734": ring_of_links,
    "NS650": lambda f: (f / "header-only.csv").write_text("a,b,c,label\n", encoding="utf-8") and None,
    "NS651": labels_from_one,
    "NS653": unlike_photos,
    "NS654": lambda f: (
        (f / "gaps.csv").write_text("a,b,c,label\n1,2,3,0\n1,,3,1\n", encoding="utf-8") and None
    ),
    "NS655": lambda f: np.savez(f / "objects.npz", image=np.array([{}, {}], dtype=object), label=np.zeros(2)),
    "NS658": module,
    "NS659": grown,
    "NS661": lambda f: (
        (f / "table.csv").write_text("a,b,c,label\n1,2,3,0\n1,2,3,1\n", encoding="utf-8") and None
    ),
    "NS662": lambda f: (f / "book.txt").write_text("abc" * 9000, encoding="utf-8") and None,
    "NS663": other_class,
    "NS664": unpacked,
    "NS668": one_birch,
    "NS669": copied_photo,
    "NS691": one_broken_photo,
    "NS620": lambda f: (
        (f / "captions.json").write_text(json.dumps({"images": [], "annotations": []}), encoding="utf-8")
        and None
    ),
    "NS621": lambda f: (
        write_coco(f / "boxes-without-width", boxes=(Boxed("a", "cat", (8, 0, 8, 9)),)) and None
    ),
    "NS622": lambda f: (write_voc(f / "pictures-gone") / "JPEGImages/a.png").unlink(),
    "NS623": lambda f: (
        write_coco(f / "boxes-over-the-border", boxes=(Boxed("a", "cat", (-9, 0, 8, 9)),)) and None
    ),
    "NS624": lambda f: write_coco(f / "three-categories") and None,
    "NS697": masks_without_a_class,
    "NS674": begun,
    "NS684": trained,
    "NS685": model,
    "NS713": certified(other_weights),
    "NS714": resealed(certified(other_answers)),
    "NS715": certified(no_certificate),
    "NS721": model,
    "NS730": lambda f: (f / "models").mkdir(),
    "NS722": model,
    "NS723": sequence,
    "NS724": model,
    "NS725": model,
}


def pages() -> list[str]:
    """The codes whose example may be more than a whole spec that `check` finds it in: it is no lone spec, or it trains."""
    return [code for code in CODES if code not in NOT_RUN and is_run(example(code))]


def is_run(text: str) -> bool:
    return text.count("```") != 2 or "```yaml" not in text or "train:" in text


def example(code: str) -> str:
    page = (ROOT / f"netspec/diagnostics/pages/{code}.md").read_text(encoding="utf-8")
    return page[page.index("## Example") : page.index("## Fix")]


@pytest.mark.parametrize(
    "code", [pytest.param(code, marks=pytest.mark.slow if code in COSTLY else ()) for code in pages()]
)
def test_the_example_of_a_page_fires_its_code(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if checked(code):
        return
    if code in WITHOUT_GPU and torch.cuda.is_available():
        pytest.skip("this machine has what the example lacks")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    GIVEN.get(code, lambda folder: None)(tmp_path)
    assert code in [
        found
        for kind, text in re.findall(r"```(\w+)\n(.*?)^```", example(code), re.DOTALL | re.MULTILINE)
        for found in codes(code, kind, text)
    ]


def head_of(code: str, text: str) -> str:
    """The small net that a section stands in."""
    if code in HEADS:
        return HEADS[code]
    return HEAD % SHAPES.get(code, PHOTOS if "images" in text or "photos" in text else "[N, 1, 8, 8]")


def codes(code: str, kind: str, text: str) -> list[str]:
    """What comes of one block of an example: a spec is trained (a section stands in a small net), lines of a shell are run."""
    if kind == "yaml":
        whole = head_of(code, text) + text if text.startswith("train:") else text
        Path("spec.yaml").write_text(whole, encoding="utf-8")
        return (
            run("train", "spec.yaml", "--run", "run", "--quiet", *ADDED.get(code, ()))
            if "train:" in whole
            else []
        )
    found: list[str] = []
    for part in re.split(r"^(?:\$ )?(netspec .*)\n", text, flags=re.MULTILINE):
        if part.startswith("netspec "):
            found += run(*shlex.split(part, comments=True)[1:], *ADDED.get(code, ()))
        elif part.strip():
            done = subprocess.run(
                ["bash", "-c", part], capture_output=True, text=True, check=False, timeout=100
            )
            found += re.findall(r"\[(NS\d{3})\]", done.stderr + done.stdout)
    return found
