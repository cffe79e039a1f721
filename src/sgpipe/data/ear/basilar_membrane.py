"""Sound to movement: a basilar membrane in shallow water, after Sieroka, Dosch & Rupp (2006).

Position c runs along the membrane, in cm from the stapes. It is a row of damped springs in a canal of fluid,

    stiffness S(c) = C0 exp(-alpha c) - a        damping R(c) = delta sqrt(C0 m) exp(-alpha c / 2)        mass m
    impedance xi(w, c) = S - m w^2 - i w R       wavenumber g(w, c) = w sqrt(rho / (h xi))

along which a wave travels whose pressure and membrane velocity are, with the phase
Phi(w, c) = 2 g(w, 0) / alpha + (integral of g from 0 to c) and the Hankel function H of the first kind and order 0,

    p(w, c) = sqrt(Phi / g) H(Phi)        v(w, c) = 2 w / xi(w, c)  p(w, c) / p(w, 0)  z(w)

z is the impedance at the stapes of a canal without damping. Frequencies peak where the stiffness meets the mass:
the base (c = 0, channel 0) answers to about 22 kHz, the apex to about 100 Hz.

Time is written exp(-i w t) above. Cramer et al. (2020) multiplied v with a discrete Fourier transform, which is
written exp(+i w t): their responses run backwards, and a channel moves before the sound that moves it (by 2 ms at
1.4 kHz, 22 ms at 140 Hz). The Heidelberg data have that in them; `backward` says which is meant.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
from scipy.fft import irfft, rfft
from scipy.interpolate import CubicSpline
from scipy.signal import resample_poly
from scipy.special import hankel1e, j0, j1, y0, y1

BLOCK = 0.125  # s: sounds are padded to a multiple of it, so that few sets of filters are made
AT_ONCE = 32  # channels: few enough for their samples to stay in cache
LOWEST, HIGHEST = 10.0, 16000.0  # Hz: what is heard
GRID = 900  # frequencies, evenly spaced in their logarithm, at which the equations above are evaluated
FAINT = 1e-2  # a channel is sampled for the frequencies that move it more than this share of its peak
OVERSAMPLING = 3  # samples a period of the highest of these, so that rectifying sees the peaks


@dataclass(frozen=True)
class Membrane:
    """Parameters of the membrane, in cgs units: those of Cramer et al. (2020).

    Their published program had C0 = 1e8 at first and 1e9 later; recordings encoded with it tell that 1e9 is meant.
    """

    channels: int = 700  # places, evenly spaced
    length: float = 3.5  # cm
    stiffness: float = 1e9  # C0, dyn / cm^3
    softening: float = 3500.0  # a, dyn / cm^3
    decay: float = 3.0  # alpha, 1 / cm
    damping: float = 0.15  # delta
    mass: float = 0.05  # m, g / cm^2
    density: float = 1.0  # rho, g / cm^3
    height: float = 0.1  # h of the canal, cm
    backward: bool = True  # responses run backwards, as in the published data


def transfer(membrane: Membrane, frequency: np.ndarray) -> np.ndarray:
    """Return v(w, c), complex128 (channels, frequencies), for frequencies in Hz above 0. Time is exp(-i w t)."""
    omega = 2 * np.pi * frequency
    place = np.linspace(0.0, membrane.length, membrane.channels)[:, None]
    refine = max(1, round(membrane.length / 0.0025 / membrane.channels))  # the integral wants steps of 25 um
    fine = np.linspace(0.0, membrane.length, (membrane.channels - 1) * refine + 1)[:, None]
    wavenumber = omega * np.sqrt(membrane.density / membrane.height / _impedance(membrane, omega, fine))
    pieces = (wavenumber[1:] + wavenumber[:-1]) / 2 * (fine[1] - fine[0])
    travelled = np.concatenate([np.zeros((1, len(omega))), np.cumsum(pieces, axis=0)])[::refine]
    wavenumber = wavenumber[::refine]
    phase = 2 * wavenumber[0] / membrane.decay + travelled
    # The logarithm of p, since H falls by hundreds of orders of magnitude past the peak.
    pressure = np.log(phase / wavenumber) / 2 + np.log(hankel1e(0, phase)) + 1j * phase
    gain = 2 * omega / _impedance(membrane, omega, place) * _stapes(membrane, omega)
    return gain * np.exp(pressure - pressure[0])


def _impedance(membrane: Membrane, omega: np.ndarray, place: np.ndarray) -> np.ndarray:
    stiffness = membrane.stiffness * np.exp(-membrane.decay * place) - membrane.softening
    damping = membrane.damping * np.sqrt(membrane.stiffness * membrane.mass) * np.exp(-membrane.decay * place / 2)
    return stiffness - membrane.mass * omega**2 - 1j * omega * damping


def _stapes(membrane: Membrane, omega: np.ndarray) -> np.ndarray:
    scale = 2 * membrane.stiffness / membrane.height
    x = 2 * omega / membrane.decay * np.sqrt(2 / (membrane.height * membrane.stiffness))
    return np.sqrt(scale) * (y0(x) + 1j * j0(x)) / (j1(x) - 1j * y1(x))


@dataclass(frozen=True)
class Band:
    """Neighbouring channels that share a sampling rate."""

    channels: slice
    per_step: int  # samples a time step
    filters: np.ndarray  # complex64 (channels, frequencies from 0 in steps of 1 / duration)


def padded(samples: int, rate: int) -> float:
    """Return the duration (s) at which a sound of so many samples is analysed: a multiple of BLOCK."""
    return float(BLOCK * max(1, np.ceil(samples / rate / BLOCK)))


def movement(
    wave: np.ndarray, rate: int, duration: float, membrane: Membrane, step_rate: int
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (channels, velocity) for some channels at a time: velocity is float32 (channels, steps, samples a step).

    `wave` (samples,) at `rate` Hz is padded with silence to `duration` s, a value of `padded`. Its end meets its
    beginning, as in a periodic sound: both should be faded out.
    """
    if rate * BLOCK % 1:
        common = gcd(rate, 48000)
        wave, rate = resample_poly(wave, 48000 // common, rate // common), 48000
    spectrum = rfft(wave.astype(np.float32), round(rate * duration)) / np.float32(rate)  # the same at any rate
    steps = round(step_rate * duration)
    for band in bands(membrane, duration, step_rate):
        samples = steps * band.per_step
        bins = min(band.filters.shape[1], len(spectrum), samples // 2 + 1)
        heard = spectrum[:bins] * np.float32(step_rate * band.per_step)
        for start in range(band.channels.start, band.channels.stop, AT_ONCE):
            stop = min(start + AT_ONCE, band.channels.stop)
            filters = band.filters[start - band.channels.start : stop - band.channels.start, :bins]
            product = np.zeros((stop - start, samples // 2 + 1), np.complex64)
            np.multiply(filters, heard, out=product[:, :bins])
            velocity = irfft(product, samples, axis=1, overwrite_x=True)
            yield slice(start, stop), velocity.reshape(-1, steps, band.per_step)


@lru_cache(maxsize=4)
def bands(membrane: Membrane, duration: float, step_rate: int) -> tuple[Band, ...]:
    """Return the filters of all channels for sounds of one duration (s); kept for the next sound."""
    grid, size, limit = _grid(membrane)
    per_step = np.maximum(2 ** np.ceil(np.log2(OVERSAMPLING * limit / step_rate)), 1).astype(int)
    per_step = np.minimum(per_step, int(2 * HIGHEST // step_rate))
    found = []
    starts = np.flatnonzero(np.diff(per_step, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], membrane.channels], strict=True):
        rate = step_rate * per_step[start]
        top = min(HIGHEST, rate / 2, limit[start:stop].max() * 2)
        frequency = np.arange(1, int(top * duration)) / duration
        logs = CubicSpline(np.log(grid), size[start:stop], axis=1)(np.log(np.maximum(frequency, LOWEST)))
        filters = np.exp(logs).astype(np.complex64)
        filters[:, frequency < LOWEST] = 0
        filters = np.pad(filters if membrane.backward else filters.conj(), ((0, 0), (1, 0)))
        found.append(Band(slice(int(start), int(stop)), int(per_step[start]), filters))
    return tuple(found)


@lru_cache(maxsize=2)
def _grid(membrane: Membrane) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return frequencies (F,), the logarithm of v there (channels, F), and each channel's highest frequency."""
    grid = np.geomspace(LOWEST, HIGHEST, GRID)
    velocity = transfer(membrane, grid)
    size = np.abs(velocity)
    logs = np.log(np.maximum(size, 1e-30)) + 1j * np.unwrap(np.angle(velocity), axis=1)
    audible = size > FAINT * size.max(axis=1, keepdims=True)
    limit = grid[GRID - 1 - np.argmax(audible[:, ::-1], axis=1)]
    return grid, logs, np.maximum.accumulate(limit[::-1])[::-1]
