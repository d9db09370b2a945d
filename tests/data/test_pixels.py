"""Kinds of pixels: transparency before a background, 16 bits of which 12 are used, one-colour pictures; the EXIF turn is kept through all of them."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import opened, write_image
from PIL import Image

from netspec.diagnostics import SpecError
from netspec.imaging.decode import decode, open_picture
from netspec.imaging.remarks import Remarks
from netspec.resolve.sections.image import ImageContract

RGB, GRAY = ImageContract(color="rgb"), ImageContract(color="gray")
ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str = "PNG", **words: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **words)
    return file.getvalue()


def half_transparent(mode: str) -> Image.Image:
    """Black; the left half is transparent."""
    alpha = np.full((4, 6), 255, np.uint8)
    alpha[:, :3] = 0
    image = Image.new("RGBA", (6, 4), (0, 0, 0, 0))
    image.putalpha(Image.fromarray(alpha))
    if mode == "P":
        palette = Image.new("P", (6, 4), 1)
        palette.putpalette([9, 9, 9, 0, 0, 0])
        palette.paste(0, (0, 0, 3, 4))
        palette.info["transparency"] = 0
        return palette
    if mode in ("RGB", "L"):
        keyed = Image.new("RGB", (6, 4), (0, 0, 0))
        keyed.paste((7, 7, 7), (0, 0, 3, 4))
        keyed = keyed.convert(mode)
        keyed.info["transparency"] = (7, 7, 7) if mode == "RGB" else 7
        return keyed
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
@pytest.mark.parametrize(
    ("background", "seen"),
    [(None, (255, 255, 255)), (128, (128, 128, 128)), ((9,), (9, 9, 9)), ((200, 100, 50), (200, 100, 50))],
)
def test_transparent_pixels_stand_before_the_background(
    mode: str, background: Any, seen: tuple[int, ...]
) -> None:
    image = half_transparent(mode)
    words = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
    data = encoded(image, **words)
    pixels = decode(data, RGB.replace(background=background), "x.png")
    assert pixels[:, 0, 0].tolist() == list(seen) and pixels[:, 0, 5].tolist() == [0, 0, 0]
    bgr = decode(data, ImageContract(color="bgr", background=background), "x.png")
    assert bgr[:, 0, 0].tolist() == list(seen)[::-1]


def test_half_opaque_pixels_are_mixed_before_they_are_resized() -> None:
    image = Image.new("RGBA", (8, 8), (200, 0, 0, 128))
    assert decode(encoded(image), RGB, "x")[:, 0, 0].tolist() == [227, 127, 127]
    edge = Image.new("RGBA", (8, 8), (0, 255, 0, 0))
    edge.paste((0, 0, 0, 255), (0, 0, 4, 8))
    small = decode(encoded(edge), RGB.replace(resize=(2, 2)), "x")
    assert (small[0] == small[1]).all()  # the hidden green does not bleed in


def test_opaque_pictures_are_what_they_were() -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (5, 7, 3)).astype(np.uint8)
    for image in (Image.fromarray(pixels), Image.fromarray(pixels).convert("RGBA")):
        assert (decode(encoded(image), RGB, "x") == pixels.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_by_the_range_of_the_file(kind: str) -> None:
    whole, twelve = np.array([[0, 4096, 65535]], np.uint16), np.array([[0, 2048, 4095]], np.uint16)
    remarks = Remarks()
    assert decode(encoded(Image.fromarray(whole), kind), GRAY, "w", remarks).tolist() == [[[0, 16, 255]]]
    assert remarks.tell("d") == ()
    assert decode(encoded(Image.fromarray(twelve), kind), GRAY, "t", remarks).tolist() == [[[0, 128, 255]]]
    (found,) = remarks.tell("d")
    assert found.code == "NS668" and "16 bits a pixel, of which 12 are used, in t" in found.fact
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert (decode(encoded(Image.fromarray(every)), GRAY, "e")[0] == (every.astype(int) + 128) // 257).all()


def wide_png(pixels: np.ndarray, clear: tuple[int, ...] = ()) -> bytes:  # type: ignore[type-arg]
    """A PNG with 16 bits in each channel of (h, w, 1 to 4), which Pillow does not write. clear: the colour that stands for transparency."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    height, width, channels = pixels.shape
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    parts = [(b"IHDR", head), *([(b"tRNS", struct.pack(f">{len(clear)}H", *clear))] if clear else [])]
    parts += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def wide_tiff(pixels: np.ndarray, order: str, packed: bool) -> bytes:  # type: ignore[type-arg]
    """A TIFF with 16 bits in each of three channels, in either order of bytes."""
    height, width, channels = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if packed else data
    bits = struct.pack(f"{order}3H", 16, 16, 16)
    at = 8 + len(data) + len(data) % 2
    words = [
        (256, width),
        (257, height),
        (258, at),
        (259, 8 if packed else 1),
        (262, 2),
        (273, 8),
        (277, channels),
        (278, height),
        (279, len(data)),
    ]
    entries = [struct.pack(f"{order}HHII", tag, 4, 3 if tag == 258 else 1, value) for tag, value in words]
    entries[2] = struct.pack(f"{order}HHII", 258, 3, 3, at)
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HI", 42, at + len(bits))
    return (
        head
        + data
        + b"\0" * (len(data) % 2)
        + bits
        + struct.pack(f"{order}H", len(words))
        + b"".join(entries)
        + bytes(4)
    )


