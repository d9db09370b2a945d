"""Files are opened in two modules, one for reading and one for writing; whoever opens one elsewhere
stands here, with the reason.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.modules import FILES, ROOT, walk

HOMES = ("file_reading.py", "file_writing.py")
CALLS = re.compile(
    r"(?:^|\.)(?:read_text|read_bytes|write_text|write_bytes|memmap|fromfile|tofile|loadtxt|genfromtxt|load_file|safe_open|save_file|touch)$"
    r"|^(?:open|io\.open|os\.open|os\.fdopen|Image\.open|gzip\.open|bz2\.open|lzma\.open|tarfile\.open|zipfile\.Path|shelve\.open)$"
    r"|^(?:np|numpy|torch|pickle|onnx|json|yaml)\.(?:load|save|savez|dump)$"
    r"|^(?:h5py\.File|zipfile\.ZipFile|ZipFile|mmap\.mmap|lmdb\.open|gzip\.GzipFile)$"
    r"|(?:^|\.)InferenceSession$"
    r"|^(?:path|draft|file|target|self\.path|data|beside|run|Path\(.*\))\.open$"
)
DRAFTS = "writes into a draft, a path that `replacing` or `publishing` made"
OPENED = "reads what file_reading.open_file gave it"
OWN = "a file of the package itself"
ALLOWED = {
    "emit/inline.py read_text": OWN,
    "cli/explain.py read_text": OWN,
    "reference/api_page.py read_text": OWN,
    "reference/rooms.py read_text": OWN,
    "reference/language.py read_text": OWN,
    "reference/zoo_page.py read_text": OWN,
    "cli/__init__.py os.open": "the null device, in place of a closed pipe",
    "cli/fix.py write_bytes": DRAFTS,
    "training/compiling.py read_text": "what the system tells of processes",
    "training/run/log.py write_text": DRAFTS,
    "training/run/tensor_file.py save_file": DRAFTS,
    "importers/weights.py open": DRAFTS,
    "exporters/caffemodel.py open": DRAFTS,
    "exporters/model_file.py path.open": DRAFTS,
    "exporters/model_file.py data.open": DRAFTS,
    "exporters/certification/session.py onnx.load": DRAFTS,
    "exporters/certification/session.py InferenceSession": DRAFTS,
    "exporters/demands.py onnx.load": DRAFTS,
    "exporters/quantization/convert.py onnx.load": DRAFTS,
    "exporters/quantization/convert.py onnx.save": "a temporary folder of our own",
    "exporters/quantization/quantize.py write_bytes": DRAFTS,
    "exporters/web/runtime.py tarfile.open": "bytes in memory",
    "exporters/web/site.py InferenceSession": "bytes in memory",
    "exporters/web/site.py read_text": OWN,
    "exporters/web/site.py write_bytes": DRAFTS,
    "exporters/layouts.py InferenceSession": DRAFTS,
    "exporters/layouts.py write_bytes": DRAFTS,
    "exporters/opsets.py onnx.load": DRAFTS,
    "exporters/opsets.py InferenceSession": "a model in memory",
    "exporters/ort_file.py onnx.load": DRAFTS,
    "exporters/ort_file.py InferenceSession": "a model in memory",
    "exporters/ort_file.py read_bytes": DRAFTS,
    "exporters/ort_file.py write_bytes": DRAFTS,
    "exporters/opsets.py write_bytes": DRAFTS,
    "exporters/timing.py read_text": "onnxruntime's profile, in a temporary folder of our own",
    "seeing/registry.py read_text": OWN,
    "serving/page.py read_text": OWN,
    "seeing/writing.py write_bytes": DRAFTS,
    "pictures/png.py write_bytes": DRAFTS,
    "seeing/writing.py np.savez": "into memory",
    "seeing/subject.py onnx.load": "by name, after open_model found a regular file there",
    "seeing/subject.py InferenceSession": "a model in memory",
    "serving/engine.py InferenceSession": "onnxruntime opens the model by its name, after open_file found a regular file there",
    "training/run/tensor_file.py safe_open": "safetensors opens by name, after open_file found a regular file there",
    "data/data_layers/files.py h5py.File": "makes a new file (mode x) in the spec's folder",
    "imaging/decode.py Image.open": "bytes in memory, by a list of formats",
    "data/sources/hdf5.py h5py.File": OPENED,
    "importers/hdf5.py h5py.File": OPENED,
    "data/sources/digits.py np.loadtxt": "bytes in memory",
    "data/sources/npz.py zipfile.ZipFile": OPENED,
    "data/sources/idx.py gzip.GzipFile": OPENED,
    "data/shards/index.py tarfile.open": OPENED,
    "data/sources/sequences.py gzip.GzipFile": OPENED,
    "data/sources/idx.py np.memmap": OPENED,
    "data/sources/cifar.py np.memmap": OPENED,
    "data/sources/lmdb_pages.py mmap.mmap": OPENED,
    "importers/caffemodel.py mmap.mmap": OPENED,
    "seal.py mmap.mmap": OPENED,
}
OURS = ("read_text", "read_bytes", "write_text")


def opening_calls(path: Path) -> Iterator[str]:
    """The calls of a file that open something, as written; functions of our two modules are called
    by their bare names.
    """
    for node in walk(path):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if CALLS.search(name) and name not in OURS:
                yield name


def key(path: Path, name: str) -> str:
    short = (
        name
        if re.match(r"(?:os|np|onnx|h5py|zipfile|gzip|mmap|Image)\.", name) or name.endswith(".open")
        else name.rpartition(".")[2]
    )
    return f"{path.relative_to(ROOT).as_posix()} {short}"


def test_files_are_opened_in_two_modules() -> None:
    found = {key(path, name) for path in FILES if path.name not in HOMES for name in opening_calls(path)}
    assert found - set(ALLOWED) == set(), (
        "open it by netspec.file_reading or netspec.file_writing, or say here why not"
    )
    assert set(ALLOWED) - found == set(), "no longer so: take it off the list"


@pytest.mark.parametrize(
    "line",
    [
        "open(p)",
        "with path.open('rb') as f: pass",
        "Path(p).read_text()",
        "x = path.read_bytes()",
        "np.load(p)",
        "h5py.File(p, 'r')",
        "Image.open(p)",
        "os.open(p, 0)",
        "Path(p).open()",
        "torch.load(p)",
        "draft.write_text('x')",
    ],
)
def test_a_new_opener_would_be_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "new.py").write_text(line + "\n")
    assert list(opening_calls(tmp_path / "new.py"))


def test_nothing_is_allowed_by_default() -> None:
    """What a stranger's file could do with it, a caller has to ask for: `allow_code`, `allow_outside`, `allow_uncertified` and their like."""
    found = []
    for path in FILES:
        for node in walk(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                each = node.args
                positional = [*each.posonlyargs, *each.args]
                pairs = [
                    *zip(positional[len(positional) - len(each.defaults) :], each.defaults, strict=True),
                    *zip(each.kwonlyargs, each.kw_defaults, strict=True),
                ]
                found += [
                    (path.relative_to(ROOT), node.name, given.arg, ast.unparse(default))
                    for given, default in pairs
                    if given.arg.startswith("allow_") and default is not None
                ]
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                name = ast.unparse(node.target)
                found += [(path.relative_to(ROOT), "field", name, ast.unparse(node.value))] * name.startswith(
                    "allow_"
                )
    assert len(found) > 20
    assert [each for each in found if each[3] != "False"] == []
