"""A model whose answer depends on the rest of its batch: what export says of it, and that a server runs each of its requests alone."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from netspec.diagnostics.model import SpecError
from netspec.exporters.export import export
from netspec.serving.batcher import Batcher, Batching
from netspec.serving.engine import open_model

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

NET = """netspec: 1
input: {data: [N, 3]}
layers:
  - {name: ip, type: InnerProduct, num_output: 4, weight_filler: xavier}
  - {name: bn, type: BatchNorm%s}
"""


def made(folder: Path, words: str, **options: bool) -> Path:
    (folder / "net.yaml").write_text(NET % words, encoding="utf-8")
    return export(folder / "net.yaml", folder / "m.onnx", device="cpu", **options)


def answers(path: Path, join: bool = False) -> tuple[set[tuple[float, ...]], list[int]]:
    """The different answers to one request among others that wait with it, and the rows of each run."""
    model = open_model(path, "cpu", allow_uncertified=True)
    runs: list[int] = []
    mine = np.float32([[0.1, 0.7, -0.3]])

    async def work() -> set[tuple[float, ...]]:
        batcher = Batcher(model, Batching(16, 64, join), lambda rows, *_: runs.append(rows))
        batcher.start()
        others = [np.random.default_rng(i).normal(size=(i % 3 + 1, 3)).astype(np.float32) for i in range(20)]
        asked = [batcher.submit({"data": data}, ["bn"]) for other in others for data in (mine, other)]
        found = await asyncio.gather(*asked)
        await batcher.stop()
        return {tuple(np.round(one["bn"][0], 4).tolist()) for one in found[::2]}

    return asyncio.run(work()), runs


def test_batch_statistics_are_not_certified_without_a_word(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        made(tmp_path, ", use_global_stats: false")
    assert [d.code for d in raised.value.diagnostics] == ["NS729"]
    assert not (tmp_path / "m.onnx").exists()


def test_one_request_has_one_answer(tmp_path: Path) -> None:
    found, runs = answers(made(tmp_path, ", use_global_stats: false", allow_batch_dependence=True), join=True)
    assert len(found) == 1
    assert len(runs) == 40


def test_rows_that_stay_apart_are_joined(tmp_path: Path) -> None:
    path = made(tmp_path, "")
    assert open_model(path, "cpu").metadata["netspec.rows"] == "apart"
    found, runs = answers(path)
    assert len(found) == 1
    assert len(runs) < 40


@pytest.mark.parametrize(
    ("word", "join", "joined"),
    [(None, False, False), (None, True, True), ("unknown", True, False), ("x", False, False)],
)
def test_of_a_file_that_does_not_say_it_nothing_is_held(
    tmp_path: Path, word: str | None, join: bool, joined: bool
) -> None:
    import onnx

    model = onnx.load(made(tmp_path, ""))
    said = {p.key: p.value for p in model.metadata_props if p.key != "netspec.rows"}
    onnx.helper.set_model_props(model, said | ({"netspec.rows": word} if word else {}))
    onnx.save(model, tmp_path / "other.onnx")
    assert (len(answers(tmp_path / "other.onnx", join)[1]) < 40) == joined
