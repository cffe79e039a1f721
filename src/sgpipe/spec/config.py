"""The user's settings: config.yaml plus what the command line changes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgpipe.base.errors import SgpipeError
from sgpipe.base.schema import check, schema
from sgpipe.base.yamlfile import read_yaml

SCALES = ("smoke", "laptop", "paper")


@dataclass(frozen=True)
class Config:
    """Checked settings; meanings and defaults are in workflow/schemas/config.schema.json."""

    scale: str
    results: str
    experiments: tuple[str, ...]
    engine: str
    device: str
    threads: int
    seed: int
    pack_minutes: float | None
    data: str
    data_dir: str
    fetching: bool = False  # files are about to be fetched: that some are missing or damaged stops nothing

    @property
    def pack_seconds(self) -> float:
        """Longest estimated time of one training job."""
        by_scale = {"smoke": 1, "laptop": 2, "paper": 15}
        return 60 * (self.pack_minutes or by_scale[self.scale])

    @property
    def folder(self) -> Path:
        """Where this scale's tables and figures go."""
        return Path(self.results) / self.scale


def read_config(values: Mapping[str, Any], where: str = "config.yaml", fetching: bool = False) -> Config:
    """Return checked settings from a mapping, such as Snakemake's `config`; raises SgpipeError.

    `~` is the home folder in all paths. A data folder that is named has to be there, unless files are about to be
    fetched into it.
    """
    properties = schema("config")["properties"]
    given = {key: _typed(value, properties.get(key, {}).get("type", "")) for key, value in values.items()}
    check(given, "config", where)
    full = {key: given.get(key, rule["default"]) for key, rule in properties.items()}
    # The environment is read here and nowhere else: a setting of the machine, which config.yaml overrules.
    named = {f"{where}: data_dir": full["data_dir"], "SGPIPE_DATA": os.environ.get("SGPIPE_DATA")}
    key, folder = next(((key, value) for key, value in named.items() if value), (f"{where}: data_dir", "data"))
    paths = {
        "data_dir": _home(folder, key),
        "results": _home(full["results"], f"{where}: results"),
        "experiments": tuple(_home(path, f"{where}: experiments") for path in full["experiments"]),
    }
    _check_folder(paths["results"], f"{where}: results")
    _check_folder(paths["data_dir"], key)
    made = fetching or full["data"] == "download"
    if any(named.values()) and not made and not os.path.isdir(paths["data_dir"]):
        raise SgpipeError(
            f"{key}: {paths['data_dir']}: no such folder; correct the path, make the folder with "
            "`snakemake --cores 1 download`, or leave it out to use stand-ins"
        )
    return Config(**{**full, **paths, "data": "auto" if fetching else full["data"], "fetching": fetching})


def _home(path: str, key: str) -> str:
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError as error:
        raise SgpipeError(f"{key}: {path}: no such user's home; write the folder out") from error


def _check_folder(path: str, key: str) -> None:
    """Raise SgpipeError if anything but a folder stands at a path."""
    if os.path.lexists(path) and not os.path.isdir(path):
        raise SgpipeError(f"{key}: {path}: is not a folder; give another path")


def load_config(
    path: Path | str = "config.yaml", changes: Mapping[str, Any] | None = None, fetching: bool = False
) -> Config:
    """Return checked settings from a file and changes to them (see `read_config`); raises SgpipeError."""
    path = _home(str(path), "--config")
    return read_config({**(read_yaml(path) or {}), **(changes or {})}, path, fetching)


def _typed(value: Any, kind: str | list[str]) -> Any:
    # Snakemake reads YAML 1.1, where 1e-3 is text; and every value of --config key=value may arrive as text.
    if isinstance(value, str) and ("number" in kind or "integer" in kind):
        try:
            return int(value) if "integer" in kind else float(value)
        except ValueError:
            return value
    return value
