"""Whether several processes can share the trials of a suite."""

from collections.abc import Sequence

from lrbench.errors import RequestError
from lrbench.execution.rows import Row
from lrbench.models.base import GradientStage
from lrbench.names import chosen_names

__all__ = ["check_sharing"]


def check_sharing(rows: Sequence[Row], only: Sequence[str], processes: int) -> None:
    """Refuse several processes for a trial with a stage whose batches they cannot share.

    Args:
        rows: of the suite.
        only: labels, or patterns of them; none: all labels.
        processes: how many share a trial.

    Raises:
        RequestError: a chosen row has such a stage.
    """
    labels = chosen_names([row.label for row in rows], only, "row")
    chosen = [row for row in rows if row.label in labels]
    for row in chosen if processes > 1 else ():
        for stage in row.stages:
            kind = row.model.stages[stage.name]
            if issubclass(kind, GradientStage) and (stage.training.graph or not kind.can_share(row.config)):
                why = (
                    "it has graph = true"
                    if stage.training.graph
                    else "its loss is no mean over targets alone"
                )
                raise RequestError(
                    f'{row.label}: several GPUs cannot share the batches of stage "{stage.name}", as {why}.',
                    "Leave --gpus-per-trial out, or choose other rows with --only.",
                )
