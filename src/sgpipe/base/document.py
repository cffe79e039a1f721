"""Typed models of YAML documents, and one clear line for the first thing wrong in one."""

import re
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from sgpipe.base.errors import SgpipeError, one_of, shown

Model = TypeVar("Model", bound=BaseModel)


class Document(BaseModel):
    """Base of the models: no unknown keys, no guessing between types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def one_line(text: str) -> str:
    """Check that a text is one line of printable characters.

    Returns:
        The text, unchanged.

    Raises:
        ValueError: It is not.
    """
    if not text.strip():
        raise ValueError("is empty; give it a word")
    if not text.isprintable():
        raise ValueError("has characters that cannot be printed; write it on one line")
    return text


def named(pattern: str, words: str) -> Any:
    """Make the type of a text that matches a regular expression as a whole.

    Args:
        pattern: The regular expression.
        words: What the text may be made of, for the error message.
    """

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is not {words}")
        return text

    return Annotated[str, AfterValidator(check)]


Line = Annotated[str, AfterValidator(one_line)]


def checked(model: type[Model], document: Any, where: str) -> Model:
    """Check a document against a model.

    Args:
        model: The model, a `Document`.
        document: Plain values, as read from YAML.
        where: Names the document in the error message.

    Returns:
        The document as an instance of the model.

    Raises:
        SgpipeError: Something is wrong; the message names `where` and the first such key.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        # The shallowest, and of those a wrong key before a missing one: it is the same key misspelt.
        found = error.errors(include_url=False)
        first = min(
            found, key=lambda item: (len(_place(item)), item["type"] != "extra_forbidden" and not _of_key(item))
        )
        raise _one_line(model, first, where) from None


TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "finite_number": "a finite number",
}
BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}


def _one_line(model: type[BaseModel], error: Any, where: str) -> SgpipeError:
    """Return the error to raise for one of pydantic's."""
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    place = _place(error)
    parent = _key(where, place[:-1])
    if kind == "extra_forbidden":
        return one_of(f"{parent}: unknown key", place[-1], _model_at(model, place[:-1]).model_fields)
    if kind == "missing":
        field = _model_at(model, place[:-1]).model_fields[place[-1]]
        return SgpipeError(f"{parent}: {place[-1]!r} is a required property{_in_brackets(field.description)}")
    key = _key(where, place)
    if kind == "literal_error":
        return one_of(key, value, re.findall(r"'([^']*)'", context["expected"]))
    hint = _in_brackets(_description(model, place))
    if value is None and not place:
        return SgpipeError(f"{key}: the file is empty; give it {_listed(model)}")
    if kind in TYPES:
        quote = "; quote it" if kind == "string_type" and isinstance(value, int | float) else ""
        none = "; give it a value" if value is None else ""
        return SgpipeError(f"{key}: {shown(value)} is not {TYPES[kind]}{quote}{none}{hint}")
    if kind in BOUNDS:
        words, name = BOUNDS[kind]
        return SgpipeError(f"{key}: {shown(value)} must be {words} {context[name]}")
    if kind in ("too_short", "too_long"):
        much = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return SgpipeError(f"{key}: {shown(value)} is {kind.replace('_', ' ')}: {much}{hint}")
    if kind == "value_error":
        of_whole = isinstance(value, dict)  # a rule about several keys, whose message names them
        return SgpipeError(
            f"{key}: {context['error']}" if of_whole else f"{key}: {shown(value)} {context['error']}{hint}"
        )
    return SgpipeError(f"{key}: {shown(value)}: {error['msg']}")


def _place(error: Any) -> tuple[int | str, ...]:
    return error["loc"][:-1] if _of_key(error) else error["loc"]


def _of_key(error: Any) -> bool:
    return error["loc"][-1:] == ("[key]",)


def _key(where: str, place: Sequence[int | str]) -> str:
    return f"{where}: {'.'.join(map(str, place))}" if place else where


def _in_brackets(words: str | None) -> str:
    return f" ({words})" if words else ""


def _listed(model: type[BaseModel]) -> str:
    needed = [name for name, field in model.model_fields.items() if field.is_required()]
    return " and ".join(f"`{name}`" for name in needed) or "at least one key"


def _description(model: type[BaseModel], place: Sequence[int | str]) -> str | None:
    """Return what is said of the key at a place, or of the list or mapping that it is in."""
    kind, found = model, None
    for part in place:
        if _is_model(kind):
            found = kind.model_fields[part].description
        kind = _inside(kind, part)
    return found


def _model_at(model: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """Return the model of what stands at a place of a document."""
    for part in place:
        model = _inside(model, part)
    return model


def _inside(kind: Any, part: int | str) -> Any:
    """Return the type of a model's key, of a list's entry or of a mapping's value."""
    kind = kind.model_fields[part].annotation if _is_model(kind) else typing.get_args(kind)[-1]
    while typing.get_origin(kind) in (Annotated, typing.Union, types.UnionType):  # what checks it; that it may be null
        kind = typing.get_args(kind)[0]
    return kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
