"""Names of all files and folders below the results folder."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lrbench.commands import command

__all__ = [
    "CHECKPOINT_FILE",
    "EVALUATION_FILE",
    "HISTORY_FILE",
    "LOG_FILE",
    "RANKS_FILE",
    "RECORD_FILE",
    "SINCE_FILE",
    "WEIGHTS_FILE",
    "Results",
    "results_of",
]

RECORD_FILE = "trial.json"
RANKS_FILE = "ranks.parquet"
EVALUATION_FILE = "evaluation.json"
HISTORY_FILE = "history.parquet"
WEIGHTS_FILE = "weights.safetensors"
LOG_FILE = "log.txt"
CHECKPOINT_FILE = "checkpoint.pt"
SINCE_FILE = "since.txt"


@dataclass(frozen=True)
class Results:
    """Paths below one results folder. Asking for a path creates nothing."""

    root: Path

    def command(self, *words: str) -> str:
        """Return a command that uses this folder, such as ``lrbench status tiny --results elsewhere``.

        Args:
            words: the verb, then its arguments, then its options.
        """
        return command(*words, results=self.root)

    def folders(self) -> list[Path]:
        """Return the folders into which a run writes files."""
        return [self.root / name for name in ("trials", "searches", "running", "failed", "suites")]

    def trials(self) -> list[Path]:
        """Return the folders of all complete trials, by id."""
        return _folders_in(self.root / "trials")

    def evaluations(self) -> list[Path]:
        """Return the folders of all later evaluations, by the ids of their trials."""
        return _folders_in(self.root / "evaluations")

    def suites(self) -> list[Path]:
        """Return the records of all suites, by name."""
        return _records_in(self.root / "suites")

    def searches(self) -> list[Path]:
        """Return the records of all complete searches, by id."""
        return _records_in(self.root / "searches")

    def trial(self, trial_id: str) -> Path:
        """Return the folder of a complete trial. If it exists, the trial is complete."""
        return self.root / "trials" / trial_id

    def evaluation(self, trial_id: str) -> Path:
        """Return the folder of a trial's later evaluation."""
        return self.root / "evaluations" / trial_id

    def evaluation_lock(self, trial_id: str) -> Path:
        """Return the lock file of a later evaluation. A process that writes the evaluation holds it."""
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
        """Return the file that says why a trial failed. If it exists, the trial has failed."""
        return self.failed(trial_id) / "error.txt"

    def lock(self, trial_id: str) -> Path:
        """Return the lock file of a trial. The one process that works on the trial holds it."""
        return self.root / "running" / f"{trial_id}.lock"

    def events(self, trial_id: str) -> Path:
        """Return the file of a trial under way in which every event is a line of JSON."""
        return self.root / "running" / f"{trial_id}.jsonl"

    def job(self, trial_id: str) -> Path:
        """Return the file that names the job of a cluster's queue that runs the trial."""
        return self.root / "running" / f"{trial_id}.job"

    def training_lock(self, training_id: str) -> Path:
        """Return the lock file of the stages that trials with this training id share.

        The process that trains these stages holds it.
        """
        return self.root / "running" / f"training-{training_id}.lock"

    def suite(self, name: str) -> Path:
        """Return the record of a suite: its resolved rows and its list of trials."""
        return self.root / "suites" / f"{name}.json"

    def looks(self, name: str) -> Path:
        """Return the file that says how many seeds each report of a suite has shown."""
        return self.root / "suites" / f"{name}.looks.jsonl"

    def suite_lock(self, name: str) -> Path:
        """Return the lock file of a suite's record. A process that changes the record holds it."""
        return self.root / "suites" / f"{name}.lock"


def results_of(trial: Path, kinds: Collection[str] = ("trials",)) -> Results | None:
    """Return the results folder that a trial's folder is in; ``None``: it is in none.

    ``trials`` may be a link to another disk. So the path as given counts before the one without links.

    Args:
        trial: the folder.
        kinds: the names that the folder above it may have.
    """
    for place in (trial.absolute(), trial.resolve()):
        if place.parent.name in kinds:
            return Results(place.parents[1])
    return None


def _folders_in(folder: Path) -> list[Path]:
    """Return the complete folders in a folder. The name of an incomplete one begins with a dot."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _records_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
