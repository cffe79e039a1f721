"""Read YAML as its author meant it, without the features that nobody writes by hand.

libyaml parses, through PyYAML; what a plain word means is that of YAML 1.2, of which PyYAML knows 1.1 alone.
"""

import re
from pathlib import Path
from typing import Any, ClassVar

import yaml
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from sgpipe.base.errors import SgpipeError, shown

MOST_BYTES = 250_000  # some seconds of reading
MOST_VALUES = 200_000  # with what anchors stand for written out
MOST_LEVELS = 40
MOST_CHARACTERS = 200  # of a key, or of a whole number
MERGE = "merge"
KINDS = {"null", "bool", "int", "float", "str", "seq", "map", MERGE}
# YAML 1.2.2, section 10.3.2, with underscores between digits and with numbers to the base of 2. The characters that a
# word of a kind may begin with spare the others the comparison.
PLAIN = (
    (MERGE, r"<<", "<"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)"
        r"|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("timestamp", r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?", "0123456789"),  # to be refused
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """The parser, with the words of YAML 1.2."""

    yaml_implicit_resolvers: ClassVar[dict] = {}  # its own, not those of PyYAML


for _name, _form, _first in PLAIN:
    _tag = f"tag:yaml.org,2002:{_name}"
    _Loader.add_implicit_resolver(_tag, re.compile(f"(?:{_form})\\Z"), [*_first, *([""] if _name == "null" else [])])


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
        _check_levels(text, path)
        node = yaml.compose(text, _Loader)
        if node is None:
            return None
        _Size(path).of(node, 0)
        return _value(node)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        problem = (error.problem or "bad YAML").splitlines()[0]
        raise SgpipeError(f"{path}: line {line}: {problem}") from None
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


def _check_levels(text: str, path: Path | str) -> None:
    """Stop at what is nested too deeply before anything is made of it."""
    level = 0
    for event in yaml.parse(text, _Loader):
        level += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if level > MOST_LEVELS:
            raise _too_deep(path)


def _value(node: Node) -> Any:
    """Return what a node stands for."""
    if isinstance(node, MappingNode):
        return _mapping(node)
    if isinstance(node, SequenceNode):
        return [_value(inner) for inner in node.value]
    kind, word = _kind(node), node.value
    if kind in ("str", MERGE):
        return word
    if kind == "null":
        return None
    if kind == "bool":
        return {"true": True, "false": False}[word.lower()]
    return _number(word.replace("_", "").lower(), kind)


def _number(word: str, kind: str) -> int | float:
    if kind == "float":
        return float(word.replace(".inf", "inf").replace(".nan", "nan"))
    digits = word.lstrip("+-")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
    return int(word, base)


def _mapping(node: MappingNode) -> dict[str, Any]:
    """Return a mapping; its own keys count more than those that it merges, and of these the first."""
    merged: dict[str, Any] = {}
    for key, value in node.value:
        if _kind(key) == MERGE:
            sources = value.value if isinstance(value, SequenceNode) else [value]
            for source in reversed(sources):
                if not isinstance(source, MappingNode):
                    raise ValueError(f"line {key.start_mark.line + 1}: << is of mappings alone")
                merged.update(_mapping(source))
    return {**merged, **{key.value: _value(value) for key, value in node.value if _kind(key) != MERGE}}


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
            known = set()
            for key, _ in node.value:
                self._check_key(key)
                if key.value in known:
                    raise self._error(key, f"found duplicate key {shown(key.value)}")
                known.add(key.value)
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
