"""What an editor shows: the published schema in yaml-language-server, spoken to over stdio.

The server is Node's: `npm install --prefix .ci` brings it; NETSPEC_YAML_LS names another. Without one the tests are skipped.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest

import netspec
from tests.each import each
from tests.zoo.kinds import SAMPLE, SPECS

INSTALLED = Path(__file__).resolve().parents[2] / ".ci" / "node_modules" / ".bin"
SERVER = os.environ.get("NETSPEC_YAML_LS") or shutil.which(
    "yaml-language-server", path=f"{INSTALLED}{os.pathsep}{os.environ['PATH']}"
)
pytestmark = [
    pytest.mark.skipif(not SERVER, reason="yaml-language-server is not installed"),
    pytest.mark.xdist_group("editor"),
]
SCHEMA = Path(netspec.__file__).parent.parent / "schemas" / "netspec.schema.json"
HEAD = "netspec: 1\ninput: {data: [N, 3, 32, 32]}\nlayers:\n"
PATIENCE = 60


class Editor:
    """A client of the language server: requests with answers, and the diagnostics that come unasked."""

    def __init__(self, command: str) -> None:
        self.process = subprocess.Popen(
            [command, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.arrived: Queue[dict[str, Any]] = Queue()
        self.count = 0
        self.reader = Thread(target=self.read, daemon=True)
        self.reader.start()
        self.ask(
            "initialize",
            {
                "processId": None,
                "rootUri": None,
                "capabilities": {"textDocument": {"hover": {"contentFormat": ["markdown"]}}},
            },
        )
        self.tell("initialized", {})
        settings = {
            "schemas": {SCHEMA.as_uri(): "*.yaml"},
            "validate": True,
            "completion": True,
            "hover": True,
            "schemaStore": {"enable": False},
        }
        self.settings = {"yaml": settings}
        self.tell("workspace/didChangeConfiguration", {"settings": self.settings})

    def read(self) -> None:
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            length = int(line.split(b":")[1]) if line.lower().startswith(b"content-length") else 0
            while line.strip():
                line = self.process.stdout.readline()
            self.arrived.put(json.loads(self.process.stdout.read(length)))

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def tell(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        self.count += 1
        number = self.count
        self.send({"id": number, "method": method, "params": params})
        return self.until(lambda m: m.get("id") == number and "method" not in m)["result"]

    def until(self, wanted: Any) -> dict[str, Any]:
        """The next message of a kind; the server's own questions are answered on the way."""
        while True:
            try:
                message = self.arrived.get(timeout=PATIENCE)
            except Empty:
                pytest.fail("the language server does not answer")
            if "id" in message and "method" in message:
                asked = (
                    message["params"].get("items", [])
                    if message["method"] == "workspace/configuration"
                    else []
                )
                self.send(
                    {
                        "id": message["id"],
                        "result": [self.settings.get(item["section"], {}) for item in asked],
                    }
                )
            elif wanted(message):
                return message

    def findings(self, uri: str, text: str) -> list[dict[str, Any]]:
        """Open a document, and what the server has against it."""
        self.tell(
            "textDocument/didOpen",
            {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}},
        )
        found = self.until(
            lambda m: m.get("method") == "textDocument/publishDiagnostics" and m["params"]["uri"] == uri
        )
        return list(found["params"]["diagnostics"])

    def at(self, what: str, text: str, mark: str) -> Any:
        """Completion or hover at the mark in a new document, the mark itself left out."""
        self.count += 1
        uri, place = f"file:///tmp/editor{self.count}.yaml", text.index(mark)
        whole = text.replace(mark, "", 1)
        self.findings(uri, whole)
        position = {"line": whole[:place].count("\n"), "character": place - (whole.rfind("\n", 0, place) + 1)}
        return self.ask(f"textDocument/{what}", {"textDocument": {"uri": uri}, "position": position})

    def labels(self, text: str) -> set[str]:
        """What completion offers at the `^`."""
        found = self.at("completion", text, "^")
        return {item["label"] for item in (found["items"] if isinstance(found, dict) else found)}


