"""A process that shares a trial with the process that has the order. It computes its part and writes nothing.

It reads one order as a JSON line from stdin. It ends at once when the first process ends, which closes stdin.
Everything that it or a model prints goes to stderr.
"""

import os
import sys
import threading

from lrbench.data.dataset import load_prepared
from lrbench.data.splitting import split
from lrbench.execution.perform import prepare_process
from lrbench.execution.train_and_rank import train_and_rank
from lrbench.execution.workers.team import HelperOrder, joined
from lrbench.seeds import make_deterministic
from lrbench.store.layout import CHECKPOINT_FILE
from lrbench.team import Team
from lrbench.training.checkpoint import load_checkpoint

__all__ = ["main"]


def main() -> None:
    """Take part in one trial."""
    os.dup2(2, 1)
    prepare_process()
    order = HelperOrder.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    make_deterministic()
    dataset = load_prepared(order.dataset_folder)
    parts = split(dataset.sequences, order.config.protocol)
    file = order.results.running(order.config.id) / CHECKPOINT_FILE
    saved = load_checkpoint(file, order.config.id) if order.resumes else None
    with joined(order.meeting, Team(order.number, order.processes), order.device) as team:
        train_and_rank(order, dataset, parts, saved, lambda news: None, team)


def _end_with_the_first() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
