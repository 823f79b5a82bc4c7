"""The generated dataset in the data folder."""

from dataclasses import dataclass
from pathlib import Path

from lrbench.data.listener import Listener, SilentListener
from lrbench.data.preparation.kept import KeptDataset
from lrbench.data.preparation.prepare import fingerprint
from lrbench.data.synthetic.sample import ORIGIN, sample_dataset

__all__ = ["GeneratedPreparation"]


@dataclass(frozen=True)
class GeneratedPreparation(KeptDataset):
    """The preparation of the dataset that lrbench generates."""

    @property
    def folder(self) -> Path:
        """Where it is kept. It is named by its fingerprint, so other filters have another folder."""
        return self.folders.prepared / self.dataset.name / fingerprint(ORIGIN, self.filters)

    def is_current(self, listener: Listener | None = None) -> bool:
        """Tell whether the folder holds what generating would give now. The listener hears of damage."""
        expected = fingerprint(ORIGIN, self.filters)
        return self.holds(lambda record: record.fingerprint == expected, listener or SilentListener())

    def make(self, listener: Listener) -> None:
        """Generate and write the dataset unless it is there.

        Raises:
            FilterError: the filters leave nothing, or need ratings.
            RequestError: the data folder cannot be written.
        """
        self.write_once(self.is_current, lambda: sample_dataset(self.filters), listener)
