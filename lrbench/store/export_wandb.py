"""Write the stored curves of a suite's trials as offline runs of Weights & Biases. Nothing is sent."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from lrbench.errors import not_installed
from lrbench.files import new_folder
from lrbench.store.curves import Scalar, runs_of, scalars, settings_of
from lrbench.store.layout import Results
from lrbench.store.suites import SuiteRecord

__all__ = ["export_wandb"]


def export_wandb(suite: SuiteRecord, results: Results, folder: Path) -> int:
    """Write a folder of offline runs, in one step; ``wandb sync`` sends them.

    Args:
        suite: the suite's record; its name becomes the project.
        results: where its trials are.
        folder: a new folder.

    Returns:
        The number of runs.

    Raises:
        RequestError: wandb is not installed, or no trial is finished.
    """
    try:
        import wandb  # noqa: PLC0415 - slow to import, and an extra
    except ImportError:
        raise not_installed("This needs", "wandb", "wandb") from None
    runs = runs_of(suite, results)
    quiet = wandb.Settings(
        silent=True,
        console="off",
        x_disable_stats=True,
        x_disable_meta=True,
        disable_git=True,
        save_code=False,
    )
    with new_folder(folder) as temporary:
        for name, trial in runs.items():
            run = wandb.init(
                dir=temporary,
                project=suite.name,
                name=name,
                group=trial.cell.label,
                config=settings_of(trial),
                mode="offline",
                settings=quiet,
                reinit="create_new",
            )
            for axis, values in _rows(scalars(trial)):
                run.define_metric(f"{axis.rpartition('/')[0]}/*", step_metric=axis)
                run.log(values)
            run.finish()
        for path in temporary.rglob("*"):
            if path.is_symlink():  # it points to the last run, below the temporary name
                path.unlink()
    return len(runs)


def _rows(points: Iterator[Scalar]) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the values of one epoch or one depth together, with the name of their axis."""
    for (part, step), row in groupby(points, key=lambda point: (point.tag.rpartition("/")[0], point.step)):
        axis = f"{part}/{'depth' if part.endswith(' by depth') else 'epoch'}"
        yield axis, {axis: step, **{point.tag: point.value for point in row}}
