"""What `sgpipe status` prints: runs done, running, failed and to do by experiment, and the time left."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from functools import cache

from sgpipe.base.errors import shown
from sgpipe.plan.plan import Plan
from sgpipe.plan.standing import Looker, Standing
from sgpipe.plan.table import Speed, time_words

WINDOW = 3600.0  # seconds, over which throughput is measured
MOST_ERRORS = 8  # kinds of failure that are listed


def status(plan: Plan, looker: Looker | None = None) -> str:
    """Write where a plan stands.

    Args:
        plan: The plan.
        looker: Keeps what it has read, for the next time; one of this plan.
    """
    now = (looker or Looker(plan)).look()
    left = _left(plan, now)
    clock = time.strftime("%H:%M:%S", time.localtime(now.at))
    lines = [
        f"scale {plan.config.scale}, results in {plan.config.folder}, {clock}",
        f"{'experiment':<20}{'runs':>7}{'done':>7}{'running':>9}{'failed':>8}{'to do':>7}{'spent':>10}{'left':>10}",
    ]
    for name, experiment in plan.experiments.items():
        if experiment.trains:
            lines.append(_line(name, experiment.runs, now, left))
    lines.append(_line("all, shared once", now.runs, now, left))
    return "\n".join([*lines, *_pace(plan, now, left), *_troubles(plan, now)])


def watch(plan: Plan, seconds: float, show: Callable[[str], None]) -> None:
    """Show where a plan stands, again and again, until everything has ended.

    Args:
        plan: The plan.
        seconds: The time between two looks.
        show: Shows a text in place of the one before.
    """
    looker = Looker(plan)
    while True:
        show(status(plan, looker))
        now = looker.look()
        if len(now.ended) == len(now.runs):
            return
        time.sleep(seconds)


def _line(name: str, ids: Collection[str], now: Standing, left: Callable[[str], float]) -> str:
    done = sum(run_id in now.ended and now.ended[run_id].status != "failed" for run_id in ids)
    failed = sum(run_id in now.ended and now.ended[run_id].status == "failed" for run_id in ids)
    running = sum(run_id in now.running for run_id in ids)
    to_do = len(ids) - done - failed - running
    spent, rest = sum(_spent(now, run_id) for run_id in ids), sum(map(left, ids))
    return (
        f"{name:<20}{len(ids):>7}{done:>7}{running:>9}{failed:>8}{to_do:>7}"
        f"{time_words(spent):>10}{time_words(rest):>10}"
    )


def _spent(now: Standing, run_id: str) -> float:
    if run_id in now.ended:
        return now.ended[run_id].seconds
    return now.saved[run_id].seconds if run_id in now.saved else 0.0


def _left(plan: Plan, now: Standing) -> Callable[[str], float]:
    """Return what tells how long a run takes yet, in seconds of one core of this machine."""
    speed = Speed(plan, {run_id: plan.store.path(now.runs[run_id]) for run_id in now.ended})

    @cache
    def left(run_id: str) -> float:
        if run_id in now.ended:
            return 0.0
        epochs, saved = now.runs[run_id].training.epochs, now.saved.get(run_id)
        if saved and saved.epoch:
            return saved.seconds / saved.epoch * max(epochs - saved.epoch, 0)
        return speed.seconds(now.runs[run_id])

    return left


def _pace(plan: Plan, now: Standing, left: Callable[[str], float]) -> Iterator[str]:
    """Yield what went through lately, what is spent and left, and for how long."""
    spent, rest = sum(_spent(now, run_id) for run_id in now.runs), sum(map(left, now.runs))
    yield f"core-hours: {spent / 3600:.2f} spent, {rest / 3600:.2f} left"
    recent = [one for one in now.ended.values() if now.at - one.at < WINDOW]
    if recent:
        span = min(WINDOW, max(1.0, now.at - min(one.at - one.seconds for one in recent)))
        busy = sum(max(0.0, min(one.seconds, WINDOW - (now.at - one.at))) for one in recent)
        yield (
            f"throughput: {len(recent)} runs ended in the last {time_words(span)}, "
            f"{len(recent) / span * 3600:.0f} an hour; {busy / span:.1f} core-seconds a second"
        )
    begun = len(now.saved.keys() - now.running)
    if begun:
        yield f"of those to do {begun} {_have(begun)} a saved state, from which the next `snakemake` goes on"
    if now.running:
        # Runs that go in step on a device share its time: their core-seconds are shares of its seconds.
        lanes = len(now.running) if plan.config.device == "cpu" else 1
        yield f"about {time_words(rest / lanes)} left at {_many(lanes, 'run')} at a time"
    elif rest:
        yield "nothing is running; `snakemake` trains what is left"


def _troubles(plan: Plan, now: Standing) -> Iterator[str]:
    """Yield how many runs diverged, and what those that failed say."""
    if diverged := sum(one.status == "diverged" for one in now.ended.values()):
        yield f"of those done {diverged} diverged, which is a result"
    errors = Counter(now.ended[run_id].error for run_id in now.failed())
    for error, count in errors.most_common(MOST_ERRORS):
        run_id = next(one for one in now.failed() if now.ended[one].error == error)
        asked = [name for name, one in plan.experiments.items() if one.trains and run_id in one.runs]
        yield f"failed: {_many(count, 'run')}, e.g. {run_id} of {asked[0]}: {shown(error, 200)[1:-1]}"
    if errors:
        yield "`sgpipe failed` lists them with their logs; `sgpipe retry` sends them back to training"


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' if count != 1 else ''}"


def _have(count: int) -> str:
    return "have" if count != 1 else "has"
