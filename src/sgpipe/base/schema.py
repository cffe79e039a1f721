"""Checking YAML documents against their JSON schemas, with one clear line for the first thing wrong."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from sgpipe.base.errors import SgpipeError, one_of

SOURCE_TREE = Path(__file__).resolve().parents[3]


@cache
def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema called `name`, e.g. `config`."""
    # Beside the sources, or in the workflow folder one stands in when the package is installed elsewhere.
    for root in (SOURCE_TREE, Path.cwd()):
        path = root / "workflow" / "schemas" / f"{name}.schema.json"
        if path.exists():
            return json.loads(path.read_text())
    raise SgpipeError(f"workflow/schemas/{name}.schema.json: not found; run from the folder of the Snakefile")


@cache
def _validator(name: str, part: str | None) -> jsonschema.Draft202012Validator:
    whole = schema(name)
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{part}", "$defs": whole["$defs"]} if part else whole)


def check(document: Any, name: str, where: str, part: str | None = None) -> None:
    """Raise SgpipeError, naming `where` and the key, if `document` does not fit the schema called `name`.

    With `part`, it has to fit the schema's definition of that name instead.
    """
    error = jsonschema.exceptions.best_match(_validator(name, part).iter_errors(document))
    if error is None:
        return
    key = ": ".join([where, ".".join(map(str, error.absolute_path))]).rstrip(": ")
    if error.validator == "enum":
        raise one_of(key, error.instance, error.validator_value)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = next(name for name in error.instance if name not in known)
        raise one_of(f"{key}: unknown key", unknown, known)
    hint = f" ({error.schema['description']})" if "description" in error.schema else ""
    raise SgpipeError(f"{key}: {error.message}{hint}")
