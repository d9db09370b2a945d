"""/openapi.json: its schemas take what the server takes and says, and refuse what it refuses; and the calls with which a load
generator of the protocol begins and ends."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from serving_parts import Inside, random

from netspec.serving.lifecycle import Ways
from netspec.serving.limits import Limits
from netspec.serving.rpc.server import Address

pytestmark = pytest.mark.onnx


@pytest.fixture(scope="module")
def served(models: Path) -> Iterator[Inside]:
    with Inside(models / "two.onnx", Limits(), ways=Ways(grpc=Address("127.0.0.1", 0))) as server:
        server.grpc = f"127.0.0.1:{server.site.rpc.port}"
        yield server


def fits(document: dict, name: str, value: object) -> bool:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema.Draft202012Validator(schema).is_valid(value)


def schema_of(content: dict) -> str:
    return content["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]


def test_every_answer_fits_the_schema_of_its_route(served: Inside) -> None:
    document = served.get("/openapi.json")[1]
    for name in document["components"]["schemas"]:
        jsonschema.Draft202012Validator.check_schema(document["components"]["schemas"][name])
    seen = set()
    for pattern, methods in document["paths"].items():
        for method, route in methods.items():
            if "content" not in route["responses"]["200"] or pattern.endswith(("/infer", "load")):
                continue
            answer, content = served.ask(method.upper(), pattern.format(name="two", version=1), b"{}")
            name = schema_of(route["responses"]["200"])
            assert answer.status == 200
            assert fits(document, name, json.loads(content)), (pattern, content)
            seen.add(name)
    assert seen == {"Server", "Live", "Ready", "Model", "Config", "Statistics", "Index"}
    assert not fits(document, "Model", {"name": "two"})
    infer = document["paths"]["/v2/models/{name}/infer"]["post"]
    assert (schema_of(infer["requestBody"]), schema_of(infer["responses"]["200"])) == (
        "InferRequest",
        "InferAnswer",
    )
    assert schema_of(infer["responses"]["default"]) == "Error"


def test_requests_are_refused_by_both_or_neither(served: Inside) -> None:
    document = served.get("/openapi.json")[1]
    good = {
        "id": "r", "parameters": {"timeout": 10**7}, "outputs": [{"name": "sum", "parameters": {"classification": 0}}],
        "inputs": [{"name": "a", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}, {"name": "b", "datatype": "FP32", "shape": [1, 1], "data": [[4]]}],
    }  # fmt: skip
    status, answer = served.post("/v2/models/two/infer", json.dumps(good).encode())
    assert (status, answer["outputs"][0]["data"]) == (200, [10])
    assert fits(document, "InferRequest", good)
    assert fits(document, "InferAnswer", answer)
    for path, wrong in (
        (("id",), 7), (("parameters", "timeout"), -1), (("parameters", "priority"), 1), (("outputs", 0, "name"), None), (("outputs", 0, "parameters", "classification"), "2"),
        (("inputs",), {}), (("inputs", 0, "datatype"), "FLOAT"), (("inputs", 0, "shape"), "1, 3"), (("inputs", 0, "shape", 0), -1), (("inputs", 0, "data"), "1 2 3"),
        (("inputs", 0, "parameters"), {"shared_memory_region": "r"}), (("inputs", 0, "name"), 1),
    ):  # fmt: skip
        changed = copy.deepcopy(good)
        at = changed
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = wrong
        status, told = served.post("/v2/models/two/infer", json.dumps(changed).encode())
        assert status == 400, (path, told)
        assert fits(document, "Error", {"error": told})
        assert not fits(document, "InferRequest", changed), path


@pytest.mark.parametrize("way", ["http", "grpc"])
def test_the_calls_of_a_load_generator(served: Inside, way: str) -> None:
    """perf_analyzer's, by its description: the server's and the model's metadata, the model's configuration, whose sizes and
    datatypes it makes inputs from, statistics, requests that go on beside each other, statistics again, whose differences must be what it sent."""
    triton, at = (over_http, served.address) if way == "http" else (over_grpc, served.grpc)
    options = {"concurrency": 8} if way == "http" else {}
    with triton.InferenceServerClient(at, **options) as client:
        assert client.is_server_live()
        assert client.is_model_ready("two")
        words = {} if way == "http" else {"as_json": True}
        assert "statistics" in client.get_server_metadata(**words)["extensions"]
        metadata = client.get_model_metadata("two", **words)
        config = client.get_model_config("two", **words)
        config = config.get("config", config)
        assert [each["name"] for each in config["input"]] == [each["name"] for each in metadata["inputs"]]
        assert int(config["max_batch_size"]) >= 1
        made = []
        for each in metadata["inputs"]:
            shape = [max(1, int(n)) for n in each["shape"]]
            made.append(
                triton.InferInput(each["name"], shape, each["datatype"]).set_data_from_numpy(
                    random(0, *shape)
                )
            )
        before = statistics_of(client, words)
        if way == "http":
            answers = [client.async_infer("two", made) for _ in range(24)]
            results = [answer.get_result() for answer in answers]
        else:
            results = [client.infer("two", made) for _ in range(24)]
        assert len({result.as_numpy("sum").tobytes() for result in results}) == 1
        after = statistics_of(client, words)
    assert [b - a for a, b in zip(before, after, strict=True)][:2] == [24, 24]
    assert np.all(np.array(after[2:]) > before[2:])


def statistics_of(client: object, words: dict) -> list[int]:
    """Answers, rows, and nanoseconds of each part."""
    (found,) = client.get_inference_statistics("two", **words)["model_stats"]
    parts = [
        int(found["inference_stats"][name].get("ns", 0))
        for name in ("success", "queue", "compute_input", "compute_infer", "compute_output")
    ]
    return [
        int(found["inference_stats"]["success"].get("count", 0)),
        int(found.get("inference_count", 0)),
        *parts,
    ]
