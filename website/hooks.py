"""What MkDocs calls: links of pages in docs/ that lead out of it."""

from website.links import DOCS, relinked


def on_page_markdown(markdown, page, config, files):
    """Rewrite the links of a page that is a file of docs/; generated pages have theirs already."""
    source = DOCS / page.file.src_uri
    return relinked(markdown, source) if source.is_file() else markdown
