"""The policy gradient of rollouts: where its gradient comes from and where it goes."""

import pytest
import torch
from torch import Tensor

from lrbench.data.batches import TrainingData
from lrbench.models.latent.diffureason import rollouts
from lrbench.models.latent.diffureason.config import DiffuReasonConfig
from lrbench.models.latent.diffureason.model import DiffuReason
from lrbench.models.latent.diffureason.thoughts import Thoughts
from lrbench.testing import pack_lists, training_view

HISTORIES = [[1, 2, 3, 4], [5, 6], [7, 1, 9, 2, 3]]


def network(**options: object) -> DiffuReason:
    torch.manual_seed(0)
    sizes = {"width": 8, "heads": 2, "inner_width": 16, "steps": 2, "sampler_steps": 3, "rollouts": 4}
    quiet = {"dropout": 0.0, "attention_dropout": 0.0, "input_dropout": 0.0}
    config = DiffuReasonConfig.model_validate({**sizes, **quiet, **options})
    return DiffuReason(config, 12, 6).double().train()


def gradients(model: DiffuReason) -> dict[str, Tensor]:
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def policy_gradient(model: DiffuReason) -> dict[str, Tensor]:
    thoughts = model.think(pack_lists(HISTORIES), everywhere=False, steps=2)
    torch.manual_seed(1)
    terms = rollouts.policy_terms(model, thoughts, torch.tensor([3, 8, 4]))
    terms["policy"].backward()
    return {
        name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None
    }


@pytest.mark.parametrize("policy", ["trajectory", "target"])
@pytest.mark.parametrize("denoiser", ["concatenated", "modulated", "attention", "history"])
def test_the_gradient_reaches_denoiser_thinker_and_encoder(policy: str, denoiser: str) -> None:
    found = policy_gradient(network(policy=policy, denoiser=denoiser))
    for part in (
        "denoiser.leave.weight",
        "step_positions.weight",
        "encoder.blocks.0.mixer.inner.query.weight",
    ):
        assert found[part].abs().max() > 0, part


@pytest.mark.parametrize("policy", ["trajectory", "target"])
def test_without_advantages_there_is_no_gradient(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollouts, "group_advantages", torch.zeros_like)
    found = policy_gradient(network(policy=policy))
    assert all(gradient.abs().max() == 0 for gradient in found.values())


def test_a_rewarded_action_becomes_more_likely() -> None:
    """A small step along the gradient raises the log-density of the rollouts with positive advantage."""
    model = network()
    thoughts = Thoughts(torch.randn(3, 3, 8, dtype=torch.float64))
    with torch.no_grad():
        trajectory, _ = rollouts._rolled_out(model, thoughts)
    advantages = torch.tensor([1.0, -1.0, 0.0], dtype=torch.float64)

    def favoured() -> Tensor:
        logs = rollouts._log_densities(model, trajectory, model.condition(thoughts))
        return (logs.mean(0) * advantages).sum()

    before = favoured()
    before.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.add_(parameter.grad, alpha=1e-4)
    assert favoured() > before


def test_log_densities_are_those_of_a_normal_distribution() -> None:
    """Up to a constant, and divided by the width."""
    model = network()
    thoughts = Thoughts(torch.randn(3, 5, 8, dtype=torch.float64))
    trajectory, _ = rollouts._rolled_out(model, thoughts)
    with torch.no_grad():
        logs = rollouts._log_densities(model, trajectory, model.condition(thoughts))
    levels, (state, action) = model.levels(), trajectory[:2]
    with torch.no_grad():
        clean = model.denoiser(state, torch.tensor(levels[0]), thoughts.states[-1])
    mean, deviation = model.reverse(state, clean, levels[0], levels[1], eta=1.0)
    normal = torch.distributions.Normal(mean, deviation)
    constant = torch.distributions.Normal(mean, deviation).log_prob(mean)
    torch.testing.assert_close(logs[0], (normal.log_prob(action) - constant).mean(-1))


def test_rewards_fall_with_the_rank() -> None:
    model = network()
    items = torch.eye(12, 8, dtype=torch.float64)
    intents = torch.zeros(2, 8, dtype=torch.float64)
    intents[:, 0], intents[:, 1] = 2.0, 1.0
    rewards = rollouts._rewards(model, intents, items, torch.tensor([0, 1]))
    torch.testing.assert_close(
        rewards, torch.tensor([1.0, 1 / torch.log2(torch.tensor(3.0)).item()]).double()
    )


def test_the_second_stage_trains_thinking_embeddings_and_denoiser_alone() -> None:
    model = network()
    stage = model.stages["grpo"](model)
    data = TrainingData(training_view(HISTORIES, 12), 6)
    stage.begin(data, torch.device("cpu"))
    (batch,) = data.batches(100, torch.device("cpu"))
    stage.losses(batch)["loss"].backward()
    trained = {
        name.split(".")[0] for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    assert trained == {"step_positions", "denoiser"}


def test_only_so_many_targets_are_rolled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    rolled_out = rollouts._rolled_out

    def watched(model: DiffuReason, thoughts: Thoughts) -> tuple[list[Tensor], Tensor]:
        seen.append(thoughts.states.shape[1])
        return rolled_out(model, thoughts)

    monkeypatch.setattr(rollouts, "_rolled_out", watched)
    model = network(policy_targets=2)
    data = TrainingData(training_view(HISTORIES, 12), 6)
    (batch,) = data.batches(100, torch.device("cpu"))
    model.stages["joint"](model).losses(batch)
    assert seen == [2 * 4]
