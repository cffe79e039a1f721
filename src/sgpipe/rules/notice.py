"""Messages for the terminal, which a user sees without opening the logs."""

from collections import Counter
from collections.abc import Iterable

from sgpipe.base.log import TERMINAL
from sgpipe.plan.order import progress_words
from sgpipe.plan.plan import Plan
from sgpipe.spec.config import Config


def tell_of_failures(config: Config, what: str, statuses: Iterable[str]) -> None:
    """Say in one line on the terminal how many runs failed or diverged, if any, and which command lists them.

    The terminal is the error stream with which the process began: Snakemake's jobs send theirs to a log.

    Args:
        config: The settings.
        what: In words, what the runs belong to.
        statuses: The status of each run.
    """
    counts = Counter(statuses)
    ended_badly = [f"{counts[status]} {status}" for status in ("failed", "diverged") if counts[status]]
    if not ended_badly:
        return
    elsewhere = config.results != Config.model_fields["results"].default
    command = "sgpipe failed" + (f" --set results={config.results}" if elsewhere else "")
    total = sum(counts.values())
    TERMINAL.warning(f"{what}: of {total} runs {' and '.join(ended_badly)}; `{command}` lists them")


def tell_of_progress(plan: Plan, pack_id: str, cores: int) -> None:
    """Say in one line on the terminal how far the figures of a pack are, and everything together.

    Args:
        plan: The plan.
        pack_id: The pack that has just ended.
        cores: The number of cores that Snakemake uses, for the estimate of the time left.
    """
    plan = plan if pack_id in plan.packs else plan.in_readings
    askers = [name for name, packs in plan.packs_of.items() if pack_id in packs]
    shares = [f"{name}: {progress_words(plan, cores, [name])}" for name in askers[:1]]
    words = "; ".join([*shares, f"all: {progress_words(plan, cores)}"] if len(plan.packs_of) > 1 else shares)
    TERMINAL.warning(words)
