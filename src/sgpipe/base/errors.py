"""The exception for everything that a user can mend."""

from difflib import get_close_matches


class SgpipeError(Exception):
    """Bad input. The message is one line: which file or key, what is wrong, what to type instead."""


class OtherVersion(SgpipeError):
    """A run that another version of an extension describes."""


class DamagedFile(SgpipeError):
    """A file that sgpipe has made, or another program since, and that is not whole."""

    def __init__(self, path: object, problem: str):
        super().__init__(f"{path}: damaged ({problem}); delete the file to have it made again")
        self.path, self.problem = path, problem


def first_line(error: BaseException) -> str:
    """Take the first line of an exception's message, or the name of its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def shown(value: object, most: int = 80) -> str:
    """Write a value on one line.

    Args:
        value: Any value.
        most: Longest text in characters; the middle of a longer one is left out.
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits; what contains itself
        return f"a very long {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most * 2 // 3]} ... {text[-most // 4 :]}"


def one_of(where: str, value: object, allowed) -> SgpipeError:
    """Make the error for a value that is not in a list of allowed ones.

    Args:
        where: Names the file or key.
        value: The value that was found.
        allowed: The values that are allowed.

    Returns:
        The error, to be raised. Its message has the list and the most similar word in it.
    """
    allowed = [str(item) for item in allowed]
    text = shown(value)
    near = get_close_matches(text.strip("'"), allowed, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(allowed) if len(allowed) <= 15 else f"the {len(allowed)} known names"
    return SgpipeError(f"{where}: {text} is not one of {listed}{hint}")
