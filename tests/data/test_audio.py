"""WAV files as samples: values, rates, channels, lengths, what is damaged, and what a net gets of them."""

import io
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.io import wavfile

from netspec.augmentation.kernels.draw import Draw
from netspec.cli import group
from netspec.data.registry import Place, open_source, open_sources
from netspec.data.sounds.wav import WaveError, read_frames, read_wave
from netspec.data.source import Source
from netspec.data.transforms import Frame
from netspec.diagnostics import SpecError
from netspec.resolve.sections.train import DataSection
from tests.data.sounds import write_classes, write_wav

RAMP = np.linspace(-1, 1, 64, endpoint=False)
STORED = {
    "u1": (RAMP * 128 + 128).astype(np.uint8),
    "i2": (RAMP * 2**15).astype(np.int16),
    "i4": (RAMP * 2**31).astype(np.int32),
    "f4": RAMP.astype(np.float32),
    "f8": RAMP,
}


def opened(folder: Path, split: str | None = "all", **words: Any) -> Source:
    return open_source(DataSection(source="audio", path=".", **words), split, Place(folder))


def refused(folder: Path, **words: Any) -> Any:
    with pytest.raises(SpecError) as caught:
        opened(folder, **words)
    return caught.value.diagnostics[0]


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("channels", [1, 2])
def test_values_are_those_that_scipy_reads(tmp_path: Path, kind: str, channels: int) -> None:
    values = np.stack([STORED[kind], STORED[kind][::-1]], 1)[:, :channels]
    wavfile.write(tmp_path / "x.wav", 8000, values)
    with (tmp_path / "x.wav").open("rb") as file:
        wave = read_wave(file)
        made = read_frames(file, wave)
    assert (wave.rate, wave.channels, wave.frames) == (8000, channels, 64) and made.dtype == np.float32
    np.testing.assert_allclose(
        made, np.stack([RAMP, RAMP[::-1]])[:channels], atol=0.005 if kind == "u1" else 4e-5
    )
    _, theirs = wavfile.read(tmp_path / "x.wav")
    whole = {"u1": 128, "i2": 2**15, "i4": 2**31}.get(kind, 1)
    np.testing.assert_allclose(made, (theirs.reshape(64, -1).T - 128.0 * (kind == "u1")) / whole, atol=1e-7)


def test_24_bits_and_extensible_headers_are_read(tmp_path: Path) -> None:
    values = (RAMP[::8] * 2**23).astype(np.int64)
    body = b"".join(int(v).to_bytes(3, "little", signed=True) for v in values)
    guid = bytes.fromhex("000000001000800000aa00389b71")
    for extra in (b"", struct.pack("<HHI", 22, 24, 4) + b"\x01\x00" + guid):
        kind = 0xFFFE if extra else 1
        head = struct.pack("<HHIIHH", kind, 1, 8000, 24000, 3, 24) + extra
        data = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", len(head)) + head
        data += b"data" + struct.pack("<I", len(body)) + body
        (tmp_path / "x.wav").write_bytes(b"RIFF" + struct.pack("<I", len(data) + 4) + b"WAVE" + data)
        with (tmp_path / "x.wav").open("rb") as file:
            made = read_frames(file, read_wave(file))
        np.testing.assert_allclose(made[0], RAMP[::8], atol=1e-6)


def header(claim: int, kind: int = 1, channels: int = 1, bits: int = 16, block: int | None = None) -> bytes:
    fmt = struct.pack("<HHIIHH", kind, channels, 8000, 16000, block or channels * bits // 8, bits)
    return b"RIFF" + struct.pack("<I", 36 + claim & 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", claim)  # fmt: skip


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "an empty file"),
        (b"ID3 an mp3 file of some kind", "no WAV file"),
        (header(8)[:30], "damaged"),
        (header(8)[:36], "no sound in it"),
        (header(0), "0 samples"),
        (header(4_000_000_000) + bytes(8), "claims 4,000,000,000 bytes of sound, 8 are there"),
        (header(16) + bytes(8), "claims 16 bytes of sound, 8 are there"),
        (header(8, kind=2) + bytes(8), "format 2 of 16 bits"),
        (header(8, channels=0, block=2) + bytes(8), "0 channels"),
        (header(8, channels=65) + bytes(8), "65 channels"),
        (header(8, block=7) + bytes(8), "7 bytes a frame"),
    ],
)
def test_what_is_no_sound_is_said(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "x.wav").write_bytes(data)
    with (tmp_path / "x.wav").open("rb") as file, pytest.raises(WaveError, match=said):
        read_wave(file)


