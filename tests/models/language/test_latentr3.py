"""Latents and their reinforcement, against sums by hand and against one pass for each version of a latent."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from models.language.conftest import Make
from models.language.one_pass_each import one_pass_each
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.errors import RequestError
from lrbench.evaluation.latents import replacing
from lrbench.models.language.latentr3.config import LatentR3Config
from lrbench.models.language.latentr3.model import LatentR3
from lrbench.models.language.latentr3.stages import (
    LatentGRPO,
    baseline_advantages,
    standardised_advantages,
)
from lrbench.models.reasoning import Replacement
from lrbench.testing import MAX_LENGTH, pack_lists, random_histories, training_view

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(make: Make) -> LatentR3:
    made = make("latentr3", ranking="catalogue")
    assert isinstance(made, LatentR3)
    return made


def batch_for(stage: Any, histories: list[list[int]]) -> TrainingBatch:
    data = TrainingData(training_view(histories), MAX_LENGTH, stage.training_rows())
    stage.begin(data, CPU)
    (batch,) = data.batches(10_000, CPU)
    return batch


def test_advantages_by_hand() -> None:
    rewards = torch.tensor([[-2.0, -1.0], [-4.0, -7.0]])  # baseline: −3
    norm = math.sqrt(1 + 4 + 1 + 16) + 1e-6
    expected = torch.tensor([[1.0, 2.0], [-1.0, -4.0]]) / norm
    torch.testing.assert_close(baseline_advantages(rewards), expected)
    deviations = torch.tensor([[-0.5, 0.5], [1.5, -1.5]]) / torch.tensor([[0.5**0.5], [4.5**0.5]])
    torch.testing.assert_close(standardised_advantages(rewards), deviations, rtol=1e-3, atol=1e-3)


def test_shared_prompts_give_the_loss_and_the_gradients_of_one_pass_each(model: LatentR3) -> None:
    stage = LatentGRPO(model)
    batch = batch_for(stage, [[3, 1, 4], [5, 9, 2, 6]])
    rows, items = model.prompts.of(batch.sequences), batch.next_items.tolist()
    trained = list(model.attention.parameters())
    size, count = model.config.baseline_prompts, model.config.group
    torch.manual_seed(5)
    before = model.language.prompt_tokens
    loss = stage.losses(batch)["loss"]
    ours = torch.autograd.grad(loss, trained)
    read = model.language.prompt_tokens - before

    torch.manual_seed(5)
    total, computed = torch.zeros(()), 0
    for start in range(0, len(rows), size):
        chosen = slice(start, start + size)
        logs, tokens = one_pass_each(model, rows[chosen], items[chosen])
        rewards = -(-logs.detach()).exp()
        total = total - (baseline_advantages(rewards) * logs).sum() / (count * len(rows))
        computed += tokens
    theirs = torch.autograd.grad(total, trained)
    torch.testing.assert_close(loss, total, rtol=1e-5, atol=1e-5)
    mine, other = (torch.cat([part.flatten() for part in parts]) for parts in (ours, theirs))
    assert other.norm() > 1e-3
    assert (mine - other).norm() <= 1e-4 * other.norm()  # rounding of float32: about 1e-5
    assert read == sum(map(len, rows))
    assert computed >= 3 * read


def test_reinforcement_moves_the_attention_alone(model: LatentR3) -> None:
    stage = LatentGRPO(model)
    terms = stage.losses(batch_for(stage, [[3, 1, 4], [5, 9]]))
    terms["loss"].backward()
    assert {name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None} == {
        "attention"
    }
    model.zero_grad()
    assert -terms["reward"] > 1  # a perplexity
    model.train_base(True)


def test_what_replaces_a_latent_changes_scores_and_its_own_donor_does_not(model: LatentR3) -> None:
    histories = random_histories(5)
    packed = pack_lists(histories)

    def scores(replacement: Replacement | None) -> Tensor:
        with torch.no_grad(), replacing(model, replacement):
            return model.encode(packed, (0, 1), torch.Generator().manual_seed(0))

    own = scores(None)
    torch.testing.assert_close(scores(Replacement("other", torch.arange(5))), own, rtol=1e-5, atol=1e-5)
    for changed in (Replacement("zero"), Replacement("noise"), Replacement("other", torch.arange(5).roll(1))):
        found = scores(changed)
        torch.testing.assert_close(found[0], own[0], rtol=1e-5, atol=1e-5)
        assert not torch.allclose(found[1], own[1], rtol=1e-5, atol=1e-5)


def test_depth_0_is_the_language_model_alone(model: LatentR3, make: Make) -> None:
    recipe = model.without_reasoning(model.config)
    alone = make("latentr3", **recipe.params)
    alone.load_state_dict(model.state_dict())
    packed = pack_lists(random_histories(4))
    with torch.no_grad():
        torch.testing.assert_close(alone.encode(packed, (0,), None), model.encode(packed, (0,), None))


def test_a_constant_latent_is_the_same_for_every_history(make: Make) -> None:
    constant = make("latentr3", latent="constant", latents=2)
    assert isinstance(constant, LatentR3)
    end = constant.language.read([np.array([1, 2, 3]), np.array([4])], CPU)
    first, second = constant.latent(end)[:, 0]
    assert torch.equal(first, second)


def test_reinforcement_needs_latents() -> None:
    config = LatentR3Config(base="tiny", latents=0)
    config.check_against_protocol(10, ("sft",))
    with pytest.raises(ValueError, match="latents = 0"):
        config.check_against_protocol(10, ("sft", "grpo"))


def test_a_group_advantage_takes_no_prompts_for_a_baseline() -> None:
    stages = ("sft", "grpo")
    LatentR3Config(base="tiny", baseline_prompts=4).check_effects(stages)
    LatentR3Config(base="tiny", advantage="group").check_effects(stages)
    with pytest.raises(ValueError, match="baseline_prompts has no effect"):
        LatentR3Config(base="tiny", baseline_prompts=4, advantage="group").check_effects(stages)


def test_a_pretrained_model_cannot_be_matched_in_size() -> None:
    with pytest.raises(RequestError, match="cannot be varied"):
        LatentR3.without_recurrence(LatentR3Config(base="tiny"))
