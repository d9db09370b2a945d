"""Tables of values: numbers, categories, empty cells, standardised numbers; what predict takes of a table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import netspec
import netspec.data.facts
from netspec.cli import group
from netspec.data.registry import Place, open_source, open_sources
from netspec.data.source import Source
from netspec.data.tables.parquet import read_parquet
from netspec.diagnostics import SpecError
from netspec.resolve.sections.train import DataSection

ROWS = "age,city,kind,label\n20,Rome,a,yes\n30,Bonn,b,no\n40,Rome,a,no\n"


def opened(
    folder: Path, text: str = ROWS, place: dict[str, Any] | None = None, source: str = "table", **words: Any
) -> Source:
    (folder / "t.csv").write_text(text)
    return open_source(
        DataSection(source=source, path="t.csv", **words), "all", Place(folder, **(place or {}))
    )


def refused(folder: Path, text: str, **words: Any) -> Any:
    with pytest.raises(SpecError) as caught:
        opened(folder, text, **words)
    return caught.value.diagnostics[0]


def test_words_become_ones_in_their_places(tmp_path: Path) -> None:
    source = opened(tmp_path)
    rows = source.batch(np.arange(3))
    np.testing.assert_array_equal(rows["data"], [[20, 0, 1, 1, 0], [30, 1, 0, 0, 1], [40, 0, 1, 1, 0]])
    assert (source.classes, rows["label"].tolist()) == (("no", "yes"), [1, 0, 0])  # type: ignore[union-attr]
    assert source.where(1) == "line 3"


def test_an_index_is_a_field_of_its_own(tmp_path: Path) -> None:
    source = opened(tmp_path, categories={"city": "index"}, columns=("city", "age"))
    rows = source.batch(np.arange(3))
    assert rows["city"].tolist() == [1, 0, 1] and rows["data"].tolist() == [[20], [30], [40]]  # type: ignore[union-attr]


def test_numbers_of_a_label_may_be_names_of_classes(tmp_path: Path) -> None:
    """By size, not by their letters; a test beside them has the training's."""
    text = "a,grade\n1,10\n2,-1\n3,9\n4,10\n"
    source = opened(tmp_path, text, categories={"grade": "index"})
    assert source.classes == ("-1", "9", "10")
    assert np.asarray(source.labels()).tolist() == [2, 0, 1, 2]
    beside = opened(tmp_path, "a,grade\n1,9\n", place={"classes": source.classes, "facts": source.facts})
    assert np.asarray(beside.labels()).tolist() == [1]
    assert np.asarray(opened(tmp_path, text).labels()).tolist() == [10, -1, 9, 10]
    assert refused(tmp_path, text, categories={"grade": "one_hot"}).code == "NS641"


def test_columns_that_are_left_out_may_stand_in_other_tables(tmp_path: Path) -> None:
    text = "id,a,b,y\n1,5,6,0\n2,7,8,1\n"
    source = opened(tmp_path, text, columns=("a",))
    for other in (text, "a,y\n5,0\n7,1\n", "b,a,y\n6,5,0\n8,7,1\n"):
        again = opened(tmp_path, other, place={"facts": source.facts})
        assert np.asarray(again.batch(np.arange(2))["data"]).tolist() == [[5], [7]]
        assert opened(tmp_path, other, place={"facts": again.facts}).facts == again.facts
    with pytest.raises(SpecError, match="NS633"):
        opened(tmp_path, "c,a,y\n6,5,0\n", place={"facts": source.facts})


def test_numbers_may_be_categories(tmp_path: Path) -> None:
    source = opened(tmp_path, categories={"age": "one_hot"}, columns=("age",))
    np.testing.assert_array_equal(source.batch(np.arange(3))["data"], np.eye(3))


@pytest.mark.parametrize(("empty", "value"), [("mean", 30.0), (7, 7.0), (-1.5, -1.5)])
def test_empty_cells_are_filled_as_the_word_says(tmp_path: Path, empty: Any, value: float) -> None:
    text = ROWS.replace("30,Bonn", "NA,Bonn")
    assert opened(tmp_path, text, empty=empty).batch(np.array([1]))["data"][0][0] == value


def test_empty_cells_and_words_among_numbers_are_named_all_at_once(tmp_path: Path) -> None:
    found = refused(tmp_path, "a,b,label\n1,x,0\n,x,1\n2,,0\n3,x,1\n4;5,x,1\n")
    assert found.code == "NS654" and found.fact == "3 cells cannot be taken"
    assert found.notes[:3] == ("line 3: a is empty", "line 6: a is '4;5', no number", "line 4: b is empty")
    many = "name,label\n" + "".join(f"n{i},{i % 2}\n" for i in range(200))
    assert "200 different words" in refused(tmp_path, many).fact
    assert refused(tmp_path, ROWS, empty="maximum").code == "NS641"
    assert refused(tmp_path, ROWS, categories={"town": "index"}).code == "NS641"


