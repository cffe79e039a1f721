"""Compute one number with an interval from runs (docs/claims.md has the definitions and their reasons).

Means and their differences have the intervals of Student and Welch. All other intervals are simulated: each group is
represented by draws of its number that reflect its uncertainty, the rule is applied to the draws, and the interval is
the middle 95 % of the outcome. The draws of a mean are mean + t sd / sqrt(n) with t of n - 1 degrees of freedom, those
of a share Jeffreys' beta, those of a standard deviation sd sqrt((n - 1) / chi2), and those of a fitted sigmoid
resampled runs. Cells of a grid that share a data set and initial weights are not independent: shares and matched
differences of several runs a seed have the interval of Student over the seeds. The draws are evenly spaced quantiles in
a random order of a named stream: equal tables give equal intervals, and those of a single number are as exact as a
formula's.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import betaincinv, chdtri, stdtrit

from sgpipe.base.rng import permutation, stream
from sgpipe.claims.declare import Group
from sgpipe.results.selection import CONFIDENCE, middle, summary
from sgpipe.results.transition import ABOVE, SIDE, Rise, distinct, rise
from sgpipe.spec.run import SEEDS

DRAWS = 4000


class Unmeasurable(Exception):
    """Why there is no number; the message completes `not testable here: ...`."""


class Estimate(NamedTuple):
    """One group's number: of how many runs, their mean and sd, and draws of the number (None: the mean itself)."""

    value: float
    n: int
    mean: float
    sd: float
    draws: np.ndarray | None
    name: str  # of its random stream

    def drawn(self) -> np.ndarray:
        """Return draws of the number, those of a mean by Student t."""
        return _mean_draws(self.mean, self.sd, self.n, self.name) if self.draws is None else self.draws


class Interval(NamedTuple):
    """A number and the bounds that hold it with some confidence."""

    value: float
    low: float
    high: float


@cache
def _quantiles(count: int, kind: str, *parameters: float) -> np.ndarray:
    """Return `count` evenly spaced quantiles of a distribution."""
    u = (np.arange(count) + 0.5) / count
    inverse = {"t": stdtrit, "chi2": lambda freedom, share: chdtri(freedom, 1 - share), "beta": betaincinv}[kind]
    return inverse(*parameters, u)


def _draws(name: str, kind: str, *parameters: float) -> np.ndarray:
    quantiles = _quantiles(DRAWS, kind, *parameters)
    return quantiles[permutation(stream(0, name), len(quantiles))]


def _mean_draws(mean: float, sd: float, n: int, name: str) -> np.ndarray:
    return mean + _draws(name, "t", n - 1) * sd / np.sqrt(n)


def estimate(group: Group, runs: pd.DataFrame, name: str) -> Estimate:
    """Return a group's number from the runs that count; `name` is that of its random stream.

    Raises Unmeasurable if these runs do not determine it.
    """
    if group.column not in runs:
        raise Unmeasurable(f"the table has no column {group.column}")
    if not len(runs):
        raise Unmeasurable(f"no runs of the kind {group.name}")
    values = runs[group.column].to_numpy(float)
    finite = values[np.isfinite(values)]
    if not len(finite) and group.measure != "share":
        raise Unmeasurable(f"none of the {len(runs)} runs of {group.name} has a result")
    return MEASURES[group.measure](group, runs, finite, name)


def _mean(group: Group, runs: pd.DataFrame, values: np.ndarray, name: str) -> Estimate:
    n, mean, sd, _, _ = summary(values)
    return Estimate(mean, n, mean, sd, None, name)


def _sd(group: Group, runs: pd.DataFrame, values: np.ndarray, name: str) -> Estimate:
    n, mean, sd, _, _ = summary(values)
    draws = sd * np.sqrt((n - 1) / _draws(name, "chi2", n - 1)) if n > 1 else None
    return Estimate(sd, n, mean, sd, draws, name)


def _share(group: Group, runs: pd.DataFrame, values: np.ndarray, name: str) -> Estimate:
    """A run that diverged or failed counts as one that does not reach the level."""
    n, k = len(runs), int((runs[group.column] >= group.level).sum())
    reached = pd.Series((runs[group.column] >= group.level).to_numpy(float), runs.index)
    draws = _over_seeds(reached, runs, name)
    draws = _draws(name, "beta", k + 0.5, n - k + 0.5) if draws is None else draws
    return Estimate(k / n, n, k / n, np.nan, draws, name)


