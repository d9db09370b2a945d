"""Seeded faults: one change in a sound spec at a time, those that an independent rule proves illegal, and what `check` says of them.

    python benchmarks/faults.py --each 200 --workers 4 --write benchmarks/results/faults.md

Independent rules: PyYAML and the published JSON Schema for keys, types, scalars and indentation; a table of names for names and wiring;
torch's own operators on the meta device, over the flat spec, for sizes.
"""

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from netspec import driver
from netspec.diagnostics.fixing import edited
from netspec.diagnostics.model import Diagnostics
from netspec.source import Source
from netspec.syntax.located import Located, plain
from netspec.syntax.paths import zoo_specs
from netspec.syntax.reader import read

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("key", "type", "scalar", "indentation", "name", "wiring", "size")
TARGETS = dict.fromkeys(KINDS[:5], (0.98, 0.0)) | {"wiring": (0.80, 0.95), "size": (0.80, 0.95)}
SIZES = ("kernel_size", "stride", "pad", "group", "dilation")


class Mutant(NamedTuple):
    """A changed text, the line that was changed, and for a size what was set: layer, parameter, value."""

    kind: str
    text: str
    line: int
    size: tuple[str, str, Any] | None = None


class Verdict(NamedTuple):
    """What check said of an illegal mutant."""

    reported: bool
    primary: bool
    secondary: bool
    fixes: int
    clean: int
    crashed: bool


