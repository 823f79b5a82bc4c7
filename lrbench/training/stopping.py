"""Early stopping on the validation metric, unrounded."""

from typing import Literal

from lrbench.config.training import TrainingConfig
from lrbench.training.checkpoint import StageProgress

__all__ = ["reason_to_stop", "record_validation"]


def record_validation(progress: StageProgress, metric: float) -> bool:
    """Record a validation in ``progress``, and return whether its metric is the best so far."""
    if progress.best_metric is None or metric > progress.best_metric:
        progress.best_metric, progress.best_epoch = metric, progress.epoch
        progress.validations_without_gain = 0
        return True
    progress.validations_without_gain += 1
    return False


def reason_to_stop(
    progress: StageProgress, training: TrainingConfig
) -> Literal["patience", "epoch-cap"] | None:
    """Return why the stage ends after this epoch, or ``None`` if it goes on."""
    if progress.validations_without_gain >= training.patience:
        return "patience"
    if progress.epoch >= training.max_epochs:
        return "epoch-cap"
    return None
