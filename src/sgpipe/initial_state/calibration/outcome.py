"""The outcome of a layer's calibration: the settings, and the row of the table."""

from math import exp, nan

from sgpipe.initial_state.calibration.draws import Draws, recurrent
from sgpipe.initial_state.calibration.found import Found
from sgpipe.initial_state.calibration.measure import Bench
from sgpipe.spec.layer_settings import LayerSettings


def settings_of(found: Found) -> LayerSettings:
    """Gather the settings of a layer; what was not asked for, or could not be met, stays None."""
    return LayerSettings(
        recurrent_mean=found.mean,
        recurrent_variance=None if found.deviation is None else found.deviation**2,
        dampening=found.dampening,
        input_gain=None if found.gain == 1.0 else found.gain,
        **found.free,
    )


def row_of(found: Found, draws: Draws | None, batch: Bench, held_out: Bench) -> dict[str, object]:
    """Measure a layer with its settings.

    Args:
        found: The settings of the layer.
        draws: The random numbers of its V; None without V.
        batch: The layer on the batch that it was calibrated on.
        held_out: The layer on the other batch.

    Returns:
        A row with the residuals on both batches, and what was measured on the first.
    """
    residuals, measured = _measured(found, draws, batch)
    steps, samples = batch.inputs.shape[:2]
    return {
        **{f"residuals.{name}": value for name, value in residuals.items()},
        **measured,
        **{f"held_out.{name}": value for name, value in _measured(found, draws, held_out)[0].items()},
        "samples": samples,
        "steps": steps,
        "passes": found.passes,
        "messages": "; ".join(found.messages),
    }


def _measured(found: Found, draws: Draws | None, bench: Bench) -> tuple[dict[str, float], dict[str, float]]:
    """Return the residuals of the four conditions on a batch, and the measurements behind them."""
    standard, deviation = (None, 0.0) if draws is None else draws.at(found.deviation)
    drives = bench.drives(standard, found.mean or 0.0, deviation, found.gain, median=True)
    v = recurrent(bench, draws, found.mean, found.deviation)
    maximum, variance = (exp(rate) for rate in bench.growth(v, found.gain, settings_of(found)))
    ratio = nan if draws is None else drives.ratio
    residuals = {"I": drives.rate / found.rate - 1, "II": ratio - 1, "III": maximum - 1, "IV": variance - 1}
    names = ("rate", "median", "variance_ratio", "growth_max", "growth_variance")
    return residuals, dict(zip(names, (drives.rate, drives.median, ratio, maximum, variance), strict=True))
