"""What finished trials say about those to come: how long they take, and how much memory they need."""

from collections.abc import Iterable
from typing import NamedTuple

from lrbench.config.trial import TrialConfig
from lrbench.config.tuning import SearchConfig
from lrbench.store.trials import TrialRecord

__all__ = ["PastCosts"]


class _Need(NamedTuple):
    seconds: float
    peak_bytes: int


class PastCosts:
    """The longest time and the largest peak memory so far, by configuration and by dataset and model.

    A configuration is taken without its seed.

    Args:
        records: trials that are finished already.
    """

    def __init__(self, records: Iterable[TrialRecord] = ()) -> None:
        self._needs: dict[tuple[str, ...], _Need] = {}
        for record in records:
            self.add(record)

    def add(self, record: TrialRecord) -> None:
        """Learn from a finished trial."""
        need = _Need(record.train_seconds + record.evaluate_seconds, record.peak_memory_bytes)
        for key in _keys(record.config):
            known = self._needs.get(key, need)
            self._needs[key] = _Need(max(need.seconds, known.seconds), max(need.peak_bytes, known.peak_bytes))

    def seconds(self, config: TrialConfig) -> float | None:
        """Return how many seconds such a trial took at most; ``None`` if none like it is finished.

        Trials of the same configuration count first, then those of the same dataset and model. A search
        takes as long as its trainings together.
        """
        need = self._nearest(config)
        trainings = config.trainings if isinstance(config, SearchConfig) else 1
        return None if need is None else need.seconds * trainings

    def peak_bytes(self, config: TrialConfig) -> int | None:
        """Return the peak memory in bytes of trials that differ from this one in the seed at most.

        ``None``: no such trial is finished.
        """
        need = self._needs.get(_keys(config)[0])
        return None if need is None else need.peak_bytes

    def _nearest(self, config: TrialConfig) -> _Need | None:
        return next((need for key in _keys(config) if (need := self._needs.get(key)) is not None), None)


def _keys(config: TrialConfig) -> tuple[tuple[str, ...], ...]:
    """Names of the groups of trials that a trial belongs to, the narrowest first."""
    own = config.model_copy(update={"seed": 0}).id
    return ("configuration", own), ("model", config.fingerprint, config.model)
