"""Sound to movement: a basilar membrane in shallow water, after Sieroka, Dosch & Rupp (2006).

Position c runs along the membrane, in cm from the stapes. It is a row of damped springs in a canal of fluid,

    stiffness S(c) = C0 exp(-alpha c) - a        damping R(c) = delta sqrt(C0 m) exp(-alpha c / 2)        mass m
    impedance xi(w, c) = S - m w^2 - i w R       wavenumber g(w, c) = w sqrt(rho / (h xi))

A wave travels along it. With the phase Phi(w, c) = 2 g(w, 0) / alpha + (integral of g from 0 to c) and the Hankel
function H of the first kind and order 0, its pressure and membrane velocity are

    p(w, c) = sqrt(Phi / g) H(Phi)        v(w, c) = 2 w / xi(w, c)  p(w, c) / p(w, 0)  z(w)

z is the impedance at the stapes of a canal without damping. A frequency peaks where stiffness and mass balance: the
base (c = 0, channel 0) responds to about 22 kHz, the apex to about 100 Hz.

Time is exp(-i w t) above. Cramer et al. (2020) multiplied v with a discrete Fourier transform, for which time is
exp(+i w t). So their responses run backwards, and a channel moves before the sound that moves it (by 2 ms at 1.4 kHz,
22 ms at 140 Hz). The Heidelberg data contain this; `backward` selects the direction.

Neighbouring channels are transformed together: two real signals form one complex signal. n samples per time step are n
signals of one sample per step, of sounds shifted by a sample each. So every transform has as many numbers as steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd

import numpy as np
import scipy  # its submodules load on first use: reading the Snakefile need not wait a second for them

from sgpipe.data.ear.fourier import Parts, Plan, plan, smooth, transform

BLOCK = 0.125  # s: sounds are padded to a multiple of it, so that few sets of filters are made
PLACES = 16  # channels per band: two vectors of eight, and few enough for their samples to stay in cache
LOWEST, HIGHEST = 10.0, 16000.0  # Hz: the range of hearing
GRID = 900  # logarithmically spaced frequencies at which the equations above are evaluated
SILENT = 1e-9  # frequencies that move a channel by less than this share of its peak are left out
FAINT = 1e-2  # a channel's sampling rate covers the frequencies that move it by more than this share of its peak
OVERSAMPLING = 3  # samples per period of the highest of these, so that rectification catches the peaks


@dataclass(frozen=True)
class Membrane:
    """Parameters of the membrane, in cgs units, from Cramer et al. (2020).

    Their published program first had C0 = 1e8 and later 1e9; recordings encoded with it show that 1e9 is meant.
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
    """Compute the transfer function v(w, c) from a sound to the membrane's velocity, with time as exp(-i w t).

    Args:
        membrane: The parameters.
        frequency: Frequencies in Hz, above 0, (frequencies,).

    Returns:
        complex128 (channels, frequencies).
    """
    omega = 2 * np.pi * frequency
    place = np.linspace(0.0, membrane.length, membrane.channels)[:, None]
    refine = max(1, round(membrane.length / 0.0025 / membrane.channels))  # the integral needs steps of 25 um
    fine = np.linspace(0.0, membrane.length, (membrane.channels - 1) * refine + 1)[:, None]
    wavenumber = omega * np.sqrt(membrane.density / membrane.height / _impedance(membrane, omega, fine))
    pieces = (wavenumber[1:] + wavenumber[:-1]) / 2 * (fine[1] - fine[0])
    travelled = np.concatenate([np.zeros((1, len(omega))), np.cumsum(pieces, axis=0)])[::refine]
    wavenumber = wavenumber[::refine]
    phase = 2 * wavenumber[0] / membrane.decay + travelled
    # The logarithm of p, since H falls by hundreds of orders of magnitude past the peak.
    pressure = np.log(phase / wavenumber) / 2 + np.log(scipy.special.hankel1e(0, phase)) + 1j * phase
    gain = 2 * omega / _impedance(membrane, omega, place) * _stapes(membrane, omega)
    return gain * np.exp(pressure - pressure[0])


