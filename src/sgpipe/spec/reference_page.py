"""The reference tables of every knob and setting, made from their declarations."""

from collections.abc import Mapping
from dataclasses import Field
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from sgpipe.spec.config import Settings
from sgpipe.spec.knob import basic_type
from sgpipe.spec.run import knobs
from sgpipe.spec.tasks import TASKS


def knob_table() -> str:
    """Write every knob of a run as Markdown tables: type, default, unit, allowed values and meaning."""
    lines = [
        "# Knobs",
        "",
        "Every knob of a run, as experiment files name it. This page is written by `sgpipe knobs`.",
        "",
    ]
    for task in TASKS:
        own = {name: item for name, item in knobs(task).items() if name.startswith("data.")}
        lines += [f"## Data set {task}", "", *_rows(own), ""]
    shared = {name: item for name, item in knobs("randman").items() if not name.startswith("data.")}
    return "\n".join([*lines, "## Every run", "", *_rows(shared)]) + "\n"


def _rows(items: Mapping[str, Field]) -> list[str]:
    lines = [
        "| knob | type | default | unit | allowed | meaning |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, item in items.items():
        cells = (f"`{name}`", basic_type(item.type).__name__, _show(item.default), item.metadata["unit"])
        meaning = item.metadata["meaning"].replace("|", r"\|")
        lines.append("| " + " | ".join((*cells, _allowed(item), meaning)) + " |")
    return lines


def config_table() -> str:
    """Write every setting of config.yaml as a Markdown table: default, allowed values and meaning."""
    lines = [
        "# Settings",
        "",
        "Every setting of `config.yaml`.",
        "",
        "| setting | default | allowed | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        allowed = ", ".join(f"`{value}`" for value in _choices(field)) or _words(field)
        lines.append(f"| `{name}` | {_show(field.default)} | {allowed} | {field.description} |")
    return "\n".join(lines) + "\n"


def _choices(field: FieldInfo) -> tuple[Any, ...]:
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def _words(field: FieldInfo) -> str:
    """Return the type of a setting and its bounds, in words."""
    parts = get_args(field.annotation) or (field.annotation,)
    kinds = [get_args(part)[0] if get_args(part) else part for part in parts]  # without its validator
    names = {int: "whole number", float: "number", str: "text", type(None): "null"}
    words = "list" if get_origin(field.annotation) is list else " or ".join(names[kind] for kind in kinds)
    signs = {"gt": "> {}", "ge": ">= {}", "le": "<= {}"}
    bounds = [
        text.format(getattr(rule, sign))
        for sign, text in signs.items()
        for rule in field.metadata
        if hasattr(rule, sign)
    ]
    return ", ".join([words, *bounds])


def _show(value: object) -> str:
    if value == "":
        return "none"
    return f"`{list(value)}`" if isinstance(value, tuple | list) else f"`{value}`"


def _allowed(item: Field) -> str:
    rule = item.metadata
    if rule["choices"]:
        return ", ".join(f"`{choice}`" for choice in rule["choices"])
    words = {"above": "> {}", "least": ">= {}", "below": "< {}", "most": "<= {}", "longest": "at most {} of them"}
    return ", ".join(text.format(rule[key]) for key, text in words.items() if rule[key] is not None)
