"""The inner ear: each of its parts against its equations, and the whole against what an ear does."""

from operator import itemgetter

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import hankel1

from sgpipe.base.rng import stream
from sgpipe.data.audio import read_audio
from sgpipe.data.ear import compiled, plain
from sgpipe.data.ear.basilar_membrane import LOWEST, Membrane, bank, movement, padded, spectra, transfer, unpacked
from sgpipe.data.ear.bushy_cells import BushyCell, BushyCells
from sgpipe.data.ear.cochlea import STEP_RATE, Ear, Sound, conditioned, encode, encode_files
from sgpipe.data.ear.fourier import plan, transform
from sgpipe.data.ear.hair_cells import HairCell, Pools, lost, released

SMALL = Ear(Membrane(channels=70))  # a tenth of the channels, at the same places
RATE = 48000


def tone(frequency, seconds=0.2, rate=RATE):
    return np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)


def heard(samples, name="sound", ear=SMALL, rate=RATE, **more):
    (spikes,) = encode([Sound(name, samples, rate)], ear, **more)
    return spikes


def best_frequencies(membrane):
    grid = np.geomspace(20, 20000, 600)
    return grid[np.abs(transfer(membrane, grid)).argmax(axis=1)]


# --- basilar membrane


@pytest.mark.parametrize("frequency", [150.0, 1000.0, 6000.0])
def test_the_membrane_moves_as_its_equations_say(frequency):
    m, w = Membrane(channels=8), 2 * np.pi * frequency
    root = m.damping * np.sqrt(m.stiffness * m.mass)

    def xi(c):
        stiffness = m.stiffness * np.exp(-m.decay * c) - m.softening
        return stiffness - m.mass * w**2 - 1j * w * root * np.exp(-m.decay * c / 2)

    def g(c):
        return w * np.sqrt(m.density / (m.height * xi(c)))

    def pressure(c):
        place = np.log(m.stiffness / (m.mass * w**2)) / m.decay  # where stiffness meets mass: help for the integrator
        between = [place] if 0 < place < c else None
        real = quad(lambda x: g(x).real, 0, c, points=between, limit=200)[0]
        imaginary = quad(lambda x: g(x).imag, 0, c, points=between, limit=200)[0]
        phase = 2 * g(0) / m.decay + real + 1j * imaginary
        return np.sqrt(phase / g(c)) * hankel1(0, phase)

    found = transfer(m, np.array([frequency]))[:, 0]
    expected = [1 / xi(c) * pressure(c) for c in np.linspace(0, m.length, m.channels)]
    ratio = found / expected
    near = np.abs(found) > 1e-3 * np.abs(found).max()
    assert near.sum() >= 2
    np.testing.assert_allclose(ratio[near], ratio[0], rtol=5e-3)


def test_places_answer_to_lower_frequencies_the_farther_they_are_from_the_stapes():
    best = best_frequencies(Membrane(channels=70))[:66]
    assert np.all(np.diff(best) < 0)
    assert best[0] > 15000 and best[-1] < 150


@pytest.mark.long
def test_the_filters_are_the_membrane_at_every_frequency_of_a_sound():
    membrane, duration = Membrane(channels=70), 0.25
    for band in bank(membrane, duration, STEP_RATE).bands:
        filters = unpacked(band)
        frequency = np.arange(filters.shape[1]) / duration
        exact = transfer(membrane, np.maximum(frequency, LOWEST))[band.channels]
        error = np.abs(filters - exact)[:, frequency >= LOWEST]
        assert np.all(error < 1e-3 * np.abs(exact).max(axis=1, keepdims=True))


def moved(wave, rate, membrane, duration=0.25):
    whole = np.empty((membrane.channels, int(duration * STEP_RATE)))
    filters = bank(membrane, duration, STEP_RATE)
    for channels, velocity in movement(filters, spectra(wave, rate, filters)):
        whole[channels] = np.abs(velocity).mean(axis=2)
    return whole


def test_a_sound_moves_the_membrane_alike_at_any_sample_rate():
    membrane = Membrane(channels=70)
    at_48 = moved(tone(500) * np.hanning(9600), 48000, membrane)
    for rate in (16000, 22050, 44100):
        wave = tone(500, rate=rate)
        np.testing.assert_allclose(moved(wave * np.hanning(len(wave)), rate, membrane), at_48, atol=0.02 * at_48.max())


def test_responses_run_backward_as_published_or_forward_as_in_an_ear():
    click = np.zeros(12000)
    click[6000] = 1.0  # at 125 ms
    for backward, side in ((True, -1), (False, 1)):
        motion = moved(click, RATE, Membrane(channels=70, backward=backward))
        delay = motion[50].argmax() / STEP_RATE - 0.125  # a channel for about 400 Hz
        assert 0.002 < side * delay < 0.03


