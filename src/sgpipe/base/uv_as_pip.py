"""Run uv with pip's settings for package indexes; run by `make` before the package is installed.

    python uv_as_pip.py .venv/bin/uv pip install ...

uv installs in seconds what takes pip a minute, but reads neither pip's files nor its variables. What is said to uv
itself (`UV_INDEX` and so on) comes first.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping

# pip's setting: uv's variable, and what stands between several values there.
SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
}
SOURCES = (":env:", "install", "global")  # the first that has a setting counts, as for pip


def uv_variables(listed: Iterable[str]) -> dict[str, str]:
    """Translate the lines that `pip config list` prints, such as `global.find-links='/opt/wheels'`."""
    told = dict(line.split("=", 1) for line in listed if "=" in line)
    found = {}
    for setting, (variable, between) in SETTINGS.items():
        values = [told[f"{source}.{setting}"] for source in SOURCES if f"{source}.{setting}" in told]
        if values:
            found[variable] = between.join(str(ast.literal_eval(values[0])).split())
    if "UV_INDEX" in found:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip's: the best of all indexes, not the first that has one
    return found


def environment(listed: Iterable[str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for uv: `own`, and of pip's settings what it does not say already."""
    return {**uv_variables(listed), **own}


if __name__ == "__main__":
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"], capture_output=True, text=True
    )
    sys.exit(subprocess.run(sys.argv[1:], env=environment(listing.stdout.splitlines(), os.environ)).returncode)
