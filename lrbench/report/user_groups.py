"""For whom? A difference within groups of users: quartiles of two traits, and a person's own categories.

The traits are history length and popularity of the target. Users with the same value are in one group. These
comparisons are exploratory: groups were not declared, and p-values are adjusted after Benjamini and Hochberg
within a dataset. A group that stands out is a question for the next experiment.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from lrbench.arrays import Int64s
from lrbench.config.protocol import Protocol
from lrbench.data.dataset import PreparedDataset
from lrbench.data.splitting import split
from lrbench.errors import CheckError, RequestError
from lrbench.report.findings import GroupDifference, GroupFinding, Reference
from lrbench.report.group_table import GroupTable
from lrbench.report.label_metrics import Measured
from lrbench.report.pairs import Pair
from lrbench.stats.groups import group_contrasts, interaction_p, quartiles
from lrbench.stats.multiplicity import benjamini_hochberg

__all__ = ["TRAITS", "FindPrepared", "find_user_groups", "user_traits"]

FindPrepared = Callable[[str], PreparedDataset | None]
"""Function from a dataset's name to its prepared form; it returns `None` where this machine has none."""

TRAITS = ("history length", "popularity of the target")
"""What users are grouped by, in the order of :func:`user_traits`."""


@dataclass(frozen=True)
class _Grouping:
    """One way to group the users of a dataset."""

    trait: str
    groups: Int64s  # (users,) the number of each user's group, from 0
    names: Sequence[str]
    """Names of the groups, by number."""

    spans: Sequence[tuple[int, int] | None]
    """Smallest and largest value in each group; `None` for categories."""


def find_user_groups(
    measured: Sequence[Measured],
    references: Sequence[Reference],
    metric: str,
    prepared: FindPrepared,
    own: GroupTable | None = None,
) -> tuple[list[GroupFinding], dict[str, str]]:
    """Compare every proposed label with its reference within groups of users.

    Args:
        measured: labels with their metrics.
        references: the label with which each proposed label is compared on each dataset.
        metric: the metric.
        prepared: function from a dataset's name to its prepared form, which has histories and popularity.
        own: further groups, from the person's own table.

    Returns:
        The findings, and a mapping from each dataset without groups by the two traits to the reason: its
        prepared data is ``absent`` or ``different``.

    Raises:
        RequestError: the table has no user or item of any dataset, or a column is named like one of
            ``TRAITS``.
        CheckError: a user of the ranks is not in the prepared dataset.
    """
    by_name = {(entry.dataset, entry.label): entry for entry in measured}
    found: list[GroupFinding] = []
    lacking = {}
    datasets = dict.fromkeys(reference.dataset for reference in references)
    entries = {name: next(entry for entry in measured if entry.dataset == name) for name in datasets}
    own_groupings = {} if own is None else _own_groupings(own, entries)
    for dataset, entry in entries.items():
        record, data = entry.trials[0].record, prepared(dataset)
        groupings = own_groupings.get(dataset, [])
        if data is None or data.record.fingerprint != record.dataset.fingerprint:
            lacking[dataset] = "absent" if data is None else "different"
        else:
            values = user_traits(data, record.protocol, entry.targets["user"].unique(maintain_order=True))
            groupings = [*map(_quartiles, TRAITS, values), *groupings]
        for reference in (each for each in references if each.dataset == dataset):
            pair = Pair(by_name[dataset, reference.proposed], by_name[dataset, reference.baseline])
            found += [_finding(reference, pair, metric, grouping) for grouping in groupings]
    return list(_adjusted(found)), lacking


