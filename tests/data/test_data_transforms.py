"""The input contract and Caffe's transform_param: recorded numbers, and one result for training, test, prediction."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import CAFFE, only, opened, write_image
from PIL import Image

from netspec.augmentation.kernels.draw import Draw
from netspec.augmentation.kernels.frame import gather_windows, stack_samples, windows
from netspec.data.pictures.conform import natural
from netspec.data.pictures.files import load_image
from netspec.data.pictures.mean import read_mean
from netspec.data.registry import Place
from netspec.data.transforms import (
    CaffeTransform,
    Pipeline,
    random_crop,
    random_mirror,
)
from netspec.diagnostics import SpecError
from netspec.imaging.decode import centre_crop, prepare, recolor
from netspec.resolve.sections.image import ImageContract
from netspec.resolve.sections.train import DataSection, TransformParam
from netspec.training.batches.feeding import Port, batches_of, feed_of


def draw(seed: int, count: int) -> Draw:
    return Draw.of(seed, 0, np.arange(count))


DRAW = draw(0, 2)
CASES = {
    "data_plain": {"scale": 1.0},
    "data_crop": {"crop_size": 4, "mean_value": (10.0, 20.0, 30.0)},
    "data_crop_odd": {"crop_size": 3, "scale": 0.5},
    "data_mean_value": {"mean_value": (104.0, 117.0, 123.0), "scale": 0.017},
}


@pytest.mark.parametrize("case", CASES)
def test_transforms_agree_with_caffe(case: str) -> None:
    recorded = np.load(CAFFE / f"{case}.npz")
    raw = torch.from_numpy(recorded["in__datum_images"][:2])
    caffe = CaffeTransform(TransformParam(**CASES[case]), train=False)(raw, DRAW)
    contract = Pipeline(ImageContract(**CASES[case]))(raw, DRAW)
    np.testing.assert_allclose(caffe.numpy(), recorded["blob__x"], rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(contract.numpy(), caffe.numpy())


def test_a_mean_image_is_subtracted_at_the_uncropped_place() -> None:
    mean = read_mean(CAFFE / "data_mean.binaryproto")
    raw = torch.randint(0, 256, (2, 3, 7, 6), dtype=torch.uint8)
    got = CaffeTransform(TransformParam(crop_size=4, scale=0.5), False, mean)(raw, DRAW)
    want = ((raw.numpy() - mean) * np.float32(0.5))[:, :, 1:5, 1:5]
    np.testing.assert_array_equal(got.numpy(), want)
    train = CaffeTransform(TransformParam(crop_size=4, scale=0.5), True, mean)(raw, draw(3, 2))
    whole = torch.from_numpy((raw.numpy() - mean) * np.float32(0.5))
    want_train, _ = random_crop(whole, (4, 4), draw(3, 2))
    assert torch.equal(train, want_train)
    with pytest.raises(SpecError, match="NS660"):
        CaffeTransform(TransformParam(), False, mean)(raw[:, :, :5], DRAW)


@pytest.mark.parametrize(
    "content", [b"", b"\x08\x01\x10\x03\x18\x07\x20\x06", b"\x2a\xff\xff\xff\xff\x0f", b"\x2a\x03abc"]
)
def test_damaged_mean_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(content)
    with pytest.raises(SpecError) as error:
        read_mean(path)
    assert only(error.value).code == "NS645"


def test_mean_file_in_the_section(tmp_path: Path) -> None:
    np.save(tmp_path / "mean.npy", np.full((1, 8, 8), 100.0))
    section = DataSection(source="digits", transform_param=TransformParam(mean_file="mean.npy", scale=0.5))
    source = opened(tmp_path, "test", source="digits")
    feed = feed_of(source, section, {"data": Port((1, 8, 8))}, (), "test", Place(tmp_path))
    batch = next(batches_of(source, section, feed, "test", 0))
    assert batch["data"].min() == -50 and batch["data"].max() == 77.5


def test_random_crop_covers_every_place_evenly() -> None:
    x = torch.arange(30.0).reshape(1, 1, 5, 6).repeat(4000, 1, 1, 1)
    cut, places = random_crop(x, (3, 3), draw(1, len(x)))
    counts = torch.bincount(places[:, 0] * 4 + places[:, 1], minlength=12)
    assert len(counts) == 12 and counts.min() > 250 and counts.max() < 420
    for sample, (top, left) in zip(cut[:50], places[:50].tolist(), strict=True):
        assert torch.equal(sample[0], x[0, 0, top : top + 3, left : left + 3])
    ragged, same = random_crop(list(x[:9]), (3, 3), draw(1, 9))
    together, places = random_crop(x[:9], (3, 3), draw(1, 9))
    assert torch.equal(same, places) and torch.equal(ragged, together)


def test_the_gather_of_a_device_cuts_the_same_windows() -> None:
    x = torch.randint(0, 256, (20, 3, 9, 11), dtype=torch.uint8)
    _, places = random_crop(x, (4, 6), draw(5, 20))
    assert torch.equal(gather_windows(x, places, (4, 6)), windows(x, places, (4, 6)))


def test_padding_and_mirror() -> None:
    x = torch.ones(200, 2, 4, 4, dtype=torch.uint8)
    cut, places = random_crop(x, (4, 4), draw(2, 200), pad=1)
    assert places.max() == 2 and cut.dtype == torch.uint8
    assert torch.equal(
        cut.sum((1, 2, 3)), 2 * (4 - (places[:, 0] - 1).abs()) * (4 - (places[:, 1] - 1).abs())
    )
    ramp = torch.arange(4.0).expand(400, 1, 2, 4)
    flipped = random_mirror(ramp, draw(2, 400))
    turned = flipped[:, 0, 0, 0] == 3
    assert 150 < int(turned.sum()) < 250
    assert torch.equal(flipped[turned], ramp[turned].flip(-1)) and torch.equal(
        flipped[~turned], ramp[~turned]
    )


def test_crop_larger_than_the_image() -> None:
    for call in (
        lambda: centre_crop(np.zeros((1, 1, 4, 6)), (5, 5)),
        lambda: random_crop(torch.zeros(1, 1, 6, 4), (5, 5), draw(0, 1)),
    ):
        with pytest.raises(SpecError, match=r"NS653.*5 x 5"):
            call()


@pytest.mark.parametrize(("color", "channels"), [("rgb", 3), ("bgr", 3), ("gray", 1)])
@pytest.mark.parametrize(("resize", "crop"), [(None, None), (16, 12), ((14, 18), 12), ((12, 12), None)])
def test_a_file_is_the_same_in_training_test_and_prediction(
    tmp_path: Path, color: str, channels: int, resize: object, crop: int | None
) -> None:
    contract = ImageContract(color=color, resize=resize, crop_size=crop, mean_value=(104.0,), scale=0.017)
    shape = (channels, 12, 12)
    path = write_image(tmp_path / "photos" / "a" / "1.png", (40, 25))
    source = opened(tmp_path, None, contract, shape, source="images", path="photos")
    section = DataSection(source="images", path="photos", batch_size=1)
    predicted = load_image(path, contract, shape)
    for role in ("train", "test"):
        feed = feed_of(
            source, section, {"data": Port(shape, contract)}, (), role, Place(tmp_path, shape, contract)
        )
        with batches_of(source, section, feed, role, 1) as batches:
            np.testing.assert_array_equal(next(batches)["data"].numpy(), predicted)
    image = Image.open(path).convert("L" if color == "gray" else "RGB")
    size = (12, 12) if resize is None else (26, 16) if resize == 16 else (resize[1], resize[0])
    pixels = np.atleast_3d(np.asarray(image.resize(size, Image.Resampling.BILINEAR), np.float32)).transpose(
        2, 0, 1
    )
    top, left = (pixels.shape[1] - 12) // 2, (pixels.shape[2] - 12) // 2
    want = pixels[:: -1 if color == "bgr" else 1, top : top + 12, left : left + 12]
    np.testing.assert_allclose(predicted[0], (want - 104) * 0.017, rtol=1e-6, atol=1e-6)


def test_arrays_take_the_contract_as_files_do(tmp_path: Path) -> None:
    """A digit from the array source and the same digit from a file, both resized to 32 x 32 and in three channels."""
    contract = ImageContract(color="bgr", resize=(32, 32), scale=0.5)
    source = opened(tmp_path, "test", contract, (3, 32, 32), source="digits")
    assert source.whole() is not None and source.fields["image"].shape == (3, 32, 32)
    raw = np.asarray(opened(tmp_path, "test", source="digits").batch(np.array([9]))["image"])
    Image.fromarray(raw[0, 0]).save(tmp_path / "digit.png")
    from_file = load_image(tmp_path / "digit.png", contract, (3, 32, 32))
    np.testing.assert_array_equal(
        prepare(np.asarray(source.batch(np.array([9]))["image"]), contract), from_file
    )


def test_colours_agree_with_pillow() -> None:
    rgb = np.random.RandomState(0).randint(0, 256, (2, 3, 50, 60)).astype(np.uint8)
    gray = np.stack([np.asarray(Image.fromarray(x.transpose(1, 2, 0)).convert("L")) for x in rgb])[:, None]
    np.testing.assert_array_equal(recolor(rgb, "rgb", "gray"), gray)
    np.testing.assert_array_equal(recolor(rgb[:, ::-1], "bgr", "gray"), gray)
    np.testing.assert_array_equal(recolor(gray, "gray", "rgb")[:, 2], gray[:, 0])


@pytest.mark.parametrize("have", [None, "gray", "rgb", "bgr"])
@pytest.mark.parametrize("channels", [None, 1, 2, 3])
def test_pixels_of_no_named_order(have: str | None, channels: int | None) -> None:
    """As they are where they fit, where the net takes any number or they say nothing; else as files are, for one channel or three."""
    fits = have is None or channels is None or channels == (1 if have == "gray" else 3)
    assert natural(have, channels) == (have if fits else {1: "gray", 3: "rgb"}.get(channels or 0))


def test_kinds_of_pixels(tmp_path: Path) -> None:
    contract = ImageContract(color="gray")
    ramp = np.arange(64).reshape(8, 8)
    plain = Image.fromarray(ramp.astype(np.uint8))
    kinds = {
        "L.png": plain,
        "wide.png": Image.fromarray((ramp * 257).astype(np.uint16)),
        "palette.png": plain.convert("P"),
        "alpha.png": plain.convert("LA"),
    }
    for name, image in kinds.items():
        image.save(tmp_path / name)
        np.testing.assert_array_equal(
            load_image(tmp_path / name, contract, (1, 8, 8))[0, 0], ramp, err_msg=name
        )
    Image.fromarray(ramp.astype(np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(SpecError, match=r"NS647.*8 or 16 bit"):
        load_image(tmp_path / "float.tiff", contract, (1, 8, 8))
    turned = Image.fromarray(ramp.astype(np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(
        load_image(tmp_path / "turned.png", contract, (1, 8, 8))[0, 0], np.rot90(ramp, -1)
    )


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8193, 8192), (30000, 30000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_not_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(*size))
    with pytest.raises(SpecError) as error:
        load_image(tmp_path / "bomb.png", ImageContract(), (1, 8, 8))
    assert only(error.value).code == "NS648"


def test_faults_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not an image")
    write_image(tmp_path / "small.png", (9, 9))
    for name, contract, code in (
        ("text.png", ImageContract(), "NS647"),
        ("absent.png", ImageContract(), "NS643"),
        (".", ImageContract(), "NS643"),
        ("small.png", ImageContract(crop_size=12), "NS653"),
    ):
        with pytest.raises(SpecError, match=code):
            load_image(tmp_path / name, contract, (3, 12, 12))
    with pytest.raises(SpecError, match="NS660"):
        load_image(tmp_path / "small.png", ImageContract(), (10,))
    assert load_image(tmp_path / "small.png", ImageContract(), (3, None, None)).shape == (1, 3, 9, 9)
    with pytest.raises(SpecError, match="NS652"):
        load_image(tmp_path / "small.png", ImageContract(resize=6), (3, 12, 12))


@pytest.mark.parametrize("odd", [0, 1, 2])
@pytest.mark.parametrize("shape", [(3, 8, 7), (3, 7, 8), (1, 8, 8)])
def test_samples_of_one_batch_that_differ_in_size(odd: int, shape: tuple[int, ...]) -> None:
    """Whichever of them it is, along whichever axis; alike, they are one tensor in their order."""
    samples = [torch.full((3, 8, 8), float(i)) for i in range(3)]
    torch.testing.assert_close(stack_samples(samples, "image"), torch.stack(samples))
    samples[odd] = torch.zeros(shape)
    with pytest.raises(SpecError) as error:
        stack_samples(samples, "image")
    (found,) = error.value.diagnostics
    assert (found.code, found.path) == ("NS653", "image")
    assert all(" x ".join(map(str, size)) in found.fact for size in (shape, (3, 8, 8)))


@pytest.mark.parametrize("ragged", [False, True])
def test_a_border_is_there_before_the_crop(ragged: bool) -> None:
    """Of samples in one tensor and of a list: windows of each with the black pixels around it."""
    x = torch.arange(1, 4 * 25 + 1).reshape(4, 1, 5, 5).float()
    cut, places = random_crop(list(x) if ragged else x, (6, 6), draw(1, 4), pad=2)
    around = torch.nn.functional.pad(x, (2,) * 4)
    for one, (top, left), whole in zip(cut, places.tolist(), around, strict=True):
        assert torch.equal(one, whole[:, int(top) : int(top) + 6, int(left) : int(left) + 6])
    assert cut.shape == (4, 1, 6, 6) and (cut == 0).any()
