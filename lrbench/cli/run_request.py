"""What a person asked of ``lrbench run``, once its options are read."""

from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.config.rerun import Rerun
from lrbench.config.suite import Suite
from lrbench.data.obtain import Library
from lrbench.execution.pool import Slot, choose_slots
from lrbench.store.layout import Results

__all__ = ["RunRequest"]


@dataclass(frozen=True)
class RunRequest:
    """A suite, where its data and results are, which of its trials run, and on what."""

    suite: Suite
    library: Library
    results: Results
    only: str | None
    """A pattern of labels; ``None``: all labels."""

    rerun: Rerun
    gpus: Sequence[int]
    device: str | None
    workers: int | None
    threads: int | None
    """The last four are as in :func:`lrbench.execution.pool.choose_slots`."""

    @property
    def dataset_names(self) -> list[str]:
        """The true names of the suite's datasets, each once."""
        return list(dict.fromkeys(self.library.catalogue.find(name).name for name in self.suite.datasets))

    def slots(self, trials: int) -> list[Slot]:
        """Return where so many trials run.

        Raises:
            RequestError: there is no such GPU, or the options contradict each other.
        """
        return choose_slots(self.gpus, self.device, self.workers, trials, self.threads)
