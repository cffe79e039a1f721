"""Rule `download`: fetch the published files that the plan needs and that are missing."""

from collections.abc import Iterable

from sgpipe.base.errors import SgpipeError
from sgpipe.data.files.published import SETS_OF
from sgpipe.plan.plan import Plan


def download(plan: Plan, tasks: Iterable[str] = ()) -> None:
    """Fetch the published files of some tasks that are missing.

    Args:
        plan: The plan.
        tasks: The tasks; if empty, those that the plan's runs need.

    Raises:
        SgpipeError: Some could not be fetched; the message has a line for each, after all have been tried.
    """
    from sgpipe.data.files.download import fetch_task  # needed here alone

    needed = sorted({run.data.task for run in plan.tasks.values()} & set(SETS_OF))
    if not tasks and not needed:
        print("nothing to fetch: these experiments need no published files")
    problems = []
    for task in tasks or needed:
        try:
            made = fetch_task(task, plan.config.data_dir)
            print(f"{task}: " + (f"fetched {', '.join(made)}" if made else "nothing to fetch"))
        except SgpipeError as error:  # another set may be there to be had
            problems.append(str(error))
    if problems:
        raise SgpipeError("\nsgpipe: ".join(problems))