@pytest.fixture(scope="module")
def editor() -> Iterator[Editor]:
    made = Editor(str(SERVER))
    yield made
    made.process.kill()
    made.process.wait()


@each("name", sorted(SAMPLE))
def test_no_spec_of_the_zoo_has_a_finding(editor: Editor, name: str) -> None:
    path = SPECS[name]
    assert editor.findings(path.as_uri(), path.read_text(encoding="utf-8")) == []


@pytest.mark.slow
@each("name", sorted(SPECS.keys() - SAMPLE))
def test_no_other_spec_of_the_zoo_has_one(editor: Editor, name: str) -> None:
    test_no_spec_of_the_zoo_has_a_finding(editor, name)


BAD = [
    ("  - {name: a, type: Convolution, num_output: 3, kernel_sise: 3}\n", "kernel_sise"),
    ("  - {name: a, type: Convolution, num_output: many, kernel_size: 3}\n", "many"),
    ("  - {name: a, type: Pooling, pool: MAXX, kernel_size: 3}\n", "MAXX"),
    ("  - {name: a, type: Convolutoin, num_output: 3}\n", "Convolutoin"),
    ("  - {name: a, type: Convolution, num_output: 0, kernel_size: 3}\n", "0"),
    ("  - {name: a, type: ReLU}\nouput: a\n", "ouput"),
]


@pytest.mark.parametrize(("line", "word"), BAD, ids=[word for _, word in BAD])
def test_a_fault_is_reported_at_its_line(editor: Editor, line: str, word: str) -> None:
    text = HEAD + "  - {name: first, type: ReLU}\n" + line
    found = editor.findings(f"file:///tmp/bad-{word}.yaml", text)
    wanted = next(i for i, row in enumerate(text.splitlines()) if word in row and i > 3)
    assert {d["range"]["start"]["line"] for d in found} == {wanted}, found
    assert any(
        word in text.splitlines()[wanted][d["range"]["start"]["character"] : d["range"]["end"]["character"]]
        for d in found
    )


def test_completion_offers_types_parameters_and_words(editor: Editor) -> None:
    assert {"Convolution", "Pooling", "InnerProduct", "LSTM"} <= editor.labels(
        HEAD + "  - name: a\n    type: ^\n"
    )
    own = editor.labels(HEAD + "  - name: a\n    type: Convolution\n    ^\n")
    assert {"num_output", "kernel_size", "stride", "dilation", "bottom"} <= own
    assert not {"dropout_ratio", "pool", "lrn_param"} & own, "parameters of other types"
    assert {"pool", "global_pooling"} <= editor.labels(HEAD + "  - name: a\n    type: Pooling\n    ^\n")
    assert {"MAX", "AVE", "STOCHASTIC"} <= editor.labels(
        HEAD + "  - name: a\n    type: Pooling\n    pool: ^\n"
    )
    assert {"blocks", "expect", "train", "output", "vars"} <= editor.labels(
        HEAD + "  - {name: a, type: ReLU}\n^\n"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + "  - name: a\n    type: Convolution\n    num_^output: 3\n", "number of filters"),
        (HEAD + "  - name: a\n    type: Conv^olution\n    num_output: 3\n", "cross-correlation"),
        (HEAD + "  - {name: a, type: ReLU}\nexp^ect: {parameters: 0}\n", ""),
    ],
)
def test_hover_gives_the_documentation(editor: Editor, text: str, words: str) -> None:
    found = editor.at("hover", text, "^")
    assert found is not None
    shown = found["contents"]["value"] if isinstance(found["contents"], dict) else str(found["contents"])
    assert shown.strip()
    assert words in shown.replace("\\", "")  # some versions escape what Markdown might take for its own
