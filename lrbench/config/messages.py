"""What pydantic found wrong with a configuration, in lrbench's own words and with the place in the file."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from lrbench.errors import RequestError, did_you_mean
from lrbench.text import shortened
from lrbench.wording import counted

__all__ = ["cause_and_remedy", "explained", "written"]

_RULES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text in quotes",
    "tuple_type": "a list in brackets",
    "list_type": "a list in brackets",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "none_required": "left out",
    "greater_than": "greater than {gt:,}",
    "greater_than_equal": "at least {ge:,}",
    "less_than": "less than {lt:,}",
    "less_than_equal": "at most {le:,}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "of the form {pattern}",
}
"""Type of pydantic's error → what the value must be."""


def explained(
    error: ValidationError, kind: type[BaseModel], values: Mapping[str, Any], where: str
) -> RequestError:
    """Return one sentence and a remedy for the first thing that is wrong.

    Args:
        error: what pydantic raised.
        kind: the configuration class.
        values: the values that were validated.
        where: the place for the message, e.g. ``model "LARES"``.
    """
    first = error.errors()[0]
    place, name = _place(first["loc"], values)
    where += place
    if first["type"] == "extra_forbidden":
        known = _table_at(kind, first["loc"][:-1]).model_fields
        remedy = did_you_mean(str(first["loc"][-1]), known) or "It has no options: leave it out."
        return RequestError(f'{where}: unknown option "{name}".', remedy)
    if first["type"] == "missing":
        return RequestError(f'{where}: "{name}" is missing.', _meaning(kind, first["loc"]) or "Add it.")
    value = f"{name} = {written(first['input'])}" if name else ""
    if first["type"] in ("value_error", "assertion_error"):
        reason = str(first.get("ctx", {}).get("error", first["msg"]))
        cause, remedy = cause_and_remedy(reason)
        remedy = remedy or _usual(kind, first["loc"]) or "Change it there."
        return RequestError(f"{where}: {value}{': ' if value else ''}{cause}", remedy)
    remedy = _near(first, name) or _usual(kind, first["loc"])
    return RequestError(f"{where}: {value}, but {_rule(first)}.", remedy)


def cause_and_remedy(reason: str) -> tuple[str, str]:
    """Split a reason into its first sentence or clause and the rest, which may be empty, as sentences."""
    cause, *rest = re.split(r"(?<=[.?!]) (?=[A-Z])|; ", reason, maxsplit=1)
    return _sentence(cause), _sentence(rest[0][0].upper() + rest[0][1:]) if rest else ""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def written(value: Any) -> str:
    """Return a value as a suite file writes it, shortened if it is long."""
    try:
        return shortened(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError, RecursionError):
        return shortened(str(value))


def _place(location: Sequence[int | str], values: Any) -> tuple[str, str]:
    """Return the row or entry that an error is in, and the option within it.

    Parts of pydantic's location that name no key, such as the kinds of a union, are left out.
    """
    place, inside = "", values
    path: list[str] = []
    for part in location:
        if isinstance(part, int):
            if not isinstance(inside, Sequence) or isinstance(inside, str) or part >= len(inside):
                break
            inside = inside[part]
            inside = inside if not isinstance(inside, BaseModel) else inside.model_dump()
            listed = ".".join(path) or "the list"
            if isinstance(inside, Mapping):
                place, path = f"{place}, {_entry(listed, part, inside)}", []
            else:
                path = [f"entry {part + 1} of {listed}"]
        elif isinstance(inside, Mapping):
            path.append(str(part))
            inside = inside.get(part)
        else:
            break
    return place, ".".join(path)


def _entry(listed: str, number: int, entry: Mapping[str, Any]) -> str:
    kind = "row" if listed == "models" else f"entry of {listed}"
    name = entry.get("label", entry.get("name"))
    return f'{kind} "{shortened(name)}"' if isinstance(name, str) and name else f"{kind} number {number + 1}"


def _rule(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("too_short", "string_too_short"):
        unit = "character" if kind.startswith("string") else "value"
        return f"it needs at least {counted(context['min_length'], unit)}"
    if kind in ("too_long", "string_too_long"):
        unit = "character" if kind.startswith("string") else "value"
        return f"it takes at most {counted(context['max_length'], unit)}"
    if kind in _RULES:
        return f"it must be {_RULES[kind].format(**context)}"
    return f"that is refused ({error['msg']})"  # kinds of error that only a plug-in's own types raise


def _near(error: ErrorDetails, name: str) -> str:
    """Suggest brackets around a single value, or the nearest of the allowed words; empty for other errors."""
    if error["type"] in ("tuple_type", "list_type") and isinstance(error["input"], str | int | float):
        return f"Write {name} = {written(_listed(error['input']))}."
    if error["type"] != "literal_error" or not isinstance(error["input"], str):
        return ""
    allowed = re.findall(r"'([^']*)'", error.get("ctx", {}).get("expected", ""))
    suggestion = did_you_mean(error["input"], allowed)
    return suggestion if suggestion.startswith("Did") else ""


def _listed(value: str | float) -> list[Any]:
    """Return a value as the list that was probably meant: ``"1,2"`` means ``[1, 2]``."""
    if not isinstance(value, str):
        return [value]
    parts = [part.strip() for part in value.split(",")]
    try:
        return [int(part) for part in parts]
    except ValueError:
        return parts


def _usual(kind: type[BaseModel], location: Sequence[int | str]) -> str:
    """Say a field's default, or else what it means."""
    table, name = _table_at(kind, location[:-1]), str(location[-1]) if location else ""
    name, table = (name, table) if name in table.model_fields else _last_field(kind, location)
    field = table.model_fields.get(name)
    if field is None:
        return ""
    if field.default is not PydanticUndefined and isinstance(field.default, str | int | float):
        return f"The default of {name} is {written(field.default)}."
    return _meaning(table, (name,)) or f"Correct {name}."


def _last_field(kind: type[BaseModel], location: Sequence[int | str]) -> tuple[str, type[BaseModel]]:
    """Return the last part of a location that names a field, and the table that it is a field of."""
    for end in range(len(location), 0, -1):
        table = _table_at(kind, location[: end - 1])
        if location[end - 1] in table.model_fields:
            return str(location[end - 1]), table
    return "", kind


def _meaning(kind: type[BaseModel], location: Sequence[int | str]) -> str:
    """Return the first sentence of a field's documentation."""
    name, table = _last_field(kind, location)
    field = table.model_fields.get(name)
    about = " ".join(((field.description if field else "") or "").replace("``", "`").split())
    return f"{name}: {re.split(r'(?<=[.;]) ', about)[0].rstrip('.;')}." if about else ""


def _table_at(kind: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel]:
    """Return the nested configuration that a validation error points into."""
    for part in location:
        if isinstance(part, int) or part not in kind.model_fields:
            continue
        annotation = kind.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        nested = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        kind = nested or kind
    return kind
