"""Reading YAML the way a person means it."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from sgpipe.base.errors import SgpipeError


def read_yaml(path: Path | str) -> Any:
    """Return the content of a YAML 1.2 file: `1e-3` is a number and `no` a word.

    Raises SgpipeError, with the line, on a missing file, bad syntax or a key given twice.
    """
    try:
        return YAML(typ="safe", pure=True).load(Path(path).read_text())
    except FileNotFoundError:
        raise SgpipeError(f"{path}: no such file") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = (error.problem or "bad YAML").splitlines()[0]
        raise SgpipeError(f"{path}: line {line}: {problem}") from None
