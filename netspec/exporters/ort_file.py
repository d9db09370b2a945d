"""onnxruntime's own format, for builds of it that read no other. In: an ONNX file that was exported; out:
what onnxruntime made of it, sealed with the same certificate. Compares nothing.
"""

from pathlib import Path

from netspec.diagnostics import fail
from netspec.ort_format import BOXED, box_properties, seal_bytes
from netspec.seal import properties_of

__all__ = ["convert_to_ort"]


def convert_to_ort(model: Path, path: Path) -> None:
    """Write what onnxruntime loads of a model, its optimizations done, none of them for this processor
    alone.

    Raises SpecError NS760 where onnxruntime cannot write it.
    """
    import onnx
    import onnxruntime as ort

    whole = onnx.load(model)
    boxed = box_properties(properties_of(model))
    onnx.helper.set_model_props(whole, {BOXED: boxed})
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(path)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.add_session_config_entry("session.save_model_format", "ORT")
    try:
        ort.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
        data = bytearray(path.read_bytes())
        seal_bytes(data)
    except Exception as error:  # onnxruntime's exceptions, and protobuf's beyond 2 GiB, share no base
        path.unlink(missing_ok=True)
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise fail("NS760", first[:300], path=str(model)) from error
    path.write_bytes(data)
