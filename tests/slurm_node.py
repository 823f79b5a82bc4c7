"""A real Slurm of one node on this machine, without systemd.

It needs root and the packages slurm-wlm and munge.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

CONF = """
ClusterName=local
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={second_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld
SlurmdLogFile={folder}/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=1
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "sinfo", "su")
STARTS_WITHIN = 30.0  # seconds
ENDS_WITHIN = 10.0


@contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Run Slurm with its files in a folder; its commands find it by ``SLURM_CONF`` within the block."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and slurm-wlm and munge (missing: {', '.join(missing) or 'root'})")
    for name in ("state", "spool", "log"):
        (folder / name).mkdir(parents=True)
    host = socket.gethostname().partition(".")[0]
    ports = [free_port() for _ in range(2)]
    conf = folder / "slurm.conf"
    cpus = len(os.sched_getaffinity(0))
    conf.write_text(
        CONF.format(host=host, port=ports[0], second_port=ports[1], folder=folder, cpus=cpus),
        encoding="ascii",
    )
    start_munge()
    os.environ["SLURM_CONF"] = str(conf)
    try:
        for daemon in ("slurmctld", "slurmd"):
            subprocess.run([daemon, "-f", str(conf)], check=True, timeout=STARTS_WITHIN)
        wait_for_node()
        yield
    finally:
        cancel_jobs()
        for name in ("slurmd.pid", "slurmctld.pid"):
            with suppress(OSError, ValueError):
                end(int((folder / name).read_text(encoding="ascii")))
        del os.environ["SLURM_CONF"]


def cancel_jobs() -> None:
    """End all jobs: a daemon that is told to stop would wait for those that run."""
    subprocess.run(["scancel", "--user=root", "--signal=KILL", "--full"], check=False, timeout=ENDS_WITHIN)
    subprocess.run(["scancel", "--user=root"], check=False, timeout=ENDS_WITHIN)
    deadline = time.monotonic() + ENDS_WITHIN
    while time.monotonic() < deadline:
        said = subprocess.run(["squeue", "--noheader"], check=False, capture_output=True, text=True)
        if not said.stdout.strip():
            return
        time.sleep(0.2)


def end(process: int) -> None:
    """Stop a daemon, by force if it does not stop by itself."""
    os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + ENDS_WITHIN
    while time.monotonic() < deadline:
        if not Path(f"/proc/{process}").exists():
            return
        time.sleep(0.1)
    os.kill(process, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def start_munge() -> None:
    """Start the daemon that signs messages, unless it runs; it is left running for others."""
    if subprocess.run(["munge", "-n"], check=False, capture_output=True).returncode == 0:
        return
    run = Path("/run/munge")
    run.mkdir(exist_ok=True)
    shutil.chown(run, "munge", "munge")
    subprocess.run(
        ["su", "-s", "/bin/sh", "munge", "-c", "/usr/sbin/munged"], check=True, timeout=STARTS_WITHIN
    )


def wait_for_node() -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        said = subprocess.run(
            ["sinfo", "--noheader", "--format=%T"], check=False, capture_output=True, text=True
        )
        if "idle" in said.stdout:
            return
        time.sleep(0.2)
    pytest.skip("Slurm's node does not become idle here")


def start_again_now(job: str) -> None:
    """Let a requeued job start at once: Slurm itself holds it back for two minutes."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        state = subprocess.run(
            ["squeue", "--noheader", "--format=%t", f"--jobs={job}"],
            check=True,
            capture_output=True,
            text=True,
        )
        if state.stdout.strip() == "PD":
            subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], check=True)
            return
        time.sleep(0.2)
