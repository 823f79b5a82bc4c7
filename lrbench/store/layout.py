"""Where things lie below the results folder."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Results"]


@dataclass(frozen=True)
class Results:
    """Paths below one results folder; nothing is created by asking for a path."""

    root: Path

    def trial(self, trial_id: str) -> Path:
        """A complete trial: if this folder exists, the trial is whole."""
        return self.root / "trials" / trial_id

    def running(self, trial_id: str) -> Path:
        """Checkpoints and unfinished files of a trial under way."""
        return self.root / "running" / trial_id

    def failed(self, trial_id: str) -> Path:
        """Folder of a trial that failed."""
        return self.root / "failed" / trial_id

    def error(self, trial_id: str) -> Path:
        """Why a trial failed: if this file exists, it did."""
        return self.failed(trial_id) / "error.txt"

    def lock(self, trial_id: str) -> Path:
        """Held by the one process that works on the trial."""
        return self.root / "running" / f"{trial_id}.lock"

    def suite(self, name: str) -> Path:
        """The resolved suite and its list of trials."""
        return self.root / "suites" / f"{name}.json"

    def looks(self, name: str) -> Path:
        """Which seeds the reports of a suite have shown so far."""
        return self.root / "suites" / f"{name}.looks.jsonl"
