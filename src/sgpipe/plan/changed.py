"""Extensions that have changed since runs with them were stored. These runs have new ids now."""

from collections.abc import Iterable, Iterator

from sgpipe.plan.plan import Plan
from sgpipe.spec.experiments import Experiment


def changed_extensions(plan: Plan, experiments: Iterable[Experiment]) -> Iterator[str]:
    """Return a line for each extension whose file has changed, so that its runs are trained again.

    Args:
        plan: The plan, whose store keeps the files that extensions had.
        experiments: The experiments whose runs are looked at.
    """
    waiting: dict = {}
    for spec in {run_id: spec for one in experiments if one.trains for run_id, spec in one.runs.items()}.values():
        for own in spec.extensions:
            waiting.setdefault(own, []).append(spec)
    for own, specs in waiting.items():
        earlier = {code: path for code, path in plan.store.texts_of(own).items() if code != own.code}
        count = sum(spec not in plan.store for spec in specs) if earlier else 0
        if count:
            latest = max(earlier.values(), key=lambda path: path.stat().st_mtime)
            yield (
                f"{own.file} has changed since runs with {own.words} were stored: {count} of {len(specs)} have new "
                f"ids and are still to be trained; the file of the stored ones is {latest}"
            )
