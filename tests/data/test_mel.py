"""Mel features against their formulas written out with plain loops, and against librosa's filters."""

import cmath
import math

import numpy as np
import pytest

from sgpipe.base.rng import stream, uniform
from sgpipe.data.mel import CHANNELS, features, filters, power_spectra

EPS = 2.220446049250313e-16


def sound(rate, seconds, seed=0):
    """Return a tone that glides through some noise, float64 (samples,)."""
    time = np.arange(int(rate * seconds)) / rate
    noise = uniform(stream(seed, "tests/mel"), -0.05, 0.05, time.shape)
    return 0.4 * np.sin(2 * np.pi * (300 + 900 * time) * time) + noise


def by_hand(signal, rate, wanted):
    """Return the authors' features as plain loops over their formulas: a list of `wanted` lists of 40 numbers."""
    emphasised = [signal[0]] + [signal[t] - 0.95 * signal[t - 1] for t in range(1, len(signal))]
    frame, stride = round(0.025 * rate), round(0.010 * rate)
    count = math.ceil(abs(len(signal) - frame) / stride)
    emphasised += [0.0] * (count * stride + frame - len(signal))
    hamming = [0.54 - 0.46 * math.cos(2 * math.pi * t / (frame - 1)) for t in range(frame)]
    used = min(frame, 512)
    turns = [cmath.exp(-2j * math.pi * k / 512) for k in range(512)]

    def mel_to_hz(mel):
        return 700 * (10 ** (mel / 2595) - 1)

    top = 2595 * math.log10(1 + (rate / 2) / 700)
    edges = [math.floor(513 * mel_to_hz(top * point / 41) / rate) for point in range(42)]
    rows = []
    for n in range(min(count, wanted)):
        part = [emphasised[n * stride + t] * hamming[t] for t in range(used)]
        power = [abs(sum(part[t] * turns[k * t % 512] for t in range(used))) ** 2 / 512 for k in range(257)]
        row = []
        for m in range(1, 41):
            low, peak, high = edges[m - 1], edges[m], edges[m + 1]
            energy = sum((k - low) / (peak - low) * power[k] for k in range(low, peak))
            energy += sum((high - k) / (high - peak) * power[k] for k in range(peak, high))
            row.append(math.log10(energy if energy else EPS))
        rows.append(row)
    rows += [rows[-1]] * (wanted - len(rows))
    cells = [value for row in rows for value in row]
    mean = sum(cells) / len(cells)
    spread = math.sqrt(sum((value - mean) ** 2 for value in cells) / len(cells))
    return [[(value - mean) / spread for value in row] for row in rows]


@pytest.mark.parametrize(
    ("rate", "seconds", "frames"),
    [(48000, 0.093, 12), (48000, 0.12, 4), (16000, 0.1, 6), (16000, 0.1003, 20), (16000, 0.02, 3)],
    ids=["padded, 48 kHz", "cropped, 48 kHz", "cropped, 16 kHz", "padded, 16 kHz", "shorter than a frame"],
)
def test_the_authors_features_are_their_formulas(rate, seconds, frames):
    signal = sound(rate, seconds)
    np.testing.assert_allclose(features(signal, rate, frames, "authors"), by_hand(signal, rate, frames), atol=1e-5)


@pytest.mark.parametrize("frames", [8, 40])
def test_the_corrected_features_have_librosas_filters(frames):
    librosa = pytest.importorskip("librosa", reason="librosa, an independent implementation, is not installed")
    signal = sound(16000, 0.2)
    emphasised = np.append(signal[0], signal[1:] - 0.95 * signal[:-1])
    windows = np.array([emphasised[n * 160 : n * 160 + 400] * np.hamming(400) for n in range(18)])
    power = np.abs(np.fft.fft(windows, 512)[:, :257]) ** 2 / 512
    bank = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, htk=True, norm=None, dtype=np.float64)
    np.testing.assert_allclose(filters(16000, "corrected"), bank, atol=1e-12)
    logs = np.log10(np.where(power @ bank.T == 0, EPS, power @ bank.T))
    logs = np.concatenate([logs, np.repeat(logs[-1:], frames, axis=0)])[:frames]
    expected = (logs - logs.mean()) / logs.std()
    np.testing.assert_allclose(features(signal, 16000, frames, "corrected"), expected, atol=1e-5)


def test_corrected_filters_are_triangles_between_equally_spaced_mels():
    bank, bins = filters(16000, "corrected"), np.arange(257) * 31.25
    mel = 2595 * np.log10(1 + 8000 / 700) * np.arange(42) / 41
    hertz = 700 * (10 ** (mel / 2595) - 1)
    for m in range(CHANNELS):
        triangle = np.interp(bins, hertz[m : m + 3], [0.0, 1.0, 0.0])
        np.testing.assert_allclose(bank[m], triangle, atol=1e-12)


def test_at_48_khz_the_authors_lowest_filters_are_single_bins_and_the_tail_of_a_frame_is_not_seen():
    assert np.all(np.sum(filters(48000, "authors") > 0, axis=1)[:8] == 1)
    assert np.sum(np.sum(filters(16000, "corrected") > 0, axis=1) == 1) < 3
    signal = sound(48000, 0.1)
    changed = signal.copy()
    changed[1000:1200] = 0.0  # within the first frame of 1200, behind its 512th sample
    first, other = (power_spectra(x, 48000, 1, "authors") for x in (signal, changed))
    np.testing.assert_array_equal(first, other)


def test_features_have_mean_0_and_sd_1_with_the_repeated_frames_counted():
    made = features(sound(16000, 0.3), 16000, 100, "authors")
    assert made.dtype == np.float32 and made.shape == (100, 40)
    assert abs(made.mean()) < 1e-5 and abs(made.std() - 1) < 1e-4
    np.testing.assert_array_equal(made[27:], np.repeat(made[27:28], 73, axis=0))


@pytest.mark.parametrize("variant", ["authors", "corrected"])
@pytest.mark.parametrize("samples", [1, 3, 399, 400, 401, 16000])
def test_any_length_gives_finite_features_and_silence_gives_zeros(samples, variant):
    assert np.all(np.isfinite(features(sound(16000, 1)[:samples], 16000, 50, variant)))
    np.testing.assert_array_equal(features(np.zeros(samples), 16000, 50, variant), 0.0)


def test_loudness_does_not_matter():
    signal = sound(16000, 0.4)
    np.testing.assert_allclose(
        features(signal, 16000, 50, "authors"), features(signal / 9, 16000, 50, "authors"), atol=1e-4
    )


def test_corrected_features_hardly_depend_on_the_sample_rate():
    time16, time48 = np.arange(8000) / 16000, np.arange(24000) / 48000
    at16, at48 = (sum(np.sin(2 * np.pi * f * t + f) / f for f in range(150, 6000, 110)) for t in (time16, time48))
    low, high = features(at16, 16000, 40, "corrected"), features(at48, 48000, 40, "corrected")
    assert np.corrcoef(low[:, :34].ravel(), high[:, :34].ravel())[0, 1] > 0.99
