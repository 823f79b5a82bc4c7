"""The file that says why a trial failed."""

import traceback
from pathlib import Path

from lrbench.execution.events import TrialFailed
from lrbench.files import open_plain, write_text
from lrbench.plugins import failed_line
from lrbench.registry import MODELS
from lrbench.store.layout import LOG_FILE, Results
from lrbench.text import encodable

__all__ = ["record_failure"]

_LOG_LINES = 40


def record_failure(
    results: Results, trial_id: str, error: BaseException | str, details: str = ""
) -> TrialFailed:
    """Write ``error.txt`` with the traceback and the last log lines; checkpoints stay for a later run.

    Args:
        results: the results folder of the trial.
        trial_id: the trial.
        error: the exception that was raised, or a sentence.
        details: what a worker process last wrote to standard error; used with a sentence only.

    Returns:
        The event that reports the failure. It says so if the file cannot be written, as on a full disk.
    """
    if isinstance(error, str):
        reason, text = error, f"{error}\n\n{details}"
    else:
        reason, text = _reason(error), "".join(traceback.format_exception(error))
    path = results.error(trial_id)
    try:
        tail = "\n".join(_last_lines(results.running(trial_id) / LOG_FILE))
        write_text(path, encodable(f"{text.rstrip()}\n\nLast lines of the log:\n{tail}\n"))
    except OSError as refused:
        reason = f"{reason} ({path} could not be written: {refused.strerror})"
        return TrialFailed(trial=trial_id, reason=reason, error_file=None)
    return TrialFailed(trial=trial_id, reason=reason, error_file=str(path))


def _last_lines(log_file: Path) -> list[str]:
    """Return the end of a log. A process that was killed may have left half a character."""
    try:
        with open_plain(log_file) as file:
            return file.read().decode("utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    except OSError:
        return []


def _reason(error: BaseException) -> str:
    """Return the first line of the error; of an error of the system, its text without the number.

    Before it stands the line of the plug-in or package, if the error passed through one.
    """
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    line = failed_line(error)
    if line is None and (found := MODELS.failed_package(error)) is not None:
        line = found[1]
    return (f"{line}: " if line else "") + text.splitlines()[0]
