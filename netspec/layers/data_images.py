"""Data layers of images and their labels: Data, ImageData, WindowData, MemoryData, with
transform_param.
"""

from collections.abc import Iterator
from typing import Literal

from netspec.ir.dims import Size, symbol
from netspec.ir.layer import Example, ModuleText, accepts, module, rejects
from netspec.ir.types import TensorType
from netspec.layers.common.words import exclude
from netspec.layers.data import DataLayer
from netspec.record import param

__all__ = ["Data", "ImageData", "MemoryData", "Transformed", "WindowData"]

N = symbol("N")


class Transformed(DataLayer, tops=(1, 2)):
    """Data layers of images with transform_param: `(pixel - mean) * scale`, after a crop that is
    random in TRAIN and centred in TEST.
    """

    scale: float = param(
        default=1.0,
        group="transform_param",
        doc="factor of the pixels after the mean is subtracted",
    )
    mirror: bool = param(
        default=False,
        group="transform_param",
        doc="flip each sample left to right with probability 1/2, in both phases as Caffe does",
    )
    crop_size: int = param(
        default=0, ge=0, group="transform_param", doc="side of the square crop; 0 does not crop"
    )
    mean_file: str | None = param(
        default=None,
        group="transform_param",
        doc="mean image (.binaryproto or .npy), subtracted at the uncropped place",
    )
    mean_value: tuple[float, ...] = param(
        default=(),
        group="transform_param",
        doc="one number, or one per channel, subtracted from the pixels",
    )
    force_color: bool = param(
        default=False, group="transform_param", doc="decode encoded images to three channels"
    )
    force_gray: bool = param(
        default=False, group="transform_param", doc="decode encoded images to one channel"
    )

    def infer(self) -> tuple[TensorType, ...]:
        exclude(
            bool(self.mean_value) and self.mean_file is not None,
            "mean_file and mean_value cannot both be given",
            at="mean_file",
        )
        exclude(
            self.force_color and self.force_gray,
            "force_color and force_gray cannot both be set",
            at="force_gray",
        )
        return self.image(), TensorType((N,))

    def image(self) -> TensorType:
        """Type of the first top, as far as the parameters tell: letters stand for what only the
        data know.
        """
        height, width = self.size()
        return TensorType((N, self.channels_read(), height, width))

    def size(self) -> tuple[Size, Size]:
        if self.crop_size:
            return (self.crop_size, self.crop_size)
        return (symbol("H"), symbol("W"))

    def channels_read(self) -> Size:
        if self.force_color or self.force_gray:
            if self.force_color:
                return 3
            return 1
        if len(self.mean_value) > 1:
            return len(self.mean_value)
        return symbol("C")


class Data(Transformed, type="Data", param=("data_param", "transform_param"), legacy=("DATA", "data")):
    """Images and labels from a store of Datum messages, in the order of their keys, beginning again
    at the end.

    Tops: images (N, C, H, W), labels (N)     (Caffe's Data)

    Sizes that the store alone knows are read from it where it is at hand, and letters otherwise.
    LevelDB is not read: convert it to LMDB.
    """

    reads = "lmdb"

    source: str = param(doc="folder of the store, inside the spec's folder")
    batch_size: int = param(default=1, ge=1, doc="samples that are read at once, where none are passed in")
    # Caffe's default, though only LMDB is read
    backend: Literal["LEVELDB", "LMDB"] = param(default="LEVELDB", doc="kind of the store")
    rand_skip: int = param(default=0, ge=0, doc="skip up to so many samples at the start, drawn at random")
    force_encoded_color: bool = param(default=False, doc="decode encoded images to three channels")
    prefetch: int = param(default=4, ge=1, doc="accepted, without meaning here")

    def channels_read(self) -> Size:
        if self.force_encoded_color:
            return 3
        return super().channels_read()

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{source: train_lmdb, batch_size: 64, backend: LMDB}", " -> N,C,H,W; N")
        yield accepts(
            "{source: train_lmdb, crop_size: 227, mean_value: [104, 117, 123], mirror: true}",
            " -> N,3,227,227; N",
        )
        yield accepts("{source: train_lmdb, scale: 0.00390625, force_gray: true}", " -> N,1,H,W")
        yield rejects(
            "{source: x, mean_value: 4, mean_file: m.binaryproto}", "", code="NS120", at="mean_file"
        )
        yield rejects("{source: x, batch_size: 0}", "", code="NS106", at="batch_size")
        yield rejects("{batch_size: 4}", "", code="NS103")


