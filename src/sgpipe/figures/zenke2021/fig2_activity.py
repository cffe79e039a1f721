"""Fig 2 c-e: what a network does on four samples, before and after training."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sgpipe.base.rng import permutation, stream
from sgpipe.figures import parts, style

PANELS = {"before": "c", "after": "d"}
SAMPLES = 4  # side by side, as in the paper
GAP = 0.15  # between neighbouring samples, in units of a sample's duration
ROOM = 0.55  # above the readouts, for the values of their maxima, in units of the traces' height
THRESHOLD = 1.0
SPIKE_HEIGHT = 0.6  # height of the spike marks on the membrane traces, in thresholds


def select(activity: pd.DataFrame, runs: pd.DataFrame, settings: Mapping) -> list[pd.DataFrame]:
    """Select spikes and readout membranes (c, d), decisions (c, d), and membranes (e).

    Args:
        activity: The recorded activity.
        runs: The experiment's runs.
        settings: The experiment's settings.

    Returns:
        Frames. Times are in ms within a sample; `place` is the sample's position from left to right, sorted by class.
    """
    if not len(activity):
        return []
    own = activity[activity["run_id"] == activity["run_id"].min()]
    spec = runs[runs["run_id"] == own["run_id"].iloc[0]].iloc[0]
    samples = own[["sample", "label"]].drop_duplicates().sort_values(["label", "sample"]).head(SAMPLES)
    own = own[own["sample"].isin(samples["sample"])]
    own = own.assign(
        time_ms=own["step"] * spec["data.dt"],
        duration_ms=float(spec["data.steps"] * spec["data.dt"]),
        place=own["sample"].map({sample: place for place, sample in enumerate(samples["sample"])}),
    )
    columns = ["layer", "kind", "unit", "sample", "label", "place", "time_ms", "duration_ms", "value"]
    shown = {"input": settings.get("inputs", 20), "hidden1": settings.get("hidden_shown", 50)}
    spikes = (own["kind"] == "spike") & (own["unit"] < own["layer"].map(shown).fillna(0))
    readout = own["layer"] == "readout"
    pieces = []
    for moment, panel in PANELS.items():
        now = own["moment"] == moment
        pieces.append(own.loc[now & (spikes | readout), columns].assign(panel=panel))
        pieces.append(_decisions(own[now & readout], panel))
        pieces.append(_counts(own[now & (own["kind"] == "spike")], shown["hidden1"], panel))
    after = own[(own["moment"] == "after") & (own["layer"] == "hidden1") & (own["sample"] == samples["sample"].iloc[0])]
    pieces.append(_membranes(after, settings.get("membranes", 7))[[*columns, "neuron"]].assign(panel="e"))
    return pieces


def _decisions(readout: pd.DataFrame, panel: str) -> pd.DataFrame:
    """Return a row per sample: the readout unit with the highest maximum over time, none if there is a tie."""
    rows = []
    for (place, sample, label), one in readout.groupby(["place", "sample", "label"]):
        highest = one.groupby("unit")["value"].max()
        winners = highest.index[highest == highest.max()]
        predicted = winners[0] if len(winners) == 1 else np.nan
        rows.append(
            {
                "panel": panel,
                "kind": "decision",
                "place": place,
                "sample": sample,
                "label": label,
                "predicted": predicted,
            }
        )
    return pd.DataFrame(rows)


def _counts(spikes: pd.DataFrame, shown: int, panel: str) -> pd.DataFrame:
    """Return one row: the number of hidden spikes in all samples (`value`), and the number of units shown."""
    count = int((spikes["layer"] != "input").sum())
    return pd.DataFrame([{"panel": panel, "kind": "count", "layer": "hidden1", "value": count, "unit": shown}])


def _membranes(hidden: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return membrane potential and spikes of some neurons in one trial; `neuron` numbers them from the top.

    They are drawn by a seed from the neurons that spike in this trial; silent ones are added only if those are too few.
    """
    units = np.sort(hidden["unit"].unique())
    order = units[permutation(stream(0, "figures/fig2/membranes"), len(units))]
    active = np.isin(order, hidden.loc[hidden["kind"] == "spike", "unit"])
    picked = np.concatenate([order[active], order[~active]])[:count]
    return hidden[hidden["unit"].isin(picked)].assign(
        neuron=hidden["unit"].map({u: i for i, u in enumerate(np.sort(picked))})
    )