def test_other_data_are_encoded_as_the_training_was(tmp_path: Path) -> None:
    facts = opened(tmp_path, empty="mean").facts
    place = {"facts": json.loads(json.dumps(facts)), "predicting": True}
    source = opened(tmp_path, "city,kind,age\nRome,b,\n", place)
    np.testing.assert_array_equal(source.batch(np.array([0]))["data"], [[30, 0, 1, 0, 1]])
    assert source.label is None
    held = {**place, "predicting": False}
    found = refused(tmp_path, "city,kind,age,label\nOslo,b,1,yes\n", place=held)
    assert found.code == "NS634" and "'Oslo' (line 2)" in found.fact
    found = refused(tmp_path, "city,age,size\nRome,1,2\n", place=place)
    assert found.code == "NS633" and found.fact == "no column kind; the training data had no column size"


def test_the_deviation_is_that_of_the_training_part(tmp_path: Path) -> None:
    rows = [(i, 1e6 + 3 * i, 5) for i in range(20)]
    text = "a,b,c,label\n" + "".join(f"{a},{b},{c},{a % 2}\n" for a, b, c in rows)
    (tmp_path / "t.csv").write_text(text)
    for kind in ("csv", "table"):
        section = DataSection(source=kind, path="t.csv", standardise=True)
        train, test = open_sources(section, section, Place(tmp_path))
        assert test is not None
        made = np.asarray(train.batch(np.arange(len(train)))["data"])
        np.testing.assert_allclose(made.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(made.std(0), [1, 1, 0], atol=1e-6)
        chosen = [i for i in range(20) if i % 5]
        mean, std = np.mean(chosen), np.std(chosen)
        np.testing.assert_allclose(test.batch(np.array([1]))["data"][0][0], (5 - mean) / std, rtol=1e-5)


SPEC = """input: {data: [N, %d]}
layers:
  - {name: score, type: InnerProduct, num_output: 2, weight_filler: xavier}
  - {name: prob, type: Softmax}
output: prob
train:
  data: {source: %s, path: t.csv, batch_size: 8, standardise: true}
  solver: {base_lr: 0.5, max_iter: 60, random_seed: 1}
"""


@pytest.mark.parametrize(("kind", "columns"), [("csv", 2), ("table", 4)])
def test_raw_values_without_a_label_are_predicted_by_run_and_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, columns: int
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = np.random.RandomState(0)
    rows = [(1000 + 50 * chance.randn(), chance.randn(), "xy"[i % 2]) for i in range(40)]
    word = (lambda w: f"{w},") if kind == "table" else (lambda w: "")
    name = "w," if kind == "table" else ""
    Path("t.csv").write_text(
        f"a,b,{name}label\n" + "".join(f"{a},{b},{word(w)}{'hi' if a > 1000 else 'lo'}\n" for a, b, w in rows)
    )
    Path("s.yaml").write_text(SPEC % (columns, kind))
    Path("new.csv").write_text(f"{name}b,a\n{word('x')}0,1200\n{word('y')}0,800\n")

    def run(*words: str) -> Any:
        made = CliRunner().invoke(group, list(words), standalone_mode=False)
        if made.exception is not None:
            raise made.exception
        return made.output

    run("train", "s.yaml", "--run", "run", "--quiet")
    run("export", "run", "-o", "m.onnx")
    for model in ("run", "m.onnx"):
        answers = [
            line.split(",")[3]
            for line in run("predict", model, "new.csv", "--top", "1", "--csv", "-").splitlines()
        ]
        assert answers == ["prob", "hi", "lo"]
    Path("new.csv").write_text("a,c\n1,2\n")
    with pytest.raises(SpecError, match="NS633"):
        run("predict", "run", "new.csv")


TABLE = """input: {data: [N, 4], town: [N]}
layers:
  - {name: embed, type: Embed, bottom: town, input_dim: 2, num_output: 3, weight_filler: xavier}
  - {name: all, type: Concat, bottom: [data, embed], axis: 1}
  - {name: score, type: InnerProduct, num_output: 2, weight_filler: xavier}
  - {name: prob, type: Softmax}
output: prob
train:
  data: {source: table, path: t.csv, batch_size: 8, standardise: true, empty: mean, categories: {town: index}, split: train}
  test_data: {source: table, path: t.csv, batch_size: 8, empty: mean, categories: {town: index}, split: test}
  solver: {base_lr: 0.1, max_iter: 20, random_seed: 1}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table of large numbers, empty cells, words as ones and as an index."""
    folder = tmp_path_factory.mktemp("rows")
    chance = np.random.RandomState(0)
    rows = [
        (
            1e6 + 3 * chance.randn(),
            "uv"[i % 2],
            "" if i % 7 == 1 else 0.01 * chance.randn(),
            ("Bonn", "Rome")[i % 3 % 2],
        )
        for i in range(40)
    ]
    lines = [f"{a!r},{b},{c},{d},{int(a > 1e6)}" for a, b, c, d in rows]
    (folder / "t.csv").write_text("\n".join(["a,kind,c,town,label", *lines, ""]))
    (folder / "s.yaml").write_text(TABLE)
    netspec.train(folder / "s.yaml", folder / "run")
    netspec.export(folder / "run", folder / "m.onnx")
    return folder


def test_a_model_takes_rows_as_the_table_holds_them(trained: Path) -> None:
    """A number for each column, of a word its number, NaN for an empty cell: the same answers as the run's."""
    import onnxruntime as ort

    session = ort.InferenceSession(trained / "m.onnx")
    assert [(each.name, each.shape) for each in session.get_inputs()] == [("data", ["N", 3]), ("town", ["N"])]
    said = [float(line.split(",")[4]) for line in predicted(trained, "run")[1:]]
    own = [float(line.split(",")[4]) for line in predicted(trained, "m.onnx")[1:]]
    np.testing.assert_allclose(own, said, atol=1e-5)
    first = np.array([[1e6 + 2, 1, np.nan]], np.float32)
    with_mean = netspec.data.facts.read_facts(trained / "run")["columns"][2]["fill"]
    answers = [
        session.run(None, {"data": row, "town": np.zeros(1, np.float32)})[0]
        for row in (first, np.where(np.isnan(first), with_mean, first).astype(np.float32))
    ]
    np.testing.assert_array_equal(*answers)
    assert (
        CliRunner().invoke(group, ["verify", str(trained / "m.onnx")], standalone_mode=False).exception
        is None
    )
    certificate = netspec.certify(trained / "run", trained / "m.onnx", level="quick")
    assert certificate.samples is not None and certificate.samples["count"] == 8 and certificate.contract > 4


@pytest.mark.onnx
def test_a_server_takes_null_as_an_empty_cell_and_refuses_numbers_of_no_category(trained: Path) -> None:
    """In JSON, short and long, in binary bodies, also where their head is known already, and in predict."""
    from netspec.serving import protocol
    from netspec.serving.engine import open_model
    from netspec.serving.predict import run_model
    from netspec.serving.tensors import RequestError

    model = open_model(trained / "m.onnx", "cpu")

    def asked(rows: list[list[Any]], copies: int = 1, town: Any = 0) -> Any:
        data = {"name": "data", "datatype": "FP32", "shape": [len(rows) * copies, 3], "data": rows * copies}
        other = {"name": "town", "datatype": "FP32", "shape": [len(rows) * copies]}
        body = {"inputs": [data, other | {"data": [town] * len(rows) * copies}]}
        return protocol.parse(json.dumps(body).encode(), None, model).inputs["data"]

    def packed(row: list[float]) -> Any:
        inputs = [
            {"name": "data", "datatype": "FP32", "shape": [1, 3], "parameters": {"binary_data_size": 12}},
            {"name": "town", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}},
        ]
        head = json.dumps({"inputs": inputs}).encode()
        body = head + np.array([*row, 0], "<f4").tobytes()
        return protocol.parse(body, str(len(head)), model).inputs["data"]

    def alone(row: list[float]) -> Any:
        return run_model(model, {"data": np.array([row], np.float32), "town": np.zeros(1, np.float32)})

    assert (asked([[7, 1, None]], 1)[0, :2] == [7, 1]).all() and np.isnan(asked([[7, 1, None]])[0, 2])
    assert np.isnan(asked([[7.5, 1, None], [1, 0, 2]], 20_000)).sum() == 20_000
    with pytest.raises(RequestError, match="'town' must hold only numbers"):
        asked([[7, 1, 0]], town=None)
    assert packed([7, 1, 0]).tolist() == [[7, 1, 0]]
    no_category = "kind must be the number of a category, 0 for 'u', 1 for 'v': it is "
    for row, said, code in (
        ([7, 2, 0], f"{no_category}2", "NS634"),
        ([7, -1, 0], f"{no_category}-1", "NS634"),
        ([7, 0.5, 0], f"{no_category}0.5", "NS634"),
        ([7, np.nan, 0], f"{no_category}nan", "NS634"),
        ([7, 0, np.inf], "c must be a finite number: it is inf", "NS654"),
    ):
        for ask in (lambda row: asked([[0, 0, 0], row]), packed):
            with pytest.raises(RequestError) as caught:
                ask(row)
            assert said in str(caught.value) and caught.value.details["code"] == code
        with pytest.raises(SpecError, match=code):
            alone(row)
    strict = model.rows._replace(columns=(("a", (), False), *model.rows.columns[1:]))  # type: ignore[union-attr]
    with pytest.raises(RequestError, match=r"row 0 of input 'data': a .* is empty"):
        strict.check({"data": np.array([[np.nan, 0, 0]])})


