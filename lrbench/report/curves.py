"""Validation metrics over epochs: did training end because it had converged?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from lrbench.store.frames import FinishedTrial

__all__ = ["Curve", "make_curves"]


@dataclass(frozen=True)
class Curve:
    """The validation metric of one run in one training stage."""

    dataset: str
    label: str
    seed: int
    stage: str
    epochs: tuple[int, ...]
    """Epochs that were validated, ascending."""

    values: tuple[float, ...]
    """The protocol's selection metric at these epochs."""

    selected: int | None
    """The epoch whose weights were kept; `None` where it was not validated."""


def make_curves(trials: Sequence[FinishedTrial]) -> Iterator[Curve]:
    """Read the curve of every stage that has validated epochs.

    Raises:
        LrbenchError: a trial's history is missing or damaged.
    """
    for trial in trials:
        history = trial.history()
        if "validation_metric" not in history.columns:
            continue
        for stage in trial.record.stages:
            rows = history.filter(pl.col("stage") == stage.name).drop_nulls("validation_metric").sort("epoch")
            if rows.is_empty():
                continue
            epochs = tuple(rows["epoch"].to_list())
            yield Curve(
                dataset=trial.cell.dataset,
                label=trial.cell.label,
                seed=trial.cell.seed,
                stage=stage.name,
                epochs=epochs,
                values=tuple(rows["validation_metric"].to_list()),
                selected=stage.best_epoch if stage.best_epoch in epochs else None,
            )
