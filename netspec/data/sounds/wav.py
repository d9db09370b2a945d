"""WAV files: what their headers say, and their samples as real numbers from -1 to 1. In: an open
file; out: a Wave, frames. Knows no folder and no label.
"""

import os
from typing import BinaryIO, NamedTuple

import numpy as np

from netspec.data.source import Array

__all__ = ["Wave", "WaveError", "read_frames", "read_wave"]

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")
"""What stands behind the two bytes of the format in the GUID of an extensible header."""
FORMS = {(PCM, 8): "u1", (PCM, 16): "<i2", (PCM, 24): "i3", (PCM, 32): "<i4", (FLOAT, 32): "<f4", (FLOAT, 64): "<f8"}  # fmt: skip
WIDTHS = {"i3": 3, **{form: np.dtype(form).itemsize for form in FORMS.values() if form != "i3"}}
OPEN = 0xFFFFFFFF
"""The sizes that a program writes which does not know yet how long the sound will be."""
CHUNKS, CHANNELS = 1000, 64
MOST = 1 << 26
"""Values of one file, all channels: over an hour at 16,000 Hz. A sample for a net is no longer."""


class WaveError(Exception):
    """Why a file is no sound that can be read."""


class Wave(NamedTuple):
    """What a file holds: `frames` at `rate` a second, a value for each channel in each. form: how a
    value is stored; begin: where the first one stands.
    """

    rate: int
    channels: int
    frames: int
    form: str
    begin: int


def read_wave(file: BinaryIO) -> Wave:
    """The header of a file. Raises WaveError where it is none of uncompressed WAV, or where fewer
    bytes follow than it claims.
    """
    size = os.fstat(file.fileno()).st_size
    head = file.read(12)
    if not size:
        raise WaveError("an empty file")
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        raise WaveError(f"no WAV file: it begins with {head[:12]!r}")
    found: tuple[int, int, str] | None = None
    for _ in range(CHUNKS):
        name, length = file.read(4), int.from_bytes(file.read(4), "little")
        at = file.tell()
        if name == b"data" and found is not None:
            return measure(found, at, length, size - at, head[4:8])
        if name == b"fmt ":
            found = read_format(file.read(min(length, 40)))  # as long as an extensible one is
        if len(name) < 4 or at + length > size:
            break
        file.seek(at + length + length % 2)  # RIFF: chunks begin at even places
    raise WaveError("no sound in it: the file ends before a chunk data, or has none")


def read_format(body: bytes) -> tuple[int, int, str]:
    """Rate, channels and form of the values."""
    if len(body) < 16:
        raise WaveError(f"damaged: its chunk fmt has {len(body)} bytes, of at least 16")
    kind, channels, rate, block, bits = (
        int.from_bytes(body[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8), (12, 14), (14, 16))
    )
    if kind == EXTENSIBLE and body[26:40] == SUBFORMAT:
        kind = int.from_bytes(body[24:26], "little")
    form = FORMS.get((kind, bits))
    if form is None:
        raise WaveError(f"format {kind} of {bits} bits: PCM of 8, 16, 24, 32 bits and float are read")
    if not 1 <= channels <= CHANNELS or not rate or block != channels * WIDTHS[form]:
        raise WaveError(f"damaged: {channels} channels at {rate:,} Hz in {block} bytes a frame")
    return rate, channels, form


def measure(found: tuple[int, int, str], at: int, length: int, left: int, whole: bytes) -> Wave:
    """The Wave of a chunk of data of so many bytes, of which `left` are there."""
    rate, channels, form = found
    if length == OPEN and whole == OPEN.to_bytes(4, "little"):
        length = left
    if length > left:
        raise WaveError(f"ends early: its header claims {length:,} bytes of sound, {left:,} are there")
    frames = length // (channels * WIDTHS[form])
    if not frames:
        raise WaveError("no sound in it: 0 samples")
    if frames * channels > MOST:
        raise WaveError(f"{frames:,} samples of {channels} channels: more than {MOST:,} values")
    return Wave(rate, channels, frames, form, at)


def read_frames(file: BinaryIO, wave: Wave) -> Array:
    """All samples, (channels, frames) float32, whole numbers as shares of their range. Raises
    WaveError where the file has become shorter.
    """
    file.seek(wave.begin)
    wanted = wave.frames * wave.channels * WIDTHS[wave.form]
    data = file.read(wanted)
    if len(data) < wanted:
        raise WaveError(f"ends early: {len(data):,} of {wanted:,} bytes of sound are there")
    return np.ascontiguousarray(decode(data, wave.form).reshape(-1, wave.channels).T)


def decode(data: bytes, form: str) -> Array:
    """Values of a form as float32: 8 bits count from 128, others are two's complement."""
    if form == "i3":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        # 24 bits as the upper ones of 32: the sign comes along
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(1 << 31)
    values = np.frombuffer(data, form)
    if form == "u1":
        return (values.astype(np.float32) - 128) / np.float32(128)
    if values.dtype.kind == "i":
        return values.astype(np.float32) / np.float32(1 << (8 * values.dtype.itemsize - 1))
    return values.astype(np.float32)
