"""One tuned suite here, on a Ray cluster of two nodes and under Slurm: the same search, the same ranks.

``nox -s campaigns`` runs sixty trials in each place.
"""

import os
from contextlib import AbstractContextManager
from pathlib import Path

import polars as pl
import pytest
from desk import Desk
from ray_cluster import ray_cluster
from slurm_node import slurm

from lrbench.store.integrity import stored_faults
from lrbench.store.layout import Results
from lrbench.store.searches import SearchRecord, read_search

pytestmark = pytest.mark.slow

SUITE = """
name = "places"
protocol = "loo-20"
datasets = ["walks"]
seeds = [{seeds}]

[training]
max_epochs = 1
batch_size = 256

[tune]
trials = 2
sampler = "random"
seed = 99

[tune.space]
dropout = [0.0, 0.5]

[[models]]
label = "SASRec"
model = "sasrec"
params = {{ width = 16, layers = 1, inner_width = 32 }}
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("clusters"))


@pytest.fixture(scope="module")
def suite(desk: Desk, campaign_size: int) -> str:
    return desk.suite(SUITE.format(seeds=", ".join(map(str, range(1, 1 + max(2, 3 * campaign_size))))))


@pytest.fixture(scope="module")
def here(desk: Desk, suite: str) -> Results:
    """The results of a run on this machine."""
    desk.run("run", suite, "--workers", "1", "--results", "here", longest=1200)
    return Results(desk.folder / "here")


def searches(results: Results) -> list[SearchRecord]:
    """The searches without what depends on the time and the place of their run."""
    names = sorted(path.stem for path in results.search("x").parent.glob("*.json"))
    records = [read_search(results, name) for name in names]
    quiet = [tuple(trial.model_copy(update={"seconds": 0.0}) for trial in each.trials) for each in records]
    kept = {"seconds": 0.0, "started": None, "ended": None, "digest": "", "versions": {}}
    return [
        each.model_copy(update=kept | {"trials": trials}) for each, trials in zip(records, quiet, strict=True)
    ]


@pytest.mark.parametrize("place", ["ray", "slurm"])
def test_a_tuned_suite_has_the_same_searches_and_ranks_everywhere(
    desk: Desk, suite: str, here: Results, place: str, tmp_path: Path
) -> None:
    running: AbstractContextManager[object] = ray_cluster() if place == "ray" else slurm(tmp_path)
    with running as cluster:
        where = ("--address", cluster.address) if place == "ray" else ("--partition", "main")
        desk.environment |= {name: os.environ[name] for name in ("SLURM_CONF",) if name in os.environ}
        done = desk.run("run", suite, "--executor", place, *where, "--results", place, longest=1200)
    results = Results(desk.folder / place)
    trials = len(here.trials())
    assert f"{trials} of {trials} trials done" in done.stderr
    assert [path.name for path in results.trials()] == [path.name for path in here.trials()]
    for there, alone in zip(results.trials(), here.trials(), strict=True):
        assert not stored_faults(there)
        assert pl.read_parquet(there / "ranks.parquet").equals(pl.read_parquet(alone / "ranks.parquet"))
    assert searches(results) == searches(here)
    assert not [path for path in results.running("").iterdir() if path.suffix != ".lock"]
    assert not list(results.failed("").glob("*"))
    print(f"\n{place}: 1 search and {trials} trials, all as on this machine, nothing left behind")