COLORS = np.array(
    [[[0, 128, 129], [65535, 385, 386]], [[256, 4096, 32896], [32767, 65407, 65406]]], np.uint16
)
SEEN = [[[0, 0, 1], [255, 1, 2]], [[1, 16, 128], [127, 255, 254]]]
"""Shares of 65,535 as shares of 255, by hand: 128 is less than half a step of 257, 129 more. The upper halves are 0 for both."""


def test_sixteen_bits_of_colour_count_all() -> None:
    """Whatever holds them, and beside whatever alpha; twelve bits are read by the range of their file, as gray is."""
    white = np.full((2, 2, 1), 65535, np.uint16)
    shapes = {
        "rgb": COLORS,
        "alpha": np.concatenate([COLORS, white], -1),
        "gray": np.concatenate([COLORS[..., 1:2], white], -1),
    }
    for kind, pixels in shapes.items():
        wanted = np.array(SEEN)[..., 1:2].repeat(3, -1) if kind == "gray" else SEEN
        np.testing.assert_array_equal(decode(wide_png(pixels), RGB, kind).transpose(1, 2, 0), wanted)
    for order in "<>":
        for packed in (False, True):
            np.testing.assert_array_equal(
                decode(wide_tiff(COLORS, order, packed), RGB, "t").transpose(1, 2, 0), SEEN
            )
    remarks = Remarks()
    twelve = np.array([[[0, 2048, 4095], [8, 9, 16]]], np.uint16)
    assert decode(wide_png(twelve), RGB, "t", remarks)[:, 0].tolist() == [[0, 0], [128, 1], [255, 1]]
    assert "of which 12 are used, in t" in remarks.tell("d")[0].fact
    assert not decode(wide_png(twelve * 0), RGB, "w").any()


def test_sixteen_bits_of_alpha_and_a_colour_that_is_clear() -> None:
    """By all its bits: a neighbour of the clear colour is none."""
    half = np.array([[[0, 0, 0, 32896], [0, 0, 0, 0]]], np.uint16)
    assert decode(wide_png(half), RGB, "h")[0].tolist() == [[127, 255]]
    near = np.array([[[513, 700, 900], [512, 700, 900], [65535, 0, 0]]], np.uint16)
    assert decode(wide_png(near, (512, 700, 900)), RGB, "c")[1].tolist() == [[3, 255, 0]]
    assert decode(wide_png(near[..., :1], (512,)), GRAY, "c").tolist() == [[[2, 255, 255]]]


