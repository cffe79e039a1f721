"""Where a result comes from: the program, the engine and the machine that made it."""

import platform
import subprocess
import time
from pathlib import Path

import sgpipe
from sgpipe.base.workflow import SHIPPED
from sgpipe.engines.interface import Engine
from sgpipe.spec.run import RunSpec


def provenance(spec: RunSpec, engine: Engine, revision: str) -> dict[str, str]:
    """Describe where a result comes from; this is kept beside a run's rows and is not part of its result.

    Args:
        spec: The run.
        engine: The engine that trained it.
        revision: The revision of the program, from `git_revision`.
    """
    return {
        "sgpipe": sgpipe.__version__,
        "git": revision,
        "source": spec.data.source,
        "engine": engine.name,
        "device": engine.device,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def git_revision() -> str:
    """Look up the commit of the source tree, with `+` if it has changes; `unknown` outside a repository."""
    folder = Path(sgpipe.__file__).parent
    if SHIPPED.is_dir():  # an installed package, whose folder may lie in some other repository
        return "unknown"

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
