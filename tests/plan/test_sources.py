"""An edit of a module that a figure imports redraws it, and an edit of any other does not."""

import ast
import shutil
from pathlib import Path

import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.plan import sources
from sgpipe.spec.experiments import load_experiments
from tests.conftest import ROOT

PAPERS = sorted((ROOT / "workflow" / "experiments").glob("*.yaml"))
EXPERIMENTS = load_experiments(PAPERS, "smoke")


def names_of(paths) -> set[str]:
    return {Path(path).absolute().relative_to(sources.PACKAGE).as_posix() for path in paths}


def test_a_figure_has_what_it_imports_directly_or_not_and_nothing_else():
    found = names_of(sources.sources_of(EXPERIMENTS["zenke2021_fig2"]))
    own = {"figures/zenke2021/fig2.py", "figures/zenke2021/fig2_activity.py", "figures/zenke2021/fig2_sketch.py"}
    assert found >= own | {"figures/make.py", "figures/style.py", "figures/parts.py", "spec/surrogates.py"}
    assert not found & {"figures/needs.py", "figures/condition_sets.py", "results/exporting.py", "spec/run.py"}
    assert {name for name in found if name.startswith("figures/zenke2021/fig")} == own
    rising = {name for name, one in EXPERIMENTS.items() if "results/transition.py" in names_of(sources.sources_of(one))}
    assert rising and "zenke2021_fig2" not in rising


def test_claims_have_their_room_and_what_it_imports():
    found = names_of(sources.claim_sources())
    assert found >= {"claims/judge.py", "claims/strip.py", "results/selection.py", "results/transition.py"}
    assert not found & {"figures/parts.py", "figures/needs.py", "results/exporting.py", "spec/run.py"}


def imported(path: Path) -> set[str]:
    """Return the modules of the package that a module imports, as Python's own grammar has it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.removeprefix("sgpipe.") for name in found if name.startswith("sgpipe.")}


def test_no_import_of_a_module_is_missed():
    for room in ("claims", "figures", "results"):
        for path in (sources.PACKAGE / room).rglob("*.py"):
            assert set(sources._names(path.read_text(encoding="utf-8"))) >= imported(path), path


def test_an_import_that_is_added_counts_wherever_it_stands(tmp_path):
    package = tmp_path / "sgpipe"
    for room in ("figures", "results"):
        shutil.copytree(sources.PACKAGE / room, package / room)
    experiment = EXPERIMENTS["zenke2021_fig3"]
    path, new = sources.module_of(experiment, package), str(package / "figures" / "fresh.py")
    (package / "figures" / "fresh.py").write_text("from sgpipe.results import (\n    archive,\n)\n")
    assert new not in sources.sources_of(experiment, package)
    path.write_text(path.read_text() + "\n\ndef late():\n    from sgpipe.figures import style, fresh as other\n")
    found = sources.sources_of(experiment, package)
    assert new in found and str(package / "results" / "archive.py") in found


def test_a_figure_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SgpipeError, match=r"draw: there is no .*fig3\.py; write it, or name another"):
        sources.sources_of(EXPERIMENTS["zenke2021_fig3"], tmp_path)
