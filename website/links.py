"""From links between files of the repository to links between pages of the site."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contribute.md", "CHANGELOG.md": "changelog.md"}
FILES = "files"  # of the site: what lies outside docs/ and is linked to
LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\]\([^)]*\))*)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)"
)


def place(file: Path) -> str | None:
    """Return where a file of the repository is in the site; None for folders, which are not there."""
    if not file.is_file():
        return None
    if file.is_relative_to(DOCS):
        return file.relative_to(DOCS).as_posix()
    path = file.relative_to(ROOT).as_posix()
    return PAGES.get(path, f"{FILES}/{path}")


def relinked(text: str, source: Path) -> str:
    """Return a page with links as the site has them; a link to a folder becomes its words.

    Args:
        text: Markdown.
        source: The file that it is from, with respect to which its links are.
    """
    here = Path(place(source) or "").parent

    def renew(link: re.Match) -> str:
        words = relinked(link["text"], source) if "](" in link["text"] else link["text"]
        file = (source.parent / link["path"]).resolve()
        if not file.exists():
            return link[0]  # the strict build says so
        target = place(file)
        if target is None:
            return words
        return f"{link['image']}[{words}]({os.path.relpath(target, here)}{link['anchor'] or ''})"

    return "".join(piece if number % 2 else LINK.sub(renew, piece) for number, piece in enumerate(_pieces(text)))


def _pieces(text: str) -> list[str]:
    """Cut a page into prose and code blocks, in turns."""
    return re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)


def enlarged(text: str) -> str:
    """Return a page with each picture that has a line of its own as a link to it: on a telephone it is too small."""
    return re.sub(r"^!\[[^\]]*\]\((?P<path>[^)\s]+)\)$", r"[\g<0>](\g<path>)", text, flags=re.MULTILINE)


def linked(text: str, source: Path) -> Iterator[Path]:
    """Yield the files of the repository that a page links to."""
    for link in LINK.finditer(text):
        yield from linked(link["text"], source)
        file = (source.parent / link["path"]).resolve()
        if file.is_file() and file.is_relative_to(ROOT):
            yield file