class Seeded:
    """A spec to make mutants of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.source = Source(str(path), self.text)
        tree = read(self.source, Diagnostics())
        assert tree is not None
        self.tree = tree
        self.layers = [body for body in (tree.get("layers") or Located([])).items if isinstance(body.value, dict)]

    def replaced(self, kind: str, span: Any, new: str, size: tuple[str, str, Any] | None = None) -> Mutant:
        return Mutant(kind, self.text[: span.start] + new + self.text[span.end :], span.begin[0], size)

    def mutants(self, count: int, seed: int) -> Iterator[Mutant]:
        """So many of each kind in turn, without repetitions."""
        rng = random.Random(f"{self.path.name} {seed}")
        makers = [self.key, self.type, self.scalar, self.indentation, self.name, self.wiring, self.size]
        seen: set[str] = set()
        for i in range(count * 4):
            mutant = makers[i % len(makers)](rng)
            if mutant is not None and mutant.text not in seen:
                seen.add(mutant.text)
                yield mutant
            if len(seen) >= count:
                return

    def key(self, rng: random.Random) -> Mutant | None:
        free = ("vars", "input", "output", "shapes", "receptive_field", "fields", "options", "blocks", "override")
        keys = [span for name, body in self.tree.mapping.items() if name not in free for part in body.walk() for span in part.keys.values()]
        keys = [span for span in keys if not self.under_free_name(span)] + [s for k, s in self.tree.keys.items() if k != "description"]
        span = rng.choice(keys)
        return self.replaced("key", span, misspelt(span.text, rng))

    def under_free_name(self, span: Any) -> bool:
        line = self.source.line(span.begin[0])
        return any(f"{word}:" in line[: span.begin[1]] for word in ("vars", "shapes", "receptive_field", "options"))

    def type(self, rng: random.Random) -> Mutant | None:
        kinds = [body.mapping["type"] for body in self.layers if body.get("type") is not None and "$" not in body.mapping["type"].text]
        if not kinds:
            return None
        node = rng.choice(kinds)
        return self.replaced("type", node.span, misspelt(node.text, rng))

    def scalar(self, rng: random.Random) -> Mutant | None:
        nodes = [n for n in self.tree.walk() if isinstance(n.value, (int, float)) and n.span is not None]
        node = rng.choice(nodes)
        return self.replaced("scalar", node.span, rng.choice(["many", "-3", "no", f'"{node.text}"', "[]", "1_000", "0.5", "3x3", "~"]))

    def indentation(self, rng: random.Random) -> Mutant | None:
        starts = self.source.starts
        lines = [
            n for n in range(1, len(starts) + 1) if self.source.line(n).startswith(" ") and not self.source.line(n).strip().startswith("#")
        ]
        if not lines:
            return None
        number = rng.choice(lines)
        start, line = starts[number - 1], self.source.line(number)
        width = len(line) - len(line.lstrip())
        new = rng.choice([" " * (width - 1), " " * (width + 1), "\t", " " * (width + 3)])
        return Mutant("indentation", self.text[:start] + new + self.text[start + width :], number)

    def name(self, rng: random.Random) -> Mutant | None:
        nodes = [n for body in self.layers if (b := body.get("bottom")) is not None for n in b.items if n.span and "$" not in n.text]
        nodes += [n for n in ((self.tree.get("output") or Located({})).items) if n.span is not None and isinstance(n.value, str)]
        if not nodes:
            return None
        node = rng.choice(nodes)
        return self.replaced("name", node.span, misspelt(node.text, rng))

    def wiring(self, rng: random.Random) -> Mutant | None:
        """A bottom that a later layer makes, or a layer's name given twice."""
        at = [i for i, body in enumerate(self.layers[:-1]) if body.get("bottom") is not None or body.get("name") is not None]
        i = rng.choice(at) if at else None
        if i is None:
            return None
        later = self.layers[rng.randrange(i + 1, len(self.layers))].get("name")
        bottom = self.layers[i].get("bottom")
        if later is None or "$" in later.text:
            return None
        if bottom is not None and isinstance(bottom.value, str) and rng.random() < 0.5:
            return self.replaced("wiring", bottom.span, later.text)
        own = self.layers[i].mapping["name"]
        return self.replaced("wiring", later.span, own.text) if own.text != later.text else None

    def size(self, rng: random.Random) -> Mutant | None:
        found = [
            (body.mapping["name"].text, word, body.mapping[word])
            for body in self.layers
            for word in SIZES
            if body.get("block") is None and body.get(word) is not None and isinstance(body.mapping[word].value, int)
        ]
        if not found:
            return None
        name, word, node = rng.choice(found)
        assert isinstance(node.value, int)
        value = rng.choice([node.value + 1, node.value * 3 + 1, node.value * 40 + 7, 0, node.value + 2])
        return self.replaced("size", node.span, str(value), (name, word, value))

    # --- independent rules ---

    def illegal(self, mutant: Mutant) -> bool:
        """Whether an independent rule proves that a mutant is illegal."""
        if mutant.kind in ("key", "type", "scalar", "indentation"):
            return not schema_takes(mutant.text)
        if mutant.kind == "size":
            assert mutant.size is not None
            return not schema_takes(mutant.text) or self.torch_refuses(*mutant.size)
        return names_are_wrong(mutant.text)

    @cache  # noqa: B019 - one object a spec, for the life of the run
    def flat(self) -> Any:
        text = driver.load(str(self.path)).resolved_text()
        tree = read(Source("flat", text), Diagnostics())
        assert tree is not None
        return plain(tree)

    def torch_refuses(self, name: str, word: str, value: Any) -> bool:
        changed = json.loads(json.dumps(self.flat()))
        for body in changed["layers"]:
            for group in [key for key in body if key.endswith("_param")] if body["name"] == name else []:
                if word in body[group]:
                    body[group][word] = value
        return not shapes_agree(changed)


def misspelt(word: str, rng: random.Random) -> str:
    """A word with one letter dropped, doubled, swapped or replaced."""
    i = rng.randrange(len(word))
    j = min(i + 1, len(word) - 1)
    ways = [
        word[:i] + word[i + 1 :],
        word[:i] + word[i] + word[i:],
        word[:i] + word[j] + word[i] + word[j + 1 :],
        f"{word[:i]}q{word[i + 1 :]}",
    ]
    return rng.choice([way for way in ways if way and way != word] or [word + "q"])


@cache
def validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads((ROOT / "schemas/netspec.schema.json").read_text(encoding="utf-8")))


