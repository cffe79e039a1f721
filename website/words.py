"""Write the numbers of README and documentation that come from tables, or say which are out of date.

A number stands behind the expression that gives it, between two comments, which no reader sees:

    Of <!-- {{ claims("zenke2021").total }} -->121<!-- / --> claims ...

The expressions are Jinja's. `numbers` has the names that they know. A comment may not begin a line of running text,
since Markdown would take the whole line for HTML. A generated table stands on lines of its own between its comments.
"""

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import jinja2

from website.numbers import names

ROOT = Path(__file__).resolve().parents[1]
MARK = re.compile(r"(?P<open><!-- \{\{(?P<expression>.*?)\}\} -->)(?P<text>.*?)(?P<close><!-- / -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return the pages that may have numbers in words."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def written(text: str, environment: jinja2.Environment, where: str = "") -> str:
    """Return a page with its numbers renewed.

    Args:
        text: The page.
        environment: Jinja's, with the names that expressions may use.
        where: The page's name, for errors.

    Raises:
        SystemExit: An expression cannot be computed, or a comment is where Markdown takes it for HTML.
    """

    def renew(mark: re.Match) -> str:
        own_lines = mark["text"].startswith("\n")
        if not own_lines and text[: mark.start()].rpartition("\n")[2].strip(" -|*") == "" and not _in_table(text, mark):
            sys.exit(f"{where}: {mark['open']} may not begin a line")
        try:
            value = environment.compile_expression(mark["expression"], undefined_to_none=False)()
            words = str(value)
        except Exception as error:
            sys.exit(f"{where}: {mark['expression'].strip()}: {error}")
        return mark["open"] + (f"\n\n{words.strip()}\n\n" if own_lines else words) + mark["close"]

    found = MARK.sub(renew, text)
    if text.count("<!-- {{") != len(MARK.findall(text)):
        sys.exit(f"{where}: a number lacks its end, <!-- / -->")
    return found


def _in_table(text: str, mark: re.Match) -> bool:
    return text[: mark.start()].rpartition("\n")[2].startswith("|")


def environment() -> jinja2.Environment:
    """Return the environment in which expressions are computed."""
    made = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
    made.globals.update(names(ROOT))
    return made


def stale(paths: Iterable[Path], write: bool) -> list[Path]:
    """Return the pages whose numbers are out of date; renew them if told to."""
    jinja, found = environment(), []
    for path in paths:
        before = path.read_text(encoding="utf-8")
        if "<!-- {{" in before and (after := written(before, jinja, str(path.relative_to(ROOT)))) != before:
            found.append(path)
            if write:
                path.write_text(after, encoding="utf-8")
    return found


def main() -> int:
    """Run `make words`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 if a number is out of date")
    check = parser.parse_args().check
    found = stale([path for path in pages() if path.exists()], write=not check)
    for path in found:
        print(f"{path.relative_to(ROOT)}: {'out of date; run `make words`' if check else 'renewed'}")
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
