"""Refuse training settings that a stage of a model cannot have."""

from collections.abc import Sequence

from lrbench.config.trial import StageConfig
from lrbench.models.base import GradientStage, Model, ModelConfig

__all__ = ["check_replayable", "check_training_rows"]


def check_training_rows(model: type[Model], config: ModelConfig, stages: Sequence[StageConfig]) -> None:
    """Refuse to train on all positions in one pass if a state depends on later items.

    Raises:
        ValueError: names the stage.
    """
    for stage in stages:
        kind = model.stages[stage.name]
        if not issubclass(kind, GradientStage) or stage.training.rows != "positions":
            continue
        if kind.rows_for(model, config) == "prefixes":
            raise ValueError(
                f'rows = "positions" in stage {stage.name} would let states see the items that they '
                'predict, as the network is not causal; leave it out, or write rows = "prefixes"'
            )


def check_replayable(model: type[Model], config: ModelConfig, stages: Sequence[StageConfig]) -> None:
    """Refuse ``graph = true`` for a stage whose steps cannot be recorded and replayed.

    Raises:
        ValueError: names the stage.
    """
    for stage in stages:
        kind = model.stages[stage.name]
        if stage.training.graph and issubclass(kind, GradientStage) and not kind.replayable(model, config):
            raise ValueError(
                f"graph = true cannot record stage {stage.name}, whose steps read numbers on the host; "
                "write graph = false in the row's training"
            )
