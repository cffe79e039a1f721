"""The user's settings: config.yaml plus what the command line changes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    @property
    def pack_seconds(self) -> float:
        """Longest estimated time of one training job."""
        by_scale = {"smoke": 1, "laptop": 2, "paper": 15}
        return 60 * (self.pack_minutes or by_scale[self.scale])

    @property
    def folder(self) -> Path:
        """Where this scale's tables and figures go."""
        return Path(self.results) / self.scale


def read_config(values: Mapping[str, Any], where: str = "config.yaml") -> Config:
    """Return checked settings from a mapping, such as Snakemake's `config`; raises SgpipeError."""
    properties = schema("config")["properties"]
    given = {key: _typed(value, properties.get(key, {}).get("type", "")) for key, value in values.items()}
    check(given, "config", where)
    full = {key: given.get(key, rule["default"]) for key, rule in properties.items()}
    # The environment is read here and nowhere else: a setting of the machine, which config.yaml overrules.
    folder = full["data_dir"] or os.environ.get("SGPIPE_DATA") or "data"
    return Config(**{**full, "experiments": tuple(full["experiments"]), "data_dir": folder})


def load_config(path: Path | str = "config.yaml", changes: Mapping[str, Any] | None = None) -> Config:
    """Return checked settings from a file and changes to them; raises SgpipeError."""
    return read_config({**(read_yaml(path) or {}), **(changes or {})}, str(path))


def _typed(value: Any, kind: str | list[str]) -> Any:
    # Snakemake reads YAML 1.1, where 1e-3 is text; and every value of --config key=value may arrive as text.
    if isinstance(value, str) and ("number" in kind or "integer" in kind):
        try:
            return int(value) if "integer" in kind else float(value)
        except ValueError:
            return value
    return value
