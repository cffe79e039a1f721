"""The explorer as one HTML page that needs nothing from elsewhere: data, charts and the javascript that shows them."""

import json
from collections.abc import Mapping, Sequence
from functools import cache

from markupsafe import Markup

from sgpipe.base.templates import templates_of
from sgpipe.claims.words import COLOURS, SYMBOLS
from sgpipe.explorer import charts
from sgpipe.explorer.networks import OUTCOMES


def html(tables: Sequence[Mapping[str, object]], claims: Sequence[Mapping[str, object]], library: str) -> str:
    """Return the page.

    Args:
        tables: As `networks.networks` makes them.
        claims: As `verdicts.verdicts` makes them.
        library: Vega, Vega-Lite and Vega-Embed as one script: `bundle`.
    """
    environment = templates_of("sgpipe.explorer")
    data = {
        "tables": [{**table, **charts.scatter(table)} for table in tables],
        "outcomes": OUTCOMES,
        "curve": charts.curve(),
        "claims": claims,
        "grid": charts.claims_by_readings(),
        "specification": charts.specification(),
        "symbols": SYMBOLS,
        "colours": COLOURS,
    }
    page = environment.get_template("page.html.j2")
    return page.render(tables=tables, claims=claims, data=_embedded(data), library=Markup(library))


def _embedded(data: object) -> Markup:
    """Return data as JSON that may stand in a script element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


@cache
def bundle() -> str:
    """Return the javascript that shows Vega-Lite charts, as one script. To bundle it takes some seconds."""
    from vl_convert import javascript_bundle

    script = javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")
    return f"(() => {{{script}}})();"  # its names are its own
