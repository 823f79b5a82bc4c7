"""Choose which trials of a plan run."""

from collections.abc import Sequence

from lrbench.config.rerun import Rerun
from lrbench.execution.plan import Plan, PlannedTrial
from lrbench.names import chosen_names
from lrbench.store.layout import Results
from lrbench.store.state import trial_state

__all__ = ["select_trials"]


def select_trials(plan: Plan, results: Results, only: Sequence[str], rerun: Rerun) -> Sequence[PlannedTrial]:
    """Choose trials to run.

    Args:
        plan: all trials of the suite.
        results: where complete and failed trials are.
        only: labels, or patterns of labels such as ``LARES*``; empty: all labels.
        rerun: ``missing``: what is not complete; ``failed``: only what failed; ``all``: everything again.

    Raises:
        RequestError: a pattern matches no label.
    """
    labels = set(chosen_names([row.label for row in plan.rows], only, "row"))
    chosen = [trial for trial in plan.trials if labels & set(trial.labels)]
    return [trial for trial in chosen if rerun.includes(trial_state(results, trial.config.id))]