def _over_seeds(values: pd.Series, runs: pd.DataFrame, name: str) -> np.ndarray | None:
    """Return draws of the mean of values that are alike within a seed, by Student over the seeds' means.

    None if no two runs share data set, initial weights and order of training, for then all are independent; and if all
    of them do, for what one seed varies by is not to be told from its own cells (see `one_seed`).
    """
    keys = [runs[key] for key in SEEDS if key in runs]
    means = values.groupby(keys, dropna=False).mean() if keys else values
    if len(means) in (1, len(values)):
        return None
    return _mean_draws(float(means.mean()), float(means.std(ddof=1)), len(means), name)


def one_seed(runs: pd.DataFrame) -> bool:
    """Return whether several runs share one data set, one set of initial weights and one order of training."""
    keys = [key for key in SEEDS if key in runs]
    return bool(keys) and len(runs) > 1 and len(runs[keys].drop_duplicates()) == 1


def _by_value(group: Group, runs: pd.DataFrame, name: str) -> tuple[list, list[Estimate]]:
    """Return the values of a knob, in order, and the mean of the runs at each."""
    if group.over not in runs:
        raise Unmeasurable(f"the table has no column {group.over}")
    keys, found = [], []
    for key, part in runs.groupby(group.over, sort=True):
        values = part[group.column].dropna().to_numpy(float)
        if len(values) > 1:
            keys.append(key)
            found.append(_mean(group, part, values, f"{name}/{key}"))
    if len(keys) < 2:
        raise Unmeasurable(f"{group.name}: fewer than two values of {group.over} with more than one run each")
    return keys, found


def _spread(group: Group, runs: pd.DataFrame, values: np.ndarray, name: str) -> Estimate:
    """The sd of the means, less what chance alone adds to it on average."""
    _, parts = _by_value(group, runs, name)
    means = np.array([part.mean for part in parts])
    noise = np.mean([part.sd**2 / part.n for part in parts])
    drawn = np.stack([part.drawn() for part in parts])
    # A draw scatters about the measured means, which scatter about the true ones: chance comes in twice.
    squares = np.maximum(drawn.var(axis=0, ddof=1) - drawn.var(axis=1).mean() - noise, 0.0)
    value = np.sqrt(max(means.var(ddof=1) - noise, 0.0))
    return Estimate(value, min(part.n for part in parts), means.mean(), np.nan, np.sqrt(squares), name)


def _peak(group: Group, runs: pd.DataFrame, values: np.ndarray, name: str) -> Estimate:
    keys, parts = _by_value(group, runs, name)
    places = np.array(keys, float)
    draws = places[np.argmax(np.stack([part.drawn() for part in parts]), axis=0)]
    means = np.array([part.mean for part in parts])
    return Estimate(places[means.argmax()], min(part.n for part in parts), means.max(), np.nan, draws, name)


def _of_rise(read: Callable[[Rise, Group], np.ndarray]):
    def measure(group: Group, runs: pd.DataFrame, values: np.ndarray, name: str) -> Estimate:
        known = runs[runs[group.column].notna() & runs["spikes_total"].notna()]
        spikes, accuracy = distinct(known["spikes_total"], known[group.column])
        found = rise(spikes, accuracy, known["chance"].iloc[0], group.form)
        if found is None:
            raise Unmeasurable(
                f"{group.name}: no clear transition in {len(spikes)} different networks, with {SIDE} of them on either "
                f"side of its interval and a rise of {ABOVE} times their scatter around it"
            )
        value = float(read(found[0], group)[0])
        return Estimate(value, len(spikes), value, np.nan, read(found[1], group), name)

    return measure


MEASURES: dict[str, Callable[[Group, pd.DataFrame, np.ndarray, str], Estimate]] = {
    "mean": _mean,
    "sd": _sd,
    "share": _share,
    "spread": _spread,
    "peak": _peak,
    "transition": _of_rise(lambda rise, group: rise.transition),
    "width": _of_rise(lambda rise, group: rise.width()),
    "saturation": _of_rise(lambda rise, group: rise.saturation(group.level or 0.95)),
    "crossing": _of_rise(lambda rise, group: rise.crossing(group.level)),
    "plateau": _of_rise(lambda rise, group: rise.plateau),
}


