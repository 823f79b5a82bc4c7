"""Trials on a real Ray cluster of two nodes on this machine, one of which is killed."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ray_cluster import FAKE_GPUS, ray_cluster
from small_data import order, trial_config

from lrbench.errors import RequestError
from lrbench.execution.events import Event, TrialDone, TrialNote
from lrbench.execution.perform import perform
from lrbench.execution.places import RayPlace
from lrbench.execution.remote.ray_tasks import RayExecutor, check_cluster
from lrbench.execution.schedule import run_orders
from lrbench.store.layout import RANKS_FILE, Results
from lrbench.training.news import EpochDone

EPOCHS = 300  # enough for a trial to be under way when its node dies, also on a fast machine
CONFIGS = [trial_config(seed=seed, max_epochs=EPOCHS, patience=EPOCHS) for seed in (1, 2)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with ray_cluster() as started:
        yield started


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_node_that_dies_costs_no_trial(cluster: Any, walks_folder: Path, tmp_path: Path) -> None:
    orders = [order(config, walks_folder, tmp_path / "ray") for config in CONFIGS]
    (tmp_path / "ray").mkdir()
    events = list[Event]()

    def watch(event: Event) -> None:
        events.append(event)
        training = {event.trial for event in events if isinstance(event, EpochDone)}
        if len(training) == 2 and cluster.second is not None:
            node, cluster.second = cluster.second, None
            cluster.remove_node(node, allow_graceful=False)

    run_orders(orders, RayExecutor(Results(tmp_path / "ray"), cluster.address, 1, 0.0, None), watch)
    notes = [event.text for event in events if isinstance(event, TrialNote)]
    assert len(notes) == 1
    assert notes[0].endswith("it goes on from its checkpoint")
    assert {event.trial for event in events if isinstance(event, TrialDone)} == {c.id for c in CONFIGS}
    for config in CONFIGS:
        perform(order(config, walks_folder, tmp_path / "alone"), lambda event: None)
        ranks = [
            pl.read_parquet(Results(tmp_path / name).trial(config.id) / RANKS_FILE)
            for name in ("ray", "alone")
        ]
        assert ranks[0].equals(ranks[1])
    assert not list(Results(tmp_path / "ray").running("").glob("*.jsonl"))


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_gpus_are_counted_and_a_machine_that_does_not_see_the_data_says_so(
    cluster: Any, walks_folder: Path, tmp_path: Path
) -> None:
    most = r"No node has more than 1 CPUs, or more than 2 GPUs\."
    with pytest.raises(RequestError, match=rf"and 3 GPUs for a trial\. {most}"):
        check_cluster(cluster.address, 1, FAKE_GPUS + 1)
    events = list[Event]()
    hidden = order(trial_config("popularity", seed=0), tmp_path / "elsewhere", tmp_path)
    run_orders([hidden], RayExecutor(Results(tmp_path), cluster.address, 1, 1.0, None), events.append)
    assert [event.kind for event in events] == ["failed"]
    error = Results(tmp_path).error(hidden.config.id).read_text(encoding="utf-8")
    assert "does not see the folder" in error


def test_a_port_is_not_taken_modulo_65536() -> None:
    """Else a server at the remaining port is taken for a cluster, and the run hangs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1] + 65_536
        with pytest.raises(RequestError, match="is no address"):
            RayPlace(f"127.0.0.1:{port}", "cpu", 1, 0.0, None).check()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nonsense", "127.0.0.1:65537"])
def test_an_address_at_which_nothing_answers_is_refused(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(RequestError, match=r"No Ray cluster answers|is no address"):
        RayPlace(address, "cpu", 1, 0.0, None).check()
