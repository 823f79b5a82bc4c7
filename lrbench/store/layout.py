"""Names of all files and folders below the results folder."""

from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "CHECKPOINT_FILE",
    "EVALUATION_FILE",
    "HISTORY_FILE",
    "LOG_FILE",
    "RANKS_FILE",
    "RECORD_FILE",
    "WEIGHTS_FILE",
    "Results",
]

RECORD_FILE = "trial.json"
RANKS_FILE = "ranks.parquet"
EVALUATION_FILE = "evaluation.json"
HISTORY_FILE = "history.parquet"
WEIGHTS_FILE = "weights.safetensors"
LOG_FILE = "log.txt"
CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(frozen=True)
class Results:
    """Paths below one results folder. Asking for a path creates nothing."""

    root: Path

    def folders(self) -> list[Path]:
        """Return the folders in which files are written during a run."""
        return [self.root / name for name in ("trials", "searches", "running", "failed", "suites")]

    def trials(self) -> list[Path]:
        """Return the folders of all complete trials, by id."""
        return _folders_in(self.root / "trials")

    def evaluations(self) -> list[Path]:
        """Return the folders of what was ranked after trials, by their ids."""
        return _folders_in(self.root / "evaluations")

    def suites(self) -> list[Path]:
        """Return the records of all suites, by name."""
        return _records_in(self.root / "suites")

    def searches(self) -> list[Path]:
        """Return the records of all complete searches, by id."""
        return _records_in(self.root / "searches")

    def trial(self, trial_id: str) -> Path:
        """Return the folder of a complete trial: if it exists, the trial is whole."""
        return self.root / "trials" / trial_id

    def evaluation(self, trial_id: str) -> Path:
        """Return the folder of what was ranked after a trial."""
        return self.root / "evaluations" / trial_id

    def evaluation_lock(self, trial_id: str) -> Path:
        """Return the lock file of whoever changes what was ranked after a trial."""
        return self.root / "running" / f"evaluation-{trial_id}.lock"

    def search(self, search_id: str) -> Path:
        """Return the record of a complete search for settings."""
        return self.root / "searches" / f"{search_id}.json"

    def running(self, trial_id: str) -> Path:
        """Return the folder of a trial under way: its checkpoint and its log."""
        return self.root / "running" / trial_id

    def failed(self, trial_id: str) -> Path:
        """Return the folder of a trial that failed."""
        return self.root / "failed" / trial_id

    def error(self, trial_id: str) -> Path:
        """Return the file that says why a trial failed: if it exists, the trial did."""
        return self.failed(trial_id) / "error.txt"

    def lock(self, trial_id: str) -> Path:
        """Return the lock file that the one process holds which works on the trial."""
        return self.root / "running" / f"{trial_id}.lock"

    def events(self, trial_id: str) -> Path:
        """Return the file of a trial under way in which every event is a line of JSON."""
        return self.root / "running" / f"{trial_id}.jsonl"

    def job(self, trial_id: str) -> Path:
        """Return the file that names the job of a cluster's queue that runs the trial."""
        return self.root / "running" / f"{trial_id}.job"

    def training_lock(self, training_id: str) -> Path:
        """Return the lock file of whoever trains what trials of this training id share."""
        return self.root / "running" / f"training-{training_id}.lock"

    def suite(self, name: str) -> Path:
        """Return the record of a suite: its resolved rows and its list of trials."""
        return self.root / "suites" / f"{name}.json"

    def looks(self, name: str) -> Path:
        """Return the file that says which seeds the reports of a suite have shown so far."""
        return self.root / "suites" / f"{name}.looks.jsonl"

    def suite_lock(self, name: str) -> Path:
        """Return the lock file of whoever changes the record of a suite."""
        return self.root / "suites" / f"{name}.lock"


def _folders_in(folder: Path) -> list[Path]:
    """Return what was written completely; until then its name begins with a dot."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _records_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