def differences(groups: Sequence[Group], runs: Sequence[pd.DataFrame], by: Sequence[str], name: str) -> Estimate:
    """Return the mean difference of two groups' runs that agree in the knobs `by`.

    For a share each run counts 1 or 0, and a run that diverged or failed 0. For a mean, pairs with such a run are left
    out. Only runs of
    equal seeds make a pair. Pairs of one seed are not independent: the interval is that of the seeds' means.
    """
    keys, sides = [*by, *(key for key in SEEDS if key not in by and all(key in own for own in runs))], []
    for group, own in zip(groups, runs, strict=True):
        if missing := [key for key in by if key not in own]:
            raise Unmeasurable(f"the table has no column {missing[0]}")
        values = own[group.column]
        values = (values >= group.level).astype(float) if group.measure == "share" else values
        sides.append(values.groupby([own[key] for key in keys], dropna=False).mean())
    pairs = (sides[0] - sides[1]).dropna()
    found = _mean(groups[0], runs[0], pairs.to_numpy(float), name)
    if not found.n:
        return found
    flat = pairs.rename("difference").reset_index()
    return found._replace(draws=_over_seeds(flat["difference"], flat, name))


def contrast(parts: Sequence[Estimate], factors: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the sum of factors times numbers; of means with Welch's degrees of freedom, of others by draws."""
    value = float(sum(factor * part.value for factor, part in zip(factors, parts, strict=True)))
    if all(part.draws is None for part in parts):
        squares = np.array([(f * part.sd) ** 2 / part.n for f, part in zip(factors, parts, strict=True)])
        freedom = np.array([part.n - 1 for part in parts])
        error = float(np.sqrt(squares.sum()))
        if error == 0.0:
            return Interval(value, value, value)
        half = float(stdtrit(squares.sum() ** 2 / (squares**2 / freedom).sum(), 0.5 + confidence / 2)) * error
        return Interval(value, value - half, value + half)
    draws = [part.drawn() for part in parts]
    size = min(map(len, draws))
    return Interval(value, *middle(sum(f * drawn[:size] for f, drawn in zip(factors, draws, strict=True)), confidence))


def ratio(parts: Sequence[Estimate], confidence: float = CONFIDENCE) -> Interval:
    """Return the first number over the second, both of positive quantities; raises Unmeasurable if the second is 0.

    The interval of two means is Welch's for the difference of their logarithms, whose errors are the relative ones:
    log a - log b +- t sqrt(s_a^2 / (n_a a^2) + s_b^2 / (n_b b^2)). It cannot reach below 0. Others are by draws.
    """
    over, under = parts
    if under.value == 0:
        raise Unmeasurable("a ratio to 0")
    if any(part.draws is None and part.mean < 0 for part in parts):
        raise Unmeasurable("a ratio of numbers below 0")
    value = over.value / under.value
    if value == 0 and over.draws is None:
        return Interval(0.0, 0.0, 0.0)  # a mean of 0 of what cannot be negative: all of them are 0
    if all(part.draws is None for part in parts):
        relative = [part._replace(value=np.log(part.mean), sd=part.sd / part.mean) for part in parts]
        logs = contrast(relative, (1, -1), confidence)
        return Interval(value, float(np.exp(logs.low)), float(np.exp(logs.high)))
    drawn = [_log_mean_draws(part) if part.draws is None else part.draws for part in parts]
    size = min(map(len, drawn))
    with np.errstate(divide="ignore", invalid="ignore"):
        return Interval(value, *middle(drawn[0][:size] / drawn[1][:size], confidence))


def _log_mean_draws(part: Estimate) -> np.ndarray:
    with np.errstate(over="ignore"):  # of few runs that scatter much, the largest draws are infinite
        return part.mean * np.exp(_mean_draws(0.0, part.sd / part.mean, part.n, part.name))


def standardised(parts: Sequence[Estimate], factors: Sequence[float]) -> float:
    """Return Hedges' g, the difference of two means over their pooled sd, corrected for few runs; else NaN."""
    if len(parts) != 2 or any(part.draws is not None for part in parts):
        return float("nan")
    freedom = sum(part.n - 1 for part in parts)
    pooled = np.sqrt(sum((part.n - 1) * part.sd**2 for part in parts) / freedom)
    difference = sum(factor * part.value for factor, part in zip(factors, parts, strict=True))
    return float(difference / pooled * (1 - 3 / (4 * freedom - 1))) if pooled > 0 else float("nan")
