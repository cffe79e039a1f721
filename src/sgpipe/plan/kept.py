"""The plan of a call of Snakemake, kept for the jobs that it starts: making it again takes each most of a second."""

import os
import pickle
import shutil
from atexit import register
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sgpipe.plan.plan import Plan

PLACE = "SGPIPE_PLAN"  # variable of the environment, which only jobs on this machine inherit


def keep(plan: Plan, config: Mapping[str, Any]) -> None:
    """Keep a plan for the processes that this one starts, until it ends.

    One with extensions is not kept: what they register is not there before they are read.

    Args:
        plan: The plan.
        config: Snakemake's configuration, which the jobs have too.
    """
    if plan.config.extensions:
        return
    folder = Path(mkdtemp(prefix="sgpipe-plan-"))  # nobody else can write there
    register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "plan.pickle"
    path.write_bytes(pickle.dumps((dict(config), plan), pickle.HIGHEST_PROTOCOL))
    os.environ[PLACE] = str(path)


def kept(config: Mapping[str, Any]) -> Plan | None:
    """Return the plan that a process above this one has kept, None if there is none of this configuration."""
    try:
        with open(os.environ.get(PLACE, ""), "rb") as file:
            known, plan = pickle.load(file)
    except OSError:  # none kept, or on another machine
        return None
    return plan if known == dict(config) else None
