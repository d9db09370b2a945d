"""What a file calls its parts runs in no command: each command on a spec, a run and a model with a hostile name in each place."""

import json
import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import netspec
from netspec import driver
from netspec.cli import group
from netspec.diagnostics.model import SpecError
from netspec.importers import prototxt

pytestmark = [pytest.mark.torch, pytest.mark.onnx]

RAN = "open('PWN','w').write('ran')"
UNSEEN = f'r\'"""\n        {RAN}\n        #'
SEEN = f'r\'"""); {RAN} #'
TRAIN = """train:
  data: {source: npz, path: d.npz, batch_size: 4}
  test_data: {source: npz, path: d.npz, batch_size: 4}
  solver: {base_lr: 0.1, max_iter: 1, random_seed: 1}
"""
PROTO = 'name: "net" layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 4 }} }} }} '
PROTO += 'layer {{ name: "{}" type: "InnerProduct" bottom: "data" top: "y" '
PROTO += 'inner_product_param {{ num_output: 2 weight_filler {{ type: "xavier" }} }} }}'

Place = Callable[[str, Path], str]


def written(folder: Path, text: str, file: str = "net.yaml") -> str:
    """A spec with its training, its data beside it; answers its path."""
    (folder / file).parent.mkdir(exist_ok=True)
    for place in {folder, (folder / file).parent}:
        np.savez(place / "d.npz", data=np.eye(4, dtype=np.float32).repeat(2, 0), label=np.arange(8) % 2)
    (folder / file).write_text(text + TRAIN, encoding="utf-8")
    return file


def dense(name: str = "ip", more: str = "") -> str:
    row = f"name: {json.dumps(name)}, type: InnerProduct, num_output: 2, weight_filler: xavier{more}"
    return f"input: {{data: [N, 4]}}\nlayers: [{{{row}}}]\n"


def net(name: str, folder: Path) -> str:
    return written(folder, f"name: {json.dumps(name)}\n{dense()}")


def layer(name: str, folder: Path) -> str:
    return written(folder, dense(name))


def blob(name: str, folder: Path) -> str:
    return written(folder, dense(more=f", top: [{json.dumps(name)}]"))


def blob_that_goes_in(name: str, folder: Path) -> str:
    return written(folder, dense().replace("data:", f"{json.dumps(name)}:", 1))


def weights(name: str, folder: Path) -> str:
    return written(folder, dense(more=f", param: [{{name: {json.dumps(name)}}}]"))


BLOCK = "blocks: {%s: {vars: {n: 3}, layers: [{name: ip, type: InnerProduct, num_output: $n, weight_filler: xavier}]}}\n"
USES = "input: {data: [N, 4]}\nlayers: [{name: %s, block: %s}, {name: last, block: %s, vars: {n: 2}}]\n"


def block(name: str, folder: Path) -> str:
    key = json.dumps(name)
    return written(folder, BLOCK % key + USES % ("first", key, key))


def use(name: str, folder: Path) -> str:
    return written(folder, BLOCK % "unit" + USES % (json.dumps(name), "unit", "unit"))


def imported_file(name: str, folder: Path) -> str:
    (folder / name).write_text(BLOCK % "unit", encoding="utf-8")
    return written(folder, f"import: [{json.dumps(name)}]\n" + USES % ("first", "unit", "unit"))


def own_file(name: str, folder: Path) -> str:
    return written(folder, dense(), f"{name}.yaml")


def root(name: str, folder: Path) -> str:
    """The folder that run.json names, where the spec stands as it was trained."""
    return written(folder, dense(), f"{name}/net.yaml")


def imported_prototxt(name: str, folder: Path) -> str:
    proto = "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\{ord(c):03o}" for c in name)
    (folder / "net.prototxt").write_text(PROTO.format(proto), encoding="utf-8")
    said = codes("import", "net.prototxt", "-o", "net.yaml")
    return written(folder, (folder / "net.yaml").read_text(encoding="utf-8")) if not said else said[0]


def everywhere(name: str, folder: Path) -> str:
    """All at once but the prototxt; blocks stand in an imported file and in the spec itself."""
    key, other = json.dumps(name), json.dumps(name + "2")
    home = folder / name
    home.mkdir()
    (home / name).write_text(BLOCK % key, encoding="utf-8")
    row = f"type: InnerProduct, num_output: 4, weight_filler: xavier, param: [{{name: {key}}}]"
    layers = f"[{{name: {key}, {row}, top: [{key}]}}, {{name: {other}, block: {key}}}, {{name: last, block: {other}, vars: {{n: 2}}}}]"
    text = f"name: {key}\nimport: [{key}]\ninput: {{{other}: [N, 4]}}\n{BLOCK % other}layers: {layers}\n"
    return written(folder, text, f"{name}/{name}.yaml")


