"""Many models and versions from a folder: which answers, and what takes whose place without a request lost or mixed."""

import gc
import os
import threading
import weakref
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from click.testing import CliRunner
from onnx import TensorProto, helper
from serving_parts import Inside, infer, save
from tritonclient.utils import InferenceServerException

from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.serving import trial
from netspec.serving.engine import Model, open_model
from netspec.serving.lifecycle import Ways
from netspec.serving.limits import Limits
from netspec.serving.repository import Repository, find_files
from netspec.serving.server import make_batching
from netspec.serving.trial import try_apart

pytestmark = pytest.mark.onnx


def times(path: Path, factor: float, steps: int = 1) -> Path:
    """A model y = factor^steps * x, for any rows of 3."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nodes = [
        helper.make_node("Mul", ["x" if not i else f"m{i}", "f"], ["y" if i == steps - 1 else f"m{i + 1}"])
        for i in range(steps)
    ]
    sides = [("x", TensorProto.FLOAT, ["N", 3])], [("y", TensorProto.FLOAT, ["N", 3])]
    draft = path.with_name("draft")
    save(draft, nodes, *sides, {"f": np.float32(factor)}, {"netspec.rows": "apart"})
    os.replace(draft, path)
    return path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Inside, Path]]:
    root = tmp_path_factory.mktemp("repository")
    times(root / "a" / "1" / "model.onnx", 2)
    times(root / "a" / "10" / "model.onnx", 3)
    times(root / "a" / "x" / "model.onnx", 9)  # no version
    times(root / "b" / "2" / "model.onnx", 5)
    limits = Limits()
    opener = partial(open_model, device="cpu", threads=1, allow_uncertified=True)
    repository = Repository(lambda: find_files(root), opener, make_batching(limits, False))
    repository.load_all()
    with Inside(
        root / "a" / "1" / "model.onnx", limits, "a", repository=repository, ways=Ways(control=True)
    ) as server:
        yield server, root


def ask(server: Inside, model: str) -> float | tuple:
    status, found = infer(server, model, x=np.ones((1, 3), np.float32))
    return found["y"][0, 0] if status == 200 else (status, found)


def test_names_and_versions(served: tuple[Inside, Path]) -> None:
    server, _ = served
    assert [ask(server, each) for each in ("a", "a/versions/1", "a/versions/10", "b")] == [3, 2, 3, 5]
    assert ask(server, "a/versions/2") == (404, "unknown version '2' of model 'a': it has '1', '10'")
    assert server.get("/v2/models/a")[1]["versions"] == ["1", "10"]
    found = server.post("/v2/repository/index", b"")[1]
    assert [(each["name"], each["version"], each["state"]) for each in found] == [
        ("a", "1", "READY"), ("a", "10", "READY"), ("b", "2", "READY")
    ]  # fmt: skip


def test_unload_and_load(served: tuple[Inside, Path]) -> None:
    server, _ = served
    assert server.post("/v2/repository/models/b/unload", b"{}") == (200, {})
    assert ask(server, "b") == (404, "unknown model 'b': this server has 'a'")
    assert server.post("/v2/models/b/ready", b"")[0] == 405
    assert server.get("/v2/models/b/ready")[0] == 404
    states = server.post("/v2/repository/index", b"")[1]
    assert {"name": "b", "version": "2", "state": "UNAVAILABLE", "reason": "unloaded"} in states
    assert len(server.post("/v2/repository/index", b'{"ready": true}')[1]) == 2
    assert server.post("/v2/repository/models/b/load", b"{}") == (200, {})
    assert ask(server, "b") == 5
    assert server.post("/v2/repository/models/c/load", b"") == (404, "there is no file of a model 'c'")
    sent = b'{"parameters": {"config": "{}"}}'
    assert server.post("/v2/repository/models/b/load", sent)[0] == 400


def test_tritons_client_asks_and_controls(served: tuple[Inside, Path]) -> None:
    with triton.InferenceServerClient(served[0].address) as client:
        all_models = [("a", "1"), ("a", "10"), ("b", "2")]
        told = client.get_inference_statistics()["model_stats"]
        assert sorted((each["name"], each["version"]) for each in told) == all_models
        (told,) = client.get_inference_statistics("a", "10")["model_stats"]
        assert (told["name"], told["version"]) == ("a", "10")
        assert client.get_model_config("b")["max_batch_size"] == Limits().max_batch
        client.unload_model("b", unload_dependents=True)
        states = {each["name"]: each["state"] for each in client.get_model_repository_index()}
        assert states == {"a": "READY", "b": "UNAVAILABLE"}
        assert not client.is_model_ready("b")
        client.load_model("b")
        assert client.is_model_ready("b")
        with pytest.raises(InferenceServerException, match="unknown parameter 'config'"):
            client.load_model("b", config="{}")


def test_the_described_routes_are_the_routes(served: tuple[Inside, Path]) -> None:
    server = served[0]
    status, described = server.get("/openapi.json")
    assert status == 200
    told = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    assert told == {(method, pattern) for method, pattern, _ in server.site.service.routes.added}
    limits = {name: bound["value"] for name, bound in described["x-limits"].items()}
    assert limits == asdict(server.limits)
    for method, path in told:  # what is told is found, by any name
        target = path.replace("{name}", "n").replace("{version}", "1").encode()
        handler, names = server.site.service.routes.find(method.encode(), target)
        assert set(names) == {p["name"] for p in described["paths"][path][method.lower()]["parameters"]}, (
            handler
        )


def test_a_file_that_will_not_do_takes_no_place(served: tuple[Inside, Path]) -> None:
    server, root = served
    (root / "b" / "2" / "draft").write_bytes(b"no model")
    os.replace(root / "b" / "2" / "draft", root / "b" / "2" / "model.onnx")
    status, words = server.post("/v2/repository/models/b/load", b"")
    assert status == 400
    assert words.startswith("b 2: ")
    assert ask(server, "b") == 5
    (found,) = (each for each in server.post("/v2/repository/index", b"")[1] if each["name"] == "b")
    assert found["state"] == "READY"
    assert found["reason"] == words
    times(root / "b" / "2" / "model.onnx", 5)
    assert server.post("/v2/repository/models/b/load", b"")[0] == 200


def test_sizes_beyond_all_memory_are_not_run_on_loading(served: tuple[Inside, Path]) -> None:
    server, root = served
    side = [TensorProto.FLOAT, ["N", 1 << 40]]
    path = root / "vast" / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    save(path, [helper.make_node("Abs", ["x"], ["y"])], [("x", *side)], [("y", *side)])
    assert server.post("/v2/repository/models/vast/load", b"") == (200, {})
    assert infer(server, "vast", x=np.ones((1, 3), np.float32))[0] == 400
    assert server.post("/v2/repository/models/vast/unload", b"")[0] == 200
    path.unlink()
    assert ask(server, "a") == 3


def test_what_is_not_certified_is_not_loaded(tmp_path: Path) -> None:
    times(tmp_path / "a" / "1" / "model.onnx", 2)
    opener = partial(open_model, device="cpu", threads=1)
    repository = Repository(lambda: find_files(tmp_path), opener, make_batching(Limits(), False))
    with pytest.raises(SpecError, match="NS712"):
        repository.load_all()


def test_a_strangers_model_is_tried_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the process that tries it is ended, the one that answers goes on. onnxruntime is stood in for where a file is to end it:
    which files do is another matter with each release."""
    path = times(tmp_path / "a" / "1" / "model.onnx", 2)
    end = "import signal, sys; signal.raise_signal(signal.{})"

    def opener(file: Path) -> Model:
        try_apart(file, "cpu", 1)
        return open_model(file, "cpu", 1, allow_uncertified=True)

    repository = Repository(lambda: find_files(tmp_path), opener, make_batching(Limits(), False))
    repository.load_all()
    with Inside(path, Limits(), "a", repository=repository, ways=Ways(control=True)) as server:
        for signal, words in (("SIGABRT", "signal 6 (Aborted)"), ("SIGKILL", "signal 9 (Killed)")):
            monkeypatch.setattr(trial, "PROGRAM", end.format(signal))
            times(path, 3)
            status, found = server.post("/v2/repository/models/a/load", b"")
            assert status == 400
            assert found.endswith(f"onnxruntime ended by {words} as it loaded it, or ran it once on zeros")
            assert ask(server, "a") == 2
        for command in (["serve", str(tmp_path), "--port", "0"], ["predict", str(path), "--data", "digits"]):
            done = CliRunner().invoke(group, [*command, "--allow-uncertified"])
            assert "NS761" in repr(done.exception)
        monkeypatch.undo()
        path.with_name("draft").write_bytes(b"no model")
        os.replace(path.with_name("draft"), path)
        assert "NS721" in server.post("/v2/repository/models/a/load", b"")[1]  # told by who loads it
        times(path, 3)
        assert server.post("/v2/repository/models/a/load", b"") == (200, {})
        assert ask(server, "a") == 3