def test_the_movement_is_the_sound_through_the_filters():
    filters, wave = bank(Membrane(channels=70), 0.25, STEP_RATE), np.random.default_rng(1).random(12000) - 0.5
    for band, (channels, velocity) in zip(filters.bands, movement(filters, spectra(wave, RATE, filters)), strict=True):
        responses, samples = unpacked(band), 2000 * band.per_step
        product = np.zeros((len(responses), samples // 2 + 1), complex)
        product[:, : responses.shape[1]] = responses * np.fft.rfft(wave)[: responses.shape[1]]
        expected = np.fft.irfft(product, samples) * samples / len(wave)
        assert channels == band.channels and velocity.shape == (len(responses), 2000, band.per_step)
        error = np.abs(velocity.reshape(len(responses), -1) - expected)
        assert np.all(error < 2e-6 * np.abs(expected).max(axis=1, keepdims=True))  # float32, a dozen roundings deep


@pytest.mark.parametrize("steps", [2, 13, 30, 1000, 7000, 11000])
def test_transforms_are_fourier_s(steps):
    row = np.random.default_rng(steps).random((2, steps, 2), np.float32) - np.float32(0.5)
    real, imaginary = transform((row[0], row[1]), plan(steps))
    exact = np.fft.ifft(row[0] + 1j * row[1], axis=0) * steps
    assert real.dtype == np.float32
    assert np.abs(real + 1j * imaginary - exact).max() < 2e-6 * np.abs(exact).max()


def test_sounds_are_padded_to_lengths_that_have_a_transform():
    assert [padded(samples, 8000) for samples in (1, 1000, 1001, 17000, 16001)] == [0.125, 0.125, 0.25, 2.25, 2.25]
    with pytest.raises(ValueError, match="17 has a prime factor above 13"):
        plan(17)


# --- hair cells and bushy cells


def test_what_is_lost_is_exact_to_float32():
    y = np.linspace(0, 1, 10001, dtype=np.float32)
    np.testing.assert_allclose(lost(y), -np.expm1(-y.astype(float)), rtol=4e-7)
    with pytest.raises(ValueError, match="9000/s: too much for steps of 0.000125 s, at most 8000/s"):
        released(HairCell(permeability=9000.0), np.zeros((1, 1, 1), np.float32), 1 / STEP_RATE)


def test_hair_cells_in_silence_stay_at_rest():
    pools, out = Pools(HairCell(), 3, 1 / STEP_RATE), np.empty(3, np.float32)
    share = released(HairCell(), np.zeros((3, 400, 1), np.float32), 1 / STEP_RATE)
    rates = []
    for step in range(400):
        pools.step(share[:, step], out)
        rates.append(out[0] * STEP_RATE)
    q, c, w = HairCell().resting()
    np.testing.assert_allclose([pools.ready[0], pools.cleft[0], pools.returning[0]], [q, c, w], rtol=0.02)
    np.testing.assert_allclose(rates, HairCell().firing * c, rtol=0.02)


@pytest.mark.parametrize("frequency", [200.0, 1000.0])
def test_hair_cells_follow_their_equations(frequency):
    cell, fine = HairCell(), 24  # steps of 5 us
    dt = 1 / STEP_RATE / fine
    velocity = 200 * np.sin(2 * np.pi * frequency * np.arange(fine * 400) * dt)
    q, c, w = cell.resting()
    expected = []
    for v in velocity:
        k = cell.permeability * max(v + cell.offset, 0) / (max(v + cell.offset, 0) + cell.half)
        out, back = k * q, cell.reprocess * w
        dq = cell.replenish * (cell.store - q) + back - out
        dc, dw = out - (cell.loss + cell.recovery) * c, cell.recovery * c - back
        q, c, w = q + dt * dq, c + dt * dc, w + dt * dw
        expected.append(cell.firing * c)
    expected = np.mean(np.reshape(expected, (400, fine)), axis=1)
    share = released(cell, velocity.reshape(1, 400, fine).astype(np.float32), 1 / STEP_RATE)
    pools, out, found = Pools(cell, 1, 1 / STEP_RATE), np.empty(1, np.float32), []
    for step in range(400):
        pools.step(share[:, step], out)
        found.append(out[0] * STEP_RATE)
    np.testing.assert_allclose(found, expected, atol=0.06 * expected.max())  # steps of 1/8 ms against their means
    np.testing.assert_allclose(np.sum(found), np.sum(expected), rtol=0.01)
    assert np.max(found[:40]) > 1.3 * np.max(found[-40:])  # the onset is answered more strongly


def fibres(mean, steps, places, rest=False):
    """Return how many of 40 fibres fire in each step, as float (steps, places)."""
    cells, draws, counts = BushyCells(BushyCell(), places, 1 / STEP_RATE), stream(1, "test/fibres"), []
    rate = np.full(places, mean / 40, np.float32)
    for _ in range(steps):
        if not rest:
            cells.free[:], cells.recent[:] = 40, 0
        counts.append(cells._fibres(rate, draws.random(places, dtype=np.float32)).copy())
    return np.array(counts)


@pytest.mark.parametrize("mean", [0.05, 0.3, 0.9])
def test_as_many_fibres_fire_as_chance_has_it(mean):
    counts = fibres(mean, 400, 500)
    assert abs(counts.mean() - mean) < 0.01
    assert abs(counts.var() - mean) < 0.03
    assert abs(np.mean(counts == 0) - np.exp(-mean)) < 0.005


def test_fibres_rest_after_a_spike():
    # Each of 40 fires every 1/rate + rest on average: with 12 a step expected if none rested, all are soon used up.
    counts = fibres(12.0, 200, 10, rest=True)
    within_rest = np.array([counts[start : start + 8].sum(axis=0) for start in range(100)])
    assert within_rest.max() <= 40 + 1e-3
    assert counts[50:].mean() < 5


def test_a_bushy_cell_wants_about_a_dozen_spikes_at_once_and_then_rests():
    def fires(volley):
        cells, none, found = BushyCells(BushyCell(), 1, 1 / STEP_RATE), np.ones(1, np.float32), []
        for step in range(40):
            rate = np.full(1, volley / 40 if step == 5 else 0.0, np.float32)
            found += [step] * len(cells.step(rate, none * 0))
        return found

    assert fires(8) == [] and len(fires(20)) == 1
    cells, found = BushyCells(BushyCell(), 1, 1 / STEP_RATE), []
    for step in range(400):
        found += [step] * len(cells.step(np.full(1, 0.5, np.float32), np.zeros(1, np.float32)))
    assert np.diff(found).min() >= 8  # steps of 1/8 ms


# --- the compiled kernel


needs_kernel = pytest.mark.skipif(not compiled.built(), reason="the compiled ear is not built")


@needs_kernel
@pytest.mark.parametrize(("channels", "rate", "seconds"), [(70, 48000, 0.3), (37, 16000, 0.6), (5, 22050, 0.09)])
def test_the_kernel_has_the_bits_of_numpy(channels, rate, seconds):
    ear, draws = Ear(Membrane(channels=channels)), stream(2, "test/kernel")
    duration = padded(int(seconds * rate), rate)
    filters = bank(ear.membrane, duration, STEP_RATE)
    # Loud, so that some volleys are above one spike a fibre and step, and of two lengths.
    heard = [spectra(level * (draws.random(int(seconds * rate)) - 0.5), rate, filters) for level in (1.0, 300.0)]
    steps = [int(seconds * STEP_RATE), int(seconds * STEP_RATE) - 101]

    def found(listen, **more):
        return listen(filters, heard, steps, [stream(3, name) for name in "ab"], ear.hair, ear.bushy, **more)

    expected = found(plain.listen)
    assert len(expected[1]) > 20
    for isa in compiled._ear.isas():
        for one, other in zip(found(compiled.listen, isa=isa), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@needs_kernel
def test_the_kernel_refuses_what_it_cannot_draw_from_or_read():
    filters = bank(SMALL.membrane, 0.125, STEP_RATE)
    heard, used = [spectra(tone(500, 0.1), RATE, filters)], stream(0, "test")
    used.random()
    for draws in (used, np.random.default_rng(0)):
        with pytest.raises(ValueError, match="at its start"):
            compiled.listen(filters, heard, [800], [draws], SMALL.hair, SMALL.bushy)
    with pytest.raises(ValueError, match="steps"):
        compiled.listen(filters, heard, [1001], [stream(0, "test")], SMALL.hair, SMALL.bushy)


def test_without_a_compiler_numpy_listens(monkeypatch):
    spikes = heard(tone(500))
    monkeypatch.setattr(compiled, "_ear", None)
    for one, other in zip(heard(tone(500)), spikes, strict=True):
        np.testing.assert_array_equal(one, other)


# --- the whole ear


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3000.0])
def test_a_tone_excites_its_place(frequency):
    _, channel = heard(tone(frequency))
    counts = np.bincount(channel, minlength=70)
    place = np.abs(np.log(best_frequencies(SMALL.membrane)[:66] / frequency)).argmin()
    assert abs(int(counts.argmax()) - place) <= 3
    assert counts[place - 2 : place + 3].mean() > 5 * counts[: place - 12].mean()


def test_a_rising_tone_sweeps_over_the_channels():
    t = np.arange(int(0.6 * RATE)) / RATE
    sweep = np.sin(2 * np.pi * 150 * 0.6 / np.log(30) * (np.exp(t / 0.6 * np.log(30)) - 1))  # 150 to 4500 Hz
    time, channel = heard(sweep, loudness=1.0)
    place = [np.median(channel[(time > start) & (time < start + 0.1)]) for start in (0.1, 0.2, 0.3, 0.4)]
    assert np.all(np.diff(place) < -3)


def test_louder_sounds_give_more_spikes_and_silence_hardly_any():
    counts = [len(heard(tone(800), loudness=level)[0]) for level in (0.03, 0.3, 3.0)]
    assert counts[0] < counts[1] < counts[2]
    silent = len(heard(np.zeros(9600))[0])
    assert silent / 70 / 0.2 < 5.0  # Hz, of its own accord
    assert silent < counts[1] / 2


def test_firing_follows_the_onset_of_a_sound():
    sound = np.concatenate([np.zeros(14400), tone(600, 0.4)])  # after 300 ms
    time, _ = heard(sound)
    before, after = np.sum(time < 0.27) / 0.27, np.sum((time > 0.3) & (time < 0.4)) / 0.1
    assert after > 8 * before
    assert time.max() < 0.7


def test_sounds_are_brought_to_one_loudness_and_faded():
    quiet = conditioned(0.001 * tone(500, 0.5))
    np.testing.assert_allclose(quiet, conditioned(tone(500, 0.5)), rtol=1e-9, atol=1e-12)
    assert quiet[0] == quiet[-1] == 0
    np.testing.assert_allclose(conditioned(np.ones(101))[[25, 50, 75]], 0.3 * np.array([0.5, 1, 0.5]), atol=0.02)
    assert np.all(conditioned(np.zeros(10)) == 0)


def test_spikes_depend_on_the_sound_and_its_name_alone():
    one, other = Sound("one", tone(500), RATE), Sound("other", tone(700, 0.3), RATE)
    alone = encode([one], SMALL)[0]
    beside = encode([other, one], SMALL)[1]
    renamed = encode([Sound("two", tone(500), RATE)], SMALL)[0]
    for found, expected in zip(beside, alone, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert len(renamed[0]) != len(alone[0]) or np.any(renamed[0] != alone[0])


def test_the_number_of_workers_changes_nothing(tmp_path, monkeypatch):
    import soundfile

    monkeypatch.setattr("sgpipe.data.ear.cochlea.SIDE_BY_SIDE", 2)
    names = [f"{number}.wav" for number in range(5)]
    for number, name in enumerate(names):
        soundfile.write(tmp_path / name, 0.5 * tone(300 + 100 * number, 0.1 + 0.02 * number, 16000), 16000)
    found = [
        [spikes for _, spikes in sorted(encode_files(tmp_path, names, workers, SMALL), key=itemgetter(0))]
        for workers in (1, 3)
    ]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    # Listening to the files one by one gives the same too: what stands in a batch does not matter.
    np.testing.assert_array_equal(next(encode_files(tmp_path, names[2:3], 1, SMALL))[1][0], found[0][2][0])


def smoothed(times, seconds):
    counts = np.histogram(times, np.arange(0, seconds, 0.002))[0].astype(float)
    kernel = np.exp(-((np.arange(-15, 16) / 5) ** 2) / 2)  # 10 ms
    return np.convolve(counts, kernel, "same")


def test_recordings_sound_as_they_did_to_the_published_model(published):
    audio, encoded = published("hd_audio") / "hd_audio/audio", published("lauscher_npz") / "lauscher_npz"
    names = [path.stem for path in sorted(encoded.glob("*trial-0_*.npz"))]
    sounds = [Sound(name, *read_audio(audio / f"{name}.flac")) for name in names]
    assert len(sounds) == 4
    for sound, (time, channel) in zip(sounds, encode(sounds, SMALL), strict=True):
        theirs = np.load(encoded / f"{sound.name}.npz")["arr_0"]
        seconds = len(sound.samples) / sound.rate
        assert 0.9 < len(time) / theirs.shape[1] < 1.15
        rates = smoothed(theirs[0], seconds), smoothed(time, seconds)
        assert np.corrcoef(*rates)[0, 1] > 0.96
        places = [np.bincount(of.astype(int), minlength=70) for of in (theirs[1], channel)]
        assert np.corrcoef(*places)[0, 1] > 0.92
