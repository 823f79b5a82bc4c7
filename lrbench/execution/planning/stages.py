"""The training stages of a row with their settings."""

from collections.abc import Mapping
from typing import Any

from lrbench.config.base import parse_config
from lrbench.config.suite import Suite
from lrbench.config.suite_file import Entry
from lrbench.config.suite_rows import merge_tables
from lrbench.config.training import TrainingConfig
from lrbench.config.trial import StageConfig
from lrbench.errors import RequestError, did_you_mean
from lrbench.models.base import Model
from lrbench.registry import MODELS

__all__ = ["resolve_stages"]


def resolve_stages(entry: Entry, model: type[Model], suite: Suite, where: str) -> tuple[StageConfig, ...]:
    """Return the settings of each stage.

    They come from four places. A later place overrides an earlier one:

    1. ``training`` of the suite,
    2. ``stage_defaults`` of the model,
    3. ``training`` of the row,
    4. ``training.stages.NAME`` of the suite, then of the row.

    Raises:
        RequestError: an unknown stage or setting, or no stage.
    """
    names = model.default_stages if entry.stages is None else entry.stages
    if not names:
        raise RequestError(f"{where}: no stage is left to train.", f"Stages: {', '.join(model.stages)}.")
    common = {key: value for key, value in suite.training.items() if key != "stages"}
    own = {key: value for key, value in entry.training.items() if key != "stages"}
    by_stage = merge_tables(_table(suite.training, where), _table(entry.training, where))
    for name in by_stage:
        if not any(name in MODELS.load(str(other.model)).stages for other in suite.models):
            raise RequestError(
                f'{where}: training.stages names "{name}", and no model of the suite has this stage.',
                did_you_mean(name, model.stages),
            )
    stages = []
    for name in names:
        if name not in model.stages:
            raise RequestError(f'{where}: there is no stage "{name}".', did_you_mean(name, model.stages))
        values: dict[str, Any] = {**common, **model.stage_defaults.get(name, {}), **own}
        values |= by_stage.get(name, {})
        training = parse_config(TrainingConfig, values, f"{where}, training of stage {name}")
        stages.append(StageConfig(name=name, training=training))
    return tuple(stages)


def _table(training: Mapping[str, Any], where: str) -> dict[str, Any]:
    stages = training.get("stages", {})
    if not isinstance(stages, dict) or not all(isinstance(value, dict) for value in stages.values()):
        raise RequestError(f"{where}: training.stages is not a table of tables.", "[training.stages.NAME]")
    return stages
