"""A float model file as int8 or fp16. In: a path, and for int8 samples of the training data; out:
ModelProtos. Judges nothing.

int8: onnxruntime's static quantisation, QDQ form; weights per channel, in 7 bits, since products
of 8 with 8 saturate on processors without VNNI, and a file is to answer alike everywhere.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from netspec.diagnostics import fail
from netspec.exporters.quantization.graphs import make_light, restore_inputs, sort_nodes

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    Feeds = Sequence[Mapping[str, np.ndarray[Any, Any]]]

__all__ = ["KINDS", "Kind", "Smaller", "make_smaller"]

Kind = Literal["int8", "fp16"]
KINDS: tuple[Kind, ...] = ("int8", "fp16")
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators with weights, whose work int8 makes less."""
PASSING = (
    *("Add", "AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "LeakyRelu"),
    *("MaxPool", "Relu", "Reshape", "Transpose"),
)
"""Operators that int8 values may stay int8 through."""


class Smaller:
    """A smaller model, and the float one beside it, as messages with their weights inside."""

    def __init__(self, kind: Kind, whole: "ModelProto", contract: frozenset[str]) -> None:
        """contract: inputs whose pictures the model prepares itself; that stays in float32."""
        self.kind, self.whole = kind, whole
        self.kept = [node.name for node in whole.graph.node if is_of(node.name, contract)]

    def convert(self, feeds: "Feeds") -> "ModelProto":
        """The smaller model, with the float one's properties. Raises SpecError NS740."""
        try:
            made = self.as_int8(feeds) if self.kind == "int8" else self.as_fp16()
        except Exception as error:  # onnxruntime's tools raise what they please
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise fail("NS740", f"onnxruntime cannot make it {self.kind}: {reason}") from error
        del made.metadata_props[:]
        made.metadata_props.extend(self.whole.metadata_props)
        return made

    def as_int8(self, feeds: "Feeds") -> "ModelProto":
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        names = [n.name for n in self.whole.graph.node if n.op_type in PRODUCTS + PASSING]
        names = [name for name in names if name not in self.kept]
        with tempfile.TemporaryDirectory() as folder, quiet():
            before, after = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
            onnx.save(self.whole, str(before))
            # unsigned with signed is what x86 has instructions for
            quantize_static(
                before,
                after,
                Reader(feeds),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[*PRODUCTS, *PASSING],
                nodes_to_quantize=names,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
            made: ModelProto = onnx.load(str(after))
        rest = {n.name for n in self.whole.graph.node if n.op_type not in PRODUCTS + PASSING}
        restore_inputs(made, self.whole, rest)
        return make_light(made)

    def as_fp16(self, kept: Sequence[str] = ()) -> "ModelProto":
        """kept: nodes that stay in float32, besides the preparation of pictures."""
        from onnx import ModelProto
        from onnxruntime.transformers.float16 import convert_float_to_float16

        copy = ModelProto()
        copy.CopyFrom(self.whole)
        with quiet():
            made: ModelProto = convert_float_to_float16(
                # callers feed float32 as before
                copy,
                keep_io_types=True,
                node_block_list=[*self.kept, *kept],
            )
        sort_nodes(made.graph)
        return made

    def spare(self, made: "ModelProto", names: Sequence[str]) -> "ModelProto":
        """The smaller model with some nodes as they were: what these cost is what it gains."""
        from onnx import ModelProto

        if self.kind == "fp16":
            return self.as_fp16(names)
        copy = ModelProto()
        copy.CopyFrom(made)
        restore_inputs(copy, self.whole, frozenset(names))
        return make_light(copy)


def make_smaller(kind: Kind, model: Path, contract: frozenset[str]) -> Smaller:
    """What turns a float file into a smaller one. Raises SpecError NS740 for weights beside it."""
    import onnx

    whole = onnx.load(str(model), format="protobuf", load_external_data=False)
    if any(tensor.external_data for tensor in whole.graph.initializer):
        raise fail("NS740", "its weights are above 2 GiB: they lie beside the file", path=str(model))
    return Smaller(kind, whole, contract)


def is_of(name: str, owners: frozenset[str]) -> bool:
    """Whether a node, `layer` or `layer/Op`, is of one of these."""
    return any(name.startswith(f"{owner}/") for owner in owners)


class Reader:
    """Calls for onnxruntime to see the ranges of values in."""

    def __init__(self, feeds: "Feeds") -> None:
        self.rest: Iterator[Any] = iter(feeds)

    def get_next(self) -> Any:
        return next(self.rest, None)

    def __iter__(self) -> Iterator[Any]:
        return self.rest

    def __next__(self) -> Any:
        return next(self.rest)


@contextmanager
def quiet() -> Iterator[None]:
    """onnxruntime's tools advise on the root logger; what is advised was decided."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
