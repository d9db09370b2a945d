"""Names that try to leave the text they are put in, and nets that bear them in every place a name has."""

import ast
import json
from collections.abc import Callable
from pathlib import Path

from netspec import driver
from netspec.importers.caffe import convert
from netspec.ir.graph import TypedGraph
from netspec.source import Source
from netspec.training.run.folder import program_of

RAN = "open('PWN','w').write('ran')"
BREAKS = [
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\0",
    "\x1a",
    "\x1b[2J",
    "\x7f",
]
UNSEEN = ["\u202e", "\u200b", "\u2066", "\ufeff", "\u00ad", "\u3164", "\u00a0", "\ud800"]
SEEN = [
    '"""',
    "'''",
    '"',
    "'",
    "\\",
    '\\"""',
    '"""\\',
    "\\n",
    "\\N{DASH}",
    "\\x0a",
    "{}",
    "{0}",
    "{{",
    "%s",
    "#",
    "'#",
    '"#',
    ");",
    "]",
    "*/",
    "<!--",
]
WORDS = [
    "class",
    "None",
    "True",
    "self",
    "torch",
    "nn",
    "Network",
    "Tensor",
    "super",
    "__import__",
    "__class__",
    "_modules",
    "h",
    "ValueError",
]

UNPRINTABLE = (
    [f"r{c}        {RAN}{c}        #" for c in BREAKS]
    + [f"r{c}x" for c in UNSEEN]
    + [f'"""{BREAKS[0]}{RAN}{BREAKS[0]}"""']
)
PRINTABLE = (
    [f"r{c}{RAN}{c}" for c in SEEN]
    + WORDS
    + [f"{c}" for c in SEEN[:7]]
    + ["名前", "été 1", "a b", "-", "9x9", "inception_3a-1x1"]
)
NAMES = UNPRINTABLE + PRINTABLE

Net = Callable[[str, Path], TypedGraph]


def loaded(text: str, name: str = "net.yaml") -> TypedGraph:
    return driver.load_source(Source(name, text)).graph("test")


def quoted(name: str) -> str:
    """As YAML, and Python's json, write a text between quotes; a dollar twice."""
    return json.dumps(name.replace("$", "$$"))


def net(name: str, folder: Path) -> TypedGraph:
    return loaded(f"name: {quoted(name)}\ninput: {{data: [N, 4]}}\nlayers: [{{name: r, type: ReLU}}]")


def layer(name: str, folder: Path) -> TypedGraph:
    return loaded(
        f"input: {{data: [N, 4]}}\nlayers: [{{name: {quoted(name)}, type: InnerProduct, num_output: 2}}, {{name: last, type: TanH}}]"
    )


def blob(name: str, folder: Path) -> TypedGraph:
    """An input, and what a layer makes in its place."""
    key = quoted(name)
    rows = (
        f"name: r, type: ReLU, bottom: {key}, top: {key}",
        f"name: a, type: TanH, bottom: {key}",
        f"name: b, type: Eltwise, bottom: [{key}, a]",
    )
    return loaded(f"input: {{{key}: [N, 4]}}\nlayers: [{', '.join(f'{{{row}}}' for row in rows)}]")


def block(name: str, folder: Path) -> TypedGraph:
    key = quoted(name)
    text = f"input: {{data: [N, 4]}}\nblocks: {{{key}: {{vars: {{n: 2}}, layers: [{{name: r, type: InnerProduct, num_output: $n}}]}}}}\n"
    uses = f"[{{name: b1, block: {key}}}, {{name: b2, block: {key}, vars: {{n: 3}}}}]"
    return loaded(text + f"layers: {uses}")


def use(name: str, folder: Path) -> TypedGraph:
    text = "input: {data: [N, 4]}\nblocks: {unit: {layers: [{name: r, type: ReLU}]}}\n"
    return loaded(text + f"layers: [{{name: {quoted(name)}, block: unit}}]")


def weights_in_common(name: str, folder: Path) -> TypedGraph:
    one = f"type: InnerProduct, num_output: 4, param: [{{name: {quoted(name)}}}]"
    return loaded(f"input: {{data: [N, 4]}}\nlayers: [{{name: a, {one}}}, {{name: b, {one}}}]")


def imported_file(name: str, folder: Path) -> TypedGraph:
    (folder / name).write_text("blocks: {unit: {layers: [{name: r, type: ReLU}]}}")
    text = f"import: [{quoted(name)}]\ninput: {{data: [N, 4]}}\nlayers: [{{name: u, block: unit}}]"
    return loaded(text, str(folder / "net.yaml"))


def prototxt_layer(name: str, folder: Path) -> TypedGraph:
    proto = "".join(
        c if " " <= c <= "~" and c not in '"\\' else "".join(f"\\{b:03o}" for b in c.encode()) for c in name
    )
    text = 'name: "{0}" layer {{ name: "d" type: "Input" top: "d" input_param {{ shape {{ dim: 1 dim: 4 }} }} }} '
    text += 'layer {{ name: "{0}" type: "ReLU" bottom: "d" top: "y" }}'
    (folder / "net.prototxt").write_text(text.format(proto))
    return loaded(convert(folder / "net.prototxt").text)


def root_of_a_run(name: str, folder: Path) -> TypedGraph:
    """The spec stands in the folder that the record names: else the record's word counts for nothing."""
    text = "input: {data: [N, 4]}\nlayers: [{name: r, type: ReLU}]"
    home = folder / name
    home.mkdir(exist_ok=True)
    for place in (folder / "spec.yaml", home / "net.yaml"):
        place.write_text(text)
    record = {"root": str(home), "spec": "net.yaml", "settings": [], "stages": [], "level": 0, "seed": 1}
    return program_of(folder, record | {"made_of": []}).graph("test")


PLACES: tuple[Net, ...] = (
    net,
    layer,
    blob,
    block,
    use,
    weights_in_common,
    imported_file,
    prototxt_layer,
    root_of_a_run,
)


def can_stand_there(name: str, place: Net) -> bool:
    """A file's name holds no zero byte, and bytes of UTF-8; YAML and prototxt write no half of a pair."""
    return not ({"\0", "/", "\ud800"} if place in (imported_file, root_of_a_run) else {"\ud800"}) & set(name)


def skeleton(text: str) -> list[str]:
    """What a program does, whatever its parts are called: the kinds of its nodes in order, and what it calls by a bare name."""
    tree = ast.parse(text)
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    return [called(n, own) if isinstance(n, ast.Call) else type(n).__name__ for n in ast.walk(tree)]


def called(call: ast.Call, own: set[str]) -> str:
    return (
        "Call" if not isinstance(call.func, ast.Name) else "a class" if call.func.id in own else call.func.id
    )
