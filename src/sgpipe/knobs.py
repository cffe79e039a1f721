"""The reference tables of every knob and setting, made from where they are declared."""

from dataclasses import Field

from sgpipe.schema import schema
from sgpipe.spec import TASKS, basic_type, knobs


def knob_table() -> str:
    """Return Markdown: every knob of a run with type, default, unit, allowed values and meaning."""
    lines = [
        "# Knobs",
        "",
        "Every knob of a run, as experiment files name it. This page is written by `sgpipe knobs`.",
        "",
        "| knob | type | default | unit | allowed | meaning |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for task in TASKS:
        for name, item in knobs(task).items():
            cells = (f"`{name}`", basic_type(item.type).__name__, _show(item.default), item.metadata["unit"])
            lines.append("| " + " | ".join((*cells, _allowed(item), item.metadata["meaning"])) + " |")
    return "\n".join(lines) + "\n"


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
