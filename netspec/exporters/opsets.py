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

    newest = find_newest()
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


def find_newest() -> int:
    """The newest version that onnx knows and the onnxruntime here reads, which is some releases behind."""
    import onnx

    known = range(onnx.defs.onnx_opset_version(), OPSET, -1)
    return next(filter(is_read, known), OPSET)


def is_read(opset: int) -> bool:
    """Whether onnxruntime takes a file of this version, of one node."""
    import onnxruntime as ort
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "one", [x], [y])
    imports = [helper.make_opsetid("", opset)]
    try:
        version = helper.find_min_ir_version_for(imports)
        model = helper.make_model(graph, opset_imports=imports, ir_version=version)
        ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    except Exception:  # onnxruntime's exceptions share no base of their own, and onnx has its own
        return False
    return True
