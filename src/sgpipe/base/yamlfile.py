"""Reading YAML the way a person means it, and no more of it than a person would write."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.parser import Parser

from sgpipe.base.errors import SgpipeError, shown

MOST_BYTES = 250_000  # some seconds of reading
MOST_VALUES = 200_000  # with what anchors stand for written out
MOST_LEVELS = 40
MOST_CHARACTERS = 200  # of a key, or of a whole number
MERGE = "merge"
KINDS = {"null", "bool", "int", "float", "str", "seq", "map", MERGE}


def read_yaml(path: Path | str) -> Any:
    """Read a YAML 1.2 file: `1e-3` is a number and `no` a word.

    Returns:
        Mappings with words as keys, lists, text, numbers, true, false and null, and nothing else. None for an empty
        file.

    Raises:
        SgpipeError: The file is missing, its syntax is bad, a key is given twice, or there are more than `MOST_VALUES`
            values. The message has the line where there is one.
    """
    text = _text(Path(path))
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.Parser = _ShallowParser
        node = yaml.compose(text)
        if node is None:
            return None
        _Size(path).of(node, 0)
        return yaml.constructor.construct_document(node)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = (error.problem or "bad YAML").splitlines()[0]
        raise SgpipeError(f"{path}: line {line}: {problem}") from None
    except _TooDeepError:
        raise _too_deep(path) from None
    except (YAMLError, ValueError, TypeError, KeyError) as error:  # characters, numbers and tags that make no sense
        raise SgpipeError(f"{path}: bad YAML: {(str(error).splitlines() or ['?'])[0]}") from None


def _text(path: Path) -> str:
    try:
        if path.is_dir():
            raise SgpipeError(f"{path}: is a folder; name a file")
        if not path.exists():
            raise SgpipeError(f"{path}: no such file")
        if not path.is_file():
            raise SgpipeError(f"{path}: is not a plain file; name one")
        if path.stat().st_size > MOST_BYTES:
            raise SgpipeError(f"{path}: is larger than {MOST_BYTES:,} bytes; is it a YAML file?")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SgpipeError(f"{path}: byte {error.start + 1} is not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise SgpipeError(f"{path}: cannot be read: {error.strerror}") from None


def _too_deep(path: Path | str) -> SgpipeError:
    return SgpipeError(f"{path}: is nested more than {MOST_LEVELS} levels deep; write it flatter")


class _TooDeepError(Exception):
    """Lists in lists, or mappings in mappings, beyond what a person would write."""


class _ShallowParser(Parser):
    """A parser that stops at what is nested too deeply, over which the others would take minutes."""

    level = 0

    def get_event(self):
        event = super().get_event()
        self.level += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if self.level > MOST_LEVELS:
            raise _TooDeepError
        return event


class _Size:
    """How many values a document has with its anchors written out, and how deep; each anchor is counted once."""

    def __init__(self, path: Path | str):
        self.path = path
        self.known: dict[int, tuple[int, int] | None] = {}  # by node: values and levels; None while they are counted

    def of(self, node: Node, level: int) -> tuple[int, int]:
        """Return the number of values and levels of a node that stands at a level; raise SgpipeError if too many."""
        if level > MOST_LEVELS:
            raise _too_deep(self.path)
        if id(node) not in self.known:
            self.known[id(node)] = None
            self.known[id(node)] = self._count(node, level)
        found = self.known[id(node)]
        if found is None:
            raise self._error(node, "an anchor contains itself")
        if level + found[1] > MOST_LEVELS:
            raise _too_deep(self.path)
        return found

    def _count(self, node: Node, level: int) -> tuple[int, int]:
        if _kind(node) not in KINDS:
            raise self._error(node, f"{shown(node.value)} is of the kind {_kind(node)}, which is not used; quote it")
        if isinstance(node, ScalarNode):
            if _kind(node) == "int" and len(node.value) > MOST_CHARACTERS:
                raise self._error(node, f"a number of {len(node.value)} digits; write a shorter one")
            return 1, 0
        if isinstance(node, MappingNode):
            for key, _ in node.value:
                self._check_key(key)
        inside = [value for _, value in node.value] if isinstance(node, MappingNode) else node.value
        sizes = [self.of(value, level + 1) for value in inside]
        total = 1 + sum(values for values, _ in sizes)
        if total > MOST_VALUES:
            raise self._error(node, f"makes more than {MOST_VALUES:,} values, with anchors written out")
        return total, 1 + max((levels for _, levels in sizes), default=0)

    def _check_key(self, key: Node) -> None:
        if not isinstance(key, ScalarNode):
            raise self._error(key, "a key is not a word")
        if _kind(key) not in ("str", MERGE):
            raise self._error(key, f"the key {shown(key.value)} is not a word; quote it")
        if not key.value.isprintable() or len(key.value) > MOST_CHARACTERS:
            raise self._error(
                key, f"the key {shown(key.value)} is not one line of at most {MOST_CHARACTERS} characters"
            )

    def _error(self, node: Node, words: str) -> SgpipeError:
        return SgpipeError(f"{self.path}: line {node.start_mark.line + 1}: {words}")


def _kind(node: Node) -> str:
    return str(node.tag).rpartition(":")[2].lstrip("!")