def test_a_stream_whose_length_nobody_knew_is_read_to_its_end(tmp_path: Path) -> None:
    data = bytearray(header(0xFFFFFFFF) + bytes(8))
    data[4:8] = b"\xff" * 4
    (tmp_path / "x.wav").write_bytes(data)
    with (tmp_path / "x.wav").open("rb") as file:
        assert read_wave(file).frames == 4


def test_folders_are_classes_and_every_fifth_of_each_is_a_test(tmp_path: Path) -> None:
    write_classes(tmp_path, {"no": 5, "yes": 10})
    train, test = (opened(tmp_path, split=part) for part in ("train", "test"))
    assert train.classes == ("no", "yes")
    assert [np.bincount(source.labels()).tolist() for source in (train, test)] == [[4, 8], [1, 2]]  # type: ignore[arg-type]
    assert train.fields["data"].shape == (1, 50)


def test_all_damaged_files_are_named_at_once_and_may_be_left_out(tmp_path: Path) -> None:
    write_classes(tmp_path, {"no": 5, "yes": 5})
    for name in ("no/0.wav", "yes/3.wav"):
        (tmp_path / name).write_bytes(b"")
    found = refused(tmp_path)
    assert found.code == "NS630" and found.fact == "2 of 10 sounds"
    assert [note.split(": ")[0] for note in found.notes] == [
        str(tmp_path / n) for n in ("no/0.wav", "yes/3.wav")
    ]
    kept = opened(tmp_path, on_error="skip")
    assert len(kept) == 8 and len(kept.left_out) == 2 and not kept.remarks()


