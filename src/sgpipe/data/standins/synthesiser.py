"""Spoken words from formant tracks: a small source-filter synthesiser, for tasks without external files.

Source and filter follow the cascade branch of Klatt (1980, "Software for a cascade/parallel formant synthesizer"):
glottal pulses and breath noise pass four resonators in series, whose frequencies glide from sound to sound; hiss has
its own band. Speakers differ in pitch, vocal tract length, rate and roughness, and no two utterances of a speaker are
alike. Every random number comes from the seed and a stream named after the speaker or the utterance.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from sgpipe.base.rng import stream, uniform
from sgpipe.data.standins.phonemes import SOUNDS

BLOCK_SECONDS = 0.005  # length of a block in the control tracks; the filter glides from one block to the next
BANDWIDTHS = np.array([70.0, 110.0, 170.0, 250.0])  # of the four formants, Hz
FOURTH_FORMANT = 3500.0
GLIDE_SECONDS = 0.04  # time in which formants move from one target to the next
FADE_SECONDS = 0.015  # the same for strengths
BURST_SECONDS = 0.015


@dataclass(frozen=True)
class Voice:
    """What stays the same across the words of a speaker."""

    pitch: float  # Hz
    throat: float  # factor on all resonances
    pace: float  # factor on all durations
    open_share: float  # part of a glottal cycle in which air flows
    breath: float  # noise mixed into the voice
    loudness: float  # peak of an utterance, of full scale 1


def voice(seed: int, speaker: int) -> Voice:
    """Draw the voice of a speaker; vocal tract length and pitch are correlated, as in people."""
    size, pitch, pace, opened, breath, loudness = stream(seed, f"data/speech/voice/{speaker}").random(6)
    throat = 0.88 + 0.3 * size
    return Voice(
        pitch=(100 + 110 * size) * (0.85 + 0.3 * pitch),
        throat=throat,
        pace=0.8 + 0.45 * pace,
        open_share=0.5 + 0.25 * opened,
        breath=0.02 + 0.1 * breath,
        loudness=0.15 + 0.5 * loudness,
    )


def say(sounds: tuple[str, ...], who: Voice, draws: np.random.Generator, rate: int) -> np.ndarray:
    """Synthesise an utterance, with silence around it.

    Args:
        sounds: The sounds of the word.
        who: The speaker's voice.
        draws: Random numbers.
        rate: Sample rate in Hz.

    Returns:
        float64 (samples,), within (-1, 1).
    """
    lead, tail, tune, snr = draws.random(4)
    tracks = _tracks(sounds, who, draws)
    blocks, step = tracks["f0"].shape[0], round(BLOCK_SECONDS * rate)
    strengths = {name: _per_sample(tracks[name], step) for name in ("f0", "voice", "breath", "hiss")}
    # The pitch falls by a varying amount, as at the end of a phrase.
    fall = np.linspace(1.1, 0.8 + 0.2 * tune, blocks * step)
    phase = np.cumsum(strengths["f0"] * fall / rate)
    noise = uniform(draws, -1.0, 1.0, (2, blocks * step))
    source = strengths["voice"] * (_glottal(phase % 1.0, who.open_share) + who.breath * noise[0])
    source += strengths["breath"] * noise[0]
    speech = _through(source, tracks["formants"], np.broadcast_to(BANDWIDTHS, tracks["formants"].shape), rate)
    speech = speech / (np.abs(speech).max() + 1e-9) + strengths["hiss"] * _band(noise[1], tracks["band"], rate)
    clip = np.concatenate(
        [np.zeros(int((0.02 + 0.1 * lead) * rate)), speech, np.zeros(int((0.02 + 0.06 * tail) * rate))]
    )
    clip *= who.loudness / np.abs(clip).max()
    # Room noise: white, 22 to 40 dB below the loudest moment, so that silence is never digital silence.
    return clip + who.loudness * 10 ** (-(22 + 18 * snr) / 20) * uniform(draws, -1.0, 1.0, clip.shape)


def _tracks(sounds: tuple[str, ...], who: Voice, draws: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the controls of source and filter, a row per block: consecutive sounds, blurred into each other."""
    rows: dict[str, list] = {name: [] for name in ("formants", "band", "voice", "breath", "hiss", "f0")}
    for name in sounds:
        sound = SOUNDS[name]
        stretch, loud, pitch, *shifts = draws.random(6)
        blocks = max(4, round(sound.seconds * who.pace * (0.75 + 0.5 * stretch) / BLOCK_SECONDS))
        formants = np.append(np.array(sound.formants) * (0.93 + 0.14 * np.array(shifts)), FOURTH_FORMANT) * who.throat
        # A stop is silent until its burst.
        sounding = (
            np.arange(blocks) >= blocks - round(BURST_SECONDS / BLOCK_SECONDS) if sound.burst else np.ones(blocks)
        )
        for key, value in (("voice", sound.voice), ("breath", sound.breath), ("hiss", sound.hiss)):
            rows[key].append(value * (0.75 + 0.5 * loud) * sounding)
        rows["formants"].append(np.tile(formants, (blocks, 1)))
        rows["band"].append(np.tile(np.array(sound.band) * who.throat, (blocks, 1)))
        rows["f0"].append(np.full(blocks, who.pitch * (0.92 + 0.16 * pitch)))
    tracks = {name: np.concatenate(parts) for name, parts in rows.items()}
    for name, seconds in (("formants", GLIDE_SECONDS), ("f0", 2 * GLIDE_SECONDS), ("voice", FADE_SECONDS)):
        tracks[name] = _blur(tracks[name], seconds)
    return tracks


