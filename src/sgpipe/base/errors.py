"""The one exception for what a user can put right."""

from difflib import get_close_matches


class SgpipeError(Exception):
    """Bad input. The message is one line: which file or key, what is wrong, what to type instead."""


class DamagedFile(SgpipeError):
    """A file that sgpipe has made, or another program since, and that is not whole."""

    def __init__(self, path: object, problem: str):
        super().__init__(f"{path}: damaged ({problem}); delete the file to have it made again")
        self.path, self.problem = path, problem


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, or its kind if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def shown(value: object, most: int = 80) -> str:
    """Return a value as it would be written, on one line; the middle of a long one is left out."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits; what contains itself
        return f"a very long {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most * 2 // 3]} ... {text[-most // 4 :]}"


def one_of(where: str, value: object, allowed) -> SgpipeError:
    """Return the error for a value outside a list, naming the list and the nearest allowed word."""
    allowed = [str(item) for item in allowed]
    text = shown(value)
    near = get_close_matches(text.strip("'"), allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(allowed) if len(allowed) <= 15 else f"the {len(allowed)} known names"
    return SgpipeError(f"{where}: {text} is not one of {listed}{hint}")
