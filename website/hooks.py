"""What MkDocs calls: links of pages in docs/ that lead out of it, and those of the tutorial, which is no Markdown."""

import logging
import re

from website.links import DOCS, enlarged, relinked

WARNINGS = logging.getLogger("mkdocs.plugins.website")  # which the strict build counts


def on_page_markdown(markdown, page, config, files):
    """Rewrite the links of a page that is a file of docs/; generated pages have theirs already."""
    source = DOCS / page.file.src_uri
    return enlarged(relinked(markdown, source) if source.is_file() else markdown)


def on_page_content(html, page, config, files):
    """Have a notebook's links to pages lead to those of the site."""

    def renew(link: re.Match) -> str:
        found = files.get_file_from_path(link["path"])
        if found is None:
            WARNINGS.warning("%s: no page %s", page.file.src_uri, link["path"])
            return link[0]
        return f'href="{found.url_relative_to(page.file)}{link["anchor"] or ""}"'

    if not page.file.src_uri.endswith(".ipynb"):
        return html
    return re.sub(r'href="(?P<path>[\w/.-]+\.md)(?P<anchor>#[^"]*)?"', renew, html)