def _own_groupings(own: GroupTable, entries: Mapping[str, Measured]) -> dict[str, list[_Grouping]]:
    """Return dataset → the groupings by the columns of a person's own table.

    Args:
        own: the table.
        entries: a label of each dataset.

    Raises:
        RequestError: the table has no user or item of any dataset, or a column is named like one of
            ``TRAITS``.
    """
    if twice := [name for name in own.columns if name in TRAITS]:
        raise RequestError(
            f'{own.path} has a column "{twice[0]}", by which every report groups users already.',
            "Give the column another name.",
        )
    groupings = {name: list(_categories(own, entry.targets)) for name, entry in entries.items()}
    if groupings and not any(groupings.values()):
        raise RequestError(
            f"{own.path} names no {own.key} on which the suite was tested.",
            f"Its column {own.key} must hold the ids of the raw data, as ranks.parquet of a trial has them.",
        )
    return groupings


def _quartiles(trait: str, values: Int64s) -> _Grouping:
    groups = quartiles(values)
    inside = [values[groups == group] for group in range(int(groups.max()) + 1)]
    spans = [(int(part.min()), int(part.max())) for part in inside]
    return _Grouping(
        trait, groups, [f"{low:,}–{high:,}" if low < high else f"{low:,}" for low, high in spans], spans
    )


def _categories(own: GroupTable, targets: pl.DataFrame) -> Iterator[_Grouping]:
    """Yield a grouping for each column of the table, with categories in the order of their names."""
    categories = own.categories(targets)
    if categories is None:
        return
    for column in own.columns:
        names = sorted(categories[column].unique())
        groups = categories[column].replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
        yield _Grouping(column, groups, names, [None] * len(names))


def user_traits(dataset: PreparedDataset, protocol: Protocol, users: pl.Series) -> tuple[Int64s, Int64s]:
    """Return each user's history length at the target, and the popularity of the target's item, (users,).

    Popularity is the number of training interactions with the item. Both are means where a user has several
    targets.

    Args:
        dataset: the prepared dataset.
        protocol: the protocol, which says how to split.
        users: raw ids, each once.

    Raises:
        CheckError: a user is not in the dataset.
    """
    parts = split(dataset.sequences, protocol)
    test, train = parts.test, parts.train
    popularity = np.bincount(train.items[train.interactions], minlength=train.n_items)
    known = pl.DataFrame(
        {
            "user": dataset.user_ids.gather(test.users),
            "length": test.stops - test.starts,
            "popularity": popularity[test.targets],
        }
    )
    means = (
        known.group_by("user", maintain_order=True).mean().cast({"length": pl.Int64, "popularity": pl.Int64})
    )
    traits = pl.DataFrame({"user": users}).join(means, on="user", how="left", maintain_order="left")
    if strangers := traits["length"].null_count():
        raise CheckError(
            f"{strangers} users of the stored ranks are not in the prepared {dataset.record.name}.",
            "The trials were run on other data: run the suite again.",
        )
    return traits["length"].to_numpy(), traits["popularity"].to_numpy()


def _finding(reference: Reference, pair: Pair, metric: str, grouping: _Grouping) -> GroupFinding:
    groups, sides = grouping.groups, pair.sides(metric)
    differences = []
    for number, contrast in enumerate(group_contrasts(*sides, groups, pair.paired)):
        low, high = grouping.spans[number] or (None, None)
        size = int((groups == number).sum())
        differences.append(GroupDifference(grouping.names[number], low, high, size, contrast, math.nan))
    return GroupFinding(
        dataset=reference.dataset,
        proposed=reference.proposed,
        baseline=reference.baseline,
        trait=grouping.trait,
        interaction_p=interaction_p(*sides, groups, pair.paired),
        groups=tuple(differences),
    )


def _adjusted(findings: Sequence[GroupFinding]) -> Iterator[GroupFinding]:
    """Adjust the p-values of all groups of a dataset together."""
    for dataset in dict.fromkeys(finding.dataset for finding in findings):
        here = [finding for finding in findings if finding.dataset == dataset]
        p_values = [g.contrast.p for finding in here for g in finding.groups if g.contrast.testable]
        adjusted = iter(benjamini_hochberg(p_values).tolist())
        for finding in here:
            groups = tuple(
                replace(g, p_adjusted=next(adjusted)) if g.contrast.testable else g for g in finding.groups
            )
            yield replace(finding, groups=groups)
