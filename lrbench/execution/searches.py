"""The searches of a suite: which there are, which are complete, and the rows with the settings they chose."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from lrbench.config.rerun import Rerun
from lrbench.config.suite import Suite
from lrbench.config.tuning import SearchConfig
from lrbench.data.dataset import PreparedDataset
from lrbench.execution.fitted_rows import check_rows, match_rows
from lrbench.execution.rows import Row, tuned_rows
from lrbench.execution.tuning.proposals import check_optuna
from lrbench.names import chosen_names
from lrbench.store.layout import Results
from lrbench.store.searches import read_search
from lrbench.store.state import trial_state
from lrbench.store.suites import TunedRow

__all__ = [
    "PlannedSearch",
    "check_optuna",
    "plan_searches",
    "rows_with_settings",
    "select_searches",
    "without",
]


@dataclass(frozen=True)
class PlannedSearch:
    """A search on a dataset, and the labels of the rows whose settings it chooses."""

    config: SearchConfig
    labels: tuple[str, ...]

    @property
    def rows(self) -> tuple[TunedRow, ...]:
        """One entry per label, for the suite's record."""
        return tuple(
            TunedRow(label=label, dataset=self.config.dataset, search=self.config.id) for label in self.labels
        )


def plan_searches(
    suite: Suite, rows: Sequence[Row], fingerprints: Mapping[str, str]
) -> tuple[PlannedSearch, ...]:
    """Return the searches of a suite, by dataset and row.

    Args:
        suite: the resolved suite.
        rows: from :func:`lrbench.execution.rows.resolve_rows`.
        fingerprints: true dataset name → fingerprint of its prepared form.
    """
    if suite.tune is None:
        return ()
    configs: dict[str, SearchConfig] = {}
    labels: dict[str, list[str]] = {}
    for name, fingerprint in fingerprints.items():
        for row in rows:
            if row.space:
                config = row.search_config(name, fingerprint, suite.tune)
                configs.setdefault(config.id, config)
                takers = [other.label for other in rows if other.settings_of == row.label]
                labels.setdefault(config.id, []).extend([row.label, *takers])
    return tuple(PlannedSearch(config, tuple(labels[name])) for name, config in configs.items())


def select_searches(
    searches: Sequence[PlannedSearch],
    rows: Sequence[Row],
    results: Results,
    only: Sequence[str],
    rerun: Rerun,
) -> list[PlannedSearch]:
    """Choose the searches that the chosen rows wait for. A control may wait for that of its model's row.

    Args:
        searches: all of the suite.
        rows: its rows.
        results: where complete and failed searches are.
        only: labels, or patterns of labels; empty: all labels.
        rerun: ``missing``: what is not complete; ``failed``: only what failed; ``all``: everything again.
    """
    wanted = set(chosen_names([row.label for row in rows], only, "row"))
    owners = {row.settings_key for row in rows if row.label in wanted}
    chosen = [search for search in searches if owners & set(search.labels)]
    return [search for search in chosen if rerun.includes(trial_state(results, search.config.id))]


def rows_with_settings(
    suite: Suite,
    rows: Sequence[Row],
    searches: Sequence[PlannedSearch],
    results: Results,
    dataset: str,
    prepared: PreparedDataset | None,
    unfinished: Collection[str] = (),
) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return the rows on a dataset with the settings that complete searches chose.

    Args:
        suite: the resolved suite.
        rows: its rows, without settings that a search chose.
        searches: all of the suite.
        results: where complete searches are.
        dataset: its true name.
        prepared: the dataset, to which matched controls are fitted; ``None``: they are not fitted. Controls
            that wait for a search are not fitted either, since their model has no settings yet.
        unfinished: searches whose rows wait, even if an earlier run completed them.

    Returns:
        All rows, and the labels of those that wait for a search, with their controls. A row that waits has
        the search's id and still its own settings, so it must not be trained.
    """
    chosen, waiting = {}, {}
    for search in searches:
        if search.config.dataset != dataset:
            continue
        done = search.config.id not in unfinished and results.search(search.config.id).exists()
        for label in search.labels:
            if done:
                chosen[label] = (search.config.id, read_search(results, search.config.id).settings)
            else:
                waiting[label] = search.config.id
    made = tuned_rows(suite, chosen) if chosen else tuple(rows)
    owner = {row.label: row.settings_key for row in made}
    ready = [row for row in made if owner[row.label] not in waiting]
    if prepared is not None:
        check_rows(made, prepared)
        ready = list(match_rows(ready, prepared))
    fitted = {row.label: row for row in ready}
    made = tuple(fitted.get(row.label) or replace(row, search=waiting[owner[row.label]]) for row in made)
    return made, tuple(label for label in owner if owner[label] in waiting)


def without(rows: Sequence[Row], labels: Collection[str]) -> tuple[Row, ...]:
    """Return the rows whose labels are not among ``labels``."""
    return tuple(row for row in rows if row.label not in labels)
