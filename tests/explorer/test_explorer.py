"""What the explorer's page says of networks and claims; `tests/pages` opens it in a browser."""

import json

import pandas as pd
import pytest

from sgpipe.base.errors import SgpipeError
from sgpipe.explorer.networks import POINTS, independent, networks, tables_in
from sgpipe.explorer.verdicts import as_reading, verdicts
from sgpipe.results.selection import outcomes
from sgpipe.rules.explore import explore
from tests.conftest import ROOT

RESULTS = ROOT / "docs/results"
TABLE = RESULTS / "herranz2022/herranz2022real_fig2.parquet"


@pytest.fixture(scope="module")
def fig2():
    return networks(TABLE, "herranz2022", {"herranz2022real_fig2": "workflow/experiments/herranz2022_real.yaml"})


def test_networks_have_what_their_table_says(fig2):
    rows = pd.read_parquet(TABLE)
    runs = outcomes(rows).set_index("run_id")
    columns = fig2["columns"]
    assert columns["run_id"] == list(runs.index) and columns["surrogate_shape"] == list(runs["surrogate.shape"])
    assert columns["test_accuracy"] == pytest.approx(list(runs["test_accuracy"]), abs=1e-5)
    for run_id, (epochs, train, valid, *_) in zip(columns["run_id"], fig2["curves"], strict=True):
        own = rows[(rows["run_id"] == run_id) & (rows["split"] == "valid")].set_index("epoch")["accuracy"]
        assert epochs[-1] == own.index.max() and len(epochs) == len(train) <= POINTS
        assert valid == pytest.approx(list(own.loc[epochs]), abs=1e-3)
    assert not set(fig2["same"]) & set(fig2["differing"])
    assert fig2["command"].endswith("--config scale=laptop results=again 'experiments=[workflow/experiments/herranz2022_real.yaml]'")  # fmt: skip
    json.dumps(fig2, allow_nan=False)


def test_knobs_that_follow_from_another_are_no_choices():
    runs = pd.DataFrame({
        "sweep": "one",
        "surrogate.shape": ["a", "a", "b", "b"],
        "surrogate.tail": [1.0, 1.0, None, None],  # follows from the shape
        "surrogate.beta": [1, 10, 1, 10],
    })  # fmt: skip
    assert independent(runs, ["surrogate.tail", "surrogate.beta", "surrogate.shape"]) == [
        "surrogate.shape",
        "surrogate.beta",
    ]


def test_only_tables_of_trained_networks_are_found(tmp_path):
    found = tables_in(RESULTS)
    assert TABLE in found and not any("." in path.stem for path in found)
    assert found[0].stem == "zenke2021_fig2"  # the older paper first
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "fig1.parquet")
    assert tables_in(tmp_path) == []


def test_a_folder_without_tables_is_refused(tmp_path):
    pytest.importorskip("altair", reason="no altair; make setup-docs installs it")
    with pytest.raises(SgpipeError, match="no table of trained networks there"):
        explore(tmp_path, tmp_path / "page.html", {})


def test_every_reading_of_a_claim_is_there_with_the_folders_own():
    board, readings = (pd.read_parquet(ROOT / f"docs/claims/{name}.parquet") for name in ("scoreboard", "readings"))
    own = as_reading(board, "here, scale laptop")
    found = {claim["id"]: claim for claim in verdicts(board, pd.concat([readings, own]))}
    numbers = readings[readings["estimate"].notna()]
    assert set(numbers["claim"]) <= set(found)
    name = numbers["claim"].value_counts().index[0]
    shown = found[name]["readings"]
    assert {one["reading"] for one in shown} == {*numbers[numbers["claim"] == name]["reading"], "here, scale laptop"}
    assert [one["estimate"] for one in shown] == sorted(one["estimate"] for one in shown)
    assert all(one["low"] <= one["estimate"] <= one["high"] for one in shown)
    json.dumps(list(found.values()), allow_nan=False)  # infinite targets end somewhere


def test_data_cannot_end_the_page(monkeypatch):
    page = pytest.importorskip("sgpipe.explorer.page", reason="no altair; install sgpipe[explore]")
    claim = {"id": "x", "words": "</script><b>", "readings": []}
    text = page.html([], [claim], library="")
    assert "</script><b>" not in text and "\\u003c/script>\\u003cb>" in text
