"""Whether jobs can start a Python interpreter; also run by `make` before the package is installed.

Snakemake puts the interpreter's path into a shell command without quotes. All other paths may have any characters.
"""

import os
import re
import sys

# What a shell acts on inside a word, and the colon, at which PATH is split.
_ACTED_ON = re.compile(r"""[\s'"`$&;|<>()\\:]""")


def unusable(path: str) -> str | None:
    """Say why jobs cannot start a Python interpreter, and what to do about it.

    Args:
        path: The path of the interpreter.

    Returns:
        One line; None if they can.
    """
    if not (found := _ACTED_ON.search(path)):
        return None
    return (
        f"{path}: Snakemake cannot start an interpreter with {found[0]!r} in its path; move the folder, "
        "or keep the environment elsewhere: export VENV=$HOME/venv-sgpipe, then make"
    )


if __name__ == "__main__":
    reason = unusable(os.path.abspath(sys.argv[1]))
    sys.exit(reason and f"sgpipe: {reason}")
