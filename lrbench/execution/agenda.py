"""What a run trains: the searches and trials that may begin, and the trials that follow a search."""

from collections.abc import Collection, Mapping, Sequence

from lrbench.config.rerun import Rerun
from lrbench.config.suite import Suite
from lrbench.data.dataset import PreparedDataset
from lrbench.execution.plan import Plan, PlannedTrial, make_plan, row_seeds
from lrbench.execution.rows import Row
from lrbench.execution.searches import plan_searches, rows_with_settings, select_searches, without
from lrbench.execution.selection import select_trials
from lrbench.names import chosen_names
from lrbench.store.layout import Results

__all__ = ["Agenda"]


class Agenda:
    """The searches and trials of one run. Trials of a tuned row may begin once its search is complete.

    Args:
        suite: the resolved suite.
        rows: from :func:`lrbench.execution.rows.resolve_rows`.
        prepared: true dataset name → the dataset.
        results: where complete and failed searches and trials are.
        only: labels, or patterns of labels; empty: all labels.
        rerun: which searches and trials run again.

    Raises:
        RequestError: a pattern matches no label, a row does not fit a dataset, or there are too many trials.
    """

    def __init__(
        self,
        suite: Suite,
        rows: Sequence[Row],
        prepared: Mapping[str, PreparedDataset],
        results: Results,
        only: Sequence[str],
        rerun: Rerun,
    ) -> None:
        self._suite, self._rows, self._prepared, self._results = suite, rows, prepared, results
        self._only, self._rerun = only, rerun
        self._labels = frozenset(chosen_names([row.label for row in rows], only, "row"))
        self._fingerprints = {name: dataset.record.fingerprint for name, dataset in prepared.items()}
        self._all_searches = plan_searches(suite, rows, self._fingerprints)
        self.searches = tuple(select_searches(self._all_searches, rows, results, only, rerun))
        """The searches to run, by dataset and row."""

        self._pending = {search.config.id: search.config.dataset for search in self.searches}
        self._failed: set[str] = set()
        self._taken: set[str] = set()
        self._ready: dict[str, tuple[Row, ...]] = {}
        self._waiting: dict[str, tuple[Row, ...]] = {}
        for name in prepared:
            self._find_ready(name)
        self.plan = self._make_plan()
        """All trials of rows that keep their settings or whose search is complete."""

    @property
    def search_count(self) -> int:
        """How many searches the suite has, complete ones included."""
        return len(self._all_searches)

    @property
    def upcoming(self) -> int:
        """How many trials may begin once the searches of this run are complete.

        Rows may turn out to share a trial, so there may be fewer.
        """
        if self._rerun is Rerun.failed:  # trials that waited for a search have not failed
            return 0
        return self._waiting_for(self._pending)

    @property
    def prevented(self) -> int:
        """How many trials of this run cannot begin, since their search failed."""
        return 0 if self._rerun is Rerun.failed else self._waiting_for(self._failed)

    @property
    def trial_count(self) -> int:
        """How many trials the suite has, with those of all rows that wait for a search."""
        waiting = sum(self._count(name, row) for name, rows in self._waiting.items() for row in rows)
        return len(self.plan.trials) + waiting

    def take(self) -> list[PlannedTrial]:
        """Return the trials that may begin, each only once."""
        chosen = select_trials(self.plan, self._results, self._only, self._rerun)
        new = [trial for trial in chosen if trial.config.id not in self._taken]
        self._taken.update(trial.config.id for trial in new)
        return new

    def is_search(self, name: str) -> bool:
        """Whether an id is that of a search of this run that has not ended."""
        return name in self._pending

    def end_search(self, search: str, complete: bool) -> None:
        """Note how a search of this run ended. If it is complete, the trials that wait for it are planned.

        Raises:
            RequestError: a row does not fit its dataset with the settings that were chosen.
        """
        dataset = self._pending.pop(search)
        if complete:
            self._find_ready(dataset)
            self.plan = self._make_plan()
        else:
            self._failed.add(search)

    def _find_ready(self, dataset: str) -> None:
        """Divide the rows on a dataset into those that may be trained and those that wait for a search."""
        rows, waiting = rows_with_settings(
            self._suite,
            self._rows,
            self._all_searches,
            self._results,
            dataset,
            self._prepared[dataset],
            {*self._pending, *self._failed},
        )
        self._ready[dataset] = without(rows, waiting)
        self._waiting[dataset] = tuple(row for row in rows if row.label in waiting)

    def _make_plan(self) -> Plan:
        tuned = tuple(row for search in self._all_searches for row in search.rows)
        return make_plan(self._suite, self._rows, self._fingerprints, self._ready, tuned)

    def _waiting_for(self, searches: Collection[str]) -> int:
        """Return how many of the chosen trials wait for one of these searches."""
        return sum(
            self._count(name, row)
            for name, rows in self._waiting.items()
            for row in rows
            if row.label in self._labels and row.search in searches
        )

    def _count(self, dataset: str, row: Row) -> int:
        return len(row_seeds(self._suite, row, dataset))
