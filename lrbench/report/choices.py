"""Choose what a report or a figure shows: rows, datasets, their order and their names.

A choice changes no number. Families, tests and marks are still those of the whole suite, and a sentence of
the caption says so.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from statistics import fmean
from typing import Any

from lrbench.errors import RequestError, did_you_mean
from lrbench.names import check_list, chosen_names, matching_names
from lrbench.report.report import Report
from lrbench.store.suites import SuiteRecord

__all__ = ["Choices", "choose", "rename_rows", "shown_names", "shown_rows"]

OF_PROPOSED = (
    "comparisons",
    "without_seen_items",
    "across",
    "across_without_seen_items",
    "references",
    "references_without_seen_items",
)
"""Parts of a report that compare proposed labels with others."""

LABEL_FIELDS = ("label", "proposed", "baseline")
"""Fields of a report's parts that hold the label of a row."""


@dataclass(frozen=True)
class Choices:
    """What a person wants to see; an empty field changes nothing.

    Raises:
        RequestError: a text is given where a list is needed.
    """

    datasets: tuple[str, ...] = ()
    """Names or patterns such as ``amazon-*``."""

    only: tuple[str, ...] = ()
    """Labels or patterns of rows to show. A row has its name in the suite, and its printed one."""

    hide: tuple[str, ...] = ()
    """Labels or patterns of rows to leave out."""

    sort: str = ""
    """A metric: rows are sorted by its mean over the datasets, the highest first."""

    rename: Mapping[str, str] = field(default_factory=dict)
    """Label of the suite → label to print."""

    def __post_init__(self) -> None:
        for name in ("datasets", "only", "hide"):
            check_list(getattr(self, name), name)


def rename_rows(suite: SuiteRecord, names: Mapping[str, str]) -> SuiteRecord:
    """Give rows of a suite other labels, everywhere in its record.

    Args:
        suite: the record.
        names: label of the suite → label to print.

    Raises:
        RequestError: a label is not the suite's, or two rows would have one label.
    """
    for old in names:
        if old not in suite.labels:
            raise RequestError(
                f'The suite {suite.name} has no label "{old}" to rename.', did_you_mean(old, suite.labels)
            )
    labels = [names.get(label, label) for label in suite.labels]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise RequestError(f'Two rows would be called "{twice}".', "Give each row a name of its own.")
    if not names:
        return suite
    return SuiteRecord.model_validate(_renamed(suite.model_dump(mode="json"), names, ""))


def _renamed(value: Any, names: Mapping[str, str], key: str) -> Any:
    """Replace labels at those keys of a suite's record that hold labels."""
    if isinstance(value, dict):
        return {
            names.get(name, name) if key == "controls" else name: _renamed(part, names, name)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_renamed(part, names, key) for part in value]
    return names.get(value, value) if key in ("label", "labels", "of", "proposed", "against") else value


def shown_rows(labels: Sequence[str], choices: Choices) -> list[str]:
    """Return the labels of the suite that are shown, in their order.

    Args:
        labels: those of the suite.
        choices: a label there may be one of the suite, or the one that is printed.

    Raises:
        RequestError: a pattern matches nothing, or nothing is left.
    """
    printed = {new: old for old, new in choices.rename.items() if new not in labels}
    only, hide = (
        [printed.get(label, label) for label in patterns] for patterns in (choices.only, choices.hide)
    )
    return shown_names(labels, only, hide, "row")


def shown_names(names: Sequence[str], only: Sequence[str], hide: Sequence[str], what: str) -> list[str]:
    """Return the names that match ``only`` and not ``hide``, in their order; an empty ``only`` matches all.

    Args:
        names: names of rows or datasets.
        only: names or patterns to keep.
        hide: names or patterns to leave out.
        what: what the names are, for errors: ``row`` or ``dataset``.

    Raises:
        RequestError: a pattern matches nothing, or nothing is left.
    """
    hidden = matching_names(names, hide, what)
    kept = [name for name in chosen_names(names, only, what) if name not in hidden]
    if not kept:
        raise RequestError(f"No {what} is left to show.", "Leave out --hide, or name others with --only.")
    return kept