def predicted(folder: Path, model: str) -> list[str]:
    words = ["predict", str(folder / model), str(folder / "t.csv"), "--csv", "-"]
    return CliRunner().invoke(group, words, standalone_mode=False).output.splitlines()


@pytest.mark.parametrize("fault", ["swapped", "missing", "another fill", "categories turned", "float32"])
def test_a_file_that_treats_rows_otherwise_gets_no_certificate(
    trained: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    from netspec.emit import onnx_rows

    double, fill, spread = onnx_rows.double, onnx_rows.fill, onnx_rows.spread_out
    facts = netspec.data.facts.read_facts(trained / "run")
    if fault == "swapped":
        monkeypatch.setattr(
            onnx_rows,
            "double",
            lambda g, values: double(g, facts["std" if list(values) == facts["mean"] else "mean"]),
        )
    elif fault == "missing":
        monkeypatch.setattr(
            onnx_rows, "double", lambda g, values: double(g, [float(each in facts["std"]) for each in values])
        )
    elif fault == "another fill":
        monkeypatch.setattr(
            onnx_rows, "fill", lambda g, x, columns: fill(g, x, [each._replace(fill=0.0) for each in columns])
        )
    elif fault == "categories turned":
        monkeypatch.setattr(onnx_rows, "spread_out", lambda g, x, column: g.Sub(1.0, spread(g, x, column)))
    else:
        monkeypatch.setattr(
            onnx_rows, "double", lambda g, values: g.cast(g.const(list(values), "float32"), "float64")
        )
    with pytest.raises(SpecError, match="NS703") as caught:
        netspec.export(trained / "run", trained / "bad.onnx", certify="quick")
    assert "the rows of data" in str(caught.value) and not (trained / "bad.onnx").exists()


@pytest.mark.parametrize("kind", ["csv", "table"])
def test_a_row_that_cannot_be_taken_costs_its_line(tmp_path: Path, kind: str) -> None:
    learned = opened(tmp_path, "a,b,label\n1,2,0\n3,4,1\n", source=kind)
    place = {"facts": dict(learned.facts), "predicting": True}
    assert opened(tmp_path, "b,a,label\n2,1,0\n4,3,\n", place, kind).label is None
    source = opened(tmp_path, "b,a\n2,1\nx,3\n4,3\n", place, kind)
    assert len(source) == 3
    assert [source.batch(np.array([i]))["data"][0].tolist() for i in (0, 2)] == [[1, 2], [3, 4]]
    with pytest.raises(SpecError, match="NS654"):
        source.batch(np.array([1]))


def test_without_a_header_as_many_columns_as_the_net_takes_have_no_label(tmp_path: Path) -> None:
    place = {"shape": (2,), "predicting": True}
    assert opened(tmp_path, "1,2\n3,4\n", place, "csv").label is None
    assert opened(tmp_path, "1,2,0\n3,4,1\n", place, "csv").label == "label"


def test_parquet_is_read_as_the_same_table(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = arrow.table({"age": [20.5, None], "city": ["Rome", "Bonn"], "label": [True, False]})
    parquet.write_table(table, tmp_path / "t.parquet")
    section = DataSection(source="table", path="t.parquet", empty="mean")
    source = open_source(section, "all", Place(tmp_path))
    np.testing.assert_array_equal(source.batch(np.arange(2))["data"], [[20.5, 0, 1], [20.5, 1, 0]])
    assert source.labels().tolist() == [1, 0] and source.where(1) == "row 2"  # type: ignore[union-attr]
    for data in (b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", (tmp_path / "t.parquet").read_bytes()[:-20]):
        (tmp_path / "t.parquet").write_bytes(data)
        with pytest.raises(SpecError, match="NS645"):
            open_source(section, "all", Place(tmp_path))


@pytest.mark.parametrize("cell", [None, "", "a,b", 0, -1.5, True, 10**15])
def test_a_cell_of_parquet_is_the_text_that_csv_has(cell: Any, tmp_path: Path) -> None:
    """What is null is empty, a truth a number, everything else as it is written."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.table({"x": [cell]}), tmp_path / "t.parquet")
    wanted = {"None": "", "True": "1"}.get(str(cell), str(cell))
    assert read_parquet(tmp_path / "t.parquet", [tmp_path]) == (["x"], [1], [[wanted]])
