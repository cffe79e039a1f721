"""Make the folder of a study of one's own: a Snakefile, settings, and an experiment that runs."""

import re
from importlib.resources import files
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.spec.experiment_file import RULES

TEMPLATES = ("Snakefile", "config.yaml", "study.yaml", "profiles/default/config.yaml")


def new_study(folder: Path | str) -> list[Path]:
    """Write the files of a new study.

    Args:
        folder: Where to; made if it is not there. The letters and digits of its name are the paper's name.

    Returns:
        The files.

    Raises:
        SgpipeError: The folder has files in it, or its name has no letter to begin with.
    """
    folder = Path(folder)
    name = re.sub("[^a-z0-9]", "", folder.resolve().name.lower())
    if not re.match("[a-z]", name) or name in RULES:
        raise SgpipeError(f"{folder}: give the study a name that begins with a letter, e.g. my-study")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SgpipeError(f"{folder}: is there already, and not an empty folder; give another name")
    written = []
    for template in TEMPLATES:
        text = files(__name__).joinpath(template).read_text(encoding="utf-8").replace("STUDY", name)
        path = folder / template
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