def test_reloads_under_load_lose_and_mix_nothing(served: tuple[Inside, Path]) -> None:
    """Each answer is of one file as a whole, and no version older than one already seen by the same client."""
    server, root = served
    wrong: list[object] = []
    end = threading.Event()
    asked = [0] * 4

    def work(number: int) -> None:
        seen = 0.0
        rows = np.float32([[1, 1, 1]] * (number + 1))
        while not end.is_set():
            status, found = infer(server, "a", x=rows)
            if status != 200 or len(set(found["y"].ravel().tolist())) != 1 or found["y"][0, 0] < seen:
                wrong.append((status, found))
                return
            seen = found["y"][0, 0]
            asked[number] += 1

    clients = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for each in clients:
        each.start()
    for factor in range(4, 16):
        times(root / "a" / "10" / "model.onnx", factor)
        assert server.post("/v2/repository/models/a/load", b"")[0] == 200
    end.set()
    for each in clients:
        each.join()
    assert wrong == []
    assert min(asked) > 3
    assert ask(server, "a") == 15
    server.wait_for(lambda: not server.site.service.repository.leaving)


def test_a_model_that_was_replaced_is_gone_at_once(served: tuple[Inside, Path]) -> None:
    """Not when a collector comes by, which a server without other garbage calls once a day: a session holds many MB."""
    server, root = served
    path = times(root / "c" / "1" / "model.onnx", 2)
    server.call(server.repository.load("c"))
    assert ask(server, "c") == 2
    replaced = weakref.ref(server.repository.find("c").model)
    gc.collect()
    gc.disable()
    try:
        times(path, 3)
        server.call(server.repository.load("c"))
        assert ask(server, "c") == 3
        server.wait_for(lambda: replaced() is None)
    finally:
        gc.enable()
        server.call(server.repository.unload("c"))
        path.unlink()


