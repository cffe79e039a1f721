"""The explorer's charts as Vega-Lite, written with Altair. The page puts the data in, and what a reader chooses."""

from collections.abc import Mapping, Sequence

import altair as alt

from sgpipe.claims.words import COLOURS
from sgpipe.explorer.networks import OUTCOMES, SPLITS, field

WIDE = 20.0  # a positive knob whose values differ by more has a logarithmic axis
FEW = 12  # colours that can be told apart
MOST = ("surrogate.shape", "data.task", "objective.head", "sweep")  # what colours show, the first that differs
ACROSS = ("surrogate.beta", "surrogate.dampening", "optimiser.lr")  # what the axis shows, the first that differs
PALETTE = ["#0077BB", "#EE7733", "#009988", "#CC3311", "#33BBEE", "#EE3377", "#BBBBBB", "#AA4499", "#DDAA33", "#332288",
           "#117733", "#882255"]  # fmt: skip


def scatter(table: Mapping[str, object]) -> dict[str, object]:
    """Return the chart of a table's networks, and what its axes and colours may show.

    Args:
        table: As `networks.networks` makes it.

    Returns:
        `chart`, a Vega-Lite specification of the data set `networks`; `x`, `y` and `colour`, the encodings to choose
        among, by field; and `chosen`, which of them the chart has.
    """
    columns = table["columns"]
    knobs = list(table["knobs"])
    x = {field(name): _axis(alt.X, name, columns[field(name)]) for name in [*knobs, *OUTCOMES]}
    y = {name: _axis(alt.Y, name, columns[name]) for name in OUTCOMES}
    colour = {field(name): _colour(name, columns[field(name)]) for name in knobs}
    colour = {name: one for name, one in colour.items() if one is not None} or {"status": alt.Color("status:N")}
    sparse = any(name.startswith("objective.upper") for name in knobs)
    across = "spikes_total" if sparse else next((name for name in (*ACROSS, *knobs) if name in knobs), "spikes_total")
    most = next((field(name) for name in MOST if field(name) in colour), next(iter(colour)))
    details = ["run_id", *map(field, table["differing"]), *OUTCOMES, "status"]
    titles = {field(name): name for name in table["differing"]} | OUTCOMES | {"run_id": "network"}
    picked = alt.selection_point(name="chosen", fields=["run_id"], on="click")
    chart = (
        alt.Chart(alt.NamedData("networks"), width="container", height=380)
        .mark_circle(size=70)
        .encode(
            x=x[field(across)],
            y=y["test_accuracy"],
            color=colour[most],
            opacity=alt.condition(picked, alt.value(0.75), alt.value(0.25)),
            tooltip=[alt.Tooltip(f"{name}:N", title=titles.get(name, name)) for name in details],
        )
        .add_params(picked)
    )
    return {
        "chart": chart.to_dict(validate=False),
        "x": {name: one.to_dict() for name, one in x.items()},
        "y": {name: one.to_dict() for name, one in y.items()},
        "colour": {name: one.to_dict() for name, one in colour.items()},
        "chosen": {"x": field(across), "y": "test_accuracy", "colour": most},
    }


def _axis(channel: type, name: str, values: Sequence[object]):
    """Return an axis: of a number, logarithmic if it spans much, or else of words."""
    title = OUTCOMES.get(name, name)
    there = [value for value in values if value is not None]
    if any(isinstance(value, str | bool) for value in there) or not there:
        return channel(f"{field(name)}:N", title=title)
    low, high = min(there), max(there)
    wide = low > 0 and high / low >= WIDE and name != "best_epoch"
    scale = alt.Scale(type="log", nice=False, padding=12) if wide else alt.Scale(zero=False, nice=True)
    return channel(f"{field(name)}:Q", title=title, scale=scale)


