"""The explorer of the networks in docs/results, and a page that holds it. MkDocs runs this."""

import mkdocs_gen_files

from sgpipe.rules.explore import experiment_files, explore
from website.links import DOCS, ROOT

PAGE = """# Explorer

Every network of [the tables](results/paper/README.md) that are kept with the project, and every claim in every reading.
Choose a figure, filter its networks, point at one for its knobs, and click it for its learning curve and the command
that trains it again. [Open it alone](explorer/networks.html){ target=_blank }; `make explorer` makes one of
your own networks.

<iframe class="explorer" src="explorer/networks.html" title="Explorer"></iframe>
"""


def main() -> None:
    """Write the page, and the explorer anew if a table is younger."""
    made = ROOT / "build/explorer.html"
    made.parent.mkdir(exist_ok=True)
    sources = [*DOCS.glob("results/**/*.parquet"), *DOCS.glob("claims/*.parquet"), *ROOT.glob("src/sgpipe/explorer/*")]
    if not made.is_file() or made.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        files = sorted(ROOT.glob("workflow/experiments/*.yaml"))
        explore(DOCS / "results", made, experiment_files(path.relative_to(ROOT) for path in files), DOCS / "claims")
    with mkdocs_gen_files.open("explorer/networks.html", "w") as target:
        target.write(made.read_text(encoding="utf-8"))
    with mkdocs_gen_files.open("explorer.md", "w") as target:
        target.write(PAGE)


main()
