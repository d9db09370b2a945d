"""`predict` of many: folders, patterns, standard input, tables out; one that cannot be read costs its line."""

import csv
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import netspec
from netspec.cli import group
from netspec.diagnostics import SpecError

pytestmark = pytest.mark.torch
SPEC = """
input: {data: {shape: [N, 3, 4, 4], image: {resize: [4, 4], scale: 0.01}}}
layers:
  - {name: f, type: InnerProduct, num_output: 3, weight_filler: xavier}
  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}
  - {name: prob, type: Softmax}
output: {prob: {labels: [cat, dog]}, f: {}}
train: {data: {source: images, path: photos, batch_size: 2}, loss: [{type: SoftmaxWithLoss, bottom: [ip, label]}], solver: {base_lr: 0.01, max_iter: 2, random_seed: 1}}
"""
TWO = """
input: {a: [N, 2], b: [N, 2]}
layers: [{name: sum, type: Eltwise, bottom: [a, b]}]
"""
SEVERAL = "input: {data: [N, 4, 3]}\nlayers: [{name: score, type: InnerProduct, num_output: 1, weight_filler: xavier}]\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a run and models of it."""
    home = tmp_path_factory.mktemp("predict")
    for name in ("cat", "dog"):
        (home / "photos" / name).mkdir(parents=True)
        for i in range(2):
            pixels = np.random.RandomState(i).randint(0, 256, (6, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(home / "photos" / name / f"{i}.png")
    (home / "net.yaml").write_text(SPEC)
    netspec.train(str(home / "net.yaml"), home / "run")
    netspec.export(home / "run", home / "net.onnx")
    for name, text in (("two", TWO), ("several", SEVERAL)):
        (home / f"{name}.yaml").write_text(text)
        netspec.export(str(home / f"{name}.yaml"), home / f"{name}.onnx")
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "x")
    monkeypatch.chdir(tmp_path / "x")
    return tmp_path / "x"


def ask(*words: Any, read: bytes = b"") -> Result:
    return CliRunner().invoke(group, ["predict", *map(str, words)], input=read, standalone_mode=False)


def told(*words: Any, read: bytes = b"") -> list[dict[str, Any]]:
    return json.loads(ask(*words, "--json", read=read).stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("model", ["run", "net.onnx"])
def test_folders_patterns_and_files_are_predicted_alike(home: Path, model: str) -> None:
    files = [str(home / "photos" / name / f"{i}.png") for name in ("cat", "dog") for i in range(2)]
    one = told(model, *files)
    assert [each["sample"] for each in one] == files
    assert told(model, home / "photos") == one
    assert told(model, home / "photos/*/*.png") == one


def test_a_picture_comes_by_standard_input(home: Path) -> None:
    (piped,) = told("net.onnx", "-", read=Path("photos/cat/1.png").read_bytes())
    (named,) = told("net.onnx", "photos/cat/1.png")
    assert piped["outputs"] == named["outputs"] and piped["sample"] == "-"


def test_one_that_cannot_be_read_costs_its_line(home: Path) -> None:
    Path("photos/cat/0.png").write_bytes(b"none")
    run = ask("net.onnx", "photos")
    assert run.return_value == 1 and run.output.count("NS647") == 1 and "photos/dog/1.png" in run.output
    found = told("net.onnx", "photos")
    assert ["error" in each for each in found] == [True, False, False, False]
    assert found[0]["error"]["code"] == "NS647"


def test_a_table_has_a_row_for_each(home: Path) -> None:
    Path("photos/cat/0.png").write_bytes(b"none")
    assert ask("net.onnx", "photos", "--csv", "out.csv").return_value == 1
    rows = list(csv.DictReader(io.StringIO(Path("out.csv").read_text())))
    assert [bool(row["error"]) for row in rows] == [True, False, False, False]
    found = told("net.onnx", "photos")[3]
    best = found["outputs"]["prob"]["top"][0]
    assert rows[3]["prob"] == best["class"] and float(rows[3]["prob_score"]) == pytest.approx(
        best["score"], 1e-5
    )
    assert float(rows[3]["f_1"]) == pytest.approx(found["outputs"]["f"]["values"][1], 1e-5)
    assert ask("net.onnx", "photos", "--csv", "-").output.startswith(
        "sample,label,error,note,prob,prob_score,f_0,f_1,f_2\n"
    )


def test_all_samples_of_a_source_are_predicted_with_their_labels(home: Path) -> None:
    found = told("net.onnx", "--data", "images:photos", "--index", "all", "--split", "all")
    assert [each["label"] for each in found] == ["cat", "cat", "dog", "dog"]
    assert ask("net.onnx", "--data", "images:photos", "--index", "x").exit_code != 0


def test_only_what_is_a_choice_of_a_class_is_ranked(home: Path) -> None:
    """Scores without names that do not add up to 1 are values."""
    outputs = told("net.onnx", "photos/cat/0.png")[0]["outputs"]
    assert "top" in outputs["prob"] and len(outputs["f"]["values"]) == 3


@pytest.mark.parametrize(("kind", "ranked"), [("Sigmoid", False), ("Softmax", True)])
def test_labels_that_add_up_to_one_by_chance_are_no_choice(tmp_path: Path, kind: str, ranked: bool) -> None:
    """Probabilities of their own, of 1 and 0: the layer says what they are, in a run and in its file."""
    import netspec

    np.savez(
        tmp_path / "d.npz",
        data=np.float32([[50, -50], [-50, 50]] * 4),
        label=np.eye(2, dtype="f4")[[0, 1] * 4],
    )
    loss = "SigmoidCrossEntropyLoss" if kind == "Sigmoid" else "EuclideanLoss"
    (tmp_path / "net.yaml").write_text(f"""
netspec: 1
input: {{data: [N, 2]}}
layers:
  - {{name: ip, type: InnerProduct, num_output: 2, weight_filler: {{type: values, values: [1, 0, 0, 1]}}}}
  - {{name: prob, type: {kind}}}
train:
  data: {{source: npz, path: d.npz, batch_size: 2}}
  loss: [{{name: loss, type: {loss}, bottom: [{"ip" if kind == "Sigmoid" else "prob"}, label]}}]
  solver: {{base_lr: 0.0001, lr_policy: fixed, max_iter: 1}}
""")
    netspec.train(tmp_path / "net.yaml", tmp_path / "run")
    netspec.export(tmp_path / "run", tmp_path / "m.onnx")
    for model in ("run", "m.onnx"):
        found = told(tmp_path / model, tmp_path / "d.npz")[0]["outputs"]["prob"]
        assert ("top" in found) == ranked and ("values" in found) != ranked, found


def test_a_picture_that_is_squeezed_is_told(home: Path) -> None:
    assert "12x6 squeezed to 4x4" in ask("net.onnx", "photos/cat/0.png").output
    Image.new("RGB", (40, 39)).save("even.png")
    assert "squeezed" not in ask("net.onnx", "even.png").output
    rows = list(csv.DictReader(io.StringIO(ask("net.onnx", "photos/cat", "even.png", "--csv", "-").output)))
    assert [row["note"] for row in rows] == ["12x6 squeezed to 4x4"] * 2 + [""]
    assert "note" not in ask("net.onnx", "even.png", "--csv", "-").output


def test_a_net_of_several_inputs_takes_the_fields_of_their_names(home: Path) -> None:
    np.savez("d.npz", a=np.float32([[1, 2], [3, 4]]), b=np.float32([[10, 20], [30, 40]]))
    found = told("two.onnx", "d.npz")
    assert [each["outputs"]["sum"]["values"] for each in found] == [[11, 22], [33, 44]]
    refused = ask("two.onnx", "photos/cat/0.png").exception
    assert isinstance(refused, SpecError) and refused.diagnostics[0].code == "NS685"


def test_shards_are_predicted_as_the_pictures_in_them(home: Path) -> None:
    """A sample that cannot be taken costs its line."""
    files = [f"photos/{name}/{i}.png" for name in ("cat", "dog") for i in range(2)]
    with tarfile.open("s.tar", "w") as shard:
        for number, file in enumerate(files):
            for end, data in (("png", Path(file).read_bytes()), ("cls", b"1")):
                member = tarfile.TarInfo(f"{number}.{end}")
                member.size = len(data) * (number != 2)
                shard.addfile(member, io.BytesIO(data))
    broken, *found = told("net.onnx", "s.tar")
    assert broken["error"]["code"] == "NS632" and "2: its .png is empty" in broken["error"]["message"]
    own = told("net.onnx", *files)
    del own[2]
    assert [each["outputs"] for each in found] == [each["outputs"] for each in own]


def test_shards_need_no_labels_to_be_predicted(home: Path) -> None:
    files = [f"photos/{name}/{i}.png" for name in ("cat", "dog") for i in range(2)]
    with tarfile.open("s.tar", "w") as shard:
        for number, file in enumerate(files):
            shard.add(file, f"{number}.png")
    found = told("net.onnx", "s.tar")
    assert [each["outputs"] for each in found] == [each["outputs"] for each in told("net.onnx", *files)]
    assert {each["label"] for each in found} == {None}


@pytest.mark.parametrize("labelled", [False, True])
def test_files_of_mnist_s_form_are_known_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labelled: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.arange(2 * 16, dtype=np.uint8)
    Path("t10k-images-idx3-ubyte").write_bytes(
        bytes([0, 0, 8, 3, *[0, 0, 0, 2], *2 * [0, 0, 0, 4]]) + pixels.tobytes()
    )
    if labelled:
        Path("t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 3]))
    Path("gray.yaml").write_text(
        "input: {data: {shape: [N, 1, 4, 4], image: {color: gray}}}\nlayers: [{name: sum, type: Reduction, axis: 1}]\n"
    )
    netspec.export("gray.yaml", "gray.onnx")
    found = told("gray.onnx", "t10k-images-idx3-ubyte")
    assert [each["outputs"]["sum"]["values"] for each in found] == [pixels[:16].sum(), pixels[16:].sum()]
    assert [each["label"] for each in found] == (["7", "3"] if labelled else [None, None])


def test_a_store_is_known_by_its_folder_and_its_file(tmp_path: Path) -> None:
    from netspec.data.samples import source_of

    store = Path(__file__).parents[1] / "data/caffe/data_lmdb"
    assert source_of(str(store)) == f"lmdb:{store}"
    assert source_of(str(store / "data.mdb")) == f"lmdb:{store / 'data.mdb'}"
    assert source_of(str(tmp_path)) is None


def test_a_fasta_file_is_scored(home: Path) -> None:
    Path("x.fa").write_text(">first\nACG\n>second\nTTT\n")
    found = told("several.onnx", "x.fa")
    assert [each["sample"].partition(",")[0] for each in found] == ["first", "second"]
    assert "score  " in ask("several.onnx", "x.fa").output


@pytest.mark.parametrize("words", [["photos/none"], ["*.gif"], ["empty"]])
def test_what_names_no_picture_is_said(home: Path, words: list[str]) -> None:
    Path("empty").mkdir()
    run = ask("net.onnx", *words)
    assert run.return_value == 1 or isinstance(run.exception, SpecError)
