"""What a person asked of ``lrbench run``, once its options are read."""

from dataclasses import dataclass

from lrbench.config.rerun import Rerun
from lrbench.config.suite import Suite
from lrbench.data.obtain import Library
from lrbench.execution.places import Place
from lrbench.store.layout import Results

__all__ = ["RunRequest"]


@dataclass(frozen=True)
class RunRequest:
    """A suite, where its data and results are, which of its trials run, and where they run."""

    suite: Suite
    library: Library
    results: Results
    only: tuple[str, ...]
    """Labels, or patterns of labels; empty: all labels."""

    rerun: Rerun
    place: Place
    """Where trials run."""

    @property
    def search_gpus(self) -> str:
        """A sentence on the GPUs of a search; empty: it has no more than it uses."""
        each = self.place.processes
        if each == 1 or self.suite.tune is None:
            return ""
        return (
            f"A search trains on one of its {each} GPUs. "
            "Without --gpus-per-trial, each GPU has a search of its own."
        )

    @property
    def dataset_names(self) -> list[str]:
        """The true names of the suite's datasets, each once."""
        return list(dict.fromkeys(self.library.catalogue.find(name).name for name in self.suite.datasets))
