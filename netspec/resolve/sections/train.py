"""What a spec may say about training, declared once: `train:` with its data, transform_param and
augment. Knows no torch and no numpy.
"""

from typing import Any, Literal

from netspec.record import Record, param
from netspec.resolve.sections.pace import Compile, Layout, PaceWords, Precision
from netspec.resolve.sections.recipes import (
    AverageSection,
    PretrainSection,
    RateSection,
    StopSection,
    TeacherSection,
)
from netspec.resolve.sections.solver import PlayerSolver, SolverParameter

__all__ = [
    "ELSEWHERE",
    "SOURCES",
    "Affine",
    "AugmentWords",
    "ColorJitter",
    "DataSection",
    "InputFiller",
    "PlayerSection",
    "SplitSection",
    "TrainSection",
    "TransformParam",
    "find_missing",
]


class TransformParam(Record):
    """Caffe's transform_param: `(pixel - mean) * scale`, a crop that is random in TRAIN and centred
    in TEST, a random mirror.
    """

    scale: float = param(default=1.0, doc="factor of the pixels after the mean is subtracted")
    mirror: bool = param(
        default=False,
        doc="flip each sample left to right with probability 1/2, in both phases as Caffe does",
    )
    crop_size: int = param(default=0, ge=0, doc="side of the square crop; 0 does not crop")
    mean_file: str | None = param(
        default=None, doc="mean image (.binaryproto or .npy), subtracted at the uncropped place"
    )
    mean_value: tuple[float, ...] = param(
        default=(), doc="one number, or one per channel, subtracted from the pixels"
    )
    force_color: bool = param(default=False, doc="decode encoded images to three channels")
    force_gray: bool = param(default=False, doc="decode encoded images to one channel")


SOURCES = (
    "digits",
    "mnist",
    "cifar10",
    "idx",
    "images",
    "coco",
    "voc",
    "csv",
    "npz",
    "hdf5",
    "lmdb",
    "sequences",
    "table",
    "text",
    "audio",
    "webdataset",
)
"""Names of data sources; beside them there is python:module:Class."""
ELSEWHERE = {
    "images": ("image", "imagefolder", "folder", "directory", "imagedata", "jpeg", "jpg", "png"),
    "sequences": ("sequence", "fasta", "fa", "genome"),
    "audio": ("wav", "sound", "sounds"),
    "table": ("parquet", "dataframe", "tabular", "tsv"),
    "hdf5": ("h5", "hdf", "hdf5data"),
    "npz": ("numpy", "npy", "arrays"),
    "webdataset": ("tar", "shards", "wds"),
    "text": ("txt", "chars"),
    "coco": ("json", "cocodetection"),
    "voc": ("xml", "pascal", "pascalvoc"),
    "lmdb": ("data", "mdb"),
    "cifar10": ("cifar",),
}
"""What other tools, and endings of files, call them."""
PATHS = {
    "images": "a folder with a folder per class",
    "audio": "a folder with a folder per class",
    "coco": "a JSON file or the folder of the data",
    "voc": "a folder with Annotations and JPEGImages",
    "csv": "a file",
    "npz": "a file",
    "hdf5": "a file or a list of files",
    "lmdb": "the folder of a store",
    "sequences": "a FASTA file or a folder of them",
    "table": "a CSV or a parquet file",
    "text": "a file",
    "webdataset": "shards like shards/{0000..0009}.tar",
}
"""What `path:` names, of sources that have none without it."""


