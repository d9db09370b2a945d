"""A model's configuration and statistics in the words of the protocol's extensions: in, an entry; out,
plain values for JSON.
"""

from typing import Any

from netspec.serving.limits import Limits, bounds
from netspec.serving.pictures import describe_pictures
from netspec.serving.repository import Entry
from netspec.serving.tensors import TensorInfo

__all__ = ["describe_config", "describe_statistics"]


def describe_config(entry: Entry, limits: Limits) -> dict[str, Any]:
    """As `config.pbtxt` of Triton would say it; the limits of this server stand under parameters."""
    batches = entry.model.batch is not None
    described: dict[str, Any] = {
        "name": entry.name,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": entry.batching.max_batch if batches else 0,
        "input": [describe_tensor(t, batches) for t in entry.model.inputs],
        "output": [describe_tensor(t, batches) for t in entry.model.outputs],
        "instance_group": [{"kind": f"KIND_{'GPU' if entry.model.device == 'cuda' else 'CPU'}", "count": 1}],
        "parameters": {f.name: {"string_value": f"{getattr(limits, f.name)}"} for f in bounds()},
    }
    for name, forms in describe_pictures(entry.model.pictures).items():
        described["parameters"][name] = {"string_value": forms}
    if entry.model.joins(entry.batching.join):
        described["dynamic_batching"] = {"max_queue_delay_microseconds": 0}
    return described


def describe_tensor(tensor: TensorInfo, batches: bool) -> dict[str, Any]:
    """With Triton's names of datatypes; the batch is no dimension where there is one."""
    shape = tensor.shape[1:] if batches else tensor.shape
    datatype = "STRING" if tensor.datatype == "BYTES" else tensor.datatype
    dims = [n if isinstance(n, int) else -1 for n in shape]
    return {"name": tensor.name, "data_type": f"TYPE_{datatype}", "dims": dims}


def describe_statistics(entry: Entry) -> dict[str, Any]:
    """The statistics extension; times in nanoseconds."""
    counted = entry.statistics
    good, total = counted.answers[200], sum(counted.answers.values())
    bad_seconds = counted.seconds.sum - counted.success_seconds
    parts = {
        "success": (good, counted.success_seconds),
        "fail": (total - good, bad_seconds),
        "queue": (counted.queue.total, counted.queue.sum),
        "compute_input": (good, counted.input_seconds),
        "compute_infer": (counted.compute.total, counted.compute.sum),
        "compute_output": (good, counted.output_seconds),
        "cache_hit": (0, 0.0),
        "cache_miss": (0, 0.0),
    }
    return {
        "name": entry.name,
        "version": entry.version,
        "last_inference": round(counted.last * 1000),
        "inference_count": counted.inferences,
        "execution_count": counted.rows.total,
        "inference_stats": {name: describe_duration(*part) for name, part in parts.items()},
        "batch_stats": [
            {"batch_size": rows, "compute_infer": describe_duration(int(count), seconds)}
            for rows, (count, seconds) in sorted(counted.batches.items())
        ],
    }


def describe_duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": round(seconds * 1e9)}
