"""Pages of the site that are files of the repository, and the files that pages link to. MkDocs runs this."""

import mkdocs_gen_files

from website.links import DOCS, PAGES, ROOT, linked, place, relinked

sources = [*(ROOT / name for name in PAGES), *DOCS.rglob("*.md")]
for name, page in PAGES.items():
    text = relinked((ROOT / name).read_text(encoding="utf-8"), ROOT / name)
    with mkdocs_gen_files.open(page, "w") as file:
        file.write(text)
outside = {file for source in sources for file in linked(source.read_text(encoding="utf-8"), source)}
for path in sorted(outside):
    target = place(path)
    if target and not path.is_relative_to(DOCS) and target not in PAGES.values():
        with mkdocs_gen_files.open(target, "wb") as file:
            file.write(path.read_bytes())
