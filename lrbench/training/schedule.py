"""The learning rate of each step. It may rise linearly from 0, then fall to 0 linearly or as a cosine.

The formulas are those of transformers (``get_linear_schedule_with_warmup`` and
``get_cosine_schedule_with_warmup``). With a warm-up the first step therefore has the rate 0.
"""

import math

from lrbench.config.training import TrainingConfig

__all__ = ["learning_rate"]


def learning_rate(training: TrainingConfig, taken: int, stage_steps: int) -> float:
    """Return the learning rate of the next step.

    Args:
        training: settings.
        taken: number of steps already taken in the stage.
        stage_steps: step at which a falling rate reaches 0.
    """
    warm = training.warmup_steps
    if taken < warm:
        return training.learning_rate * taken / warm
    if training.decay == "none":
        return training.learning_rate
    done = min((taken - warm) / max(stage_steps - warm, 1), 1.0)  # share of the steps after the warm-up
    left = 1 - done if training.decay == "linear" else (1 + math.cos(math.pi * done)) / 2
    return training.learning_rate * left
