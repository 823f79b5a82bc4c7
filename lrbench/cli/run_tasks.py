"""The orders of a run with their names in messages: those that may begin, and those that follow a search."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lrbench.cli.console import message_console, say
from lrbench.cli.run_request import RunRequest
from lrbench.config.rerun import Rerun
from lrbench.config.trial import TrialConfig
from lrbench.config.tuning import SearchConfig
from lrbench.execution.agenda import Agenda
from lrbench.execution.events import TrialDone, TrialFailed
from lrbench.execution.order import TrialOrder
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord, add_to_suite

__all__ = ["Task", "TaskList", "keep_record"]


def keep_record(record: SuiteRecord, results: Results) -> None:
    """Add to the suite's stored record, and say if that one was damaged; see :func:`add_to_suite`."""
    aside = add_to_suite(record, results)
    if aside is not None:
        say(message_console(), f"The record of the suite {record.name} was damaged. It is kept as {aside}.")


@dataclass(frozen=True)
class Task:
    """A trial or a search to run."""

    order: TrialOrder
    title: str
    """Its name in messages."""

    @property
    def id(self) -> str:
        """The id of the trial or search."""
        return self.order.config.id

    @property
    def is_search(self) -> bool:
        """Whether it is a search."""
        return isinstance(self.order.config, SearchConfig)

    @property
    def trainings(self) -> int:
        """How many trainings it takes at most."""
        config = self.order.config
        return config.trainings if isinstance(config, SearchConfig) else 1


class TaskList:
    """The tasks of a run. The suite's record is written whenever the trials of more rows are known.

    Args:
        agenda: the searches and trials.
        folders: true dataset name → folder of the prepared dataset.
        request: where the tasks run.
    """

    def __init__(self, agenda: Agenda, folders: Mapping[str, Path], request: RunRequest) -> None:
        self._agenda, self._folders, self._request = agenda, folders, request
        self._since = datetime.now(UTC) if request.rerun is Rerun.all else None
        searches = [self._task(each.config, f"search for {_joined(each.labels)}") for each in agenda.searches]
        self.first: Sequence[Task] = (*searches, *self._new_trials())
        """The tasks that may begin at once: searches, then trials."""

    @property
    def upcoming(self) -> int:
        """How many more tasks may follow."""
        return self._agenda.upcoming

    def after(self, ended: TrialDone | TrialFailed) -> Sequence[Task]:
        """Return the tasks that may begin now that one is done or has failed.

        Raises:
            RequestError: a row does not fit its dataset with the settings that a search chose.
        """
        if not self._agenda.is_search(ended.trial):
            return ()
        self._agenda.end_search(ended.trial, complete=isinstance(ended, TrialDone))
        return self._new_trials()

    def _new_trials(self) -> Sequence[Task]:
        keep_record(self._agenda.plan.record, self._request.results)
        return [
            self._task(trial.config, f"{_joined(trial.labels)}, seed {trial.config.seed}")
            for trial in self._agenda.take()
        ]

    def _task(self, config: SearchConfig | TrialConfig, title: str) -> Task:
        place = self._request.place
        order = TrialOrder(
            config=config,
            dataset_folder=self._folders[config.dataset],
            results_folder=self._request.results.root.resolve(),
            device=place.device,
            threads=place.threads or 1,
            processes=place.processes,
            since=self._since,
        )
        return Task(order, f"{config.dataset} {title}" if len(self._folders) > 1 else title)


def _joined(labels: Sequence[str]) -> str:
    return " = ".join(labels)
