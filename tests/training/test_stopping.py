from lrbench.config.training import TrainingConfig
from lrbench.training.checkpoint import StageProgress
from lrbench.training.stopping import reason_to_stop, record_validation


def stop_after(metrics: list[float], **settings: int) -> tuple[str | None, StageProgress]:
    progress, reason = StageProgress(), None
    for metric in metrics:
        progress.epoch += 1
        record_validation(progress, metric)
        reason = reason_to_stop(progress, TrainingConfig(**settings))
        if reason:
            break
    return reason, progress


def test_patience_counts_validations_since_the_best() -> None:
    reason, progress = stop_after([0.1, 0.3, 0.2, 0.25, 0.1, 0.9], patience=3, max_epochs=100)
    assert reason == "patience"
    assert (progress.epoch, progress.best_epoch, progress.best_metric) == (5, 2, 0.3)


def test_an_equal_value_is_no_gain() -> None:
    reason, progress = stop_after([0.1, 0.1, 0.1], patience=2, max_epochs=100)
    assert (reason, progress.best_epoch) == ("patience", 1)


def test_the_smallest_gain_counts_because_nothing_is_rounded() -> None:
    reason, progress = stop_after([0.1, 0.1 + 1e-12, 0.1 + 2e-12], patience=1, max_epochs=3)
    assert (reason, progress.best_epoch) == ("epoch-cap", 3)