def test_a_wide_picture_cut_short_is_told() -> None:
    data = wide_png(np.random.RandomState(0).randint(0, 65536, (30, 40, 3)).astype(np.uint16))
    with pytest.raises(SpecError) as caught:
        decode(data[: len(data) // 2], RGB, "w")
    assert caught.value.diagnostics[0].code == "NS647"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_a_turned_picture_stays_turned(mode: str) -> None:
    pixels = np.zeros((2, 6), np.uint16 if mode == "I;16" else np.uint8)
    pixels[0, 0] = np.iinfo(pixels.dtype).max
    image = Image.fromarray(pixels) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    seen = decode(encoded(image, exif=exif), GRAY, "x")
    assert seen[0, 1, 5] == 255 and seen[0, 0, 0] == 0


def test_pictures_of_one_value_are_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_image(tmp_path / "d" / name / "0.png")
    write_image(tmp_path / "d" / "a" / "flat.png", value=7)
    source = opened(tmp_path, shape=(1, 8, 8), source="images", path="d")
    assert source.remarks() == ()
    source.batch(np.arange(3))
    (found,) = source.remarks()
    assert found.fact == "all pixels are one value in a/flat.png"
    source.batch(np.arange(3))
    assert source.remarks() == ()


def test_what_is_no_picture_of_bytes() -> None:
    with pytest.raises(SpecError, match="NS647"):
        decode(encoded(Image.new("F", (2, 2)), "TIFF"), RGB, "x")


def test_a_picture_of_as_many_pixels_as_are_allowed_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    Image.new("L", (4, 3)).save(file, "PNG")
    for most in (13, 12, 11):
        monkeypatch.setattr("netspec.imaging.decode.MAX_PIXELS", most)
        if most >= 12:
            assert open_picture(file, "x").size == (4, 3)
        else:
            with pytest.raises(SpecError, match="NS648"):
                open_picture(file, "x")


MOST = "makes more than 67,108,864 pixels"


@pytest.mark.parametrize(
    ("words", "shape", "said"),
    [
        ({}, (3, 8), "an image needs the axes [N, C, H, W], here are 2 behind N"),
        ({"background": (1, 2)}, (3, 8, 8), "background takes one or three numbers, here are 2"),
        ({"color": "gray"}, (3, 8, 8), "color gray gives 1 channels, the input takes 3"),
        (
            {"color": "bgr"},
            (96, 64, 3),
            "color bgr gives 3 channels, the input takes 96: it has them last, they stand before the height",
        ),
        ({"mean_value": (1, 2)}, (3, 8, 8), "mean_value needs 1 or 3 numbers, here are 2"),
        ({"std_value": (1, 2, 3)}, (1, 8, 8), "std_value needs 1 or 1 numbers, here are 3"),
        ({"scale": 0.0}, (3, 8, 8), "scale 0 makes every pixel 0"),
        ({"resize": (4, 5, 6)}, (3, 8, 8), "resize takes one or two numbers, here are 3"),
        ({"resize": 8193}, (3, None, None), f"resize 8193 x 8193 {MOST}"),
        ({"crop_size": (8, 8388609)}, (3, None, None), f"crop_size 8 x 8388609 {MOST}"),
        ({"crop_size": (8, 9)}, (3, 8, 8), "crop_size [8, 9] is not the input's height and width [8, 8]"),
        ({"crop_size": (8, 9), "resize": (9, 8)}, (3, 8, 9), "crop_size [8, 9] is larger than resize [9, 8]"),
        ({"crop_size": 8, "resize": 8, "mean_value": (1,), "std_value": (1, 1, 1)}, (3, 8, None), None),
        ({"resize": 8192, "background": 7, "color": "rgb"}, (None, 8, 8), None),
        ({"background": (1, 2, 3), "mean_value": (1, 2)}, (None, 3, 3), None),
    ],
)
def test_what_keeps_a_contract_from_an_input(
    words: dict[str, Any], shape: tuple[int | None, ...], said: str | None
) -> None:
    assert ImageContract(**words).conflict(shape) == said