class DataSection(Record):
    """`train.data`, `train.val_data` and `train.test_data`.

    Batches of training wrap over the end of the data, so all have batch_size samples; a test goes
    once through the data in order, and its last batch holds what is left. Training shuffles anew in
    each epoch unless `shuffle: false` asks for Caffe's fixed order.
    """

    short = "source"

    source: str = param(
        doc=(
            "digits, mnist, cifar10, idx, images (a folder per class), table (of pictures), coco and voc (pictures"
            " with boxes), csv, npz, hdf5, lmdb, text, sequences (FASTA), audio (WAV, a folder per class),"
            " webdataset (tar), or python:module:Class"
        )
    )
    path: str | None = param(
        default=None,
        doc=(
            "file or folder, inside the spec's folder or the one that NETSPEC_DATA names; webdataset:"
            " shards/{0000..0009}.tar counts"
        ),
    )
    batch_size: int = param(default=64, ge=1, doc="samples in a batch")
    split: Literal["train", "val", "test", "all"] | None = param(
        default=None,
        doc=(
            "the part to take: the source's own where it has parts, else as train.split draws them,"
            " else test is every fifth sample (index % 5 == 0, of a folder of images within each"
            " class), of streams the end"
        ),
    )
    shuffle: bool | None = param(
        default=None,
        doc="draw a new order for each epoch; true in training but of streams, false in a test",
    )
    balance: bool = param(
        default=False,
        doc="draw each class as often as every other: an epoch repeats rare ones and leaves some of the others out",
    )
    bootstrap: int | None = param(
        default=None,
        ge=0,
        doc=(
            "train.data: as many samples as there are, drawn with replacement, each with its own random"
            " changes; the number is what the draw follows from"
        ),
    )
    sample_weights: str | None = param(
        default=None,
        doc=(
            "train.data: a file with a number for each sample, a line each: an epoch draws as many samples as"
            " there are, with replacement, each by its share of the sum"
        ),
    )
    on_error: Literal["stop", "skip"] = param(
        default="stop",
        doc=(
            "what becomes of picture files, rows of a table and samples that cannot be read or are not finite,"
            " which are found before the first iteration: stop and name them, or skip, train without them and"
            " name them in the log"
        ),
    )
    fields: dict[str, str] = param(
        default={}, doc="field of the source that feeds each input, as in {data: image}"
    )
    masks: str | None = param(
        default=None,
        doc=(
            "images: folder of masks, one for each picture below `path`, with its name; the label is then a"
            " class for each pixel"
        ),
    )
    colors: dict[str, Any] = param(
        default={},
        doc=(
            "images: what the masks hold for each class, in the order of the labels: [red, green, blue], or"
            " one number; by default the numbers are the classes"
        ),
    )
    ignore_color: int | tuple[int, ...] | None = param(
        default=None,
        doc="images: what the masks hold where no class counts: label 255, for ignore_label",
    )
    images: str | None = param(
        default=None,
        doc=(
            "idx: file of the samples, in `path` if that is given; table, coco, voc: folder that the names of"
            " pictures start from, where it is not the usual one"
        ),
    )
    labels: str | None = param(
        default=None,
        doc=(
            "idx: file of the labels, in `path` if that is given; sequences: table of ids and labels; voc: file"
            " of the classes, a line each, by default all names, sorted"
        ),
    )
    label: str | None = param(
        default=None,
        doc=(
            "name of the label's field; csv: by default the column `label`, else the last one; sequences: the"
            " word before the = in a header; webdataset: the word of a sample's .json, by default label"
        ),
    )
    alphabet: str = param(
        default="ACGT",
        doc="sequences: a channel for each of these letters, in their order; others count as all",
    )
    length: int | None = param(
        default=None,
        ge=1,
        doc=(
            "sequences: letters in a sample, by default those that the input takes, else of the longest; longer"
            " ones lose both ends, shorter ones are filled; audio: samples of a sound, by default those that the input takes;"
            " longer ones are cut, shorter ones filled with silence, in training at a random place, else in"
            " the middle"
        ),
    )
    columns: tuple[str, ...] = param(
        default=(), doc="table: the columns that the net takes, by default all but the label's"
    )
    categories: dict[str, str] = param(
        default={},
        doc=(
            "table: columns of words, {city: one_hot} for a 1 in the place of its word, index for a field of"
            " its own with the number of the word; columns without numbers are one_hot by themselves; of the label's"
            " column, index makes its numbers (-1 and 1, 3 to 8) names of classes"
        ),
    )
    empty: float | str = param(
        default="refuse",
        doc="table: what an empty cell counts as: refuse, mean of its column, or a number",
    )
    standardise: bool = param(
        default=False,
        doc=(
            "csv, table, npz, hdf5: each number less its mean, by its deviation, both of the training part and"
            " kept in the run, for tests and predictions"
        ),
    )
    rate: int | None = param(
        default=None,
        ge=1,
        le=1 << 24,
        doc="audio: samples a second that every file must have, by default those of the training data",
    )
    resample: bool = param(default=False, doc="audio: bring files of another rate to `rate`")
    mono: bool = param(
        default=True, doc="audio: mix the channels of a file into one; false keeps them as they are"
    )
    window: int = param(default=50, ge=1, doc="text: characters in a sample")
    time_major: bool = param(
        default=True, doc="text: batches are [T, N], not [N, T], where no N of the input's shape says so"
    )
    streams: bool = param(
        default=False,
        doc=(
            "text: batch_size streams run through it side by side, and recurrent layers carry their state"
            " from batch to batch (truncated backpropagation through time); the last windows that do not"
            " reach all streams are left out; else each window begins anew"
        ),
    )
    options: dict[str, Any] = param(default={}, doc="python: keyword arguments of the class")
    transform_param: TransformParam | None = param(
        default=None, doc="Caffe's transform_param, for an input without `image:`"
    )


