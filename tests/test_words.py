"""Numbers in README and documentation are those of the tables that they come from."""

import re
from pathlib import Path

import jinja2
import pandas as pd
import pytest
from website.links import LINK, enlarged, relinked
from website.numbers import grid_table
from website.words import pages, stale, written

from sgpipe.cli import main
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_number_is_what_the_tables_say():
    assert not stale(pages(), write=False), "run `make words`"
    assert "{{ scoreboard() }}" in README and "{{ times(" in README


def test_a_number_is_written_behind_its_expression_and_stays_renewable():
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    environment.globals["half"] = lambda value: value / 2
    text = "Some <!-- {{ half(9) }} -->?<!-- / -->.\n\n<!-- {{ 'a\\nb' }} -->\n<!-- / -->\n"
    once = written(text, environment)
    assert "-->4.5<!-- / -->." in once and "-->\n\na\nb\n\n<!-- / -->" in once
    assert written(once, environment) == once


def test_a_grid_has_the_best_validation_accuracy_of_each_cell_and_says_what_diverged():
    table = ROOT / "docs/results/mnist/herranz2022mnist_fig3.parquet"
    runs = pd.read_parquet(table)
    own = runs[(runs["split"] == "valid") & (runs["status"] == "finished") & (runs["surrogate.shape"] == "rectangular")]
    best = own[(own["surrogate.dampening"] == 1) & (own["surrogate.sharpness"] == 1.5)]["accuracy"].max()
    lines = grid_table(table, "sharpness", "surrogate.shape", "surrogate.sharpness").splitlines()
    assert lines[0] == "| shape | 0.1 | 0.25 | 0.5 | 0.75 | 1 | 1.25 | 1.5 |"
    cells = next(line for line in lines if line.startswith("| rectangular")).strip("|").split("|")
    assert float(cells[-1]) == round(best, 3) and cells[1].strip() == "diverged"


def test_a_cell_of_a_grid_without_networks_has_a_dash(tmp_path):
    runs = pd.read_parquet(ROOT / "docs/results/mnist/herranz2022mnist_fig3.parquet")
    lost = (runs["surrogate.shape"] == "gaussian") & (runs["surrogate.sharpness"] == 1.5)
    runs[~lost].to_parquet(tmp_path / "mine.parquet")
    lines = grid_table(tmp_path / "mine.parquet", "sharpness", "surrogate.shape", "surrogate.sharpness").splitlines()
    gaussian = next(line for line in lines if line.startswith("| gaussian"))
    assert gaussian.endswith("| - |") and gaussian.count("diverged") == 2


@pytest.mark.parametrize(
    "text", ["a <!-- {{ unknown }} -->1<!-- / -->", "<!-- {{ 1 }} -->1<!-- / --> begins", "a <!-- {{ 1 }} -->1"]
)
def test_what_cannot_be_written_is_one_line(text):
    with pytest.raises(SystemExit, match="page"):
        written(text, jinja2.Environment(undefined=jinja2.StrictUndefined), "page")


def test_readme_is_short():
    assert len(README.splitlines()) <= 120


def test_links_between_pages_lead_to_files():
    for page in pages():
        for link in LINK.finditer(page.read_text(encoding="utf-8")):
            assert (page.parent / link["path"]).exists(), f"{page}: {link['path']}"


def test_links_out_of_the_documentation_become_links_within_the_site():
    text = relinked(
        "[a](../src/sgpipe/cli.py) [b](../README.md#start) [c](../src) ![d](pictures/speed.png)", ROOT / "docs" / "x.md"
    )
    assert text == "[a](files/src/sgpipe/cli.py) [b](index.md#start) c ![d](pictures/speed.png)"


def test_a_picture_on_a_line_of_its_own_is_a_link_to_itself():
    text = "![a](x/y.png)\n\nwords ![b](z.png)\n"
    assert enlarged(text) == "[![a](x/y.png)](x/y.png)\n\nwords ![b](z.png)\n"


def blocks(language: str) -> list[tuple[Path, str]]:
    return [
        (page, block)
        for page in pages()
        for block in re.findall(
            rf"^ *```{language}\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
    ]


def test_options_of_sgpipe_in_pages_are_those_of_the_command(capsys):
    helped = {}
    for _, block in [*blocks("sh"), *blocks("bash")]:
        for line in block.splitlines():
            words = line.partition("#")[0].split()
            if words[:1] != ["sgpipe"] or len(words) < 2:
                continue
            command = words[1]
            if command not in helped:
                with pytest.raises(SystemExit, match="^0$"):
                    main([command, "--help"])
                helped[command] = capsys.readouterr().out
            for option in [word for word in words if word.startswith("--")]:
                assert option.partition("=")[0] in helped[command], line
