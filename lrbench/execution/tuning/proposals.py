"""Propose the settings that a search tries next, and end hopeless trials, with Optuna's samplers and pruners.

A proposal depends only on the search and on the trials before it. An interrupted search therefore goes on
with the same proposals.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import JsonValue

from lrbench.config.tuning import Choice, Range, SearchConfig, Space
from lrbench.errors import not_installed
from lrbench.store.searches import SearchTrial

if TYPE_CHECKING:
    import optuna

__all__ = ["Proposal", "check_optuna", "propose"]

MOST_RANDOM = 10
"""Trials that TPE draws at random before it learns; half of all trials if there are fewer than 20."""

PRUNED_AFTER = 4
"""Complete trials before the first one can be pruned."""


class Proposal:
    """Settings to try, and the rule that says whether to go on with them."""

    def __init__(self, trial: "optuna.Trial", settings: dict[str, JsonValue]) -> None:
        self._trial = trial
        self.settings = settings

    def hopeless(self, epoch: int, best: float) -> bool:
        """Whether the trial is pruned: ``best`` is below the median of earlier trials at the same epoch.

        Args:
            epoch: the number of epochs so far, through all stages.
            best: the best validation metric so far.
        """
        self._trial.report(best, epoch)
        return self._trial.should_prune()


def check_optuna() -> None:
    """Refuse to tune without Optuna.

    Raises:
        RequestError: it is not installed.
    """
    if find_spec("optuna") is None:
        raise not_installed("Tuning needs", "Optuna", "tune")


def propose(config: SearchConfig, ended: Sequence[SearchTrial]) -> Proposal:
    """Return the settings of the next trial: the row's own ones for the first, then what the sampler draws.

    Args:
        config: the search.
        ended: its trials so far, in their order.
    """
    import optuna  # noqa: PLC0415 - an extra

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    source = np.random.SeedSequence(entropy=config.seed, spawn_key=(len(ended),))
    study = optuna.create_study(
        direction="maximize",
        sampler=_sampler(config, int(source.generate_state(1)[0])),
        pruner=_pruner(config),
    )
    distributions = {option: _distribution(values) for option, values in config.space.items()}
    for trial in ended:
        study.add_trial(_frozen(trial, config.space, distributions))
    if config.own_first and not ended:
        return Proposal(study.ask(), config.own_settings)
    asked = study.ask(distributions)
    return Proposal(
        asked, {option: _value(config.space[option], drawn) for option, drawn in asked.params.items()}
    )


def _sampler(config: SearchConfig, seed: int) -> "optuna.samplers.BaseSampler":
    import optuna  # noqa: PLC0415

    if config.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=min(MOST_RANDOM, max(1, config.trials // 2))
    )


def _pruner(config: SearchConfig) -> "optuna.pruners.BasePruner":
    import optuna  # noqa: PLC0415

    if config.pruning == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(n_startup_trials=PRUNED_AFTER, n_warmup_steps=config.warm_up)


def _distribution(values: Choice | Range) -> "optuna.distributions.BaseDistribution":
    import optuna  # noqa: PLC0415

    if isinstance(values, Choice):  # by position in the list, since the values may be of any type
        return optuna.distributions.CategoricalDistribution(range(len(values.values)))
    if values.whole:
        return optuna.distributions.IntDistribution(int(values.low), int(values.high), log=values.log)
    return optuna.distributions.FloatDistribution(values.low, values.high, log=values.log)


def _value(values: Choice | Range, drawn: Any) -> JsonValue:
    """Return the setting for what Optuna drew: a position in a list, or a number."""
    value: JsonValue = values.values[drawn] if isinstance(values, Choice) else drawn
    return value


def _holds(values: Choice | Range, value: JsonValue) -> bool:
    if isinstance(values, Choice):
        return value in values.values
    return isinstance(value, int | float) and values.low <= value <= values.high


def _frozen(
    trial: SearchTrial, space: Space, distributions: "dict[str, optuna.distributions.BaseDistribution]"
) -> "optuna.trial.FrozenTrial":
    """Return Optuna's form of a trial that has ended.

    A row's own settings may be outside the space. The sampler does not see them, the pruner sees their trial.
    """
    import optuna  # noqa: PLC0415

    states = {
        "complete": optuna.trial.TrialState.COMPLETE,
        "pruned": optuna.trial.TrialState.PRUNED,
        "failed": optuna.trial.TrialState.FAIL,
    }
    drawn = {
        option: values.values.index(value) if isinstance(values, Choice) else value
        for option, values in space.items()
        if option in trial.settings and _holds(values, value := trial.settings[option])
    }
    return optuna.trial.create_trial(
        state=states[trial.state],
        value=trial.value if trial.state == "complete" else None,
        params=drawn,
        distributions={option: distributions[option] for option in drawn},
        intermediate_values=dict(trial.curve),
    )