class SplitSection(Record):
    """`train.split`: parts of data that have none of their own, drawn within each class.

    A part that the data have is theirs: of a folder with train and test, val is drawn from train.
    Each class keeps a sample for training.
    """

    val: float = param(default=0.0, ge=0, lt=1, doc="share of the samples that val_data takes")
    test: float = param(default=0.0, ge=0, lt=1, doc="share of the samples that test_data takes")
    seed: int = param(default=0, ge=0, doc="what the draw follows from")
    folds: int | None = param(
        default=None,
        ge=2,
        doc="so many parts of the training data, alike in their classes; val_data is one of them",
    )
    fold: int = param(default=1, ge=1, doc="which of the folds, counted from 1")


class Affine(Record):
    """A random affine map."""

    degrees: float = param(default=0.0, ge=0, doc="rotation drawn from -degrees to degrees")
    translate: float = param(
        default=0.0, ge=0, le=1, doc="shift along each axis, at most this share of the size"
    )
    scale: tuple[float, ...] = param(
        default=(1.0, 1.0), gt=0, least=2, doc="least and greatest factor of the size"
    )
    shear: float = param(default=0.0, ge=0, doc="shear drawn from -shear to shear degrees")


class ColorJitter(Record):
    """A random change of colours."""

    brightness: float = param(default=0.0, ge=0, doc="factor drawn from 1 - b to 1 + b")
    contrast: float = param(default=0.0, ge=0, doc="factor drawn from 1 - c to 1 + c")
    saturation: float = param(default=0.0, ge=0, doc="factor drawn from 1 - s to 1 + s")
    hue: float = param(default=0.0, ge=0, le=0.5, doc="shift drawn from -h to h turns of the colour circle")


class AugmentWords(Record):
    """One entry of `augment` without a type: random changes of the training images in one line,
    before the contract's mean and scale.

    Each word stands for an augmentation of its own; those behind the mirror change a share of the
    samples, `probability`.
    """

    crop_size: int | tuple[int, ...] | None = param(
        default=None,
        ge=1,
        least=1,
        doc="height and width of a random crop, in place of the centre crop",
    )
    pad: int = param(default=0, ge=0, le=1024, doc="black border added on each side before the crop")
    mirror: bool = param(default=False, doc="flip left to right with probability 1/2")
    rotate: float | None = param(default=None, gt=0, le=180, doc="turn by -rotate to rotate degrees")
    affine: Affine | None = param(default=None, doc="random affine map")
    perspective: float | None = param(
        default=None, gt=0, le=1, doc="random perspective, up to this distortion"
    )
    elastic: float | None = param(default=None, gt=0, doc="random elastic deformation of this strength")
    color_jitter: ColorJitter | None = param(
        default=None, doc="random change of brightness, contrast, saturation, hue"
    )
    blur: float | None = param(default=None, gt=0, doc="Gaussian blur of this standard deviation in pixels")
    noise: float | None = param(
        default=None,
        gt=0,
        doc="Gaussian noise of this standard deviation, pixels counting 0 to 255",
    )
    erase: float | None = param(
        default=None,
        gt=0,
        le=1,
        doc="blacken a random rectangle of at most this share of the image",
    )
    probability: float = param(
        default=1.0,
        gt=0,
        le=1,
        doc="share of the samples that the words behind mirror are applied to, each",
    )


class InputFiller(Record):
    """What fills an input that no data feed: noise, or a constant. It is drawn anew for each sample
    of each batch.
    """

    short = "type"

    type: Literal["constant", "uniform", "gaussian"] = param(
        default="constant", doc="distribution, in the words of weight_filler"
    )
    value: float = param(default=0.0, doc="the constant")
    min: float = param(default=0.0, doc="lower end of uniform")
    max: float = param(default=1.0, doc="upper end of uniform")
    mean: float = param(default=0.0, doc="mean of gaussian")
    std: float = param(default=1.0, doc="standard deviation of gaussian")


