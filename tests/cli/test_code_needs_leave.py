"""No command runs a `python:` source unless its own command line says --allow-code: of a spec, and of a run that was trained with leave."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from netspec.cli import group
from netspec.diagnostics.model import SpecError
from tests.architecture.modules import FILES, walk

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

MODULE = """
open("ran", "a").close()


class Ramps:
    def __len__(self):
        return 20

    def __getitem__(self, i):
        return [float(i)] * 4, i % 2
"""
SPEC = """netspec: 1
input: {data: [N, 4]}
layers:
  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}
train:
  data: {source: "python:ramps_with_leave:Ramps", batch_size: 4}
  test_data: {source: "python:ramps_with_leave:Ramps", batch_size: 4}
  solver: {base_lr: 0.1, max_iter: 2, random_seed: 1}
"""
REFUSED = [
    ("train", "net.yaml", "--run", "new"),
    ("train", "run", "--resume"),
    ("train", "run", "--run", "other"),
    ("test", "run"),
    ("predict", "run", "--data", "python:ramps_with_leave:Ramps"),
    ("predict", "net.onnx", "--allow-uncertified", "--data", "python:ramps_with_leave:Ramps"),
]
REFUSED_TOO = [
    ("data", "net.yaml"),
    ("data", "run"),
    ("see", "batch", "run"),
    ("see", "output", "net.onnx", "--allow-uncertified", "--data", "python:ramps_with_leave:Ramps"),
    ("train", "net.yaml", "--run", "swept", "--sweep", "train.solver.base_lr=0.1,0.2"),
    ("train", "net.yaml", "--find-lr"),
    ("train", "run", "--reproduce", "--run", "again"),
    ("prune", "run", "--sparsity", "0.5", "--train", "1", "--run", "small"),
    ("export", "run", "--quantize", "int8", "-o", "small.onnx"),
]
"""Commands that came later; that they run with leave is the others' test."""
NOT_LOADED = [
    ("check", "net.yaml"),
    ("time", "net.yaml", "--calls", "1"),
    ("time", "run", "--calls", "1"),
    ("export", "run", "--no-certify"),
]


def codes(*words: str) -> list[str]:
    """The codes that a command raises, in a process that has not loaded the module."""
    sys.modules.pop("ramps_with_leave", None)
    Path("ran").unlink(missing_ok=True)
    result = CliRunner().invoke(group, list(words), standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SpecError):
        raise AssertionError(f"{words}: {result.exception!r}") from result.exception
    return [d.code for d in result.exception.diagnostics] if isinstance(result.exception, SpecError) else []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spec, a run that was trained with leave, whose run.json claims the leave too, and a model."""
    home = tmp_path_factory.mktemp("leave")
    (home / "net.yaml").write_text(SPEC, encoding="utf-8")
    (home / "ramps_with_leave.py").write_text(MODULE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert (
            codes("train", "net.yaml", "--run", "run", "--allow-code", "--quiet") == []
            and Path("ran").exists()
        )
        assert codes("export", "net.yaml", "-o", "net.onnx", "--no-certify") == []
        record = json.loads(Path("run/run.json").read_text(encoding="utf-8"))
        Path("run/run.json").write_text(
            json.dumps(record | {"allow_code": True, "command": ["netspec", "train", "--allow-code"]}),
            encoding="utf-8",
        )
    return home


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_refused_without_leave(folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))  # installed: that is no leave
    assert codes(*words) == ["NS121"] and not Path("ran").exists()
    assert codes(*words, "--allow-code") == [] and Path("ran").exists()


@pytest.mark.parametrize("words", REFUSED_TOO, ids=" ".join)
def test_no_other_command_takes_leave(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    found = codes(*words)
    assert not Path("ran").exists()
    assert found[:1] in (["NS121"], ["NS740"])  # NS740: a smaller file has no samples, and says why


@pytest.mark.parametrize("words", NOT_LOADED, ids=" ".join)
def test_what_needs_no_data_runs_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    assert codes(*words) == [] and not Path("ran").exists()


def test_nothing_is_allowed_by_default() -> None:
    """What is called allow_... is False wherever it has a default: of functions, records and options."""
    found: dict[str, object] = {}
    for path in FILES:
        for node in walk(path):
            for name, default in allowances(node):
                found[f"{path}:{node.lineno} {name}"] = default  # type: ignore[attr-defined]
    assert len(found) > 25
    assert {place for place, default in found.items() if default is not False} == set()


def allowances(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Names of permissions that a node declares, with their defaults."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        every = [*node.args.posonlyargs, *node.args.args]
        pairs = [*zip(reversed(every), reversed(node.args.defaults), strict=False)]
        pairs += [*zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]
        for argument, default in pairs:
            if argument.arg.startswith("allow_") and default is not None:
                yield argument.arg, getattr(default, "value", default)
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        if node.target.id.startswith("allow_"):
            yield node.target.id, getattr(node.value, "value", node.value)
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "option":
        words = {each.arg: getattr(each.value, "value", each.value) for each in node.keywords}
        for name in (each.value for each in node.args if isinstance(each, ast.Constant)):
            if str(name).startswith("--allow-") and words.get("is_flag"):
                yield str(name), words.get("default", False)
