"""The base of every configuration: frozen, validated, unknown keys refused with a suggestion."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from lrbench.errors import RequestError, did_you_mean

__all__ = ["FrozenConfig", "parse_config"]


class FrozenConfig(BaseModel):
    """A configuration that cannot change after it was checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


ConfigT = TypeVar("ConfigT", bound=FrozenConfig)


def parse_config(kind: type[ConfigT], values: Mapping[str, Any], where: str) -> ConfigT:
    """Validate ``values`` as ``kind``; ``where`` names the place for the message, e.g. ``model "LARES"``.

    Raises:
        RequestError: one sentence for the first thing that is wrong.
    """
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = _fields_at(kind, first["loc"][:-1])
            raise RequestError(
                f'{where}: unknown option "{path}".', did_you_mean(str(first["loc"][-1]), known)
            ) from None
        if first["type"] == "missing":
            raise RequestError(f'{where}: "{path}" is missing.', "Add it.") from None
        reason = first["msg"].removeprefix("Value error, ")
        place = f'"{path}" = {first["input"]!r}: ' if path else ""
        stop = "" if reason.endswith((".", "?")) else "."
        raise RequestError(f"{where}: {place}{reason}{stop}") from None


def _fields_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the nested configuration that a validation error points into."""
    for part in location:
        if isinstance(part, int) or part not in kind.model_fields:
            continue
        annotation = kind.model_fields[part].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        nested = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        kind = nested or kind
    return list(kind.model_fields)
