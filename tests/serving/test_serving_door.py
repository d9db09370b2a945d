"""Who may ask, from which pages, over HTTPS, and what is noted of it."""

import json
import ssl
import urllib.request
from pathlib import Path

import pytest
from serving_parts import Inside, make_certificate

from netspec.diagnostics import SpecError
from netspec.serving.doorkeeper import Doorkeeper, read_keys
from netspec.serving.lifecycle import Ways
from netspec.serving.limits import Limits
from netspec.serving.server import make_secure

pytestmark = pytest.mark.onnx


def test_keys(models: Path) -> None:
    door = Doorkeeper((b"one", b"two"))
    with Inside(models / "lenet.onnx", Limits(), ways=Ways(door=door)) as server:
        for headers, status in (
            ({}, 401), ({"Authorization": "Bearer on"}, 401), ({"Authorization": "Basic one"}, 401), ({"Authorization": "Bearer two"}, 200),
            ({"X-API-Key": "one"}, 200), ({"X-API-Key": ""}, 401), ({"X-API-Key": "one, two"}, 401),
        ):  # fmt: skip
            answer, content = server.ask("GET", "/v2/models/lenet", headers=headers)
            assert (answer.status, "error" in json.loads(content)) == (status, status == 401), headers
        assert server.ask("GET", "/v2")[0].headers["WWW-Authenticate"] == "Bearer"
        assert server.get("/v2/health/ready")[0] == 200


def test_a_file_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("# those of today\n\none\n  two \n")
    assert read_keys(path) == (b"one", b"two")
    path.write_text("# none\n\n")
    for wrong in (path, tmp_path / "absent", tmp_path):
        with pytest.raises(SpecError, match="NS731"):
            read_keys(wrong)


def test_ids_log_and_origins(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    door = Doorkeeper(origins=("https://a.example",), log=True)
    with Inside(models / "lenet.onnx", Limits(), ways=Ways(door=door)) as server:
        mine = {"X-Request-Id": "r-1", "Origin": "https://a.example"}
        answer, _ = server.ask("POST", "/v2/models/lenet/infer", b"{}", mine)
        assert answer.headers["X-Request-Id"] == "r-1"
        assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
        other, _ = server.ask("GET", "/v2?x=1", headers={"Origin": "https://b.example"})
        assert other.headers["Access-Control-Allow-Origin"] is None
        asked, _ = server.ask("OPTIONS", "/v2/models/lenet/infer", headers=mine)
        assert (asked.status, asked.headers["Access-Control-Allow-Methods"]) == (204, "GET, POST")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(each["method"], each["target"], each["status"]) for each in lines] == [
        ("POST", "/v2/models/lenet/infer", 400), ("GET", "/v2?x=1", 200), ("OPTIONS", "/v2/models/lenet/infer", 204)
    ]  # fmt: skip
    assert (lines[0]["id"], lines[0]["bytes_in"]) == ("r-1", 2)
    assert other.headers["X-Request-Id"] == lines[1]["id"] != ""
    assert lines[0]["peer"].startswith("127.0.0.1:")


def test_https(models: Path, tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    with Inside(models / "lenet.onnx", Limits(), ways=Ways(secure=make_secure(cert, key))) as server:
        trusting = ssl.create_default_context(cafile=cert)
        with urllib.request.urlopen(f"https://{server.address}/v2/health/live", context=trusting) as answer:
            assert json.load(answer) == {"live": True}
    for wrong in ((cert, None), (key, key), (tmp_path / "none", None), (None, key)):
        with pytest.raises(SpecError, match="NS732"):
            make_secure(*wrong)
    assert make_secure(None, None) is None
