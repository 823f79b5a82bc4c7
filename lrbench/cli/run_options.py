"""Options of ``lrbench run`` that no other verb has."""

from enum import StrEnum
from typing import Annotated

import typer

from lrbench.bounds import MOST_GPUS, MOST_WORKERS
from lrbench.cli.options import parse_name
from lrbench.config.rerun import Rerun

__all__ = [
    "Address",
    "Datasets",
    "Device",
    "DeviceKind",
    "DryRun",
    "Executor",
    "Gpus",
    "GpusPerTrial",
    "Only",
    "Partition",
    "Seeds",
    "SuiteFile",
    "Threads",
    "TimeLimit",
    "TrialsPerGpu",
    "WhatToRun",
    "Where",
    "Workers",
]


class Where(StrEnum):
    """What runs the trials."""

    local = "local"
    ray = "ray"
    slurm = "slurm"


class Device(StrEnum):
    """Where to train."""

    cpu = "cpu"
    cuda = "cuda"


SuiteFile = Annotated[
    str,
    typer.Argument(
        metavar="SUITE.toml",
        parser=parse_name,
        help="A suite file, or the name of a suite that ships with lrbench.",
    ),
]

Gpus = Annotated[
    str | None, typer.Option(metavar="0,1", help="Numbers of the GPUs to train on, e.g. 0,1 or 0-3.")
]

Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=MOST_WORKERS,
        help="How many trials run at the same time. Without it: one for each core or GPU, or on a cluster as "
        "many as it takes.",
    ),
]

Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=MOST_WORKERS,
        help="CPU threads of each trial. Without it: its share of the cores, or 1 on a cluster. "
        "Another number can change the last bits of the results.",
    ),
]

DeviceKind = Annotated[
    Device | None, typer.Option(help="Where to train. Without it: on the CPU, or on the GPUs of --gpus.")
]

TrialsPerGpu = Annotated[
    str | None,
    typer.Option(
        metavar="auto|N",
        help="How many trials share a GPU. With auto: as many as fit into its free memory, judged by the "
        "peak memory of finished trials.",
    ),
]

GpusPerTrial = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=MOST_GPUS,
        help="How many GPUs share a trial by splitting its batches. The results are those of one GPU, except "
        "for rounding and the draws of dropout. A search for settings uses only one of the GPUs.",
    ),
]

Executor = Annotated[Where, typer.Option(help="What runs the trials: this machine, a Ray cluster, or Slurm.")]

Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Address of the Ray cluster, or auto. Without it: auto, the cluster of this machine.",
    ),
]

Partition = Annotated[
    str | None, typer.Option(metavar="NAME", help="Partition of Slurm. Without it: Slurm's default.")
]

TimeLimit = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Time limit of a Slurm job: minutes, H:MM:SS or D-HH:MM:SS. Without it: 60 minutes. "
        "A trial that takes longer goes on in another job.",
    ),
]

Datasets = Annotated[
    str | None, typer.Option(metavar="A,B", help="Datasets to run instead of those in the suite.")
]

Seeds = Annotated[
    str | None, typer.Option(metavar="1,2,3", help="Seeds to run instead of those in the suite.")
]

Only = Annotated[
    str | None, typer.Option(metavar="A,B", help="Run only these rows (labels, patterns such as 'LARES*').")
]

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print the trials and how long they will take, by a few steps of each row. Keep nothing.",
    ),
]

WhatToRun = Annotated[
    Rerun,
    typer.Option(
        help="Run what is not done (missing, failed trials too), only what failed, or everything again."
    ),
]
