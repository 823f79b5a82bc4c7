"""Which trials of a plan shall run."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal

from lrbench.errors import RequestError
from lrbench.execution.plan import Plan, PlannedTrial
from lrbench.store.layout import Results
from lrbench.store.state import trial_state

__all__ = ["Rerun", "select_trials"]

Rerun = Literal["missing", "failed", "all"]


def select_trials(plan: Plan, results: Results, only: str | None, rerun: Rerun) -> Sequence[PlannedTrial]:
    """Choose trials to run.

    Args:
        plan: all trials of the suite.
        results: where complete and failed trials lie.
        only: a pattern such as ``LARES*`` that a label must match; none: all labels.
        rerun: ``missing``: what is not complete; ``failed``: only what failed; ``all``: everything anew.

    Raises:
        RequestError: the pattern matches no label.
    """
    chosen = [
        trial
        for trial in plan.trials
        if only is None or any(fnmatchcase(label, only) for label in trial.labels)
    ]
    if not chosen:
        labels = ", ".join(row.label for row in plan.rows)
        raise RequestError(f'--only "{only}" matches no label.', f"Labels: {labels}.")
    if rerun == "all":
        return chosen
    wanted = ("failed",) if rerun == "failed" else ("failed", "interrupted", "running", "to do")
    return [trial for trial in chosen if trial_state(results, trial.config.id) in wanted]