def _colour(name: str, values: Sequence[object]):
    """Return the colours of a knob's values; None if there are too many words to tell apart."""
    different = {value for value in values if value is not None}
    words = any(isinstance(value, str | bool) for value in different)
    if len(different) > FEW:
        return None if words else alt.Color(f"{field(name)}:Q", title=name, scale=alt.Scale(scheme="viridis"))
    return alt.Color(
        f"{field(name)}:N",
        title=name,
        scale=alt.Scale(range=PALETTE),
        legend=alt.Legend(orient="top", columns=4, labelLimit=150, titleOrient="left"),
    )


def curve() -> dict[str, object]:
    """Return the chart of one network's learning curve, of the data set `curve`: `epoch`, `split`, `value`."""
    chart = (
        alt.Chart(alt.NamedData("curve"), width="container", height=180)
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("value:Q", scale=alt.Scale(zero=False)),
            color=alt.Color(
                "split:N",
                sort=list(SPLITS),
                scale=alt.Scale(range=PALETTE),
                legend=alt.Legend(orient="top", title=None),
            ),
            tooltip=["epoch:Q", "split:N", "value:Q"],
        )
    )
    return chart.to_dict()


def _by_verdict(**options) -> alt.Color:
    return alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
        legend=alt.Legend(orient="top", title=None, columns=3, **options),
    )


NUMBERS = [f"{name}:N" for name in ("words", "reading", "verdict", "why", "number", "holds", "n", "scale", "data")]


def claims_by_readings() -> dict[str, object]:
    """Return the chart of all verdicts, a row a claim and a column a reading, of the data set `cells`."""
    picked = alt.selection_point(name="chosen", fields=["claim"], on="click")
    base = alt.Chart(alt.NamedData("cells"), width="container", height=alt.Step(17)).encode(
        x=alt.X(
            "reading:N",
            sort=None,
            title=None,
            axis=alt.Axis(orient="top", labelAngle=-50, labelLimit=260, domain=False, ticks=False),
        ),
        y=alt.Y("row:N", sort=None, title=None, axis=alt.Axis(labelLimit=420, domain=False, ticks=False)),
    )
    cells = base.mark_rect(opacity=0.3, stroke="white", strokeWidth=2, cursor="pointer").encode(
        color=_by_verdict(), tooltip=NUMBERS
    )
    symbols = base.mark_text(fontWeight="bold", cursor="pointer").encode(
        text="symbol:N", color=_by_verdict(), tooltip=NUMBERS
    )
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    return alt.layer(cells.add_params(picked), symbols).properties(autosize=fit).to_dict()


def specification() -> dict[str, object]:
    """Return one claim's specification curve, of the data sets `curve` (a row a reading) and `settings`.

    Above: the estimates, in order, with their intervals and where the claim holds. Below: the settings in which each
    reading differs from the default (Simonsohn, Simmons & Nelson 2020).
    """
    x = alt.X("reading:N", sort=None, axis=None)
    data = alt.NamedData("curve")
    zone = (
        alt.Chart(data)
        .mark_bar(opacity=0.1, color="#0077BB", width=alt.RelativeBandSize(1))
        .encode(x=x, y=alt.Y("zone_low:Q", title="estimate"), y2="zone_high")
    )
    lines = alt.Chart(data).mark_rule(strokeWidth=2).encode(x=x, y="low:Q", y2="high", color=_by_verdict())
    points = (
        alt.Chart(data)
        .mark_circle(size=80, opacity=1)
        .encode(x=x, y="estimate:Q", color=_by_verdict(), tooltip=NUMBERS[1:])
    )
    upper = alt.layer(zone, lines, points).properties(height=220, width=400)
    lower = (
        alt.Chart(alt.NamedData("settings"), height=alt.Step(16), width=400)
        .mark_square(size=70, color="#444444")
        .encode(x=x, y=alt.Y("setting:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, grid=True)))
    )
    chart = alt.vconcat(upper, lower, spacing=6).resolve_scale(x="shared")
    return chart.to_dict()
