"""LARES's network: initial noise, adapters, and what is refused."""

import pytest
import torch

from lrbench.models.latent.lares.model import LARES, LARESConfig
from lrbench.models.reasoning import Replacement
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
        LARESConfig(width=16, heads=3).check_against_protocol(20, ("spt",))


def test_reinforcement_needs_steps_and_padding_needs_filters() -> None:
    LARESConfig(mean_depth=0).check_against_protocol(20, ("spt",))
    with pytest.raises(ValueError, match="mean_depth = 0"):
        LARESConfig(mean_depth=0).check_against_protocol(20, ("spt", "rpt"))
    with pytest.raises(ValueError, match="padding"):
        LARESConfig(padding="tokens").check_against_protocol(20, ("spt",))


def test_without_steps_it_is_its_pre_block() -> None:
    model = lares(mean_depth=0).eval()
    sequences = pack_lists([[1, 2, 3], [4]])
    (states,) = model.encode(sequences, (0,), None)
    torch.testing.assert_close(states, model.prepare(sequences)[sequences.last])
    torch.testing.assert_close(model.token_states(sequences)[sequences.last], states)
    assert not list(model.core.parameters())
    assert (model.configured_depth(model.config), model.noisy(model.config)) == (0, False)


def test_noise_only_replaces_every_state_but_the_first_by_noise_of_its_size() -> None:
    model = lares(mean_depth=2).eval()
    sequences = pack_lists([[1, 2, 3], [4, 5]])
    own = model.encode(sequences, (0, 1, 2), torch.Generator().manual_seed(0))
    model.replacement = Replacement("noise")
    noisy = model.encode(sequences, (0, 1, 2), torch.Generator().manual_seed(0))
    assert torch.equal(own[:2], noisy[:2])
    assert not torch.allclose(own[2], noisy[2])
    shape = torch.randn(1000, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    state = shape * torch.linspace(0.1, 9, 1000)[:, None]
    carried = model.carried(state, torch.Generator().manual_seed(0))
    ratio = carried.square().mean(-1).sqrt() / state.square().mean(-1).sqrt()
    assert abs(ratio.mean() - 1) < 0.02
    assert torch.nn.functional.cosine_similarity(carried, state).mean().abs() < 0.02
