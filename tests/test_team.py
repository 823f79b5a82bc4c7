"""What each process of a trial gets: all parts together are the whole, each once."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from numpy.typing import NDArray
from small_data import leave_one_out, small_dataset, trial_config

from lrbench.data.batches import TrainingData
from lrbench.evaluation.latents import steps_taking
from lrbench.evaluation.ranking import Ranks, rank_targets
from lrbench.execution.train_and_rank import build_model
from lrbench.team import Team

CPU = torch.device("cpu")
DATASET = small_dataset(users=1100)  # three chunks of users to rank
SPLIT = leave_one_out(DATASET.sequences)


class Silent(Team):
    """A process that keeps its own sums, so that a test can add them up."""

    def summed(self, values: NDArray[Any]) -> NDArray[Any]:
        return values


@given(places=some.integers(0, 40), count=some.integers(1, 9))
def test_parts_are_the_whole_each_once(places: int, count: int) -> None:
    parts = [Team(number, count).part(np.arange(places)) for number in range(count)]
    assert np.concatenate(parts).tolist() == list(range(places))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("count", [2, 3])
def test_processes_train_on_all_targets_of_each_batch_once(count: int) -> None:
    data = TrainingData(SPLIT.train, 20)
    whole = list(data.batches(30, CPU, np.random.default_rng(0)))
    shared = [
        list(data.batches(30, CPU, np.random.default_rng(0), team=Team(number, count)))
        for number in range(count)
    ]
    assert {len(batches) for batches in shared} == {len(whole)}
    for batch, *parts in zip(whole, *shared, strict=True):
        counted = [part.target_ids for part in parts if not part.stands_in]
        assert np.concatenate(counted).tolist() == batch.target_ids.tolist()
    one_window = list(data.batches(1, CPU, team=Team(count - 1, count)))
    assert all(batch.stands_in for batch in one_window)


def test_each_user_is_ranked_by_one_process() -> None:
    config = trial_config()
    model = build_model(config, DATASET, CPU)
    whole = rank_targets(model, SPLIT.test, (0,), 0, CPU)
    parts = [rank_targets(model, SPLIT.test, (0,), 0, CPU, Silent(number, 2)) for number in range(2)]
    ranked = [part.rank > 0 for part in parts]
    assert (ranked[0] ^ ranked[1]).all()
    assert ranked[0].any() and ranked[1].any()
    for name in Ranks.__dataclass_fields__:
        sums = sum(getattr(part, name) for part in parts)
        assert np.array_equal(sums, getattr(whole, name))


def test_where_there_is_noise_every_process_ranks_everyone() -> None:
    model = build_model(trial_config("lares"), DATASET, CPU)
    whole = rank_targets(model, SPLIT.test, (1,), 0, CPU)
    part = rank_targets(model, SPLIT.test, (1,), 0, CPU, Silent(1, 2))
    assert np.array_equal(part.rank, whole.rank)


def test_where_noise_replaces_latents_every_process_ranks_everyone() -> None:
    """The noise of a chunk depends on the chunks before it, so a process must not leave any out."""
    sizes = {"width": 16, "layers": 1, "heads": 2, "inner_width": 32}
    model = build_model(trial_config("recurrence", params=sizes), DATASET, CPU)
    assert not model.noisy(model.config)
    with steps_taking("noise", model):
        whole = rank_targets(model, SPLIT.test, (2,), 0, CPU)
        part = rank_targets(model, SPLIT.test, (2,), 0, CPU, Silent(1, 2))
    assert np.array_equal(part.rank, whole.rank)