def test_new_files_are_seen_where_that_was_asked_for(tmp_path: Path) -> None:
    path = times(tmp_path / "m.onnx", 2)
    limits = Limits()
    opener = partial(open_model, device="cpu", threads=1, allow_uncertified=True)
    repository = Repository(lambda: {"m": {"1": path}}, opener, make_batching(limits, False))
    repository.load_all()
    with Inside(path, limits, repository=repository, ways=Ways(reload=0.05)) as server:
        assert ask(server, "m") == 2
        times(path, 7)
        server.wait_for(lambda: ask(server, "m") == 7)
        assert server.post("/v2/repository/models/m/unload", b"") == (
            403,
            "loading and unloading need `netspec serve --control`",
        )
        path.unlink()
        assert ask(server, "m") == 7


def test_a_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="NS730"):
        find_files(tmp_path)


def test_ready_is_that_all_can_run(tmp_path: Path) -> None:
    path = times(tmp_path / "m.onnx", 2)
    with Inside(path, Limits()) as server:
        assert server.get("/v2/health/ready") == (200, {"ready": True})
        task = server.entry.batcher._tasks[0]
        server.loop.call_soon_threadsafe(task.cancel)
        server.wait_for(task.done)
        assert server.get("/v2/health/ready") == (503, {"ready": False})
        assert server.get("/v2/models/m/ready")[0] == 503
        assert server.get("/v2/health/live")[0] == 200
