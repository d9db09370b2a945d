"""Changes of sounds: AudioNoise, TimeShift, Speed, SpecAugment. A sample is (T) or (C, T)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.augmentation.definition import SequenceChange
from netspec.ir.layer import Example, accepts, rejects
from netspec.record import param

if TYPE_CHECKING:
    from torch import Tensor

    from netspec.augmentation.kernels.batch import Batch
    from netspec.augmentation.kernels.draw import Draw

__all__ = ["AudioNoise", "SpecAugment", "Speed", "TimeShift"]

Range = tuple[float, float]


class AudioNoise(SequenceChange, type="AudioNoise", takes=("signal",)):
    """Add normal noise, so much weaker than the sound.

    y = x + s n,  s = rms(x) 10^(-snr / 20),  snr even
    """

    snr: Range = param(default=(10.0, 40.0), doc="least and greatest ratio of sound to noise, in decibels")

    def change(self, x: "Tensor", draw: "Draw") -> "Tensor":
        from netspec.augmentation.kernels.sequences import add_noise

        return add_noise(x, draw, self.snr)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,400 -> N,400")
        yield accepts("{snr: [0, 0], probability: 0.5}", "N,2,100 -> N,2,100")
        yield rejects("{snr: 10}", "N,400", code="NS104", at="snr")


class TimeShift(SequenceChange, type="TimeShift", takes=("signal",)):
    """Begin earlier or later; what comes free is silent, or comes in from the other end.

    y_t = x_{t - d},  d even in [-share T, share T]
    """

    share: float = param(default=0.2, gt=0, le=1, doc="greatest shift, as a share of the length")
    roll: bool = param(default=False, doc="what leaves at one end comes in at the other")

    def change(self, x: "Tensor", draw: "Draw") -> "Tensor":
        from netspec.augmentation.kernels.sequences import shift_time

        return shift_time(x, draw, self.share, self.roll)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,400 -> N,400")
        yield accepts("{share: 1, roll: true}", "N,2,100 -> N,2,100")
        yield rejects("{share: 0}", "N,400", code="NS106", at="share")


class Speed(SequenceChange, type="Speed", takes=("signal",)):
    """Play faster or slower, pitch and all, from the beginning; what comes free is silent.

    y_t = x(f t),  f even in factor     (Ko et al. 2015)
    """

    neutral = {"factor": (1, 1)}

    factor: Range = param(default=(0.9, 1.1), gt=0, doc="least and greatest speed")

    def change(self, x: "Tensor", draw: "Draw") -> "Tensor":
        from netspec.augmentation.kernels.sequences import change_speed

        return change_speed(x, draw.uniform(*self.factor, "factor"))

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,400 -> N,400")
        yield accepts("{factor: [0.5, 2]}", "N,2,100 -> N,2,100")
        yield rejects("{factor: [0, 1]}", "N,400", code="NS106", at="factor")


class SpecAugment(SequenceChange, type="SpecAugment", takes=("signal", "image")):
    """Hide bands of frequencies and stretches of time in a spectrogram, (F, T) or (C, F, T).

    f even in 0 .. frequency, t even in 0 .. time, each at a place drawn evenly     (Park et al. 2019)
    """

    frequency: int = param(default=8, ge=0, doc="greatest width of a band (F)")
    time: int = param(default=16, ge=0, doc="greatest length of a stretch (T)")
    bands: int = param(default=1, ge=0, le=16, doc="bands of frequencies (m_F)")
    stretches: int = param(default=1, ge=0, le=16, doc="stretches of time (m_T)")
    value: float = param(default=0.0, doc="what is put there")

    def judge_still(self) -> str:
        if not self.frequency * self.bands and not self.time * self.stretches:
            bands, stretches = (f"{self.bands} x {self.frequency}", f"{self.stretches} x {self.time}")
            return f"bands of {bands}, stretches of {stretches}: every draw is the identity"
        return super().judge_still()

    def judge_shape(self, shape: tuple[int | None, ...]) -> str:
        return "" if len(shape) > 1 else "spectrograms, (F, T) or (C, F, T)"

    def change(self, x: "Tensor", draw: "Draw") -> "Tensor":
        from netspec.augmentation.kernels.sequences import hide_bands

        hidden = hide_bands(draw, x.shape[-2], self.frequency, self.bands, "band")[..., None]
        hidden = hidden | hide_bands(draw, x.shape[-1], self.time, self.stretches, "stretch")[:, None]
        whole = hidden.reshape(len(x), *(1,) * (x.ndim - 3), *x.shape[-2:]).to(x.device)
        return x.masked_fill(whole, self.value)

    def apply(self, batch: "Batch", draw: "Draw") -> "Batch":
        if batch.sequence is not None:
            return super().apply(batch, draw)
        held = batch.settle()
        as_lines = held.replace(sequence=held.pixels.float())
        return held.replace(image=super().apply(as_lines, draw).sequence)

    @staticmethod
    def examples() -> Iterator[Example]:
        yield accepts("{}", "N,40,100 -> N,40,100")
        yield accepts("{bands: 2, stretches: 2, time: 5}", "N,1,40,30 -> N,1,40,30")
        yield rejects("{bands: -1}", "N,40,100", code="NS106", at="bands")