def draw(axes: Sequence[Axes], data: pd.DataFrame, words: str) -> None:
    """Draw readout, hidden and input activity from top to bottom, the samples side by side."""
    top, middle, bottom = axes
    top.set_title(words, pad=11)
    if not len(data):
        parts.empty(middle, "not recorded")
        return
    duration = data["duration_ms"].max()
    step = duration * (1 + GAP)
    samples = data[data["kind"] == "decision"].sort_values("place")
    for sample in samples.itertuples():
        start = sample.place * step
        for panel in axes:
            panel.axvspan(start, start + duration, color="#F4F4F4", zorder=0, lw=0)
        _verdict(top, start, start + duration, sample.label, sample.predicted)
        own = data[data["place"] == sample.place]
        traces = own[(own["layer"] == "readout") & (own["kind"] == "membrane")]
        for place, (unit, trace) in enumerate(traces.groupby("unit")):
            colour, highest = _class_colour(unit), trace.loc[trace["value"].idxmax()]
            top.plot(start + trace["time_ms"], trace["value"], color=colour, lw=0.9)
            top.plot(start + highest["time_ms"], highest["value"], "o", ms=2.6, mec="white", mew=0.3, color=colour)
            at = {"xy": (start + duration / 2, 1), "xycoords": parts.XY, "xytext": (0, -2 - 7 * place)}
            words = style.number(float(f"{highest['value']:.2g}"))
            top.annotate(words, **at, textcoords="offset points", ha="center", va="top", size=style.SMALL, color=colour)
        for panel, layer in ((middle, "hidden1"), (bottom, "input")):
            spikes = own[(own["layer"] == layer) & (own["kind"] == "spike")]
            colour = _class_colour(sample.label)
            panel.scatter(
                start + spikes["time_ms"], spikes["unit"] + 1, s=2.5, marker="|", color=colour, linewidths=0.8
            )
    _frame(axes, data, (-0.05 * step, len(samples) * step), duration)


def _frame(axes: Sequence[Axes], data: pd.DataFrame, across: tuple[float, float], duration: float) -> None:
    top, middle, bottom = axes
    count = data[data["kind"] == "count"].iloc[0]
    shown = int(count["unit"])
    hidden = data[(data["layer"] == "hidden1") & (data["kind"] == "spike")]
    if not len(hidden):
        parts.empty(
            middle, "no hidden spikes" if count["value"] == 0 else f"no spikes of the first {shown} hidden neurons"
        )
    low, high = top.get_ylim()
    top.set_ylim(low, high + ROOM * (high - low))
    top.set_ylabel("readout U\n(numbers: maxima)")
    middle.set_ylabel(f"hidden neuron\n(first {shown})")
    middle.set(ylim=(0, shown + 1), yticks=[1, shown])
    inputs = int(data.loc[data["layer"] == "input", "unit"].max()) + 1
    bottom.set_ylabel("input\nneuron")
    bottom.set(ylim=(0, inputs + 1), yticks=[1, inputs], xlim=across, xticks=[])
    for panel in axes:
        panel.tick_params(bottom=False)
        panel.spines["bottom"].set_visible(False)
    bottom.plot([0, duration], [-1.2, -1.2], color=style.INK, lw=1.2, clip_on=False)
    bottom.text(duration / 2, -2.2, f"{style.number(duration)} ms", ha="center", va="top", size=style.SMALL)


def _verdict(axes: Axes, left: float, right: float, label: int, predicted: float) -> None:
    """Write above a sample its class, and whether the readout unit with the highest maximum is right."""
    if np.isnan(predicted):
        mark, colour = "tie", style.FAINT
    else:
        mark, colour = ("✓" if predicted == label else "✗"), _class_colour(predicted)
    look = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "bottom", "size": style.SMALL}
    axes.annotate(f"class {int(label)}", (left, 1), (0, 2), ha="left", color=_class_colour(label), **look)
    axes.annotate(mark, (right, 1), (0, 2), ha="right", color=colour, **look)


def draw_membranes(axes: Axes, data: pd.DataFrame) -> None:
    """Draw membrane traces one above the other, with the threshold and a mark at every spike."""
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    if not len(data):
        parts.empty(axes, "not recorded")
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        return
    membranes = data[data["kind"] == "membrane"]
    low = min(float(membranes["value"].min()), 0.0)
    pitch = THRESHOLD + SPIKE_HEIGHT - low + 0.25
    neurons = int(data["neuron"].max()) + 1
    for neuron, own in data.groupby("neuron"):
        base = (neurons - 1 - neuron) * pitch
        trace, spikes = own[own["kind"] == "membrane"], own[own["kind"] == "spike"]
        axes.axhline(base + THRESHOLD, color=style.FAINT, lw=0.5, ls=(0, (3, 2)), zorder=1)
        # The trace is cut at the threshold: above it is the spike's mark.
        axes.plot(trace["time_ms"], base + trace["value"].clip(upper=THRESHOLD), color=style.INK, lw=0.7)
        axes.vlines(spikes["time_ms"], base + THRESHOLD, base + THRESHOLD + SPIKE_HEIGHT, color=style.INK, lw=0.9)
        axes.text(
            -2, base, f"{int(own['unit'].iloc[0]) + 1}", ha="right", va="center", size=style.SMALL, color=style.FAINT
        )
    duration = data["duration_ms"].max()
    axes.plot([duration * 1.03] * 2, [0, THRESHOLD], color=style.INK, lw=1.2, clip_on=False)
    axes.text(duration * 1.05, THRESHOLD / 2, "1", ha="left", va="center", size=style.SMALL)
    axes.set(xlim=(0, duration * 1.03), ylim=(low - 0.1, neurons * pitch))
    axes.set_xlabel("time (ms)")
    sample = data["place"].iloc[0]
    axes.set_title(f"membranes of {neurons} hidden neurons\nafter training, sample {int(sample) + 1} of d", pad=11)


def _class_colour(label: float) -> str:
    return style.CLASS_COLOURS[int(label) % len(style.CLASS_COLOURS)]
