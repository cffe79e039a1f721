"""What a person should see who looks at the terminal and not into the logs."""

import sys
from collections import Counter
from collections.abc import Iterable

from sgpipe.spec.config import Config


def tell_of_failures(config: Config, what: str, statuses: Iterable[str]) -> None:
    """Say in one line on the terminal how many of some runs failed or diverged, and what lists them; nothing if none.

    The jobs of Snakemake send their error stream to a log; what the process began with is the terminal's.
    """
    counts = Counter(statuses)
    ended_badly = [f"{counts[status]} {status}" for status in ("failed", "diverged") if counts[status]]
    if not ended_badly:
        return
    elsewhere = config.results != Config.model_fields["results"].default
    command = "sgpipe failed" + (f" --set results={config.results}" if elsewhere else "")
    total = sum(counts.values())
    print(
        f"sgpipe: {what}: of {total} runs {' and '.join(ended_badly)}; `{command}` lists them",
        file=sys.__stderr__,
        flush=True,
    )
