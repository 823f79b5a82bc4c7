"""The order that a worker gets: one trial or search, its data, and where it runs."""

from pathlib import Path

from pydantic import AwareDatetime, Field

from lrbench.config.base import FrozenConfig
from lrbench.config.trial import TrialConfig
from lrbench.config.tuning import SearchConfig
from lrbench.store.layout import Results

__all__ = ["TrialOrder"]


class TrialOrder(FrozenConfig):
    """A trial or a search that a worker performs."""

    config: SearchConfig | TrialConfig
    """A search's configuration is that of a trial, with a space of settings."""

    dataset_folder: Path
    results_folder: Path
    device: str
    threads: int
    alone: bool = False
    """Whether nothing else is given to its device meanwhile, and no device of the run has more memory.

    Memory then runs out because of this order.
    """

    memory_ran_out: bool = False
    """Whether a search was killed for the memory of the settings that it tried. They have failed then."""

    processes: int = Field(default=1, ge=1)
    """How many processes share the trial, each with a device of its own."""

    since: AwareDatetime | None = None
    """Only what was begun since then counts; older records and checkpoints are replaced. ``None``: all do."""

    @property
    def results(self) -> Results:
        """The folder in which the trial is written."""
        return Results(self.results_folder)
