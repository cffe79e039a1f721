"""The reference tables of every knob and setting, made from where they are declared."""

from collections.abc import Mapping
from dataclasses import Field

from sgpipe.base.schema import schema
from sgpipe.spec.knob import basic_type
from sgpipe.spec.run import knobs
from sgpipe.spec.tasks import TASKS


def knob_table() -> str:
    """Return Markdown: every knob of a run with type, default, unit, allowed values and meaning."""
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
    """Return Markdown: every setting of config.yaml with default, allowed values and meaning."""
    lines = [
        "# Settings",
        "",
        "Every setting of `config.yaml`.",
        "",
        "| setting | default | allowed | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for name, rule in schema("config")["properties"].items():
        allowed = ", ".join(f"`{value}`" for value in rule.get("enum", ())) or _words(rule["type"])
        lines.append(f"| `{name}` | {_show(rule['default'])} | {allowed} | {rule['description']} |")
    return "\n".join(lines) + "\n"


def _words(kind: str | list[str]) -> str:
    return kind if isinstance(kind, str) else " or ".join(kind)


def _show(value: object) -> str:
    return f"`{list(value)}`" if isinstance(value, tuple | list) else f"`{value}`"


def _allowed(item: Field) -> str:
    rule = item.metadata
    if rule["choices"]:
        return ", ".join(f"`{choice}`" for choice in rule["choices"])
    words = {"above": "> {}", "least": ">= {}", "below": "< {}"}
    return ", ".join(text.format(rule[key]) for key, text in words.items() if rule[key] is not None)