def schema_takes(text: str) -> bool:
    """Whether PyYAML parses a text (no tabs in the indentation) and the published schema takes what it says."""
    import yaml

    class Core(yaml.SafeLoader):
        """YAML 1.2's scalars."""

    Core.yaml_implicit_resolvers = {}
    for tag, pattern, first in (
        ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
        ("tag:yaml.org,2002:int", r"^[-+]?[0-9]+$", "-+0123456789"),
        ("tag:yaml.org,2002:float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
        ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ):
        Core.add_implicit_resolver(tag, re.compile(pattern), list(first))
    try:
        return bool(validator().is_valid(yaml.load(text, Core)))
    except (yaml.YAMLError, ValueError, TypeError):
        return False


def names_are_wrong(text: str) -> bool:
    """A bottom or output that nothing before makes, or two layers of one name and phase, by a walk over the list of layers."""
    import yaml

    tree = yaml.load(text, yaml.BaseLoader)
    if not isinstance(tree, dict) or "base" in tree or "blocks" in tree or "import" in tree:
        return own_names_are_wrong(tree) if isinstance(tree, dict) and "base" not in tree else False
    return own_names_are_wrong(tree)


def own_names_are_wrong(tree: Any) -> bool:
    made = set(tree.get("input") or {})
    named: Counter[str] = Counter()
    for body in tree.get("layers") or []:
        bottoms = body.get("bottom", [])
        for bottom in [bottoms] if isinstance(bottoms, str) else bottoms:
            if "$" not in bottom and bottom not in made and bottom.split(".")[0] not in made:
                return True
        tops = body.get("top", body.get("name", ""))
        made.update([tops] if isinstance(tops, str) else tops)
        if not body.keys() & {"include", "exclude", "phase", "when"}:
            named[body.get("name", "")] += 1
    outputs = tree.get("output", [])
    wanted = [outputs] if isinstance(outputs, str) else list(outputs)
    return max(named.values(), default=0) > 1 or any(name not in made and name.split(".")[0] not in made for name in wanted)


def shapes_agree(flat: Any) -> bool:
    """Whether torch's operators take the sizes of a flat spec, on the meta device; layers it has no plain operator for end the walk."""
    import torch

    blobs = {
        name: torch.empty([s if isinstance(s, int) else 2 for s in given["shape"]], device="meta") for name, given in flat["input"].items()
    }
    for body in flat["layers"]:
        bottoms = body.get("bottom", [])
        try:
            xs = [blobs[b] for b in ([bottoms] if isinstance(bottoms, str) else bottoms)]
        except KeyError:
            continue
        try:
            top = step(body, xs)
        except (RuntimeError, ZeroDivisionError, ValueError):
            return False
        if top is not None and isinstance(body.get("top"), str):
            blobs[body["top"]] = top
    return True


def step(body: dict[str, Any], xs: list[Any]) -> Any:
    """The top of a layer, by torch's operator; None where there is no plain one. Raises RuntimeError, ZeroDivisionError."""
    import torch
    from torch.nn import functional

    kind, x = body["type"], xs[0] if xs else None
    own = next((body[key] for key in body if key.endswith("_param") and key != "transform_param"), {})
    if kind == "Convolution" and x.dim() == 4 and not isinstance(own["pad"], str) and own["pad_mode"] == "constant":
        kernel = pair(own["kernel_size"])
        if not isinstance(own["pad"], int) and any(isinstance(p, list) for p in own["pad"]):
            return None
        weight = torch.empty(own["num_output"], x.shape[1] // own["group"], *kernel, device="meta")
        if own["round_mode"] != "FLOOR":
            return None
        return functional.conv2d(x, weight, None, pair(own["stride"]), pair(own["pad"]), pair(own["dilation"]), own["group"])
    if kind == "Pooling" and x.dim() == 4 and not own.get("global_pooling") and own["pad"] == 0 and "kernel_size" in own:
        return functional.max_pool2d(x, pair(own["kernel_size"]), pair(own["stride"]), 0, 1, own["round_mode"] == "CEIL")
    if kind == "InnerProduct" and own["axis"] == 1:
        return torch.empty(x.shape[0], own["num_output"], device="meta")
    if kind == "Eltwise":
        return xs[0] if all(y.shape == xs[0].shape for y in xs) else (_ for _ in ()).throw(RuntimeError("unlike"))
    if kind == "Concat" and own["axis"] == 1:
        return torch.cat(xs, 1)
    return x if kind in ("ReLU", "Dropout", "LRN", "BatchNorm", "Scale", "Sigmoid", "TanH", "Softmax", "ELU") else None


def pair(value: Any) -> tuple[int, int]:
    return (value[0], value[-1]) if isinstance(value, list) else (value, value)


# --- the measurement -------------------------------------------------------------------------------------------------


def judged(seeded: Seeded, mutant: Mutant) -> Verdict:
    """What check says of a mutant."""
    source = Source(str(seeded.path), mutant.text)
    try:
        found = driver.check_source(source)
    except Exception:
        return Verdict(False, False, False, 0, 0, True)
    errors = [d for d in found if d.severity == "error"]
    crashed = any(d.code == "NS901" for d in errors)
    primary = any(d.span is not None and covers(d.span, mutant.line) for d in errors)
    secondary = primary or any(covers(label.span, mutant.line) for d in errors for label in d.others)
    offered = [text for d in errors for fix in d.fixes if fix.edits and (text := edited(source, fix.edits)) is not None]
    clean = sum(fewer(errors, driver.check_source(text)) for text in offered)
    return Verdict(bool(errors) and not crashed, primary, secondary, len(offered), clean, crashed)


def fewer(errors: list[Any], found: list[Any]) -> bool:
    """Whether what is found with a fix made is less than before: nothing, or a part of the errors that stood beside the one it is for."""
    left = Counter((d.code, d.fact) for d in found if d.severity == "error")
    return sum(left.values()) < len(errors) and not left - Counter((d.code, d.fact) for d in errors)


def covers(span: Any, line: int) -> bool:
    return bool(span.begin[0] <= line <= span.finish[0])


def measured(path: Path, each: int, seed: int = 1) -> tuple[dict[str, list[Verdict]], list[str], int]:
    """Verdicts by kind, an account of what fell short, and the number of mutants made."""
    seeded, found, short, made = Seeded(path), {kind: [] for kind in KINDS}, [], 0  # type: ignore[var-annotated]
    for mutant in seeded.mutants(each, seed):
        made += 1
        if not seeded.illegal(mutant):
            continue
        verdict = judged(seeded, mutant)
        found[mutant.kind].append(verdict)
        fit = verdict.primary or (verdict.secondary and mutant.kind in ("wiring", "size"))
        if not (verdict.reported and fit and verdict.clean == verdict.fixes):
            line = Source("", mutant.text).line(mutant.line).strip()
            short.append(f"{path.stem}:{mutant.line} {mutant.kind} {tuple(map(int, verdict))} {line[:110]}")
    return found, short, made


def table(found: dict[str, list[Verdict]]) -> str:
    lines = ["| fault | illegal | reported | primary on the line | or secondary | fixes | of them clean | tracebacks |", "|" + "---|" * 8]
    for kind in KINDS:
        vs = found[kind]
        if vs:
            share = [f"{sum(getattr(v, what) for v in vs) / len(vs):.1%}" for what in ("reported", "primary", "secondary")]
            counts = [str(sum(getattr(v, what) for v in vs)) for what in ("fixes", "clean", "crashed")]
            lines.append(f"| {' | '.join([kind, str(len(vs)), *share, *counts])} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", type=int, default=200, help="mutants per spec")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--short", type=int, default=40, help="how many that fell short to list")
    args = parser.parse_args()
    paths = [path for _, path in zoo_specs()]
    total: dict[str, list[Verdict]] = {kind: [] for kind in KINDS}
    short: list[str] = []
    made = 0
    with ProcessPoolExecutor(args.workers) as pool:
        for found, missed, count in pool.map(measured, paths, [args.each] * len(paths)):
            made += count
            short += missed
            for kind, verdicts in found.items():
                total[kind] += verdicts
    text = (
        f"{made} mutants of {len(paths)} specs, {sum(map(len, total.values()))} of them illegal by an independent rule.\n\n{table(total)}\n"
    )
    print(text)
    print("\n".join(short[: args.short]))
    if args.write:
        args.write.write_text(
            f"# Seeded faults\n\nMeasured {date.today()} by `benchmarks/faults.py --each {args.each}`.\n\n{text}", encoding="utf-8"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
