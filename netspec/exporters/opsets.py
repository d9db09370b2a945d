"""A model file in another version of ONNX's operators. In: a file; out: the same file, converted
by onnx, before it is certified.
"""

from pathlib import Path

from netspec.diagnostics import fail
from netspec.emit.onnx_builder import OPSET

__all__ = ["OLDEST", "convert_opset"]

OLDEST = 15
"""Before that, batch normalisation and others have other inputs and outputs."""


def convert_opset(path: Path, opset: int) -> None:
    """Raises SpecError NS746 for a version out of the range, or an operator that it lacks."""
    import onnx
    from onnx import helper, version_converter

    newest = onnx.defs.onnx_opset_version()
    if not OLDEST <= opset <= newest:
        raise fail("NS746", f"--opset takes {OLDEST} to {newest} here: got {opset}")
    if opset == OPSET:
        return
    model = onnx.load(str(path), format="protobuf", load_external_data=False)
    if any(tensor.external_data for tensor in model.graph.initializer):
        raise fail("NS746", "its weights are above 2 GiB: onnx converts no such file", path=str(path))
    properties = list(model.metadata_props)
    try:
        made = version_converter.convert_version(model, opset)
        made.ir_version = helper.find_min_ir_version_for(made.opset_import)
        del made.metadata_props[:]
        made.metadata_props.extend(properties)
        onnx.checker.check_model(made, full_check=True)
    except Exception as error:  # onnx raises RuntimeErrors and errors of its own
        reason = " ".join(str(error).split())[:200]
        raise fail("NS746", f"onnx cannot convert it to opset {opset}: {reason}") from error
    path.write_bytes(made.SerializeToString())