PLACES: tuple[Place, ...] = (
    net,
    layer,
    blob,
    blob_that_goes_in,
    weights,
    block,
    use,
    imported_file,
    own_file,
    root,
    imported_prototxt,
)
AT_ONCE = [
    everywhere,
    imported_prototxt,
    *(pytest.param(place, marks=pytest.mark.slow) for place in PLACES[:-1]),
]
"""Where a whole round of commands is run: one takes a second."""
OF_SPECS = (
    "check SPEC",
    "check --fix SPEC",
    "show SPEC",
    "show --resolved SPEC",
    "hash SPEC",
    "sizes SPEC",
    "diff SPEC SPEC",
    "fmt --check SPEC",
    "compile SPEC -o made.py",
    "export SPEC -o made.onnx --no-certify",
    "export SPEC -o made.prototxt --to prototxt",
    "train SPEC --run RUN2 --quiet",
    "time SPEC --calls 1",
    "transplant RUN SPEC SPEC -o made.safetensors",
)
OF_RUNS = (
    "test RUN",
    "predict RUN --data npz:d.npz",
    "time RUN --calls 1",
    "export RUN -o of_run.onnx --no-certify",
    "export RUN -o of_run.prototxt --to prototxt",
    "train RUN --resume --quiet",
    "train RUN --run RUN3 --quiet",
)
OF_MODELS = (
    "verify of_run.onnx",
    "predict of_run.onnx --data npz:d.npz --allow-uncertified",
    "serve of_run.onnx --allow-uncertified --port 0",
)


def codes(*words: str) -> list[str]:
    """The codes that a command raises, or prints. AssertionError for what would be NS901 or a traceback."""
    result = CliRunner().invoke(group, list(words), standalone_mode=False)
    error = result.exception
    if error is None:
        return re.findall(r"^error\[(NS[0-9]{3})\]", result.output, re.MULTILINE)
    if isinstance(error, SpecError):
        return [d.code for d in error.diagnostics]
    raise AssertionError(f"{words}: {error!r}") from error


def said(commands: tuple[str, ...], spec: str) -> dict[str, list[str]]:
    """What each command raises on a spec."""
    return {
        command: codes(*(spec if word == "SPEC" else word for word in command.split()))
        for command in commands
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder; at the end nothing has run."""
    home = tmp_path / "in"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr("netspec.serving.server.run_loop", lambda main: None)
    monkeypatch.setattr("netspec.exporters.timing.WARM_SECONDS", 0.0)
    yield home
    assert [path for path in tmp_path.rglob("*") if path.name == "PWN"] == []


def nothing_ran() -> bool:
    return not Path("PWN").exists()


def without_the_wall(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(driver, "check_names", lambda spec, diagnostics: True)
    patch.setattr(prototxt, "unfit_names", lambda message: iter(()))


def used(spec: str) -> dict[str, list[str]]:
    """Every command that compiles or runs, what the file of `compile` does, and Python's own way."""
    assert codes("train", spec, "--run", "RUN", "--quiet") == []
    found = said((*OF_SPECS, *OF_RUNS, *OF_MODELS), spec)
    runpy.run_path("made.py")
    netspec.compile(spec)
    return found


@pytest.mark.parametrize("place", AT_ONCE)
def test_what_can_be_seen_works(place: Place, folder: Path) -> None:
    found = used(place(SEEN, folder))
    assert nothing_ran()
    assert {command: codes for command, codes in found.items() if codes} == {"verify of_run.onnx": ["NS712"]}


@pytest.mark.parametrize("place", AT_ONCE)
def test_what_cannot_runs_nothing_where_check_would_let_it_through(
    place: Place, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_the_wall(monkeypatch)
    found = used(place(UNSEEN, folder))
    assert nothing_ran()
    assert {command: codes for command, codes in found.items() if codes} == {"verify of_run.onnx": ["NS712"]}


@pytest.mark.parametrize("place", PLACES)
def test_what_cannot_is_refused_by_every_command(
    place: Place, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        without_the_wall(patch)
        spec = place(UNSEEN, folder)
        assert codes("train", spec, "--run", "RUN", "--quiet") == []
    found = said((*OF_SPECS, *OF_RUNS), spec)
    found["netspec.compile"] = raised(lambda: netspec.compile(spec))
    assert nothing_ran()
    unseen = {
        "fmt --check SPEC",
        *(OF_RUNS if place is imported_file else ()),
    }  # a run's spec has its imports joined in
    assert {command for command, codes in found.items() if "NS213" not in codes} == unseen


def raised(call: Callable[[], object]) -> list[str]:
    try:
        call()
    except SpecError as error:
        return [d.code for d in error.diagnostics]
    return []
