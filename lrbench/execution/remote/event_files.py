"""What trials on other machines report: lines of JSON beside their checkpoints, read as they grow."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from lrbench.execution.events import LAST_EVENTS, Event, parse_event
from lrbench.store.layout import Results

__all__ = ["EventFiles"]


class EventFiles:
    """Reads the events of several trials of one folder of results.

    Args:
        results: the folder, which the other machines see too.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._read: dict[str, int] = {}  # trial → bytes read

    def begin(self, trial: str) -> None:
        """Skip the events of a trial that an earlier run wrote."""
        try:
            self._read[trial] = self._results.events(trial).stat().st_size
        except FileNotFoundError:
            self._read[trial] = 0

    def new(self, trials: Iterable[str]) -> list[Event]:
        """Return what the trials have reported since the last call, except how they ended.

        The executor says how a trial ended, since it also knows of trials that died.
        """
        return [event for trial in trials for event in self._new(trial)]

    def _new(self, trial: str) -> list[Event]:
        try:
            with self._results.events(trial).open("rb") as file:
                file.seek(self._read.get(trial, 0))
                new = file.read()
        except FileNotFoundError:  # the trial has not begun, or is complete
            self._read[trial] = 0
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self._read[trial] = self._read.get(trial, 0) + len(whole)
        return [event for event in _parsed(whole) if not isinstance(event, LAST_EVENTS)]


def _parsed(lines: bytes) -> Iterator[Event]:
    """Yield the event of each line. A line of which a full disk or a kill left a part is skipped."""
    for line in lines.splitlines():
        with suppress(ValueError):
            yield parse_event(line)
