"""Reinforcement: which targets it trains on, what it holds still, and that it raises the reward."""

import numpy as np
import pytest
import torch
from torch import nn

from lrbench.data.batches import TrainingData
from lrbench.models.latent.lares.model import LARES, LARESConfig
from lrbench.models.latent.lares.reinforcement import PostTraining
from lrbench.models.latent.lares.rollouts import RolloutSteps, roll_out
from lrbench.models.supervised import Supervised
from lrbench.testing import random_histories, training_view

CPU = torch.device("cpu")
SIZES = {
    "width": 8,
    "heads": 2,
    "inner_width": 16,
    "pre_layers": 1,
    "core_layers": 1,
    "mean_depth": 2,
    # At 0.5 a vector of 8 is all dropped now and then, and LayerNorm (epsilon 1e-12) then overflows.
    "dropout": 0.1,
}
VIEW = training_view(random_histories(30, shortest=3))


def lares(**options) -> LARES:
    torch.manual_seed(0)
    return LARES(LARESConfig(**(SIZES | options)), n_items=VIEW.n_items, max_length=6)


def pretrained(steps: int = 12, **options) -> tuple[LARES, TrainingData]:
    model, data = lares(**options), TrainingData(VIEW, 6, long_sequences="exact")
    train(Supervised(model), data, steps, 0.01)
    return model, data


def train(stage, data: TrainingData, steps: int, rate: float, keep=None) -> list[dict[str, float]]:
    optimiser = torch.optim.Adam(stage.model.parameters(), rate)
    stage.model.train()
    history = []
    for _ in range(steps):
        (batch,) = data.batches(10_000, CPU, keep=keep)
        optimiser.zero_grad()
        terms = stage.losses(batch)
        terms["loss"].backward()
        optimiser.step()
        history.append({name: term.item() for name, term in terms.items()})
    return history


def test_targets_within_the_cutoff_are_kept() -> None:
    model, data = pretrained(start="zero", filter_cutoff=3)
    keep = PostTraining(model).begin(data, CPU)
    model.eval()
    for number, target in enumerate(data.target_items):
        tokens = data.prefixes(np.array([number]), CPU)
        scores = model.score(model.encode(tokens, (2,), None)[0])[0]
        assert keep[number] == ((scores > scores[target]).sum() < 3)
    assert 0 < keep.sum() < len(keep)


def test_more_passes_keep_more_where_there_is_noise() -> None:
    kept = []
    for passes in (1, 8):
        model, data = pretrained(start="normal", filter_cutoff=2, filter_passes=passes)
        torch.manual_seed(1)
        kept.append(PostTraining(model).begin(data, CPU))
    assert (kept[0] <= kept[1]).all()
    assert kept[0].sum() < kept[1].sum()


def test_without_noise_one_pass_says_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = pretrained(start="zero", filter_passes=3)
    batches, passes = data.batches, []
    monkeypatch.setattr(data, "batches", lambda *options: passes.append(options) or batches(*options))
    PostTraining(model).begin(data, CPU)
    assert len(passes) == 1


def test_the_reference_stays_and_the_policy_gets_its_own_dropout() -> None:
    model, data = pretrained(dropout=0.5, reinforcement_dropout=0.2)
    stage = PostTraining(model)
    stage.begin(data, CPU)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    train(stage, data, 2, 0.01)
    assert {part.p for part in model.modules() if isinstance(part, nn.Dropout)} == {0.2}
    assert not stage._reference.training
    for name, weight in stage._reference.state_dict().items():
        assert torch.equal(weight, before[name]), name
        assert not torch.equal(weight, model.state_dict()[name]), name


def test_all_that_differs_at_the_first_step_is_dropout_and_noise() -> None:
    model, data = pretrained(start="zero", reinforcement_dropout=0.0)
    stage = PostTraining(model)
    stage.begin(data, CPU)
    (terms,) = train(stage, data, 1, 0.01)
    assert terms["divergence"] == pytest.approx(0, abs=1e-6)
    assert 0 < terms["reward"] < 1


def test_rollouts_that_agree_are_no_mixed_groups() -> None:
    model, data = pretrained(start="zero", reinforcement_dropout=0.0, step_sampler="constant")
    stage = PostTraining(model)
    stage.begin(data, CPU)
    (terms,) = train(stage, data, 1, 0.0)
    assert terms["mixed_groups"] == 0
    noisy, _ = pretrained(start="normal", reward_cutoff=3)
    stage = PostTraining(noisy)
    stage.begin(data, CPU)
    (terms,) = train(stage, data, 1, 0.0)
    assert 0 < terms["mixed_groups"] < 1


@pytest.mark.slow
def test_beta_holds_the_policy_back() -> None:
    divergences = []
    for beta in (0.0, 100.0):
        model, data = pretrained(reward_cutoff=3, beta=beta)
        stage = PostTraining(model)
        stage.begin(data, CPU)
        torch.manual_seed(2)
        divergences.append(np.mean([terms["divergence"] for terms in train(stage, data, 15, 0.01)[-5:]]))
    assert divergences[0] > 2 * divergences[1]


def test_only_kept_targets_are_rolled_out() -> None:
    model, data = pretrained(step_sampler="constant")
    stage = PostTraining(model)
    stage.begin(data, CPU)
    keep = np.arange(data.n_targets) % 3 == 0
    (batch,) = data.batches(10_000, CPU, keep=keep)
    steps, trajectory, reference, above = stage._rollouts(batch)
    assert len(steps.rollout_of) == 2 * model.config.rollouts
    assert trajectory.shape == (len(steps.rollout_of), keep.sum(), 8)
    assert reference.shape == trajectory.shape[:2]
    assert above.shape == (model.config.rollouts, keep.sum())


def test_rollouts_in_one_pass_are_those_of_one_pass_each() -> None:
    """Values and gradients, for rollouts of different depths and histories in several groups."""
    model, data = pretrained(start="zero")
    model.eval()
    (batch,) = data.batches(10_000, CPU)
    depths = (3, 2, 2, 1)
    steps = RolloutSteps(depths, batch.sequences)
    pre = model.prepare(steps.copies[len(depths)])
    together = roll_out(model, pre, steps, batch.rows, keep=False)
    own = model.prepare(batch.sequences)
    for rollout, depth in enumerate(depths):
        alone = [state[batch.rows] for state in model.unroll(own, batch.sequences, depth)]
        torch.testing.assert_close(together[steps.rollout_of == rollout], torch.stack(alone))
        torch.testing.assert_close(together[steps.last[rollout]], alone[-1])
        assert steps.weights[steps.rollout_of == rollout].sum() == pytest.approx(len(together) / len(depths))
    weight = torch.randn(len(together), 1, 1)
    parameters = list(model.core.parameters())
    alone = model.unroll(own, batch.sequences, max(depths))
    expected = sum(
        (alone[step][batch.rows] * weight[n]).sum()
        for rollout, depth in enumerate(depths)
        for step, n in zip(range(depth), np.flatnonzero(steps.rollout_of == rollout), strict=True)
    )
    for actual, wanted in zip(
        torch.autograd.grad((together * weight).sum(), parameters),
        torch.autograd.grad(expected, parameters),
        strict=True,
    ):
        torch.testing.assert_close(actual, wanted, rtol=1e-4, atol=1e-4)