def test_data_of_which_some_is_bad_show_their_table_and_name_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all parts, sounds and tables and sequences and shards; a silent sound is told once."""
    monkeypatch.chdir(tmp_path)
    for part in ("train", "test"):
        write_classes(tmp_path / "sounds" / part, {"no": 5, "yes": 5})
        (tmp_path / f"sounds/{part}/no/0.wav").write_bytes(b"")
    write_wav(tmp_path / "sounds/test/yes/1.wav", np.zeros(64), 8000)
    write_wav(tmp_path / "sounds/train/yes/1.wav", np.ones(64) / 2, 16000)
    found = CliRunner().invoke(group, ["data", "sounds"])
    assert "error[NS630]" in found.output and "all        8     9" in found.output, found.output
    for name in ("train/no/0.wav", "test/no/0.wav", "train/yes/1.wav"):
        assert name in found.output
    assert found.output.count("test/yes/1.wav") == 1
    shard(tmp_path / "a.tar")
    for source, text, lost in (
        ("table, path: t.csv", "a,b,label\n1,2,0\n3,x,1\n4,5,1\n6,,0\n7,8,0\n", ("line 3", "line 5")),
        ("csv, path: t.csv", "a,b,label\n1,2,0\n3,x,1\n4,5,1\n6,,0\n7,8,0\n", ("line 3", "line 5")),
        (
            "sequences, path: t.csv",
            ">a label=0\nAC\n>b label=1\nA2\n>c label=1\n??\nAC\n",
            ("line 4", "line 6"),
        ),
        ("webdataset, path: a.tar", "", ("p1", "p3")),
    ):
        Path("t.csv").write_text(text)
        Path("net.yaml").write_text(NETS["shards" if "web" in source else "rows"] % source)
        found = CliRunner().invoke(group, ["data", "net.yaml"])
        assert "error[" in found.output and "all" in found.output and "left out" in found.output, (
            source,
            found.output,
        )
        assert all(name in found.output for name in lost), (source, found.output)


def shard(path: Path) -> None:
    """Five samples, of which two have no label."""
    with tarfile.open(path, "w") as made:
        for i in range(5):
            for end, data in (
                ("ppm", b"P6 1 1 255 " + bytes((i, i + 1, 3))),
                ("cls", b"" if i in (1, 3) else b"1"),
            ):
                info = tarfile.TarInfo(f"p{i}.{end}")
                info.size = len(data)
                made.addfile(info, io.BytesIO(data))


NETS = {
    "rows": "input: {data: [N, 2]}\nlayers: [{name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}]\n"
    "train: {data: {source: %s, batch_size: 2}, solver: {base_lr: 0.1, max_iter: 1}}\n",
    "shards": "input: {data: [N, 3, 1, 1]}\nlayers: [{name: ip, type: InnerProduct, num_output: 2, weight_filler: xavier}]\n"
    "train: {data: {source: %s, batch_size: 2}, solver: {base_lr: 0.1, max_iter: 1}}\n",
}


def test_a_wrong_rate_is_told_with_both_numbers(tmp_path: Path) -> None:
    write_classes(tmp_path, {"no": 3, "yes": 3})
    write_wav(tmp_path / "no/1.wav", np.zeros(100), 16000)
    said = refused(tmp_path, rate=8000)
    assert said.code == "NS631" and "8,000 Hz is wanted, 16,000 Hz" in said.fact and "no/1.wav" in said.fact
    assert "most have 8,000 Hz, 16,000 Hz" in refused(tmp_path).fact
    assert "16,000 Hz is wanted, 8,000 Hz" in refused(tmp_path, rate=16000).fact
    with pytest.raises(SpecError, match="NS641"):
        opened(tmp_path, resample=True)


def test_resampling_keeps_the_tone(tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(4000) / 16000)
    write_classes(tmp_path, {"no": 2, "yes": 2})
    write_wav(tmp_path / "yes/0.wav", tone, 16000)
    source = opened(tmp_path, rate=8000, resample=True)
    made = source.batch(np.array([2]))["data"][0][0]
    wanted = np.sin(2 * np.pi * 440 * np.arange(2000) / 8000)
    assert len(made) == 2000
    np.testing.assert_allclose(made[50:-50], wanted[50:-50], atol=0.01)


def test_channels_are_mixed_or_kept(tmp_path: Path) -> None:
    two = np.stack([np.full(20, 0.5), np.linspace(-0.5, 0, 20)], 1)
    for name in ("a/0.wav", "b/0.wav"):
        write_wav(tmp_path / name, two)
    mixed, kept = opened(tmp_path), opened(tmp_path, mono=False)
    assert (mixed.fields["data"].shape, kept.fields["data"].shape) == ((1, 20), (2, 20))
    np.testing.assert_allclose(mixed.batch(np.array([0]))["data"][0][0], two.mean(1), atol=1e-4)
    np.testing.assert_allclose(kept.batch(np.array([0]))["data"][0], two.T, atol=1e-4)
    write_wav(tmp_path / "a/1.wav", np.zeros(20))
    assert refused(tmp_path, mono=False).code == "NS631" and len(opened(tmp_path)) == 3


def test_test_data_need_the_rate_of_the_training(tmp_path: Path) -> None:
    for part, rate in (("p", 8000), ("q", 16000)):
        write_classes(tmp_path / part, {"no": 2, "yes": 2}, rate)
    sections = [DataSection(source="audio", path=part) for part in "pq"]
    with pytest.raises(SpecError, match=r"NS631.*8,000 Hz is wanted, 16,000 Hz"):
        open_sources(*sections, Place(tmp_path))


@pytest.mark.parametrize(("have", "want"), [(10, 4), (4, 10), (7, 7)])
def test_a_length_is_cut_or_filled_in_the_middle_and_in_training_anywhere(have: int, want: int) -> None:
    sounds = [torch.arange(1.0, have + 1)[None] for _ in range(400)]
    draw = Draw.of(1, np.zeros(400), np.arange(400))
    middle, drawn = Frame(want)(sounds, draw), Frame(want, random=True)(sounds, draw)
    slack = abs(have - want)
    for made in middle:
        kept = made[0][made[0] > 0]
        assert (
            made.shape == (1, want)
            and kept.tolist() == sounds[0][0][slack // 2 if have > want else 0 :][:want].tolist()
        )
        assert have > want or int(made[0].argmax()) == slack // 2 + have - 1
    begins = {int(row[0].argmax()) - int(row[0].max()) for row in drawn}
    assert len(begins) == slack + 1, "every place is drawn"
    again = Frame(want, random=True)(sounds[7:9], draw.rows([7, 8]))
    assert torch.equal(again, drawn[7:9]), "a draw depends on the sample, not on the batch"


SPEC = """input: {data: [N, 1, 40]}
layers:
  - {name: conv, type: Convolution, num_output: 4, kernel_size: 8, weight_filler: xavier}
  - {name: top, type: Pooling, pool: AVE, global_pooling: true}
  - {name: score, type: InnerProduct, num_output: 2, weight_filler: xavier}
  - {name: prob, type: Softmax}
