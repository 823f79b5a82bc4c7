"""Choose which trials of a plan run."""

from collections.abc import Sequence

from lrbench.config.rerun import Rerun
from lrbench.errors import RequestError
from lrbench.execution.plan import Plan, PlannedTrial
from lrbench.names import label_matches
from lrbench.store.layout import Results
from lrbench.store.state import trial_state
from lrbench.wording import some_of

__all__ = ["select_trials"]


def select_trials(plan: Plan, results: Results, only: str | None, rerun: Rerun) -> Sequence[PlannedTrial]:
    """Choose trials to run.

    Args:
        plan: all trials of the suite.
        results: where complete and failed trials are.
        only: a label, or a pattern such as ``LARES*`` that labels must match; ``None``: all labels.
        rerun: ``missing``: what is not complete; ``failed``: only what failed; ``all``: everything again.

    Raises:
        RequestError: the pattern matches no label.
    """
    chosen = [
        trial
        for trial in plan.trials
        if only is None or any(label_matches(label, only) for label in trial.labels)
    ]
    if only is not None and not any(label_matches(row.label, only) for row in plan.rows):
        labels = some_of([row.label for row in plan.rows])
        raise RequestError(f'--only "{only}" matches no label.', f"Labels: {labels}.")
    if rerun is Rerun.all:
        return chosen
    wanted = ("failed",) if rerun is Rerun.failed else ("failed", "interrupted", "running", "to do")
    return [trial for trial in chosen if trial_state(results, trial.config.id) in wanted]