def _impedance(membrane: Membrane, omega: np.ndarray, place: np.ndarray) -> np.ndarray:
    stiffness = membrane.stiffness * np.exp(-membrane.decay * place) - membrane.softening
    damping = membrane.damping * np.sqrt(membrane.stiffness * membrane.mass) * np.exp(-membrane.decay * place / 2)
    return stiffness - membrane.mass * omega**2 - 1j * omega * damping


def _stapes(membrane: Membrane, omega: np.ndarray) -> np.ndarray:
    scale = 2 * membrane.stiffness / membrane.height
    x = 2 * omega / membrane.decay * np.sqrt(2 / (membrane.height * membrane.stiffness))
    special = scipy.special
    return np.sqrt(scale) * (special.y0(x) + 1j * special.j0(x)) / (special.j1(x) - 1j * special.y1(x))


@dataclass(frozen=True, eq=False)
class Band:
    """A few neighbouring channels with one sampling rate."""

    channels: slice
    per_step: int  # samples per time step
    filters: np.ndarray  # float32 (frequencies from 0 in steps of 1 / duration, 2, 2, 8): see `packed`


@dataclass(frozen=True, eq=False)
class Bank:
    """All filters for sounds of one duration (s)."""

    duration: float
    step_rate: int  # steps per second
    channels: int
    bands: tuple[Band, ...]
    plan: Plan  # of transforms over all time steps
    shifts: dict[int, np.ndarray]  # by per_step: for shifts by 0, 1, ... samples, complex64 (per_step, frequencies)


def padded(samples: int, rate: int) -> float:
    """Choose the duration in s to which a sound is padded: a multiple of BLOCK that suits the Fourier transforms.

    Args:
        samples: Length of the sound.
        rate: Its sample rate in Hz.
    """
    blocks = max(1, int(np.ceil(samples / rate / BLOCK)))
    while not smooth(blocks):
        blocks += 1
    return BLOCK * blocks


