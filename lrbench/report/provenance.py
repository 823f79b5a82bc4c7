"""Where the numbers of a report come from: versions, devices, dates, data and settings of its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import lrbench
from lrbench.store.frames import FinishedTrial

__all__ = ["Provenance", "StageRecipe", "TrainingRecipe", "make_provenance"]


@dataclass(frozen=True)
class StageRecipe:
    """Settings of one training stage."""

    name: str
    training: Mapping[str, Any]


@dataclass(frozen=True)
class TrainingRecipe:
    """How a row was trained and ranked on a dataset, with all settings."""

    dataset: str
    label: str
    model: str
    """The registered name."""

    params: Mapping[str, Any]
    """Every option of the model, defaults included."""

    stages: tuple[StageRecipe, ...]
    depth: int
    """Latent reasoning steps at inference; 0 where the model does not reason."""

    draws: int
    """Number of draws of the initial noise; a user's value is the mean over them."""

    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Provenance:
    """The software, machines and settings behind a report and its trials."""

    lrbench: str
    """Version that made the report; the versions that made the trials are in ``versions``."""

    versions: Mapping[str, tuple[str, ...]]
    """Package, Python or commit → the distinct versions among the trials, sorted."""

    devices: tuple[str, ...]
    threads: tuple[int, ...]
    """Distinct numbers of threads of the trials on a CPU."""

    trials: int
    """Number of distinct trials."""

    started: datetime
    """Start of the first trial."""

    ended: datetime
    """End of the last trial."""

    recipes: tuple[TrainingRecipe, ...]
    suite_file: str = ""
    """The suite file as it was when the suite last ran; empty where the suite's record has none."""

    command: str = ""
    """The command that made the report; empty for a report made from Python."""

    exact_ranks_to: int | None = None
    """Trials from brief archives lack greater ranks in validation and at depths other than the reported one.
    ``None``: no trial is from a brief archive."""


def make_provenance(trials: Sequence[FinishedTrial], suite_file: str = "", command: str = "") -> Provenance:
    """Gather the provenance from the trials of a report, at least one."""
    records = {trial.record.id: trial.record for trial in trials}.values()
    packages = dict.fromkeys(package for record in records for package in record.versions)
    rows: dict[tuple[str, str], list[FinishedTrial]] = {}
    for trial in trials:
        rows.setdefault((trial.cell.dataset, trial.cell.label), []).append(trial)
    return Provenance(
        lrbench=lrbench.__version__,
        versions={
            package: tuple(sorted({record.versions.get(package, "unknown") for record in records}))
            for package in packages
        },
        devices=tuple(sorted({record.device for record in records})),
        threads=tuple(sorted({record.threads for record in records if record.device == "cpu"})),
        trials=len(records),
        started=min(record.started for record in records),
        ended=max(record.ended for record in records),
        recipes=tuple(_recipe(dataset, label, runs) for (dataset, label), runs in rows.items()),
        suite_file=suite_file,
        command=command,
        exact_ranks_to=min(
            (record.exact_ranks_to for record in records if record.exact_ranks_to is not None), default=None
        ),
    )


def _recipe(dataset: str, label: str, runs: Sequence[FinishedTrial]) -> TrainingRecipe:
    record = runs[0].record
    return TrainingRecipe(
        dataset=dataset,
        label=label,
        model=record.model,
        params=dict(record.params),
        stages=tuple(
            StageRecipe(stage.name, stage.training.model_dump(mode="json")) for stage in record.config.stages
        ),
        depth=record.depth,
        draws=record.draws,
        seeds=tuple(run.cell.seed for run in runs),
    )
