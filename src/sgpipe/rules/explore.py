"""Rule `explorer`: one page with every network and every claim, from tables alone."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic

KEPT = Path("docs/claims")  # the scoreboard that comes with the project, and its readings


def explore(folder: Path | str, output: Path | str, files: Mapping[str, str], kept: Path | str = KEPT) -> str:
    """Write the explorer's page.

    Args:
        folder: The folder of the tables. Tables in subfolders are shown, too, and the verdicts in `claims.parquet`.
        output: The HTML file.
        files: The experiment file of each experiment, for the commands that train a network again.
        kept: The folder of a scoreboard, whose readings are shown if it is there.

    Returns:
        How many networks, tables and claims there are, in words.

    Raises:
        SgpipeError: A package is missing, or no table of trained networks is there.
    """
    try:
        from sgpipe.explorer.page import bundle, html

        library = bundle()
    except ModuleNotFoundError as error:
        name = error.name or "a package"
        raise SgpipeError(
            f"explorer: {name} is not installed; run `make explorer`, or install sgpipe[explore]"
        ) from error
    from sgpipe.explorer.networks import networks, tables_in

    folder = Path(folder)
    paths = tables_in(folder)
    if not paths:
        raise SgpipeError(f"{folder}: no table of trained networks there, e.g. zenke2021_fig3.parquet")
    shown = [networks(path, _place(path, folder), files) for path in paths]
    claims = _claims(folder, Path(kept))
    with atomic(output) as temporary:
        temporary.write_text(html(shown, claims, library), encoding="utf-8")
    count = sum(len(table["curves"]) for table in shown)
    return f"{count} networks of {len(shown)} tables, {len(claims)} claims"


def _place(path: Path, folder: Path) -> str:
    place = Path(os.path.relpath(path.parent, folder)).as_posix()
    return "" if place == "." else place


def _claims(folder: Path, kept: Path) -> list[dict[str, object]]:
    """Return the claims with a folder's own verdicts and those of a scoreboard's readings, as far as they are there."""
    import pandas as pd

    from sgpipe.explorer.verdicts import as_reading, verdicts

    own, board, readings = folder / "claims.parquet", kept / "scoreboard.parquet", kept / "readings.parquet"
    claims, parts = [], []
    if board.is_file() and readings.is_file():
        claims.append(pd.read_parquet(board))
        parts.append(pd.read_parquet(readings))
    if own.is_file():
        judged = pd.read_parquet(own)
        scales = sorted({scale for scale in judged["scale"] if scale})
        claims.append(judged)
        parts.append(as_reading(judged, f"here, scale {', '.join(scales) or 'none'}"))
    if not parts:
        return []
    return verdicts(pd.concat(claims).drop_duplicates("claim"), pd.concat(parts, ignore_index=True))


def experiment_files(paths: Iterable[Path | str]) -> dict[str, str]:
    """Return the file of each experiment that some files declare, by the experiment's id."""
    from sgpipe.spec.experiments import read_experiments

    return {name: str(path) for path in paths for name in read_experiments(path).experiments}