def spectra(wave: np.ndarray, rate: int, bank: Bank) -> dict[int, np.ndarray]:
    """Compute the spectra of a sound and of its shifts by 0, 1, ... samples.

    Args:
        wave: The sound, (samples,), padded here with silence to the bank's duration. The transform treats it as
            periodic, so it should be faded in and out.
        rate: Its sample rate in Hz.
        bank: The filters, made for a duration from `padded`.

    Returns:
        For each number of samples per step in the bank, complex64 (shifts, frequencies).
    """
    if rate * BLOCK % 1:
        common = gcd(rate, 48000)
        wave, rate = scipy.signal.resample_poly(wave, 48000 // common, rate // common), 48000
    spectrum = scipy.fft.rfft(wave.astype(np.float32), round(rate * bank.duration))
    spectrum /= np.float32(rate * bank.duration)  # the same at any rate
    return {
        per_step: spectrum[: shift.shape[1]] * shift[:, : min(len(spectrum), shift.shape[1])]
        for per_step, shift in bank.shifts.items()
    }


def movement(bank: Bank, heard: Mapping[int, np.ndarray]) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the velocity of the membrane, a few channels at a time.

    Args:
        bank: The filters.
        heard: The `spectra` of a sound.

    Yields:
        The channels, and their velocity, float32 (channels, steps, samples per step).
    """
    for band in bank.bands:
        samples = [np.hstack(transform(_row(band, row, bank.plan), bank.plan)) for row in heard[band.per_step]]
        yield band.channels, np.stack(samples, axis=2).transpose(1, 0, 2)[: band.channels.stop - band.channels.start]


def _row(band: Band, heard: np.ndarray, how: Plan) -> Parts:
    """Return the spectrum of every `per_step`-th sample, (steps, 8); in time, channels 0-7 are the real part."""
    steps = how.between.shape[0] * how.between.shape[1]
    bins = min(len(heard), len(band.filters))
    a, b = np.moveaxis(band.filters[:bins], 2, 0)  # real and imaginary parts, (bins, 2, 8)
    c, d = heard.real[:bins, None, None], heard.imag[:bins, None, None]
    folded = np.zeros((2, steps, *a.shape[1:]), np.float32)
    for part, product in zip(folded, (a * c - b * d, a * d + b * c), strict=True):
        for start in range(0, bins, steps):
            more = product[start : start + steps]
            part[: len(more)] += more
    mirrored = np.roll(folded[:, ::-1], 1, axis=1)
    plus, minus = folded + mirrored, folded - mirrored
    return plus[0, :, 0] - minus[1, :, 1], minus[1, :, 0] + plus[0, :, 1]


@lru_cache(maxsize=4)
def bank(membrane: Membrane, duration: float, step_rate: int) -> Bank:
    """Make the filters of all channels for sounds of one duration; they are cached for the next sound.

    Args:
        membrane: The parameters.
        duration: The sounds' duration in s, from `padded`.
        step_rate: Time steps per second.
    """
    grid, size, limit, top = _grid(membrane)
    per_step = np.maximum(2 ** np.ceil(np.log2(OVERSAMPLING * limit / step_rate)), 1).astype(int)
    per_step = np.minimum(per_step, int(2 * HIGHEST // step_rate))
    bands = []
    starts = np.flatnonzero(np.diff(per_step, prepend=-1))
    for first, end in zip(starts, [*starts[1:], membrane.channels], strict=True):
        rate = step_rate * per_step[first]
        most = min(HIGHEST, rate / 2, limit[first:end].max() * 2)
        for start in range(first, end, PLACES):
            stop = min(start + PLACES, end)
            frequency = np.arange(1, int(min(most, top[start:stop].max()) * duration)) / duration
            logs = scipy.interpolate.CubicSpline(np.log(grid), size[start:stop], axis=1)(
                np.log(np.maximum(frequency, LOWEST))
            )
            filters = np.exp(logs).astype(np.complex64)
            filters[:, frequency < LOWEST] = 0
            filters = np.pad(filters if membrane.backward else filters.conj(), ((0, 0), (1, 0)))
            bands.append(Band(slice(int(start), int(stop)), int(per_step[first]), packed(filters)))
    steps = round(step_rate * duration)
    shifts = {}
    for samples in {band.per_step for band in bands}:
        bins = max(len(band.filters) for band in bands if band.per_step == samples)
        turns = np.outer(np.arange(samples), np.arange(bins)) / (samples * steps)
        shifts[samples] = np.exp(2j * np.pi * turns).astype(np.complex64)
    return Bank(duration, step_rate, membrane.channels, tuple(bands), plan(steps), shifts)


def packed(filters: np.ndarray) -> np.ndarray:
    """Reorder filters for the compiled kernel.

    Args:
        filters: complex64 (channels, frequencies).

    Returns:
        float32 (frequencies, channels 0-7 or 8-15, real or imaginary part, 8).
    """
    whole = np.zeros((PLACES, filters.shape[1]), np.complex64)
    whole[: len(filters)] = filters
    parts = np.stack([whole.real, whole.imag]).reshape(2, 2, PLACES // 2, -1)
    return np.ascontiguousarray(parts.transpose(3, 1, 0, 2))


def unpacked(band: Band) -> np.ndarray:
    """Undo `packed`: return the filters of a band as complex64 (channels, frequencies)."""
    parts = band.filters.transpose(2, 1, 3, 0).reshape(2, PLACES, -1)
    return (parts[0] + 1j * parts[1])[: band.channels.stop - band.channels.start]


@lru_cache(maxsize=2)
def _grid(membrane: Membrane) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute frequencies (F,), the logarithm of v there (channels, F), and two limits per channel, each (channels,).

    The limits are a channel's highest frequency that is not FAINT, and its highest that is not SILENT.
    """
    grid = np.geomspace(LOWEST, HIGHEST, GRID)
    velocity = transfer(membrane, grid)
    size = np.abs(velocity)
    logs = np.log(np.maximum(size, 1e-30)) + 1j * np.unwrap(np.angle(velocity), axis=1)

    def highest(least: float) -> np.ndarray:
        audible = size > least * size.max(axis=1, keepdims=True)
        limit = grid[GRID - 1 - np.argmax(audible[:, ::-1], axis=1)]
        return np.maximum.accumulate(limit[::-1])[::-1]

    return grid, logs, highest(FAINT), highest(SILENT)
