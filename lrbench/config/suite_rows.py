"""From the entries of a suite file to rows: what an entry inherits, and the combinations of its grid."""

import itertools
import math
from collections.abc import Mapping
from string import Formatter
from typing import Any

from lrbench.bounds import MOST_ROWS
from lrbench.config.suite_file import Entry, Table
from lrbench.errors import RequestError, did_you_mean
from lrbench.names import label_fault
from lrbench.wording import some_of

__all__ = ["expand", "inherit", "merge_tables"]


def inherit(entry: Entry, resolved: Mapping[str, Entry], where: str) -> Entry:
    """Return the entry with what it takes over from the entry that it extends, which must be above it.

    Args:
        entry: as written.
        resolved: the rows above, by their labels.
        where: the place for messages.

    Raises:
        RequestError: it has no model, extends no label above it, or has both a search and ``settings_of``.
    """
    if entry.settings_of is not None and entry.search:
        raise RequestError(
            f'{where}: the row "{entry.label}" has a search and settings_of.', "Leave one of the two out."
        )
    if entry.extends is None:
        if entry.model is None:
            raise RequestError(
                f'{where}: the row "{entry.label}" has neither "model" nor "extends".', "Add one of them."
            )
        return entry
    if entry.extends not in resolved:
        raise RequestError(
            f'{where}: "{entry.label}" extends "{entry.extends}", which is no label above it.',
            did_you_mean(entry.extends, resolved) or 'Write "model" for the first row.',
        )
    parent = resolved[entry.extends]
    settings_of = entry.settings_of or parent.settings_of
    if settings_of is not None:
        search = {**(parent.search if parent.settings_of else {}), **_kept(entry)}
    else:
        search = merge_tables(parent.search, entry.search) if entry.tune else {}
    return Entry(
        label=entry.label,
        model=entry.model or parent.model,
        params={**parent.params, **entry.params},
        stages=parent.stages if entry.stages is None else entry.stages,
        training=merge_tables(parent.training, entry.training),
        accounts={**parent.accounts, **entry.accounts},
        search=search,
        tune=entry.tune,
        settings_of=settings_of,
        controls=entry.controls,
        grid=entry.grid,
    )


def _kept(entry: Entry) -> Table:
    """Return the options that an entry sets itself, in the form of a search with one value each."""
    training = {f"training.{name}": value for name, value in entry.training.items() if name != "stages"}
    return {option: [value] for option, value in {**entry.params, **training}.items()}


def expand(entry: Entry, where: str) -> list[Entry]:
    """Return one row for each combination of the grid's values.

    Raises:
        RequestError: there are too many combinations, or a label cannot be filled in.
    """
    rows = []
    size = math.prod(len(values) for values in entry.grid.values())
    if size > MOST_ROWS:
        raise RequestError(
            f'{where}: the grid of "{entry.label}" has {size:,} combinations.',
            f"A grid may have {MOST_ROWS:,}; list fewer values.",
        )
    for values in itertools.product(*entry.grid.values()):
        chosen = dict(zip(entry.grid, values, strict=True))
        params, training, accounts = dict(entry.params), dict(entry.training), dict(entry.accounts)
        for key, value in chosen.items():
            if key.startswith("training."):
                training[key.removeprefix("training.")] = value
            elif key.startswith("accounts."):
                accounts[key.removeprefix("accounts.")] = value
            else:
                params[key] = value
        label = _filled(entry.label, {**accounts, **params, **chosen, **training}, where)
        rows.append(
            entry.model_copy(
                update={
                    "label": label,
                    "params": params,
                    "training": training,
                    "accounts": accounts,
                    "search": entry.search
                    | {key: [value] for key, value in chosen.items()},  # no more to search
                    "grid": {},
                }
            )
        )
    return rows


def _filled(label: str, options: Mapping[str, Any], where: str) -> str:
    """Put the values of options in place of ``{option}``; ``{{`` and ``}}`` stand for braces."""
    parts = []
    try:
        for text, option, form, conversion in Formatter().parse(label):
            if form or conversion:
                raise ValueError(f"{{{option}}} takes no format")
            if option is not None and option not in options:
                raise ValueError(f'there is no option "{option}"')
            parts.append(text + (str(options[option]) if option is not None else ""))
    except ValueError as error:  # the parser's own are about braces without a partner
        known = some_of(list(options)) or "it has none"
        raise RequestError(
            f'{where}: the label "{label}" cannot be filled in: {error}.',
            f"Name options of this row's params or grid in braces: {known}. "
            "For a brace itself write it twice, {{ or }}.",
        ) from None
    if fault := label_fault("".join(parts)):
        raise RequestError(f'{where}: the label "{label}", filled in, is no label: {fault}.', "Shorten it.")
    return "".join(parts)


def merge_tables(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``under`` with the entries of ``over``; nested tables are merged too."""
    merged = dict(under)
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge_tables(merged[key], value) if nested else value
    return merged
