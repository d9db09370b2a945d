"""What strangers may put before recipes, views and repositories: runs, models and folders damaged, misplaced, ill-named."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.seeing.registry import find_view
from tests.hostile.arena import run
from tests.hostile.cases import SPEC, Case, outcome_faults, spoil
from tests.hostile.places import NAMES, lead_out

VIEWS = (
    "filters",
    "matrix",
    "maps",
    "occlusion",
    "saliency",
    "cam",
    "confusion",
    "mistakes",
    "curves",
    "batch",
    "output",
    "net",
    "shift",
    "all",
)
Maker = Callable[[Path, random.Random, Path], Case]
FEW, MANY = range(1), range(1, 61)


def copied(finished: Path, folder: Path, *names: str) -> list[Path]:
    """Copies of the finished run under these names; every file of them."""
    for name in names:
        shutil.copytree(finished / "out", folder / name)
    for name in ("spec.yaml", "p.png"):
        shutil.copy(finished / name, folder)
    return [path for name in names for path in sorted((folder / name).rglob("*")) if path.is_file()]


def bag(finished: Path, chance: random.Random, folder: Path) -> Case:
    files = copied(finished, folder, "out", "other")
    return ["bag", "out", "other", *chance.choice(([], ["--run", "bagged"]))], chance.choice(files)


def prune(finished: Path, chance: random.Random, folder: Path) -> Case:
    files = copied(finished, folder, "out")
    more = chance.choice(
        (["--sparsity", "0.5"], ["--channels", "0.3"], ["--sparsity", "0.5", "--train", "1"])
    )
    return ["prune", "out", *chance.choice(([], ["--run", "small"])), *more], chance.choice(files)


def teacher(finished: Path, chance: random.Random, folder: Path) -> Case:
    files = copied(finished, folder, "out")
    (folder / "taught.yaml").write_text(SPEC.replace("train: {", "train: {teacher: out, "))
    return ["train", "taught.yaml", "--run", "new"], chance.choice(files)


def reproduce(finished: Path, chance: random.Random, folder: Path) -> Case:
    files = copied(finished, folder, "out")
    return ["train", "out", "--reproduce", "--run", "again"], chance.choice(files)


def runs(finished: Path, chance: random.Random, folder: Path) -> Case:
    files = copied(finished, folder, "runs/a", "runs/b")
    words = chance.choice(
        (["runs"], ["runs", "--json"], ["runs", "runs/a", "runs/b"], ["runs", "runs/b", "runs/a", "--json"])
    )
    return words, chance.choice(files)


def see_run(finished: Path, chance: random.Random, folder: Path) -> Case:
    files = copied(finished, folder, "out")
    view = chance.choice(VIEWS)
    picture = chance.choice(([], ["p.png"])) if takes_inputs(view) else []
    out = chance.choice(([], ["-o", "seen"], ["-o", "seen.html"], ["--json"]))
    return ["see", view, "out", *picture, *out], chance.choice([*files, folder / "p.png"])


def takes_inputs(view: str) -> bool:
    return view == "all" or "inputs" in find_view(view).TAKES


def see_model(finished: Path, chance: random.Random, folder: Path) -> Case:
    for name in ("model.onnx", "p.png"):
        shutil.copy(finished / name, folder)
    out = chance.choice(([], ["-o", "seen"], ["-o", "seen.html"], ["--json"]))
    view = chance.choice(("filters", "maps", "occlusion", "output", "net", "all"))
    words = ["see", view, "model.onnx", *(["p.png"] if takes_inputs(view) and view != "net" else [])]
    return [*words, "--allow-uncertified", *out], folder / chance.choice(
        ("model.onnx", "model.onnx", "p.png")
    )


def quantize(finished: Path, chance: random.Random, folder: Path) -> Case:
    files = copied(finished, folder, "out")
    return [
        "export",
        "out",
        "--quantize",
        chance.choice(("int8", "fp16")),
        "-o",
        "small.onnx",
    ], chance.choice(files)


def layout(finished: Path, chance: random.Random, folder: Path) -> Case:
    files = copied(finished, folder, "out")
    return [
        "export",
        "out",
        "--certify",
        "quick",
        "--layout",
        chance.choice(("triton", "kserve")),
        "models",
    ], chance.choice(files)


def swept(finished: Path, chance: random.Random, folder: Path) -> Case:
    """A sweep of which the first run has ended; the second is to begin."""
    files = copied(finished, folder, "swept/1")
    shutil.copy(finished / "sweep.json", folder / "swept")
    words = ["train", "spec.yaml", "--sweep", "train.solver.base_lr=0.01,0.1", "--run", "swept", "--resume"]
    return words, chance.choice([*files, folder / "swept/sweep.json"])


def inventory(finished: Path, chance: random.Random, folder: Path) -> Case:
    files = copied(finished, folder, "out")
    return ["data", "out", *chance.choice(([], ["--json"], ["--html", "d.html"]))], chance.choice(files)


def repository(finished: Path, chance: random.Random, folder: Path) -> Case:
    """Models by version, some of them called what no honest person calls a model."""
    made = []
    for name in ("first", chance.choice(NAMES).replace("/", "_")):
        for version in ("1", chance.choice(("2", "0", "01", "-1", "9" * 200, "\u0663", "x", "1\n"))):
            place = folder / "models" / (name if name != ".." else "dots") / version
            if not place.exists():
                place.mkdir(parents=True)
                made.append(place / "model.onnx")
                shutil.copy(finished / "model.onnx", made[-1])
    return ["serve", "models", "--port", "0", *chance.choice(([], ["--allow-uncertified"]))], chance.choice(
        made
    )


KINDS: dict[str, Maker] = {
    each.__name__: each
    for each in (
        bag,
        prune,
        teacher,
        reproduce,
        runs,
        see_run,
        see_model,
        quantize,
        layout,
        swept,
        inventory,
        repository,
    )
}


def faults(kind: str, finished: Path, seeds: range, tmp_path: Path) -> list[str]:
    """What went wrong, a line a seed."""
    found = []
    for seed in seeds:
        folder = tmp_path / "arena" / str(seed)
        folder.mkdir(parents=True)
        chance = random.Random(f"{kind} {seed}")
        words, victim = KINDS[kind](finished, chance, folder)
        assert victim is not None
        how = spoil(victim, chance)
        found += outcome_faults(
            run(words, folder), f"{kind}, seed {seed}: {how} {victim.name}: {words}", folder
        )
        shutil.rmtree(folder)
    return found


OFTEN = ("bag", "prune", "reproduce", "runs", "see_model", "repository")
MARKED = [each if each in OFTEN else pytest.param(each, marks=pytest.mark.slow) for each in KINDS]
"""Some kinds by default, the others before a release."""


@pytest.mark.parametrize("kind", MARKED)
def test_sound_ones_are_taken(kind: str, finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "arena" / "0"
    folder.mkdir(parents=True)
    words, _ = KINDS[kind](finished, random.Random(f"sound {kind}"), folder)
    outcome = run(words, folder)
    assert outcome.code == 0, outcome.words[-900:]
    assert outcome.faults == []


@pytest.mark.parametrize("kind", MARKED)
def test_hostile_ones_are_answered(kind: str, finished: Path, tmp_path: Path) -> None:
    assert faults(kind, finished, FEW, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_hostile_ones_are_answered(kind: str, finished: Path, tmp_path: Path) -> None:
    assert faults(kind, finished, MANY, tmp_path) == []


UNREAD = (
    "log.jsonl",
    "solver.safetensors",
    "weights.before.safetensors",
    "solver.before.safetensors",
    "owner.json",
)
"""Files of a run that these commands have no need of, as curves and matrices in pictures; folders that are no version."""
LED = ("repository", *(pytest.param(each, marks=pytest.mark.slow) for each in ("prune", "bag", "quantize")))


def is_read(victim: Path) -> bool:
    return (
        victim.name not in UNREAD
        and victim.suffix != ".png"
        and victim.parent.name not in ("0", "01", "-1", "x", "1\n", "9" * 200, "\u0663")
    )


@pytest.mark.parametrize("kind", LED)
def test_links_that_lead_out_are_refused(kind: str, finished: Path, tmp_path: Path) -> None:
    """Sound files of another folder are not taken for a run's or a repository's own."""
    taken = []
    for seed in range(4):
        folder = tmp_path / "arena" / str(seed)
        folder.mkdir(parents=True)
        words, victim = KINDS[kind](finished, random.Random(f"links {kind} {seed}"), folder)
        assert victim is not None
        lead_out(victim, tmp_path / "outside" / str(seed))
        outcome = run(words, folder)
        assert outcome_faults(outcome, f"{kind} {seed}", folder) == []
        if outcome.code == 0 and is_read(victim):
            taken.append(str(victim.relative_to(folder)))
        shutil.rmtree(folder)
    assert taken == []
