"""How long a prototxt of 10 MB takes to import, beside protobuf's own text parser on the same text. `python benchmarks/import.py [MB]`

Measured is CPU time in this process. The net is a residual one: units of 13 layers that differ by their names. protobuf reads the text with
a description of Caffe's messages made from our tables, into objects alone; the import also upgrades, checks, folds repeats and writes YAML.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from netspec.caffe.messages import ENUMS, MESSAGES
from netspec.caffe.schema import FieldType, message_fields
from netspec.importers.caffe import convert

RUNS = 3
KINDS = {"int": 5, "uint": 13, "float": 2, "double": 1, "bool": 8, "string": 9, "bytes": 12}
"""protobuf's numbers of scalar types: int32, uint32 and so on."""
ENUM, MESSAGE, OPTIONAL, REPEATED = 14, 11, 1, 3

UNIT = """layer {{
  name: "res{u}_branch{b}"
  type: "Convolution"
  bottom: "{x}"
  top: "res{u}_branch{b}"
  param {{ lr_mult: 1 decay_mult: 1 }}
  convolution_param {{
    num_output: 64
    kernel_size: {k}
    pad: {p}
    stride: 1
    bias_term: false
    weight_filler {{ type: "msra" }}
  }}
}}
layer {{
  name: "bn{u}_branch{b}"
  type: "BatchNorm"
  bottom: "res{u}_branch{b}"
  top: "res{u}_branch{b}"
  batch_norm_param {{ use_global_stats: true }}
}}
layer {{
  name: "scale{u}_branch{b}"
  type: "Scale"
  bottom: "res{u}_branch{b}"
  top: "res{u}_branch{b}"
  scale_param {{ bias_term: true }}
}}
layer {{
  name: "relu{u}_branch{b}"
  type: "ReLU"
  bottom: "res{u}_branch{b}"
  top: "res{u}_branch{b}"
}}
"""
SUM = 'layer {{\n  name: "res{u}"\n  type: "Eltwise"\n  bottom: "{x}"\n  bottom: "res{u}_branch2c"\n  top: "res{u}"\n}}\n'


def net_of(size: int) -> str:
    """A prototxt of about `size` bytes."""
    parts = [
        'name: "big"\nlayer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 64 dim: 56 dim: 56 } } }\n'
    ]
    written, unit, x = len(parts[0]), 0, "data"
    while written < size:
        bottom = x
        for branch, kernel in (("2a", 1), ("2b", 3), ("2c", 1)):
            parts.append(UNIT.format(u=unit, b=branch, x=bottom, k=kernel, p=kernel // 2))
            bottom = f"res{unit}_branch{branch}"
            written += len(parts[-1])
        parts.append(SUM.format(u=unit, x=x))
        x, unit = f"res{unit}", unit + 1
    return "".join(parts)


def net_parameter() -> Any:
    """protobuf's class for Caffe's NetParameter."""
    file = descriptor_pb2.FileDescriptorProto(name="net.proto", package="caffe", syntax="proto2")
    for name, values in ENUMS.items():
        enum = file.message_type.add(name=f"In{name}").enum_type.add(name=name)
        for word, number in values.items():
            enum.value.add(name=word, number=number)
    for name in MESSAGES:
        message = file.message_type.add(name=name)
        for field, type_ in message_fields(name).items():
            if type_.number:
                message.field.append(described(field, type_))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


def described(name: str, type_: FieldType) -> Any:
    field = descriptor_pb2.FieldDescriptorProto(
        name=name, number=type_.number, label=REPEATED if type_.repeated else OPTIONAL
    )
    if type_.is_enum:
        field.type, field.type_name = ENUM, f".caffe.In{type_.kind}.{type_.kind}"
    elif type_.is_message:
        field.type, field.type_name = MESSAGE, f".caffe.{type_.kind}"
    else:
        field.type = KINDS[type_.kind]
    return field


def least_cpu(work: Callable[[], object]) -> float:
    """Seconds of CPU that the fastest of a few runs takes."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def main(megabytes: float) -> None:
    text = net_of(int(megabytes * 1e6))
    parse = net_parameter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.prototxt"
        path.write_text(text)
        flat = least_cpu(lambda: convert(path, flat=True))
        folded = least_cpu(lambda: convert(path))
    theirs = least_cpu(lambda: text_format.Parse(text, parse()))
    print(f"{len(text) / 1e6:.1f} MB, {text.count('layer {'):,} layers")
    print("| what | CPU s | beside protobuf |\n|---|---|---|")
    for what, seconds in (
        ("protobuf text_format.Parse", theirs),
        ("netspec import --flat", flat),
        ("netspec import", folded),
    ):
        print(f"| {what} | {seconds:.2f} | {seconds / theirs:.2f} |")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