class PlayerSection(Record):
    """One who learns in turn with others: it moves the weights of its layers so that its own losses
    fall.
    """

    loss: tuple[str, ...] = param(least=1, doc="the losses that it learns by, each with its loss_weight")
    layers: tuple[str, ...] = param(
        least=1,
        doc="the layers that it trains; an instance of a block stands for all of its layers",
    )
    steps: int = param(default=1, ge=1, doc="its updates in an iteration, each on a batch of its own")
    solver: PlayerSolver | None = param(
        default=None, doc="words of its update rule, in place of those of train.solver"
    )


class TrainSection(Record):
    """`train:`, how the net is trained. `loss` and `augment` stay as written: their entries are
    layers (resolve/training_heads.py) and augmentations (resolve/augmentations.py).
    """

    data: DataSection | None = param(default=None, doc="the data to learn from")
    val_data: DataSection | None = param(
        default=None,
        doc="the data to choose by: measured at every test_interval, they say what is best",
    )
    test_data: DataSection | None = param(
        default=None,
        doc="the data to measure on: with val_data once, at the end, else at every test_interval",
    )
    split: SplitSection | None = param(
        default=None, doc="shares of the parts val and test, for data without parts of their own"
    )
    augment: Any = param(
        default=None,
        doc="random changes of the training samples, in order: entries with a type, or with words",
    )
    solver: SolverParameter = param(doc="the update rule, in the words of Caffe's SolverParameter")
    loss: Any = param(
        default=None,
        doc="loss and metric layers; left out: SoftmaxWithLoss and Accuracy on the only output",
    )
    average: AverageSection | None = param(
        default=None, doc="the average of the weights that is tested and kept"
    )
    stop: StopSection | None = param(
        default=None, doc="after how many tests without a better value the training ends early"
    )
    freeze: tuple[str, ...] = param(
        default=(),
        doc="layers that do not learn, by patterns of their names; batch normalisation as in a test",
    )
    rates: dict[str, RateSection] = param(
        default={},
        doc="factors of rate and decay for layers, blocks or weights, by patterns of their names",
    )
    teacher: TeacherSection | None = param(
        default=None, doc="a run whose answers the net learns beside the labels"
    )
    pretrain: PretrainSection | None = param(
        default=None,
        doc="layers that learn one by one, before the first iteration, to draw what they read",
    )
    keep_zeros: bool = param(
        default=False,
        doc="weights, not biases, that are 0 stay 0: those that `netspec prune` has taken away",
    )
    label_smoothing: float = param(
        default=0.0,
        ge=0,
        lt=1,
        doc="share of each label that is spread over all classes in training, where `loss` is left out",
    )
    layout: Layout = param(
        default="contiguous",
        doc=(
            "how weights and batches lie in memory; auto: channels last where that is mostly faster, with"
            " convolutions over planes on a CPU, or on a GPU in less than fp32"
        ),
    )
    compile: Compile = param(
        default=False,
        doc=(
            "let torch.compile make machine code of the net first, which takes a minute; auto: where steps of"
            " this training are measured to be faster so, and enough are left to pay for it"
        ),
    )
    precision: Precision = param(
        default="fp32",
        doc=(
            "what products are computed in: tf32 (GPUs), bf16 or fp16 (weights, losses and tests stay float32;"
            " fp16 scales the loss)"
        ),
    )
    sync_batch_norm: bool = param(
        default=False,
        doc=(
            "where several processes train: batch normalisation normalises by the whole batch, not by each"
            " process's rows of it"
        ),
    )
    shard: bool = param(
        default=False,
        doc=(
            "where several processes train: each keeps its rows of the weights, gradients and solver's state, for a"
            " net that does not fit into one (FSDP2)"
        ),
    )
    fill: dict[str, InputFiller] = param(
        default={}, doc="fillers of the inputs that no data feed, as in {z: gaussian}"
    )
    players: dict[str, PlayerSection] = param(
        default={},
        doc=(
            "who learns what, in turn: an iteration is each one's turn in this order; left out: one learns"
            " everything"
        ),
    )

    @property
    def pace(self) -> PaceWords:
        """How the net runs."""
        return PaceWords(self.layout, self.compile, self.precision)


def find_missing(section: DataSection) -> str:
    """What a section of data lacks that its source cannot do without, in words; empty where nothing."""
    if section.source == "idx" and (section.images is None or section.labels is None):
        return "source idx needs `images:` and `labels:`, the two files"
    if section.path is not None or section.source not in PATHS:
        return ""
    return f"source {section.source} needs `path:`, {PATHS[section.source]}"