def choose(report: Report, labels: Sequence[str], datasets: Collection[str], sort: str = "") -> Report:
    """Keep the given rows and datasets of a report, in the order of ``sort`` or that of the report.

    Raises:
        RequestError: ``sort`` is no metric of the report.
    """
    ordered = _ordered(report, labels, sort)
    if sum(note.summary.name in datasets for note in report.datasets) < 2:
        report = replace(report, across=(), across_without_seen_items=())
    changes: dict[str, Any] = {"labels": tuple(ordered)}
    for part in fields(report):
        value = getattr(report, part.name)
        if part.name == "datasets":
            changes["datasets"] = tuple(note for note in value if note.summary.name in datasets)
        elif part.name == "provenance":
            kept = [recipe for recipe in value.recipes if _shown(recipe, ordered, datasets)]
            changes["provenance"] = replace(value, recipes=tuple(_sorted(kept, ordered)))
        elif part.name == "controls":
            changes["controls"] = {label: record for label, record in value.items() if label in ordered}
        elif part.name != "warnings" and isinstance(value, tuple) and value and _has_place(value[0]):
            changes[part.name] = tuple(_sorted([v for v in value if _shown(v, ordered, datasets)], ordered))
    shown = replace(report, **changes)
    hidden = _hidden(report, shown)
    if hidden:
        shown = replace(shown, answered=_answered(report, ordered, datasets))
    return replace(shown, caption=(*report.caption, *hidden))


def _answered(report: Report, labels: Collection[str], datasets: Collection[str]) -> Report:
    """Leave out proposed labels and datasets that are not shown, and keep what labels are compared with."""
    proposed = tuple(label for label in report.proposed if label in labels)
    parts: dict[str, Any] = {
        name: tuple(found for found in getattr(report, name) if found.proposed in proposed)
        for name in OF_PROPOSED
    }
    return replace(
        report,
        **parts,
        proposed=proposed,
        datasets=tuple(note for note in report.datasets if note.summary.name in datasets),
        answers=tuple(answer for answer in report.answers if answer.proposed in (None, *proposed)),
    )


def _ordered(report: Report, labels: Sequence[str], sort: str) -> list[str]:
    if not sort:
        return [label for label in report.labels if label in labels]
    metrics = dict.fromkeys(row.metric for row in report.rows)
    if sort not in metrics:
        raise RequestError(f'The report has no metric "{sort}" to sort by.', did_you_mean(sort, metrics))
    means = {
        label: fmean(row.mean for row in report.rows if (row.label, row.metric) == (label, sort))
        for label in dict.fromkeys(row.label for row in report.rows)
    }
    kept = [label for label in report.labels if label in labels]
    return sorted(kept, key=lambda label: -means.get(label, float("-inf")))


def _has_place(item: Any) -> bool:
    """Whether a part of a report belongs to a row or a dataset."""
    named = is_dataclass(item) or hasattr(item, "model_dump")
    return named and any(hasattr(item, name) for name in ("dataset", *LABEL_FIELDS))


def _shown(item: Any, labels: Collection[str], datasets: Collection[str]) -> bool:
    named = (getattr(item, name) for name in LABEL_FIELDS if hasattr(item, name))
    dataset = getattr(item, "dataset", None)
    return (not isinstance(dataset, str) or dataset in datasets) and all(
        label in labels for label in named if isinstance(label, str)
    )


def _sorted(items: list[Any], labels: Sequence[str]) -> list[Any]:
    """Sort parts by dataset, then in the order of the labels; comparisons, which have no label, stay."""
    if not items or not isinstance(getattr(items[0], "label", None), str):
        return items
    if not isinstance(getattr(items[0], "dataset", None), str):
        return sorted(items, key=lambda item: labels.index(item.label))
    datasets = list(dict.fromkeys(item.dataset for item in items))
    return sorted(items, key=lambda item: (datasets.index(item.dataset), labels.index(item.label)))


def _hidden(report: Report, shown: Report) -> list[str]:
    parts = []
    for what, all_of_it, left in (
        ("rows", report.labels, shown.labels),
        ("datasets", report.datasets, shown.datasets),
    ):
        if len(left) < len(all_of_it):
            parts.append(f"{len(left)} of {len(all_of_it)} {what}")
    if not parts:
        return []
    return [f"Shown: {' and '.join(parts)}. Marks, tests and their families are those of the whole suite."]