def _blur(track: np.ndarray, seconds: float) -> np.ndarray:
    """Return the running mean over `seconds`; the end values are continued."""
    half = max(1, round(seconds / BLOCK_SECONDS / 2))
    padded = np.concatenate([track[:1].repeat(half, axis=0), track, track[-1:].repeat(half, axis=0)])
    total = np.cumsum(np.concatenate([0 * padded[:1], padded]), axis=0)
    return (total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)


def _per_sample(track: np.ndarray, step: int) -> np.ndarray:
    """Interpolate a track from (blocks,) to (blocks * step,) samples, linearly between the middles of blocks."""
    samples = np.arange(len(track) * step)
    return np.interp(samples, np.arange(len(track)) * step + step / 2, track)


def _glottal(phase: np.ndarray, open_share: float) -> np.ndarray:
    """Return the derivative of the flow x^2 (1 - x) through the glottis, x = phase / open_share; 0 while closed."""
    x = phase / open_share
    return np.where(x < 1, 2 * x - 3 * x**2, 0.0)


def _through(signal: np.ndarray, centres: np.ndarray, widths: np.ndarray, rate: int) -> np.ndarray:
    """Return `signal` through resonators in series, their `centres` and `widths` (blocks, resonators) in Hz."""
    a1, a2 = _poles(centres, widths, rate)
    delay, size = _delay(len(signal) // len(centres))
    response = np.ones((len(centres), len(delay)), dtype=np.complex64)
    for p, q in zip(a1.T[:, :, None], a2.T[:, :, None], strict=True):
        response *= 1 + delay * (p + delay * q)
    gain = np.prod(1 + a1 + a2, axis=1, keepdims=True)
    return _overlap_add(signal, np.divide(gain, response, out=response), size)


def _band(noise: np.ndarray, band: np.ndarray, rate: int) -> np.ndarray:
    """Return noise filtered to bands (blocks, 2) of centre and width in Hz, about as loud as the noise itself."""
    a1, a2 = _poles(band[:, :1], band[:, 1:], rate)
    delay, size = _delay(len(noise) // len(band))
    gain = np.sqrt(1 - np.sqrt(a2))  # keeps the power equal for narrow and wide bands
    return _overlap_add(noise, gain * ((1 - delay**2) / (1 + delay * (a1 + delay * a2))), size)


def _poles(centres: np.ndarray, widths: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients of 1 + a1 / z + a2 / z^2 of resonators (Klatt 1980, eq. 2), float32."""
    centres = np.minimum(centres, 0.45 * rate)  # a resonance above half the rate would fold back
    radius = np.exp(-np.pi * widths / rate)
    a1 = -2 * radius * np.cos(2 * np.pi * centres / rate)
    return a1.astype(np.float32), (radius**2).astype(np.float32)


def _delay(step: int) -> tuple[np.ndarray, int]:
    """Return 1 / z on the upper half of the unit circle, and the length of a block's transform."""
    size = scipy.fft.next_fast_len(8 * step, real=True)  # a window of two steps, and room to ring for 30 ms
    return np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size).astype(np.complex64), size


def _overlap_add(signal: np.ndarray, response: np.ndarray, size: int) -> np.ndarray:
    """Return `signal` (blocks * step,) filtered with a frequency response (blocks, bins), one per block."""
    blocks, step = len(response), len(signal) // len(response)
    padded = np.concatenate([np.zeros(step // 2), signal, np.zeros(2 * step)]).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * step)[::step][:blocks]
    hann = (0.5 - 0.5 * np.cos(np.pi * np.arange(2 * step) / step)).astype(np.float32)
    rung = scipy.fft.irfft(scipy.fft.rfft(windows * hann, size) * response, size)
    parts = -(-size // step)
    rung = np.pad(rung, ((0, 0), (0, parts * step - size))).reshape(blocks, parts, step)
    out = np.zeros((blocks + parts, step))
    for part in range(parts):
        out[part : part + blocks] += rung[:, part]
    return out.ravel()[step // 2 :][: len(signal)]
