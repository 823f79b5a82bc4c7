"""Which settings of a search are trained again with other seeds, and which are chosen.

The score of a search's best trial is partly luck, and falls when its settings get other seeds. The more the
runs of some settings vary, the luckier is their best trial. Nothing was selected by the runs of finalists, so
they are free of this luck, and they alone decide.
"""

from collections.abc import Sequence
from statistics import fmean

from lrbench.config.tuning import SearchConfig
from lrbench.store.searches import FinalistRun, SearchTrial

__all__ = ["best_trial", "runs_of_finalists"]


def runs_of_finalists(config: SearchConfig, trials: Sequence[SearchTrial]) -> list[tuple[SearchTrial, int]]:
    """Return the trials whose settings are trained again, each with every seed; the best trial comes first.

    An empty list: the search has no finalists, or only one trial is complete.
    """
    best = sorted(_complete(trials), key=_worth, reverse=True)[: config.finalists]
    if len(best) < 2:
        return []
    seeds = range(config.seed + 1, config.seed + 1 + config.finalist_runs)
    return [(trial, seed) for trial in best for seed in seeds]


def best_trial(trials: Sequence[SearchTrial], finals: Sequence[FinalistRun]) -> int | None:
    """Return the number of the trial whose settings are chosen; ``None``: all failed.

    Args:
        trials: all of a search.
        finals: the runs of its finalists, the best trial first. If there are any, the settings with the best
            mean win. Settings of which a run failed are out.
    """
    if not finals:
        best = max(_complete(trials), key=_worth, default=None)
        return None if best is None else best.number
    values: dict[int, list[float | None]] = {}
    for run in finals:
        values.setdefault(run.number, []).append(run.value)
    means = {
        number: fmean(found) for number, runs in values.items() if len(found := _known(runs)) == len(runs)
    }
    return max(means, key=means.__getitem__, default=None)  # of equal ones, that of the better trial


def _complete(trials: Sequence[SearchTrial]) -> list[SearchTrial]:
    return [trial for trial in trials if trial.state == "complete" and trial.value is not None]


def _worth(trial: SearchTrial) -> tuple[float, int]:
    assert trial.value is not None
    return trial.value, -trial.number


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
