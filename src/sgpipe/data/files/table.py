"""What `sgpipe data` prints: every task, the source it would have, and the files found for it."""

from sgpipe.data.files.published import remark
from sgpipe.data.files.sources import Found, Sources
from sgpipe.spec.tasks import TASKS

COLUMNS = "{:<16}{:<12}{:>9}  {:>10}  {}"


def data_overview(sources: Sources) -> str:
    """Write a line for each task: its source under the policy, and the number, size and location of its files."""
    lines = [COLUMNS.format("task", "source", "files", "size", "where")]
    for task, kind in TASKS.items():
        data = kind()
        if not hasattr(data, "files"):
            lines.append(COLUMNS.format(task, data.source, "-", "-", "generated from a formula"))
            continue
        found = sources.found(data)
        chosen = sources.choose(data)
        used = found.get(chosen)
        if used and not used.missing:
            lines.append(_line(task, chosen, used, sources))
        else:
            words = "made here" if chosen == "embedded" else "not there"
            lines.append(COLUMNS.format(task, chosen, "-", "-", words))
        for source, other in found.items():
            if other is not used or other.missing:
                lines.append(COLUMNS.format("", f"({source})", "-", "-", _words(other)))
    return "\n".join([f"data folder {sources.folder}, data: {sources.policy}", *lines])


def _line(task: str, source: str, found: Found, sources: Sources) -> str:
    files = sources.files(found)
    size = found.size()
    words = [_words(found), remark(task, source, files)]
    return COLUMNS.format(task, source, files.split("-")[0], _size(size), "; ".join(filter(None, words)))


def _words(found: Found) -> str:
    return f"{found.root} lacks {', '.join(found.missing)}" if found.missing else str(found.root)


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size > 1e9 else f"{size / 1e6:.1f} MB"
