"""LARES's network: initial noise, adapters, and what is refused."""

import pytest
import torch

from lrbench.models.lares import LARES, LARESConfig
from lrbench.testing import pack_lists

HISTORIES = pack_lists([[1, 2, 3], [4, 5, 6, 7], [8]])
SIZES = {"width": 16, "heads": 2, "inner_width": 16}


def lares(**options) -> LARES:
    torch.manual_seed(0)
    return LARES(LARESConfig(**(SIZES | options)), n_items=10, max_length=5).eval()


def test_defaults_are_the_authors_run_scripts() -> None:
    config = LARESConfig()
    assert (config.pre_layers, config.core_layers, config.mean_depth, config.dropout) == (2, 2, 4, 0.5)
    assert (config.alpha, config.gamma, config.temperature, config.similarity) == (0.1, 0.5, 1.0, "dot")
    assert (config.rollouts, config.beta, config.reinforcement_dropout) == (4, 1.0, 0.1)
    assert (config.reward, config.reward_cutoff, config.filter_cutoff, config.filter_passes) == (
        "recall",
        10,
        100,
        3,
    )
    assert LARES.default_stages == ("spt", "rpt")
    assert LARES.stage_defaults["rpt"] == {"learning_rate": 5e-4, "batch_size": 400}
    assert LARES.configured_depth(config) == 4


def test_noise_is_truncated_and_scaled() -> None:
    model = lares(noise_std=0.5, noise_scale=2.0)
    noise = model.initial_state(torch.empty(2000, 100), torch.Generator().manual_seed(1))
    assert noise.abs().max() <= 2 * 3 * 0.5
    assert noise.abs().max() > 2 * 2.9 * 0.5
    # Cutting a normal distribution at three standard deviations takes 1.33 % off its own.
    assert noise.std().item() == pytest.approx(2 * 0.5 * 0.98658, rel=0.005)
    assert abs(noise.mean().item()) < 0.01


def test_noise_comes_from_the_given_source_alone() -> None:
    model = lares()
    torch.manual_seed(1)
    first = model.encode(HISTORIES, (2,), torch.Generator().manual_seed(5))
    state = torch.random.get_rng_state()
    again = model.encode(HISTORIES, (2,), torch.Generator().manual_seed(5))
    assert torch.equal(first, again)
    assert torch.equal(state, torch.random.get_rng_state())
    model.encode(HISTORIES, (2,), None)
    assert not torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("start", "training", "noisy"),
    [
        ("normal", True, True),
        ("normal", False, True),
        ("normal_zero", True, True),
        ("normal_zero", False, False),
        ("zero", True, False),
        ("zero", False, False),
    ],
)
def test_when_the_start_is_noise(start: str, training: bool, noisy: bool) -> None:
    model = lares(start=start).train(training)
    assert model.initial_state(torch.ones(4, 16)).any().item() == noisy
    if not training:
        assert LARES.noisy(model.config) == noisy


def test_the_gate_starts_at_the_mean() -> None:
    source = torch.Generator().manual_seed(0)
    state, pre = torch.randn(4, 16, generator=source), torch.randn(4, 16, generator=source)
    average, gate = lares(adapter="add").adapter, lares(adapter="linear").adapter
    torch.testing.assert_close(gate(state, pre), average(state, pre))
    torch.testing.assert_close(average(state, pre), (state + pre) / 2)


def test_depth_costs_no_parameters() -> None:
    def parameters(depth: int) -> int:
        return sum(parameter.numel() for parameter in lares(mean_depth=depth).parameters())

    assert parameters(1) == parameters(8)


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="heads = 3"):
        LARESConfig(width=16, heads=3).check(20, ("spt",))
