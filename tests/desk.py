"""A folder in which the command line is run as a person would."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import processes
from small_data import walks

SUITE = """
name = "small"
protocol = "loo-20"
datasets = ["walks"]
seeds = [1, 2, 3]

[training]
max_epochs = 2
batch_size = 256

[[models]]
label = "Popularity"
model = "popularity"

[[models]]
label = "SASRec"
model = "sasrec"
params = { width = 16, layers = 1, inner_width = 32 }

[comparison]
proposed = ["SASRec"]
"""


LIMITED = """
import os, resource, sys

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Runs a command whose files cannot grow beyond a size, nor those of its children."""


class Desk:
    """A folder in which commands are run; tests add files to it and change none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{key: value for key, value in os.environ.items() if key != "LRBENCH_MIRROR"},
            "LRBENCH_DATA": str(folder / "data"),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "120",
        }
        rows = [
            (f"u{user}", f"i{item}", time)
            for user, items in enumerate(walks())
            for time, item in enumerate(items)
        ]
        frame = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
        frame.write_csv(folder / "walks.csv")
        self.run("fetch", "walks", "--from", "walks.csv", "--columns", "user=user,item=item,time=time")

    def start(
        self, *arguments: str, largest_file: int | None = None, longest: float = 300
    ) -> subprocess.Popen[str]:
        """Start a command, which is killed if it takes too long.

        Trials train on one thread each: on cores that tests share, threads of one trial wait for each other
        many times longer than they compute.

        Args:
            arguments: of ``lrbench``.
            largest_file: bytes after which writing a file fails, as on a full disk.
            longest: seconds after which the command is killed.
        """
        limit = () if largest_file is None else ("-c", LIMITED, str(largest_file), sys.executable)
        threads = ("--threads", "1") if arguments[0] == "run" and "--threads" not in arguments else ()
        command = [sys.executable, *limit, "-m", "lrbench", *arguments, *threads]
        return processes.start(command, self.folder, self.environment, longest=longest)

    def run(self, *arguments: str, code: int = 0, longest: float = 180) -> subprocess.CompletedProcess[str]:
        ended, out, messages = processes.ended(self.start(*arguments, longest=longest + 120), longest)
        assert ended == code, messages
        assert "Traceback" not in messages
        return subprocess.CompletedProcess(arguments, code, out, messages)

    def suite(self, text: str) -> str:
        """Write a suite file whose name depends on its text, so that no test can change that of another."""
        name = f"suite-{hashlib.sha256(text.encode()).hexdigest()[:8]}.toml"
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def keep_results(self) -> None:
        """Keep the results as they are: tests in any order copy these, whatever others add to the folder."""
        shutil.copytree(self.folder / "results", self.folder / "kept")

    def copy_of_results(self, name: str) -> Path:
        """Copy the results that were kept, for a test that damages them or adds to them."""
        return Path(shutil.copytree(self.folder / "kept", self.folder / name))
