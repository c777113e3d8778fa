"""What each recipe's request may hold, for forms: the parameters of operators' recipes, the fields of the built-ins."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import BaseModel

from spoolq import recipes
from spoolq.errors import SettingsInvalid
from spoolq.recipes.operator import OperatorRecipe
from spoolq.settings import Settings

#: JSON Schema's word for a type -> ours, which are those of `[recipes.NAME.parameters]`.
_TYPES = {
    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "object"
}  # fmt: skip


def parameters_of(name: str, settings: Settings) -> list[dict[str, Any]] | None:
    """The parameters of a recipe in order; None where it does not tell, as a package's, or a broken one.

    Each has `name`, `type` (str, int, float, bool, list, choice, object or any), `required`, `default`, `help`,
    `choices`, `min` and `max`.
    """
    if name in settings.recipes:
        try:
            recipe = OperatorRecipe.from_settings(name, settings.recipes[name])
        except SettingsInvalid:
            return None
        return [_declared(parameter, declared.model_dump()) for parameter, declared in recipe.parameters.items()]
    model = getattr(import_module(recipes.BUILT_IN[name]), "Request", None) if name in recipes.BUILT_IN else None
    return _fields(model) if model is not None else None


def _declared(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    known = ("type", "required", "default", "help", "choices", "min", "max")
    return {"name": name, **{key: said[key] for key in known}}


def _fields(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    required = schema.get("required", ())
    return [_field(name, said, required=name in required) for name, said in schema["properties"].items()]


def _field(name: str, said: Mapping[str, Any], *, required: bool) -> dict[str, Any]:
    kinds = [kind for kind in said.get("anyOf", [said]) if kind.get("type") != "null"]
    only = kinds[0] if len(kinds) == 1 else {}  # of several types no one bound holds
    low, high = only.get("minimum"), only.get("maximum")
    if only.get("type") == "integer":
        low = only["exclusiveMinimum"] + 1 if "exclusiveMinimum" in only else low
        high = only["exclusiveMaximum"] - 1 if "exclusiveMaximum" in only else high
    return {
        "name": name,
        "type": "choice" if "enum" in only else _TYPES.get(only.get("type", ""), "any"),
        "required": required,
        "default": said.get("default"),
        "help": said.get("description", ""),
        "choices": only.get("enum"),
        "min": low,
        "max": high,
    }
