"""Where a net can run here: cpu, or cuda where torch and onnxruntime both have it."""

from netspec.diagnostics import fail

__all__ = ["absent", "device_for"]


def absent(device: str) -> str | None:
    """Why nothing can run on a device, cpu or cuda; None where it is there."""
    if device == "cpu":
        return None
    import onnxruntime as ort
    import torch

    if not torch.cuda.is_available():
        return "torch sees no GPU"
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return f"onnxruntime has only {', '.join(ort.get_available_providers())}"
    return None


def device_for(word: str) -> str:
    """cpu or cuda; auto is cuda where that is there. Raises SpecError NS722."""
    missing = absent("cuda") if word != "cpu" else ""
    if word == "cuda" and missing is not None:
        raise fail("NS722", f"cuda was asked for: {missing}")
    if missing is None:
        return "cuda"
    return "cpu"
