"""Refuse rows that cannot be trained where the user asks: on the CPU, or on several GPUs at once."""

from collections.abc import Sequence

from lrbench.errors import RequestError
from lrbench.execution.rows import Row
from lrbench.models.base import GradientStage
from lrbench.names import chosen_names

__all__ = ["check_data_parallel", "check_graph_device"]


def check_data_parallel(rows: Sequence[Row], only: Sequence[str], processes: int) -> None:
    """Refuse several processes per trial if a chosen row has a stage whose batches cannot be split.

    Args:
        rows: of the suite.
        only: labels, or patterns of labels; empty: all labels.
        processes: how many processes share a trial.

    Raises:
        RequestError: a chosen row has such a stage.
    """
    labels = chosen_names([row.label for row in rows], only, "row")
    chosen = [row for row in rows if row.label in labels]
    for row in chosen if processes > 1 else ():
        for stage in row.stages:
            kind = row.model.stages[stage.name]
            if not issubclass(kind, GradientStage):
                continue
            if stage.training.graph:
                why = "it has graph = true"
            elif not kind.allows_data_parallel(row.config):
                why = "its loss is not a mean over independent targets"
            else:
                continue
            raise RequestError(
                f'{row.label}: several GPUs cannot share the batches of stage "{stage.name}", as {why}.',
                "Leave --gpus-per-trial out, or choose other rows with --only.",
            )


def check_graph_device(rows: Sequence[Row], device: str) -> None:
    """Refuse ``graph = true`` if trials run on the CPU.

    Raises:
        RequestError: names the first such row.
    """
    for row in rows if device == "cpu" else ():
        if any(stage.training.graph for stage in row.stages):
            raise RequestError(
                f'"{row.label}" has graph = true, which records steps on a GPU, and trials run on the CPU.',
                "Leave graph out, or run with --gpus 0.",
            )
