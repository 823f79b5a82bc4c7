"""A real Ray cluster of two nodes on this machine."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FAKE_GPUS = 2


@contextmanager
def ray_cluster() -> Iterator[Any]:
    """Run a head with one CPU and declared GPUs that are not there, and a second node with one CPU."""
    ray = pytest.importorskip("ray")
    if sys.platform != "linux":
        pytest.skip("Ray's test cluster needs Linux")
    from ray.cluster_utils import Cluster

    # Names of sockets have at most 107 bytes: pytest's folder is too deep.
    folder = tempfile.mkdtemp(prefix="r")
    os.environ["RAY_TMPDIR"] = folder
    sizes = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": FAKE_GPUS, **sizes})
    cluster.second = cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        del os.environ["RAY_TMPDIR"]
        shutil.rmtree(folder, ignore_errors=True)
