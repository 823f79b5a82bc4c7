"""Train SASRec until validation stops it, by the command that users run."""

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

__all__ = ["seconds_to_convergence"]

_SUITE = """name = "convergence"
protocol = "loo-50"
datasets = ["{dataset}"]
seeds = [1]
primary_metric = "ndcg@10"

[training]
max_epochs = {most_epochs}
batch_size = {batch}
precision = "bfloat16"

[[models]]
label = "SASRec"
model = "sasrec"
"""


def seconds_to_convergence(given: argparse.Namespace, limit: float) -> dict[str, float]:
    """Return the times of the only trial of an ``lrbench run``.

    Returns:
        ``seconds`` from its start to its end, ``training`` seconds, ``epochs`` and test ``ndcg@10``.

    Raises:
        RuntimeError: the command failed or took longer than ``limit`` seconds.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = _SUITE.format(dataset=given.dataset, most_epochs=given.most_epochs, batch=given.batch)
        (folder / "convergence.toml").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "lrbench", "run", "convergence.toml", "--results", "results"]
        command += ["--device", given.device, "--workers", "1"]
        command += ["--data-dir", str(given.data_dir.resolve())] if given.data_dir else []
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=limit
            )
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"it had not ended after {limit:.0f} s") from error
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        (file,) = (folder / "results" / "trials").glob("*/trial.json")
        return _summary(json.loads(file.read_text(encoding="utf-8")))


def _summary(trial: dict[str, Any]) -> dict[str, float]:
    started, ended = (datetime.fromisoformat(trial[name]) for name in ("started", "ended"))
    return {
        "seconds": (ended - started).total_seconds(),
        "training": trial["train_seconds"],
        "epochs": trial["stages"][0]["epochs"],
        "ndcg@10": trial["metrics"]["test"]["0"]["ndcg@10"],
    }
