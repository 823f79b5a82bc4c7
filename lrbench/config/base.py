"""The base of every configuration: frozen, validated, unknown keys refused with a suggestion."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic_core import to_json

from lrbench.config.messages import explained
from lrbench.names import label_fault, name_fault
from lrbench.text import has_hidden

__all__ = ["FrozenConfig", "Label", "Name", "parse_config"]

_BLANKS = str.maketrans("\t\r\n", "   ")


class FrozenConfig(BaseModel):
    """A configuration that cannot change after it was validated.

    Numbers are finite. Text that was read from a suite, a catalogue or a record holds no control characters
    except tabs and line breaks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    raw_text: ClassVar[frozenset[str]] = frozenset()
    """Fields whose text may hold control characters, such as the character between two columns."""

    @model_validator(mode="after")
    def _shows_what_it_holds(self, info: ValidationInfo) -> Self:
        if info.mode == "json":
            for name in type(self).model_fields.keys() - self.raw_text:
                if any(has_hidden(text.translate(_BLANKS)) for text in _texts(getattr(self, name))):
                    raise ValueError(f"{name} holds a control character. Remove it.")
        return self


ConfigT = TypeVar("ConfigT", bound=FrozenConfig)


def parse_config(kind: type[ConfigT], values: Mapping[str, Any], where: str) -> ConfigT:
    """Validate ``values`` as ``kind``; ``where`` names the place for the message, e.g. ``model "LARES"``.

    No value is converted: ``"3"`` and ``true`` are no numbers. A whole number is accepted as a number.

    Raises:
        RequestError: one sentence for the first thing that is wrong.
    """
    try:
        return kind.model_validate_json(to_json(dict(values), inf_nan_mode="constants"), strict=True)
    except ValidationError as error:
        raise explained(error, kind, values, where) from None


def _checked_name(name: str) -> str:
    if fault := name_fault(name):
        raise ValueError(fault)
    return name


def _checked_label(label: str) -> str:
    if fault := label_fault(label):
        raise ValueError(fault)
    return label


Name = Annotated[str, AfterValidator(_checked_name)]
"""The name of a suite, a dataset or a model. It becomes part of names of files."""

Label = Annotated[str, AfterValidator(_checked_label)]
"""The label of a row of a suite."""


def _texts(value: Any) -> Iterator[str]:
    """Yield the text of a field: itself, the entries of a tuple, the keys of a table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | dict):
        yield from (text for text in value if isinstance(text, str))