class ImageData(
    Transformed,
    type="ImageData",
    param=("image_data_param", "transform_param"),
    legacy=("IMAGE_DATA", "images"),
):
    """Image files and labels from a list: a path and a number on each line.

    Tops: images (N, C, H, W), blue first, and labels (N)     (Caffe's ImageData)
    """

    reads = "images"

    source: str = param(doc="the list, inside the spec's folder")
    batch_size: int = param(default=1, ge=1, doc="samples that are read at once, where none are passed in")
    rand_skip: int = param(default=0, ge=0, doc="skip up to so many samples at the start, drawn at random")
    shuffle: bool = param(default=False, doc="draw a new order for each pass")
    new_height: int = param(default=0, ge=0, doc="height that images are resized to; 0 keeps theirs")
    new_width: int = param(default=0, ge=0, doc="width that images are resized to; 0 keeps theirs")
    is_color: bool = param(default=True, doc="three channels, or one")
    root_folder: str = param(default="", doc="put before each path of the list")

    def infer(self) -> tuple[TensorType, ...]:
        exclude(
            bool(self.new_height) != bool(self.new_width),
            "new_height and new_width go together",
            at="new_height" if self.new_height else "new_width",
        )
        return super().infer()

    def size(self) -> tuple[Size, Size]:
        if self.new_height and not self.crop_size:
            return (self.new_height, self.new_width)
        return super().size()

    def channels_read(self) -> Size:
        if self.is_color:
            return 3
        return 1

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{source: list.txt, new_height: 256, new_width: 320}", " -> N,3,256,320; N")
        yield accepts(
            "{source: list.txt, is_color: false, crop_size: 28, new_height: 32, new_width: 32}",
            " -> N,1,28,28; N",
        )
        yield accepts("{source: list.txt, root_folder: images/, shuffle: true}", " -> N,3,H,W; N")
        yield rejects("{source: list.txt, new_height: 256}", "", code="NS120", at="new_height")


class WindowData(
    Transformed,
    type="WindowData",
    param=("window_data_param", "transform_param"),
    legacy=("WINDOW_DATA", "window_data"),
    tops=2,
):
    """Windows of images that a detector proposes, with labels: R-CNN's training data.

    Tops: windows (N, 3, crop_size, crop_size), labels (N), 0 the background     (Girshick et al. 2014; Caffe's WindowData)

    netspec does not read the window file: the tops are to be passed in; to train, windows are cut
    out into a folder per class (NS681).
    """

    fed = True

    source: str = param(doc="the window file")
    batch_size: int = param(default=1, ge=1, doc="windows that Caffe reads at once")
    fg_threshold: float = param(default=0.5, doc="least overlap of a foreground window")
    bg_threshold: float = param(default=0.5, doc="overlap under which a window is background")
    fg_fraction: float = param(default=0.25, ge=0, le=1, doc="share of foreground windows in a batch")
    context_pad: int = param(default=0, ge=0, doc="pixels of context around a window")
    crop_mode: Literal["warp", "square"] = param(
        default="warp", doc="warp a window to the crop, or take the tightest square around it"
    )
    cache_images: bool = param(default=False, doc="keep the images in memory")
    root_folder: str = param(default="", doc="put before each path of the window file")

    def channels_read(self) -> Size:
        return 3  # Caffe opens these images in colour, whatever they are

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts(
            "{source: windows.txt, crop_size: 227, context_pad: 16, crop_mode: square}",
            " -> N,3,227,227; N",
        )
        yield accepts("{source: windows.txt, mean_file: mean.binaryproto}", " -> N,3,H,W; N")
        yield rejects("{source: windows.txt, crop_mode: round}", "", code="NS105", at="crop_mode", outputs=2)


class MemoryData(
    Transformed,
    type="MemoryData",
    param=("memory_data_param", "transform_param"),
    legacy=("MEMORY_DATA",),
    tops=2,
):
    """Samples and labels that the program itself hands in.

    Tops: samples (N, channels, height, width), labels (N, 1, 1, 1)     (Caffe's MemoryData)

    Pass its tops in, labels of any shape: they are taken as they are, transform_param is for the
    program to apply.
    """

    fed = True

    batch_size: int = param(ge=1, doc="samples that Caffe takes at once")
    channels: int = param(ge=1, doc="channels of a sample")
    height: int = param(ge=1, doc="height of a sample")
    width: int = param(ge=1, doc="width of a sample")

    def infer(self) -> tuple[TensorType, ...]:
        image, _ = super().infer()
        return image, TensorType((N, 1, 1, 1))

    def image(self) -> TensorType:
        return TensorType((N, self.channels, self.crop_size or self.height, self.crop_size or self.width))

    def torch(self) -> ModuleText:
        return module("MemoryData")

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{batch_size: 2, channels: 3, height: 2, width: 5}", " -> N,3,2,5; N,1,1,1")
        yield rejects("{batch_size: 2, channels: 3, height: 2}", "", code="NS103", outputs=2)
