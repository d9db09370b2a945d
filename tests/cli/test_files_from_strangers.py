"""What a stranger's files lead to: pipes, links, records of runs. Nothing outside is read or written, and nothing waits for ever."""

import json
import os
import re
import signal
import socket
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import netspec
from netspec.cli import group
from netspec.diagnostics import SpecError
from netspec.file_reading import (
    HeldFolders,
    NotRegularError,
    OutsideRootError,
    open_below,
    open_file,
    read_bytes,
)
from netspec.file_writing import DRAFT, draft_of, replacing, write_text
from netspec.importers.weights import write_both
from netspec.recipes.composed import compose, write_composed
from netspec.recipes.members import load_members

pytestmark = [
    pytest.mark.torch,
    pytest.mark.onnx,
    pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX"),
]

HEAD = "netspec: 1\ninput: {data: [N, 4]}\n"
LAYERS = "layers:\n  - {name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}\n"
SOLVER = "solver: {base_lr: 0.1, max_iter: 2, random_seed: 1}}\n"
NPZ = "train: {data: {source: npz, path: d.npz, fields: {data: x, label: y}, batch_size: 4}, "
PLUGIN = re.search(
    r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs/plugins.md").read_text("utf-8"), re.DOTALL
)[1]  # type: ignore[index]
EXPORT = ("export", "made", "--no-certify", "-o", "b.onnx")
PHOTOS = (
    "input: {data: {shape: [N, 3, 8, 8], image: {scale: 0.0039}}}\n"
    + LAYERS
    + "train: {data: {source: images, path: photos, batch_size: 2}, "
    + SOLVER
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, beside `outside`; whoever waits at a pipe is woken by an alarm and fails."""
    monkeypatch.delenv("NETSPEC_ALLOW_OUTSIDE", raising=False)
    monkeypatch.delenv("NETSPEC_DATA", raising=False)
    (tmp_path / "outside").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def late(*_: object) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield tmp_path / "here"
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def codes(*words: str) -> list[str]:
    """The codes that a command ends with or prints."""
    result = CliRunner().invoke(group, list(words), standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SpecError):
        raise AssertionError(f"{words}: {result.exception!r}") from result.exception
    told = result.exception.diagnostics if isinstance(result.exception, SpecError) else ()
    raised = [d.code for d in told]
    assert "[Errno" not in result.output + str([(d.fact, d.notes) for d in told]), "a number for a reason"
    return raised + re.findall(r"\[(NS\d{3})\]", result.output)


def npz(path: Path) -> None:
    np.savez(path, x=np.eye(8, 4, dtype=np.float32), y=np.arange(8) % 2)


def photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    own = zlib.crc32(str(path).encode()).to_bytes(4, "big")  # all 32 bits: equal pictures are a finding
    picture = Image.new("RGB", (8, 8), (1, 2, 3))
    picture.putpixel((0, 0), (90, own[0], own[1]))
    picture.putpixel((1, 0), (90, own[2], own[3]))
    picture.save(path)


# --- reading: the rule ---


@pytest.mark.parametrize("roots", [list, HeldFolders])
def test_open_below(folder: Path, roots: Any) -> None:
    (folder / "a").mkdir()
    (folder / "a/f.txt").write_text("inner")
    (folder.parent / "outside/secret").write_text("secret")
    (folder / "in").symlink_to("a/f.txt")
    (folder / "in_abs").symlink_to(folder / "a")
    (folder / "out").symlink_to("../outside/secret")
    (folder / "dir_out").symlink_to("../outside")
    (folder / "loop").symlink_to("loop")
    for fine in ("a/f.txt", "in", "in_abs/f.txt", "a/../in"):
        assert read_bytes(folder / fine, roots([folder])) == b"inner"
    for out in ("out", "dir_out/secret", "../outside/secret", str(folder.parent / "outside/secret")):
        with pytest.raises(OutsideRootError):
            open_below(folder / out, roots([folder]))
        assert read_bytes(folder / out, roots([folder, folder.parent])) == b"secret"
    with pytest.raises(OSError, match="loop"):
        open_below(folder / "loop", roots([folder]))
    with pytest.raises(IsADirectoryError):
        open_below(folder / "a", roots([folder]))


def test_a_link_put_in_after_the_judgement_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a").mkdir()
    (folder / "a/f").write_text("inner")
    (folder.parent / "outside/f").write_text("secret")
    from netspec import file_reading as opening

    judged = opening.real_file

    def swapping(*words: Any) -> str:
        full = judged(*words)
        (folder / "a").rename(folder / "b")
        (folder / "a").symlink_to("../outside")
        return full

    monkeypatch.setattr(opening, "real_file", swapping)
    with pytest.raises(OSError):
        open_below(folder / "a/f", [folder])


def test_a_link_put_into_a_folder_that_is_held_is_not_followed(folder: Path) -> None:
    """Nor one in place of the folder: what is held is what was judged."""
    (folder / "a").mkdir()
    (folder / "a/f").write_text("inner")
    (folder.parent / "outside/f").write_text("secret")
    held = HeldFolders([folder])
    assert read_bytes(folder / "a/f", held) == b"inner" and held.stat(folder / "a/f").st_size == 5
    (folder / "a/f").unlink()
    (folder / "a/f").symlink_to("../../outside/f")
    for ask in (held.open, held.stat):
        with pytest.raises(OutsideRootError):
            ask(folder / "a/f")
    (folder / "a").rename(folder / "b")
    (folder / "a").symlink_to("../outside")
    for ask in (held.open, held.stat):
        with pytest.raises(OutsideRootError):
            ask(folder / "a/f")


def test_folders_are_held_up_to_a_bound(folder: Path) -> None:
    count, before = 2 * HeldFolders.MOST, len(os.listdir("/dev/fd"))
    for i in range(count):
        (folder / str(i)).mkdir()
        (folder / str(i) / "f").write_text(str(i))
    held = HeldFolders([folder])
    for i in (*range(count), *range(count)):
        assert read_bytes(folder / str(i) / "f", held) == str(i).encode()
    assert len(os.listdir("/dev/fd")) == before + HeldFolders.MOST
    del held
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.parametrize("roots", [list, HeldFolders])
def test_only_regular_files(folder: Path, roots: Any) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as there:
        there.bind("sock")
        for path in ("pipe", "sock", "/dev/zero"):
            with pytest.raises(NotRegularError):
                open_file(path)
            with pytest.raises(NotRegularError):
                open_below(path, roots(["/"]))


# --- reading: every opener ---

FIFOS = [
    ("spec", "p.yaml", HEAD + LAYERS, ("check", "p.yaml"), "NS001"),
    ("import", "p.yaml", HEAD + LAYERS + "import: [p.yaml]\n", ("check", "net.yaml"), "NS001"),
    ("base", "p.yaml", "base: p.yaml\n", ("check", "net.yaml"), "NS001"),
    ("plugins", "p.py", HEAD + LAYERS + "plugins: [p.py]\n", ("check", "net.yaml", "--allow-code"), "NS001"),
    ("labels", "p.txt", HEAD + LAYERS + "output: {ip: {labels: p.txt}}\n", ("check", "net.yaml"), ""),
    ("labels", "p.txt", HEAD + LAYERS + "output: {ip: {labels: p.txt}}\n", ("export", "net.yaml", "-o", "m.onnx"), "NS707"),
    ("npz", "d.npz", HEAD + LAYERS + NPZ + SOLVER, ("train", "net.yaml", "--run", "r"), "NS643"),
    ("hdf5", "d.npz", HEAD + LAYERS + NPZ.replace("npz,", "hdf5,") + SOLVER, ("train", "net.yaml", "--run", "r"), "NS643"),
    ("csv", "d.npz", HEAD + LAYERS + NPZ.replace("npz,", "csv,") + SOLVER, ("train", "net.yaml", "--run", "r"), "NS643"),
    ("text", "d.npz", HEAD + LAYERS + NPZ.replace("npz,", "text,") + SOLVER, ("train", "net.yaml", "--run", "r"), "NS643"),
    ("lmdb", "d.npz", HEAD + LAYERS + NPZ.replace("npz,", "lmdb,") + SOLVER, ("train", "net.yaml", "--run", "r"), "NS643"),
    ("pictures", "photos/cat/a.png", PHOTOS, ("train", "net.yaml", "--run", "r"), "NS643"),
    ("weights", "w.safetensors", HEAD + LAYERS, ("export", "net.yaml", "--weights", "w.safetensors", "-o", "m.onnx"), "NS001"),
    ("start", "w.safetensors", HEAD + LAYERS + NPZ.replace("d.npz", "e.npz") + SOLVER, ("train", "net.yaml", "--weights", "w.safetensors",
                                                                                      "--run", "r"), "NS001"),
    ("model", "m.onnx", "", ("predict", "m.onnx", "x.png"), "NS720"),
    ("prototxt", "n.prototxt", "", ("import", "n.prototxt", "-o", "x.yaml"), "NS001"),
    ("caffemodel", "n.caffemodel", "", ("import", "ok.prototxt", "--weights", "n.caffemodel", "-o", "x.yaml"), "NS001"),
    ("record", "run/run.json", "", ("test", "run"), "NS683"),
    ("record", "run/run.json", "", ("predict", "run", "x.png"), "NS683"),
    ("hdf5 weights", "n.caffemodel.h5", "", ("import", "ok.prototxt", "--weights", "n.caffemodel.h5", "-o", "x.yaml"), "NS001"),
    ("model", "m.onnx", "", ("verify", "m.onnx"), "NS720"),
    ("model", "m.onnx", "", ("serve", "m.onnx", "--allow-uncertified"), "NS720"),
    ("weights", "w.safetensors", HEAD + LAYERS, ("transplant", "w.safetensors", "net.yaml", "net.yaml", "-o", "x"), "NS001"),
    ("picture", "p.png", HEAD + LAYERS, ("init", "p.png", "-o", "x.yaml"), "NS643"),
    ("solver", "s.prototxt", "", ("import", "s.prototxt", "-o", "x.yaml"), "NS001"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "pipe", "spec", "words", "code"), FIFOS, ids=[f"{row[0]}-{row[3][0]}" for row in FIFOS]
)
def test_nobody_waits_at_a_pipe(
    folder: Path, kind: str, pipe: str, spec: str, words: tuple[str, ...], code: str
) -> None:
    for name in ("cat", "dog"):
        photo(folder / f"photos/{name}/b.png")
    npz(folder / "e.npz")
    (folder / "run").mkdir()
    (folder / "ok.prototxt").write_text(
        'input: "d" input_shape { dim: 1 dim: 2 }\nlayer { name: "r" type: "ReLU" bottom: "d" top: "r" }\n'
    )
    (folder / "net.yaml").write_text(spec or HEAD + LAYERS, encoding="utf-8")
    os.mkfifo(folder / pipe)
    found = codes(*words)
    assert (code in found) if code else (set(found) <= {"NS410"}), found


OF_A_RUN = [
    ("spec.yaml", ("test", "run"), "NS683"),
    ("classes.json", ("predict", "run", "--data", "npz:d.npz"), ""),
    ("weights.safetensors", ("test", "run"), "NS683"),
    ("weights.safetensors", ("export", "run", "-o", "m.onnx", "--no-certify"), "NS683"),
    ("solver.safetensors", ("train", "run", "--resume", "--set", "train.solver.max_iter=3"), "NS604"),
    ("log.jsonl", ("train", "run", "--resume", "--set", "train.solver.max_iter=3"), "NS6"),
    ("weights.next.safetensors", ("train", "run", "--resume", "--set", "train.solver.max_iter=3"), "NS604"),
]


@pytest.mark.parametrize(
    ("name", "words", "code"), OF_A_RUN, ids=[f"{row[0]}-{row[1][0]}" for row in OF_A_RUN]
)
def test_nobody_waits_at_a_pipe_in_a_run(folder: Path, name: str, words: tuple[str, ...], code: str) -> None:
    run = trained(folder)
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    found = codes(*words)
    assert any(each.startswith(code) for each in found) if code else found == [], found


def test_pictures_that_are_links_stay_in_their_folder(folder: Path) -> None:
    for name in ("cat", "dog"):
        photo(folder / f"photos/{name}/a.png")
    photo(folder.parent / "outside/secret.png")
    (folder / "net.yaml").write_text(PHOTOS, encoding="utf-8")
    (folder / "photos/cat/b.png").symlink_to("a.png")
    assert codes("train", "net.yaml", "--run", "fine", "--quiet") == []
    (folder / "photos/cat/c.png").symlink_to("../../../outside/secret.png")
    assert codes("train", "net.yaml", "--run", "r") == ["NS642"]
    assert codes("init", "photos", "-o", "x.yaml") == ["NS642"]
    assert codes("train", "net.yaml", "--run", "r", "--set", "train.data.path=photos") == ["NS642"]
    assert (
        codes(
            "train",
            "net.yaml",
            "--run",
            "allowed",
            "--quiet",
            "--allow-outside",
            str(folder.parent / "outside"),
        )
        == []
    )
    (folder / "photos/cat/c.png").unlink()
    (folder / "photos/bird").symlink_to(folder.parent / "outside")
    assert codes("train", "net.yaml", "--run", "r") == ["NS642"]
    (folder / "photos/bird").unlink()
    (folder / "photos/cat/again").symlink_to("..")
    assert codes("train", "net.yaml", "--run", "r") == ["NS734"]


def external(file: h5py.File, other: Path) -> None:
    file["x"] = h5py.ExternalLink(str(other), "x")


def soft_to_external(file: h5py.File, other: Path) -> None:
    file.create_group("g")["inner"] = h5py.ExternalLink(str(other), "/")
    file["x"] = h5py.SoftLink("/g/inner/x")


def stored_outside(file: h5py.File, other: Path) -> None:
    file.create_dataset("x", (8, 4), "f4", external=[(str(other), 0, 128)])


def virtual(file: h5py.File, other: Path) -> None:
    layout = h5py.VirtualLayout((8, 4), "f4")
    layout[:] = h5py.VirtualSource(str(other), "x", shape=(8, 4))
    file.create_virtual_dataset("x", layout)


@pytest.mark.parametrize("make", [external, soft_to_external, stored_outside, virtual])
def test_hdf5_data_come_from_the_file_itself(folder: Path, make: Any) -> None:
    other = folder.parent / "outside/o.h5"
    with h5py.File(other, "w") as file:
        file["x"] = np.ones((8, 4), np.float32)
    with h5py.File("d.h5", "w") as file:
        make(file, other)
        file["y"] = np.zeros(8, np.int64)
    spec = HEAD + LAYERS + NPZ.replace("npz, path: d.npz", "hdf5, path: d.h5") + SOLVER
    (folder / "net.yaml").write_text(spec, encoding="utf-8")
    assert codes("train", "net.yaml", "--run", "r") == ["NS642"]
    assert not (folder / "r").exists()


def test_a_soft_link_inside_a_file_is_fine(folder: Path) -> None:
    with h5py.File("d.h5", "w") as file:
        file["g/deep"] = np.ones((8, 4), np.float32)
        file["x"] = h5py.SoftLink("/g/deep")
        file["y"] = np.arange(8) % 2
    spec = HEAD + LAYERS + NPZ.replace("npz, path: d.npz", "hdf5, path: d.h5") + SOLVER
    (folder / "net.yaml").write_text(spec, encoding="utf-8")
    assert codes("train", "net.yaml", "--run", "r", "--quiet") == []


# --- a run's folder ---


def trained(folder: Path, more: str = "") -> Path:
    npz(folder / "d.npz")
    (folder / "net.yaml").write_text(HEAD + LAYERS + more + NPZ + SOLVER, encoding="utf-8")
    assert codes("train", "net.yaml", "--run", "run", "--quiet") == []
    return folder / "run"


def changed(run: Path, **values: object) -> None:
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**record, **values}), encoding="utf-8")


def test_a_run_reaches_what_its_spec_reaches(folder: Path) -> None:
    """While the spec stands where it stood; one that was changed is no proof, and the command line may give leave."""
    trained(folder)
    more = ("--set", "train.solver.max_iter=4", "--quiet")
    assert codes("train", "run", "--resume", *more) == []
    (folder / "net.yaml").write_text(HEAD + LAYERS + "# changed\n" + NPZ + SOLVER, encoding="utf-8")
    assert codes("train", "run", "--resume", *more) == ["NS643"]
    with pytest.raises(SpecError) as error:
        netspec.train("run", resume=True)
    assert f"--allow-outside {folder} confirms it" in error.value.diagnostics[0].notes[-1]
    assert codes("train", "run", "--resume", *more, "--allow-outside", str(folder)) == []
    assert codes("train", "net.yaml", "--run", "run", "--resume", *more) == [], "the spec itself was named"


def test_a_record_widens_nothing(folder: Path) -> None:
    (folder.parent / "outside/secret.txt").write_text("one\ntwo\n")
    run = trained(folder)
    spec = (run / "spec.yaml").read_text()
    for root in ("/", str(folder.parent / "outside"), str(folder.parent)):
        path = os.path.relpath(folder.parent / "outside/secret.txt", root)
        (run / "spec.yaml").write_text(spec + f"output: {{ip: {{labels: '{path}'}}}}\n")
        changed(run, root=root)
        assert codes("export", "run", "--no-certify") in (["NS707"], ["NS114"]), root
        assert not (run / "model.onnx").exists()


WIDER = LAYERS.replace("num_output: 2", "num_output: 8") + (
    "  - {name: relu, type: ReLU}\n  - {name: score, type: InnerProduct, num_output: 2, weight_filler: xavier}\n"
)


@pytest.fixture
def made(folder: Path) -> tuple[Path, Path]:
    """A run whose spec was written from another, of data that lie below that one; what it must not see."""
    npz(folder / "d.npz")
    tested = NPZ + "test_data: {source: npz, path: d.npz, fields: {data: x, label: y}}, "
    (folder / "net.yaml").write_text(HEAD + WIDER + tested + SOLVER, encoding="utf-8")
    assert codes("train", "net.yaml", "--run", "run", "--quiet") == []
    assert codes("prune", "run", "--channels", "0.5", "--run", "made") == []
    (folder / "secret.txt").write_text("one\ntwo\n")
    npz(folder / "other.npz")
    return folder / "made", folder / "secret.txt"


def test_a_run_made_of_others_reaches_what_their_specs_reach(made: tuple[Path, Path], folder: Path) -> None:
    """Pruned, bagged, pruned once more, trained on: no word more is needed."""
    members = load_members(["run", "run"])
    write_composed(compose(members, [0.5, 0.5], "pair"), folder / "pair", {})
    assert codes("prune", "pair", "--channels", "0.5", "--run", "again") == []
    for run in ("made", "pair", "again"):
        assert codes("test", run) == codes("see", "confusion", run) == [], run
        assert codes("train", run, "--resume", "--quiet", "--set", "train.solver.max_iter=4") == [], run
        assert codes("test", run) == [], run
    (folder / "net.yaml").unlink()
    assert codes("test", "made") == ["NS643"]
    assert codes("test", "made", "--allow-outside", str(folder)) == []


def test_a_run_made_of_others_names_no_file_that_they_do_not_name(made: tuple[Path, Path]) -> None:
    """Its record names a spec that stands; a stranger has changed what its own opens."""
    run, secret = made
    spec = (run / "spec.yaml").read_text()
    assert codes("export", "made", "--no-certify", "-o", "a.onnx") == []
    assert "d.npz" in spec
    for changed_spec, words in (
        (spec.replace("d.npz", "other.npz"), ("test", "made")),
        (re.sub(r"\noutput: .*", "", spec) + f"output: {{score: {{labels: {secret.name}}}}}\n", EXPORT),
    ):
        (run / "spec.yaml").write_text(changed_spec)
        found = codes(*words)
        assert found and set(found) <= {"NS643", "NS707"}, (changed_spec, found)
    (run / "spec.yaml").write_text(spec)
    changed(run, settings=["train.data.path=other.npz"])
    assert codes("test", "made") == ["NS643"]
    changed(run, settings=[])
    assert codes("test", "made") == []
    for origins in ([], ["other.yaml"], ["secret.txt"], ["d.npz"]):
        changed(run, made_of=origins)
        assert codes("test", "made") == ["NS643"], origins
    changed(run, made_of=["../outside/net.yaml"])
    (run / "spec.yaml").write_text(spec.replace("d.npz", "other.npz"))
    (secret.parent.parent / "outside/net.yaml").write_text(spec.replace("d.npz", "other.npz"))
    assert codes("test", "made") == ["NS643"]


def test_a_run_made_of_others_takes_in_no_file_beside_them(made: tuple[Path, Path], folder: Path) -> None:
    """One of that name lies in the run, to be read before the other."""
    spec = (folder / "made/spec.yaml").read_text()
    for line, name, harmless in (
        ("import: [more.yaml]\n", "more.yaml", "netspec: 1\nblocks: {}\n"),
        ("plugins: [more.py]\n", "more.py", PLUGIN),
    ):
        (folder / "made/spec.yaml").write_text(spec + line)
        (folder / "made" / name).write_text(harmless)
        (folder / name).write_text("1 +")
        found = codes("show", "made/spec.yaml", "--allow-code"), codes("test", "made", "--allow-code")
        assert found == ([], ["NS643"]), line


def test_a_recorded_setting_leads_nowhere(folder: Path) -> None:
    run = trained(folder)
    npz(folder.parent / "outside/d.npz")
    outside = str(folder.parent / "outside/d.npz")
    changed(run, settings=[f"train.data.path={outside}", "train.solver.max_iter=4"])
    assert codes("train", "run", "--resume", "--quiet") == ["NS642"]
    assert codes("train", "run", "--resume", "--quiet", "--set", f"train.data.path={outside}") == [], (
        "the caller's own word"
    )


@pytest.mark.parametrize(
    "name",
    [
        "log.jsonl",
        "weights.safetensors",
        "solver.safetensors",
        "spec.yaml",
        "run.json",
        "weights.next.safetensors",
    ],
)
def test_nothing_of_a_run_goes_through_a_link(folder: Path, name: str) -> None:
    run = trained(folder)
    victim = folder.parent / "outside" / name
    if (run / name).exists():
        (run / name).rename(victim)
    else:
        victim.write_bytes((run / "weights.safetensors").read_bytes())
    before = victim.read_bytes()
    (run / name).symlink_to(victim)
    assert codes("train", "run", "--resume", "--quiet", "--set", "train.solver.max_iter=4") != []
    assert victim.read_bytes() == before and sorted(os.listdir(victim.parent)) == [name]


def test_a_second_name_of_the_log_is_not_written_to(folder: Path) -> None:
    from netspec.training.run.log import Log

    victim = folder.parent / "outside/log"
    victim.write_text("mine\n")
    os.link(victim, "log.jsonl")
    with pytest.raises(SpecError, match="NS673"):
        Log(Path()).write({"phase": "train", "iteration": 1})
    assert victim.read_text() == "mine\n"


WRONG: list[tuple[str, bytes]] = [
    ("run.json", b"[" * 100_000),
    ("run.json", b"[1]"),
    ("run.json", b'{"root": 1}'),
    ("run.json", b'{"root": "\\ud800", "spec": "s", "settings": [], "stages": [], "level": 0, "seed": 1}'),
    ("run.json", b'{"root": "a\\u0000b", "spec": "s", "settings": [], "stages": [], "level": 0, "seed": 1}'),
    ("run.json", b'{"root": "/", "spec": "s", "settings": [1], "stages": [], "level": 0, "seed": 1}'),
    ("run.json", b'{"root": "/", "spec": "s", "settings": [], "stages": [{}], "level": 0, "seed": 1}'),
    ("run.json", b'{"root": "/", "spec": "s", "settings": [], "stages": [], "level": 1e99, "seed": 1}'),
    ("run.json", b'{"root": "/", "spec": "s", "settings": [], "stages": [], "level": 0, "seed": -1}'),
    (
        "run.json",
        b'{"root": "/", "spec": "s", "settings": [], "stages": [], "level": 0, "seed": %s}' % (b"9" * 6000),
    ),
    (
        "run.json",
        b'{"root": "/", "spec": "s", "settings": [], "stages": [], "level": 0, "seed": 1, "made_of": [{}]}',
    ),
    ("run.json", b"\xff\xfe"),
    ("run.json", b'{"a": NaN}'),
    ("classes.json", b'{"a": {}, "b": 1}'),
    ("classes.json", b'{"a": [1], "b": "x"}'),
    ("classes.json", b'{"a": 0, "a": 1}'),
    ("classes.json", b'{"a": ' * 5000),
    ("classes.json", b"3"),
]


@pytest.mark.parametrize(("name", "content"), WRONG, ids=[f"{name}-{i}" for i, (name, _) in enumerate(WRONG)])
def test_damaged_json_in_a_run_is_a_finding(folder: Path, name: str, content: bytes) -> None:
    run = trained(folder)
    (run / name).write_bytes(content)
    for words in (
        ("export", "run", "--no-certify"),
        ("test", "run"),
        ("train", "run", "--resume", "--quiet"),
    ):
        found = codes(*words)
        assert set(found) <= {"NS683", "NS707", "NS684", "NS673"} and (found or words[0] == "train"), (
            words,
            found,
        )


def test_a_file_of_a_run_that_is_a_link_outside_is_said_where_it_leads(folder: Path) -> None:
    run = trained(folder)
    for name in ("run.json", "classes.json", "log.jsonl", "spec.yaml"):
        kept = (run / name).read_bytes() if (run / name).exists() else b"{}"
        (folder.parent / "outside" / name).write_bytes(kept)
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(f"../../outside/{name}")
        found = [
            codes(*words)
            for words in (("export", "run", "--no-certify"), ("see", "curves", "run"), ("runs", "."))
        ]
        assert any(found) and set(chain(*found)) <= {"NS683", "NS707", "NS755"}, (name, found)
        (run / name).unlink()
        (run / name).write_bytes(kept)


# --- writing ---


def test_what_a_killed_writer_left_is_removed_by_the_next(folder: Path) -> None:
    target = folder / "w.bin"
    dead = os.fork()
    if not dead:
        os._exit(0)
    os.waitpid(dead, 0)
    name = draft_of(target).name
    left = target.with_name(name.replace(f".{os.getpid()}-", f".{dead}-"))
    left.write_bytes(b"x" * 1000)
    tree = target.with_name(left.name.replace(".part", "")[:-16] + "0123456789abcdef.part")
    tree.mkdir()
    (tree / "model").write_text("x")
    kept = [
        target.with_name(name),
        folder / f"other.{dead}-x.part",
        folder / "w.bin.part",
        folder / f"v.bin.{dead}-12345678-{'0' * 16}.part",
    ]
    for path in kept:
        path.write_text("kept")
    write_text(target, "new")
    assert sorted(os.listdir(folder)) == sorted([target.name, *(path.name for path in kept)])


def test_a_draft_cannot_be_guessed_and_is_nobodys(folder: Path) -> None:
    names = set()
    for _ in range(20):
        with replacing(folder / "f") as draft:
            names.add(draft.name)
            assert DRAFT.fullmatch(draft.name) and not draft.is_symlink()
    assert len(names) == 20 and os.listdir(folder) == ["f"]


def test_a_link_in_place_of_a_draft_is_not_written_through(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = folder.parent / "outside/victim"
    victim.write_text("mine")
    (folder / "draft").symlink_to(victim)
    monkeypatch.setattr("netspec.file_writing.draft_of", lambda target: folder / "draft")
    with pytest.raises(SpecError):
        write_text(folder / "f", "new")
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("broken", ["spec", "weights"])
def test_import_writes_both_or_neither(folder: Path, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors: Any = {"a": np.ones(3, np.float32)}
    write_both("net.yaml", "old", "net.safetensors", tensors)
    before = (folder / "net.safetensors").read_bytes()
    whole = Path.replace

    def failing(self: Path, target: Any) -> Path:
        if self.suffix == ".part" and Path(target).name == (
            "net.yaml" if broken == "spec" else "net.safetensors"
        ):
            failing.count += 1  # type: ignore[attr-defined]
            if failing.count == 1:  # type: ignore[attr-defined]
                raise OSError(28, "No space left on device")
        return whole(self, target)

    failing.count = 0  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing)
        with pytest.raises(SpecError):
            write_both("net.yaml", "new", "net.safetensors", {"a": np.zeros(3, np.float32)})  # type: ignore[dict-item]
    spec, weights = (folder / "net.yaml").read_text(), folder / "net.safetensors"
    assert (spec, weights.exists() and weights.read_bytes() == before) in (("old", True), ("new", False))
    assert not weights.exists() or weights.read_bytes() == before
    assert {path.name for path in folder.iterdir()} <= {"net.yaml", "net.safetensors"}


def test_a_layer_that_writes_makes_new_files_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    spec = HEAD + "layers:\n  - {name: out, type: HDF5Output, bottom: data, file_name: %s}\n"
    (folder.parent / "outside/data.h5").write_bytes(b"mine")
    monkeypatch.setenv("NETSPEC_DATA", str(folder.parent / "outside"))
    (folder / "link.h5").symlink_to("../outside/new.h5")
    (folder / "there.h5").write_bytes(b"mine")
    (folder / "away").symlink_to("../outside")
    for name, code in (
        ("data.h5", ""),
        ("there.h5", "NS666"),
        ("link.h5", "NS666"),
        ("../outside/data.h5", "NS642"),
        ("away/n.h5", "NS642"),
    ):
        (folder / "net.yaml").write_text(spec % name, encoding="utf-8")
        if code:
            with pytest.raises(SpecError, match=code):
                netspec.compile("net.yaml")(torch.zeros(2, 4))
        else:
            net = netspec.compile("net.yaml")
            net(torch.zeros(2, 4))
            net(torch.zeros(2, 4))
            with pytest.raises(SpecError, match="NS673"):
                net(torch.zeros(2, 5))
    assert sorted(os.listdir(folder.parent / "outside")) == ["data.h5"]
    assert (folder.parent / "outside/data.h5").read_bytes() == (folder / "there.h5").read_bytes() == b"mine"
    with h5py.File("data.h5") as file:
        assert file["data"].shape == (4, 4)
