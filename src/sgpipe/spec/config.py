"""The user's settings: config.yaml plus changes from the command line."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, FiniteFloat

from sgpipe.base.document import Document, Line, checked
from sgpipe.base.errors import SgpipeError, shown
from sgpipe.base.yamlfile import read_yaml
from sgpipe.spec.extensions import use_extensions
from sgpipe.spec.knob import MOST_SEED

SCALES = ("smoke", "laptop", "paper")


def _number(kind: type) -> BeforeValidator:
    """Return a validator that turns text into a number.

    Snakemake reads YAML 1.1, where 1e-3 is text, and every value of --set key=value is text.
    """

    def convert(value: Any) -> Any:
        try:
            return kind(value) if isinstance(value, str) else value
        except ValueError:
            return value

    return BeforeValidator(convert)


def _path(value: Any) -> Any:
    """Refuse a number in place of a path: Snakemake turns `--config results=2024_01` into a number."""
    if isinstance(value, int | float):
        raise ValueError(f"was read as a number; put a folder before it, such as ./{value}, or quote it in the file")
    return value


def _no_pattern(value: str) -> str:
    if re.search(r"[{}*?\[\]]", value):
        raise ValueError("has braces, brackets, * or ?, which Snakemake takes for patterns; leave them out")
    return value


Name = Annotated[Line, BeforeValidator(_path)]
Files = Annotated[list[Name], BeforeValidator(lambda value: [value] if isinstance(value, str | int | float) else value)]


class Settings(Document):
    """What config.yaml may contain; the table in docs/knobs.md is made from this."""

    scale: Literal["smoke", "laptop", "paper"] = Field(
        "laptop",
        description="how much of the papers' grids to run: smoke (seconds, for tests), laptop (minutes), paper (the "
        "papers' own numbers)",
    )
    results: Annotated[Name, AfterValidator(_no_pattern)] = Field(
        "results", description="folder for everything that is made"
    )
    experiments: Files = Field(
        ["workflow/experiments/zenke2021.yaml", "workflow/experiments/herranz2022.yaml"],
        min_length=1,
        description="experiment files; add your own to get its figures",
    )
    extensions: Files = Field(
        [], description="Python files that register neurons, initialisers, data sets and figures (docs/extensions.md)"
    )
    engine: Literal["auto", "cpu", "gpu", "reference"] = Field(
        "auto",
        description="what trains: auto takes the C++ engine (cpu) where it is built and fits the run, else the torch "
        "reference; gpu trains whole packs in step on a GPU and is not yet proven on one (docs/gpu.md)",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="where the torch reference and the gpu engine run")
    threads: Annotated[int, _number(int)] = Field(
        1, ge=1, le=4096, description="cores that one training job uses, a run on each"
    )
    seed: Annotated[int, _number(int)] = Field(
        0,
        ge=0,
        le=MOST_SEED,
        description="added to every seed of every run: another number repeats everything with other random numbers",
    )
    pack_minutes: Annotated[FiniteFloat | None, _number(float)] = Field(
        None,
        gt=0,
        le=100_000,
        description="longest estimated time of one training job, in minutes; null: 1 for smoke, 2 for laptop, 15 for "
        "paper",
    )
    data: Literal["auto", "embedded", "original", "download"] = Field(
        "auto",
        description="where data sets come from: auto (the best that is there; downloads nothing), embedded (stand-ins "
        "made here, no file needed), original (the published files, which must be there), download (fetch the "
        "published files that are missing)",
    )
    data_dir: Name | None = Field(
        None,
        description="folder of the data files, which has to be there (~ is the home folder, as in results and "
        "experiments); null: the environment variable SGPIPE_DATA, else data",
    )


class Config(Settings):
    """Checked settings, with paths as they are used."""

    fetching: bool = False  # files are about to be fetched, so missing or damaged ones are no error

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
    """Check settings and fill in defaults; register what their extensions declare, and nothing else.

    `~` in a path is the home folder.

    Args:
        values: The settings, such as Snakemake's `config`.
        where: Names their file in error messages.
        fetching: Whether files are about to be downloaded. If not, a given data folder has to exist.

    Raises:
        SgpipeError: A setting is unknown or wrong.
    """
    full = checked(Settings, dict(values), where).model_dump()
    # The environment is read only here: it holds a setting of the machine, which config.yaml overrides.
    named = {f"{where}: data_dir": full["data_dir"], "SGPIPE_DATA": os.environ.get("SGPIPE_DATA")}
    key, folder = next(((key, value) for key, value in named.items() if value), (f"{where}: data_dir", "data"))
    paths = {
        "data_dir": _home(folder, key),
        "results": _home(full["results"], f"{where}: results"),
        "experiments": tuple(_home(path, f"{where}: experiments") for path in full["experiments"]),
        "extensions": tuple(_home(path, f"{where}: extensions") for path in full["extensions"]),
    }
    _check_folder(paths["results"], f"{where}: results")
    _check_folder(paths["data_dir"], key)
    made = fetching or full["data"] == "download"
    if any(named.values()) and not made and not os.path.isdir(paths["data_dir"]):
        raise SgpipeError(
            f"{key}: {paths['data_dir']}: no such folder; correct the path, make the folder with "
            "`snakemake --cores 1 download`, or leave it out to use stand-ins"
        )
    use_extensions(paths["extensions"], f"{where}: extensions")
    data = "auto" if fetching else full["data"]
    return Config.model_construct(**{**full, **paths, "data": data, "fetching": fetching})


def _home(path: str, key: str) -> str:
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path
    except RuntimeError as error:
        raise SgpipeError(f"{key}: {path}: no such user's home; write the folder out") from error


def _check_folder(path: str, key: str) -> None:
    """Raise SgpipeError if there is, or could be, no folder at a path."""
    for place in (Path(path), *Path(path).parents):
        if os.path.lexists(place) and not os.path.isdir(place):
            raise SgpipeError(f"{key}: {place}: is not a folder; give another path")


def load_config(
    path: Path | str = "config.yaml", changes: Mapping[str, Any] | None = None, fetching: bool = False
) -> Config:
    """Read settings from a file; see `read_config`.

    Args:
        path: The file.
        changes: Settings that override the file's.
        fetching: Whether files are about to be downloaded.

    Raises:
        SgpipeError: The file cannot be read, or a setting is unknown or wrong.
    """
    path = _home(str(path), "--config")
    values = read_yaml(path)
    if not isinstance(values, Mapping | None):
        raise SgpipeError(f"{path}: {shown(values)} is not a mapping of settings, e.g. scale: laptop")
    return read_config({**(values or {}), **(changes or {})}, path, fetching)
