"""Files of other tools, told by their first bytes: what they are, and what can be done with them.
Imported only where a file is no spec.

In: a file's name and its bytes. It knows no layer and reads no such file: the finding takes the
place of a list of misspelt words.
"""

import re
from typing import NamedTuple

from netspec.diagnostics import Diagnostic
from netspec.source import Source, Span

__all__ = ["HEAD", "foreign", "foreign_weights"]

HEAD, TEXT = 1 << 16, 1 << 13
"""Bytes that are looked at, of a text fewer; of an archive, whose list of files stands at the end,
twice as many.
"""
WORDS = (
    "other words for the same layers: `netspec layers` lists netspec's, and `check` names its word for"
    " Keras's, PyTorch's and ONNX's"
)
NO_IMPORTER = (
    "netspec has no importer for it; Caffe's prototxt and caffemodel are what `netspec import` reads"
)
ZOO = "`netspec zoo` lists specs to start from"
AS_ONNX = "where that tool writes ONNX, `netspec predict` and `netspec serve` run the ONNX file as it is"


class Kind(NamedTuple):
    """A kind of file: its tool, and what can be done."""

    what: str
    notes: tuple[str, ...]


DARKNET = Kind(
    "a Darknet cfg",
    (
        NO_IMPORTER,
        (
            "its words: [convolutional] filters, size, stride is a Convolution with num_output, kernel_size,"
            " stride; pad=1 means pad: size // 2; batch_normalize=1 adds a BatchNorm and a Scale;"
            " activation=leaky a ReLU with negative_slope: 0.1; [maxpool] a Pooling"
        ),
        "converters from Darknet to Caffe write a prototxt that `netspec import` reads",
    ),
)
LUDWIG = Kind(
    "a Ludwig configuration",
    (
        NO_IMPORTER,
        "Ludwig names features, a spec names layers: `netspec init FOLDER` starts one for images",
        ZOO,
    ),
)
KUR = Kind(
    "a Kurfile",
    (
        NO_IMPORTER,
        (
            "its words: convolution: {kernels, size} is a Convolution with num_output, kernel_size; "
            "dense: 10 an InnerProduct with num_output: 10; activation: relu a ReLU"
        ),
        ZOO,
    ),
)
KERAS = Kind("a Keras model", (NO_IMPORTER, WORDS, AS_ONNX))
TORCH = Kind(
    "a PyTorch file",
    (NO_IMPORTER, "it holds weights or code, and is never unpickled here", AS_ONNX),
)
PICKLE = Kind(
    "a Python pickle",
    (
        "it may be of PyTorch, Theano or Chainer; a pickle runs code when it is read, so netspec reads none",
        AS_ONNX,
    ),
)
ONNX = Kind(
    "an ONNX model",
    (
        "`netspec predict` and `netspec serve` run it as it is",
        "there is no importer from ONNX to a spec",
    ),
)
TENSORFLOW = Kind("a TensorFlow graph", (NO_IMPORTER, WORDS, AS_ONNX))
CAFFE2 = Kind(
    "a Caffe2 net",
    (NO_IMPORTER, "its operators are written otherwise than Caffe's layers", AS_ONNX),
)
COREML = Kind("a Core ML model", (NO_IMPORTER, AS_ONNX))
PROTOTXT = Kind("a Caffe prototxt", ("`netspec import FILE -o net.yaml` makes a spec of it",))
CAFFEMODEL = Kind(
    "Caffe's weights",
    ("`netspec import net.prototxt --weights FILE -o net.yaml` takes them beside their prototxt",),
)
HDF5 = Kind(
    "an HDF5 file",
    ("`netspec import net.prototxt --weights FILE` takes Caffe's; Keras's are not read", AS_ONNX),
)
SPEC = Kind(
    "a spec of netspec's already",
    ("`netspec check FILE` checks it; `netspec import` reads Caffe's prototxt",),
)

