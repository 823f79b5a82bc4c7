"""The space that each row searches: the suite's shared space and the row's own, for options of its model."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import JsonValue

from lrbench.config.suite import Suite
from lrbench.config.suite_file import Entry
from lrbench.config.suite_rows import merge_tables
from lrbench.config.training import TrainingConfig
from lrbench.config.tuning import TRAINING, Choice, Range, Space, parse_space
from lrbench.errors import RequestError, did_you_mean
from lrbench.models.base import GradientStage, Model

__all__ = ["check_tuning", "ends_of", "find_space", "with_settings"]


def find_space(entry: Entry, model: type[Model], stages: Sequence[str], suite: Suite) -> Space:
    """Return the space that a row searches: the shared options that its model has, and its own options.

    An option of the row replaces the shared one. Options that the row's grid sets are not searched.

    Args:
        entry: the row, without a grid.
        model: the row's class.
        stages: names of the stages that it trains.
        suite: has a table ``[tune]``.

    Raises:
        RequestError: the row searches an option that its model lacks, a range does not suit the option, or a
            stage sets a training setting that is searched for all stages.
    """
    assert suite.tune is not None
    where = f'search of "{entry.label}"'
    kinds = _kinds(model, stages)
    in_grid = {option for option, values in entry.search.items() if _single(values)}
    own = parse_space({option: v for option, v in entry.search.items() if option not in in_grid}, where)
    for option in own:
        if option not in kinds:
            raise RequestError(f"{where}: {entry.model} has no option {option}.", did_you_mean(option, kinds))
    shared = parse_space(suite.tune.space, "tune.space")
    known = {option: values for option, values in shared.items() if option in kinds}
    space = {option: values for option, values in (known | own).items() if option not in in_grid}
    by_stage = merge_tables(_stage_settings(suite.training), _stage_settings(entry.training))
    for option in space:
        for stage, settings in by_stage.items():
            if option.removeprefix(TRAINING) in settings and option.startswith(TRAINING):
                raise RequestError(
                    f"{where}: {option} is searched for all stages, and training.stages.{stage} sets it.",
                    "Leave one of the two out.",
                )
    return {option: _suited(values, kinds[option], f"{where}, {option}") for option, values in space.items()}


def check_tuning(suite: Suite, spaces: Mapping[str, Space]) -> None:
    """Refuse a tuning that would search nothing, or that uses a seed of the final trials.

    Args:
        suite: the resolved suite.
        spaces: label → what the row searches.

    Raises:
        RequestError: nothing is searched, no tuned row has an option of the shared space, or a tuning seed is
            one of the final seeds.
    """
    tune = suite.tune
    if tune is None:
        return
    final = {*suite.seeds, *(seed for seeds in suite.dataset_seeds.values() for seed in seeds)}
    if shared := sorted(final.intersection(tune.seeds)):
        raise RequestError(
            f"The seed {shared[0]} is used for tuning and is among the final seeds.",
            f"Choose another one: seed = {max(final) + 1} under [tune].",
        )
    if not any(entry.tune for entry in suite.models):
        raise RequestError(
            "The suite has a table [tune], and every row says tune = false.",
            "Let a row be tuned, or leave [tune] out.",
        )
    searched = {option for space in spaces.values() for option in space}
    known = {
        option for entry in suite.models if not entry.settings_of for option in entry.search
    }  # a grid may set it in all rows
    for option in parse_space(tune.space, "tune.space"):
        if option not in searched | known:
            raise RequestError(
                f"tune.space: no row that is tuned has an option {option}.",
                did_you_mean(option, [*searched, *_names(suite)]),
            )
    if not searched:
        raise RequestError(
            "The suite has a table [tune], and no row has an option to search.",
            "Fill [tune.space], or leave [tune] out.",
        )


def ends_of(values: Choice | Range) -> Sequence[JsonValue]:
    """Return the values of a space to try out: the whole list, or the two ends of a range."""
    if isinstance(values, Choice):
        return values.values
    ends = (values.low, values.high)
    return tuple(int(end) for end in ends) if values.whole else ends


def with_settings(entry: Entry, settings: Mapping[str, JsonValue]) -> Entry:
    """Return a row with chosen settings in place of its own, and nothing left to search.

    A row with ``settings_of`` keeps the options that it sets itself.
    """
    if entry.settings_of is not None:
        settings = {option: value for option, value in settings.items() if option not in entry.search}
    training = {name.removeprefix(TRAINING): v for name, v in settings.items() if name.startswith(TRAINING)}
    params = {name: value for name, value in settings.items() if not name.startswith(TRAINING)}
    return entry.model_copy(
        update={
            "params": {**entry.params, **params},
            "training": {**entry.training, **training},
            "search": {},
        }
    )


def _kinds(model: type[Model], stages: Sequence[str]) -> dict[str, Any]:
    """Return the options of a row with their types.

    Training settings are among them, unless the model is fitted in one call.
    """
    kinds = {name: field.annotation for name, field in model.Config.model_fields.items()}
    if any(issubclass(model.stages[name], GradientStage) for name in stages):
        fields = TrainingConfig.model_fields
        kinds |= {f"{TRAINING}{name}": field.annotation for name, field in fields.items()}
    return kinds


def _suited(values: Choice | Range, kind: Any, where: str) -> Choice | Range:
    """Mark a range as one of whole numbers if its option takes these.

    Raises:
        RequestError: an end of such a range has a fraction.
    """
    kinds = (kind, *get_args(kind))
    if isinstance(values, Choice) or int not in kinds:
        return values
    if not (values.low.is_integer() and values.high.is_integer()):
        raise RequestError(f"{where}: it takes whole numbers.", "Write low and high without a fraction.")
    return values.model_copy(update={"whole": True})


def _names(suite: Suite) -> list[str]:
    """Return names to suggest for a misspelt one: options that rows set, and training settings."""
    options = {option for entry in suite.models for option in entry.params}
    return [*sorted(options), *(f"{TRAINING}{name}" for name in TrainingConfig.model_fields)]


def _single(values: JsonValue) -> bool:
    """Whether the grid or the row itself sets the option; see :attr:`Entry.search`."""
    return isinstance(values, list) and len(values) == 1


def _stage_settings(training: Mapping[str, Any]) -> Mapping[str, Any]:
    stages = training.get("stages", {})
    return stages if isinstance(stages, dict) else {}