output: prob
train:
  data: {source: audio, path: d, batch_size: 4, split: train}
  test_data: {source: audio, path: d, split: test}
  augment: [{type: AudioNoise}, {type: TimeShift}, {type: Speed}]
  solver: {base_lr: 0.05, max_iter: 3, random_seed: 1}
"""


def test_sounds_of_any_length_are_trained_on_exported_and_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from netspec import driver
    from netspec.exporters.export import export_model
    from netspec.training.session import train_program

    monkeypatch.chdir(tmp_path)
    chance = np.random.RandomState(0)
    for name in ("d/no", "d/yes"):
        for i in range(6):
            write_wav(tmp_path / name / f"{i}.wav", chance.uniform(-1, 1, chance.randint(20, 60)))
    Path("s.yaml").write_text(SPEC)
    train_program(driver.load("s.yaml"), Path("run"))
    assert '"rate": 8000' in Path("run/data.json").read_text()
    export_model("run", "m.onnx", certify="quick")
    write_wav(tmp_path / "d/yes/fast.wav", np.zeros(50), 16000)
    for model in ("run", "m.onnx"):
        made = CliRunner().invoke(
            command(), [model, "d/yes/0.wav", "d/no", "d/y*/f*.wav"], standalone_mode=False
        )
        assert made.return_value == 1 and made.output.count("prob  ") == 14, made.output
        assert "fast.wav: NS631" in made.output and "16,000 Hz, the training data had 8,000 Hz" in made.output


def command() -> Any:
    from netspec.cli.predict import command

    return command


def test_the_same_sounds_come_whatever_the_batches(tmp_path: Path) -> None:
    """Sample 5 of epoch 1, in batches of 2, 3 and after a restart."""
    from netspec import driver
    from netspec.training.batches.feeds import Feeds
    from netspec.training.nets import twins

    chance = np.random.RandomState(0)
    for i in range(12):
        write_wav(tmp_path / "d" / "ab"[i % 2] / f"{i}.wav", chance.uniform(-1, 1, 30 + 5 * i))
    (tmp_path / "s.yaml").write_text(SPEC)

    def rows(size: int, skip: int = 0) -> Any:
        program = driver.load(str(tmp_path / "s.yaml"))
        graphs = program.training_graph("train"), program.training_graph("test")
        feeds, nets = Feeds.open(program, *graphs), twins(*graphs)
        batches = feeds.batches("train", graphs[0], nets.train, 1, torch.device("cpu"))
        batches.batch_size = size
        batches.load(skip)
        with batches:
            found = [next(batches)["data"] for _ in range(12 // size)]
        return torch.cat(found)

    whole = rows(4)
    assert torch.equal(whole, rows(2)) and torch.equal(whole[4:8], rows(2, 4)[:4])


def test_silence_and_clipping_are_told(tmp_path: Path) -> None:
    write_classes(tmp_path, {"no": 2, "yes": 2})
    write_wav(tmp_path / "no/0.wav", np.zeros(50))
    write_wav(tmp_path / "yes/1.wav", (3 * np.sin(np.arange(500) / 9)).clip(-1, 1)[:50])
    source = opened(tmp_path)
    source.batch(np.arange(4))
    facts = [each.fact for each in source.remarks()]
    assert facts == ["all samples are one value in no/0.wav", "the sound is clipped in yes/1.wav"]


def test_of_many_files_some_are_named(tmp_path: Path) -> None:
    write_classes(tmp_path, {"no": 6, "yes": 6})
    for i in range(6):
        write_wav(tmp_path / f"no/{i}.wav", np.zeros(50), 16000)
    names = "no/0.wav, no/1.wav, no/2.wav, no/3.wav and 2 more"
    assert refused(tmp_path, rate=8000).fact.endswith(f"or others have 6 of 12: {names}")
    source = opened(tmp_path, rate=16000, resample=True)
    source.batch(np.arange(len(source)))
    assert f"all samples are one value in {names}" in {each.fact for each in source.remarks()}


def test_a_table_names_sounds(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 3})
    (tmp_path / "t.csv").write_text("file,pitch\n" + "".join(f"a/{i}.wav,{i / 2}\n" for i in range(3)))
    source = open_source(DataSection(source="table", path="t.csv"), "all", Place(tmp_path))
    assert source.fields["data"].shape == (1, 50) and source.where(1).startswith("line 3, ")
    np.testing.assert_array_equal(source.labels(), np.array([0, 0.5, 1], np.float32))
