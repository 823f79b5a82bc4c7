"""Checks with answers known in advance. They show a broken installation before anything is trained.

Each returns what is wrong, or ``None``. ``lrbench doctor`` prints the first line of its docstring.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from lrbench.config.protocol import find_protocol
from lrbench.config.training import TrainingConfig
from lrbench.data.batches import TrainingData
from lrbench.data.sequences import Sequences
from lrbench.data.splitting import split
from lrbench.evaluation.ranking import rank_targets
from lrbench.metrics import ndcg, recall
from lrbench.models.base import FitStage
from lrbench.models.supervised import Supervised
from lrbench.objectives.cross_entropy import cross_entropy
from lrbench.registry import MODELS
from lrbench.seeds import seed_torch, shuffle_source
from lrbench.stats.multiplicity import holm
from lrbench.training.epoch import run_epoch
from lrbench.training.optimiser import Optimiser
from lrbench.training.step import GradientStep

__all__ = ["CHECKS"]

_CPU = torch.device("cpu")


def metrics_by_hand() -> str | None:
    """Recall and NDCG of ranks 1, 3 and 11 at 10, worked by hand."""
    ranks = np.array([1.0, 3.0, 11.0])
    found = [*recall(ranks, 10), *ndcg(ranks, 10)]
    return _compare(found, [1, 1, 0, 1, 0.5, 0])


def popularity_by_hand() -> str | None:
    """Mid-ranks of popularity on a tiny dataset, worked by hand."""
    # Training parts: 0 1 | 0 2 | 0 1. Counts: item 0 three, item 1 two, item 2 one, items 3 and 4 none.
    items = np.array([0, 1, 2, 3, 0, 2, 1, 4, 0, 1, 3, 2], dtype=np.int32)
    parts = split(Sequences(items, np.array([0, 4, 8, 12]), None, 5), find_protocol("loo-50"))
    kind = MODELS.load("popularity")
    model = kind(kind.Config(), 5, 10)
    counting = kind.stages["counting"](model)
    assert isinstance(counting, FitStage)
    counting.fit(parts.train)
    ranks = rank_targets(model, parts.test, (0,), 0, _CPU)
    # Targets 3, 4, 2: items 3 and 4 share ranks 4 and 5; the histories hold three other items each.
    return _compare([*ranks.rank[0], *ranks.rank_masked[0]], [4.5, 4.5, 3, 1.5, 1.5, 1])


def chunked_cross_entropy() -> str | None:
    """The chunked cross-entropy and its gradient equal the plain ones."""
    source = torch.Generator().manual_seed(0)
    states = torch.randn(700, 8, generator=source, dtype=torch.float64, requires_grad=True)
    items = torch.randn(90, 8, generator=source, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(90, (700,), generator=source)
    losses, gradients = [], []
    for loss in (cross_entropy(states, items, targets), F.cross_entropy(states @ items.T, targets)):
        losses.append(loss.item())
        gradients.append(torch.cat([g.ravel() for g in torch.autograd.grad(loss, (states, items))]))
    difference = max(abs(losses[0] - losses[1]), float((gradients[0] - gradients[1]).abs().max()))
    return None if difference < 1e-9 else f"they differ by {difference:.2g}"


def training_repeats() -> str | None:
    """Training twice from one seed gives the same bits."""
    weights = [_train_a_little() for _ in range(2)]
    return None if torch.equal(*weights) else "two runs differ"


def holm_by_hand() -> str | None:
    """Holm's correction of .01, .04, .03, worked by hand."""
    return _compare(list(holm(np.array([0.01, 0.04, 0.03]))), [0.03, 0.06, 0.06])


CHECKS: tuple[Callable[[], str | None], ...] = (
    metrics_by_hand,
    popularity_by_hand,
    chunked_cross_entropy,
    training_repeats,
    holm_by_hand,
)


def _train_a_little() -> torch.Tensor:
    items = np.random.default_rng(0).integers(0, 50, 400).astype(np.int32)
    parts = split(Sequences(items, np.arange(0, 401, 8), None, 50), find_protocol("loo-50"))
    seed_torch(0)
    kind = MODELS.load("sasrec")
    model = kind(kind.Config(width=16, layers=1, heads=2, inner_width=32), 50, 8)  # type: ignore[call-arg]
    stage = Supervised(model)
    training = TrainingConfig(batch_size=64)
    data = TrainingData(parts.train, 8)
    batches = data.batches(training.batch_size, _CPU, shuffle_source(0, 0, 1))
    step = GradientStep(stage, Optimiser(model.parameters(), training), training, _CPU)
    run_epoch(step, batches, "the self-test")
    return torch.cat([parameter.detach().ravel() for parameter in model.parameters()])


def _compare(found: list[float], expected: list[float]) -> str | None:
    if np.allclose(found, expected, rtol=0, atol=1e-9):
        return None
    return f"{[float(value) for value in found]} instead of {expected}"