BYTES: tuple[tuple[re.Pattern[bytes], Kind], ...] = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb"\x89HDF\r\n\x1a\n.*(model_config|keras_version|layer_names)", KERAS),
        (rb"\x89HDF\r\n\x1a\n", HDF5),
        (rb"PK\x03\x04.*(model\.weights\.h5|metadata\.json.*config\.json)", KERAS),
        (
            rb"PK\x03\x04.*(/data\.pkl|constants\.pkl|/data/0|archive/|\.data/serialization_id)",
            TORCH,
        ),
        (
            rb"PK\x03\x04.*\.npy",
            Kind(
                "a NumPy archive",
                ("as data: train: {data: {source: npz, path: FILE}}", "a spec is YAML text"),
            ),
        ),
        (rb"PK\x03\x04", Kind("a zip archive", ("give a file of it",))),
        # pickle's PROTO, versions 2 to 5; then torch's magic 0x1950a86a20f9469cfc6c, little-endian
        (rb"\x80[\x02-\x05].{0,64}(torch|\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19)", TORCH),
        (rb"\x80[\x02-\x05]", PICKLE),
        (
            rb"MATLAB 5\.0 MAT-file",
            Kind("a MATLAB file, as MatConvNet writes its nets", (NO_IMPORTER, WORDS)),
        ),
        # a FlatBuffer has its file identifier at offset 4
        (rb".{4}TFL3", Kind("a TensorFlow Lite model", (NO_IMPORTER, AS_ONNX))),
        (rb"GGUF", Kind("a GGUF file", (NO_IMPORTER,))),
        (
            # 8 bytes of length, little-endian and less than 64 KiB, then a header of JSON
            rb".{2}\0{6}\{\"",
            Kind(
                "a safetensors file",
                ("weights go with a spec: netspec export SPEC --weights FILE",),
            ),
        ),
    )
)
TEXTS: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), kind)
    for pattern, kind in (
        (r"\A(?:\s|[#;][^\n]*\n)*\[(?:net|network)\]", DARKNET),
        (r"\A\s*\{(?=[\s\S]*\"(?:class_name|keras_version|modelTopology)\"\s*:)", KERAS),
        (
            r"\A\s*\{(?=[\s\S]*\"(?:layer_type|out_depth)\"\s*:)",
            Kind("a ConvNetJS net", (NO_IMPORTER, WORDS)),
        ),
        (
            r"\A\s*\{(?=\s*\"nodes\"\s*:\s*\[\s*\{\s*\"op\"\s*:)",
            Kind("an MXNet symbol", (NO_IMPORTER, AS_ONNX)),
        ),
        (r"^(?:input_features|output_features)\s*:", LUDWIG),
        (
            r"^model\s*:\s*(?:#[^\n]*)?\n(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*-\s*"
            r"(?:name|input|convolution|dense|recurrent|for|expand|flatten|embedding)\s*:",
            KUR,
        ),
        (
            r"^(?:backbone|head)\s*:\s*(?:#[^\n]*)?\n\s*(?:#[^\n]*\n\s*)*(?:-\s*)?\[+\s*-?\d",
            Kind("a YOLO model file of Ultralytics", (NO_IMPORTER, WORDS, AS_ONNX)),
        ),
        (r"!obj:pylearn2", Kind("a Pylearn2 configuration", (NO_IMPORTER, WORDS))),
        # the magic number of ncnn's texts
        (r"^7767517\s", Kind("an ncnn param file", (NO_IMPORTER, AS_ONNX))),
        (r"\A(?:<\?xml[^\n]*\n)?\s*<net\s", Kind("an OpenVINO model", (NO_IMPORTER, AS_ONNX))),
        (r"^op\s*\{(?=[\s\S]*\btype\s*:)", CAFFE2),
        (r"^node\s*\{(?=[\s\S]*^[ \t]+op\s*:)", TENSORFLOW),
        (r"^(?:ir_version\s*:|graph\s*\{)(?=[\s\S]*op_type\s*:)", ONNX),
        (
            r"^import\s+(?:torch|tensorflow|keras|caffe)\b|^from\s+(?:torch|tensorflow|keras|caffe)\b",
            Kind("a Python program", (WORDS, ZOO)),
        ),
    )
)
CAFFE = re.compile(r"^[ \t]*layers?\s*\{", re.MULTILINE)
OWN = re.compile(r"^(?:netspec\s*:|(?:layers|input|blocks|base)\s*:(?!\s*[\"'\[]))", re.MULTILINE)
BY_NAME = {
    ".onnx": ONNX,
    ".mlmodel": COREML,
    ".pb": TENSORFLOW,
    ".caffemodel": CAFFEMODEL,
    ".pt": TORCH,
    ".pth": TORCH,
    ".weights": Kind("Darknet's weights", (NO_IMPORTER,)),
    ".params": Kind("MXNet's weights", (NO_IMPORTER, AS_ONNX)),
    ".t7": Kind("a Torch7 file", (NO_IMPORTER, AS_ONNX)),
}
"""Where the bytes alone do not tell: protobuf's look alike."""


def foreign(name: str, data: bytes, *, importing: bool = False) -> Diagnostic | None:
    """NS042 for a file of another tool; None for all else. importing: a prototxt is wanted, not a
    spec.
    """
    kind, span = recognise(name, data, importing)
    if kind is None:
        return None
    fact = f"{name} is {kind.what}, not {'a Caffe prototxt' if importing else 'a spec'}"
    return Diagnostic("NS042", fact, span, notes=kind.notes, path=name)


def foreign_weights(name: str, head: bytes) -> Diagnostic | None:
    """NS042 for a file that could not be read as Caffe's weights because it is another tool's, or
    no weights. head: its first 64 KiB.
    """
    kind, span = recognise(name, head, importing=False)
    if kind is None or kind in (HDF5, CAFFEMODEL):
        return None
    notes = (
        ("a prototxt is the first argument of `netspec import`, weights go to --weights",)
        if kind is PROTOTXT
        else kind.notes
    )
    return Diagnostic("NS042", f"{name} is {kind.what}, not Caffe's weights", span, notes=notes, path=name)


def recognise(name: str, data: bytes, importing: bool) -> tuple[Kind | None, Span | None]:
    """The kind of a file, and for a text the place that tells."""
    head = data[:HEAD] + (data[-HEAD:] if data[:2] == b"PK" else b"")
    kind = next((kind for pattern, kind in BYTES if pattern.match(head)), None)
    if kind is not None:
        return kind, None
    if b"\0" in head or not printable(head):
        return by_name(name, head), None
    text = head.decode("utf-8-sig", "replace")
    caffe = CAFFE.search(text) is not None
    if importing and caffe:
        return None, None
    rows = TEXTS
    if importing:
        rows = (*TEXTS, (OWN, SPEC))
    elif OWN.search(text) is not None:
        rows = ()
    if caffe:
        rows = (*rows, (CAFFE, PROTOTXT))
    for pattern, found in rows:
        place = pattern.search(text if pattern is CAFFE else text[:TEXT])
        if place is not None:
            start = place.start() + len(place[0]) - len(place[0].lstrip())
            return found, Span(Source(name, text), start, max(start + 1, min(place.end(), start + 40)))
    return None, None


def printable(head: bytes) -> bool:
    """Whether bytes are text: no control characters but blanks."""
    return not any(b < 32 and b not in b"\t\n\r\f" for b in head[:4096])


def by_name(name: str, head: bytes) -> Kind | None:
    """A binary file by what its name ends with, and an ONNX model by its first fields too: version,
    then who made it.
    """
    folder_file = name.rpartition("/")[2].casefold()
    if folder_file in ("predict_net.pb", "init_net.pb"):
        return CAFFE2
    kind = next((kind for ending, kind in BY_NAME.items() if folder_file.endswith(ending)), None)
    # ModelProto: field 1, ir_version up to 20; field 2, producer_name of up to 64 bytes
    if kind is None and re.match(rb"\x08[\x01-\x14]\x12[\x01-\x40][ -~]{2}", head):
        return ONNX
    return kind
