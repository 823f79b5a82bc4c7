"""Noise levels, noising and the sampler, on their own."""

from itertools import pairwise

import pytest
import torch

from lrbench.models.layers.diffusion import (
    NoiseSchedule,
    noised,
    reverse_step,
    sampler_levels,
    signal_rates,
)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "truncated_linear"])
@pytest.mark.parametrize("levels", [20, 50, 200])
def test_the_share_of_signal_falls_from_one_to_almost_nothing(schedule: NoiseSchedule, levels: int) -> None:
    rates = signal_rates(levels, schedule)
    assert rates.shape == (levels + 1,)
    assert rates[0] == 1
    assert (rates.diff() < 0).all()
    assert 0 <= rates[-1] < (0.6 if schedule == "truncated_linear" else 0.01)


def test_the_truncated_schedule_is_that_of_the_authors_code() -> None:
    """T = 32: β from 0.013125 to 0.635; T = 20: the last β would exceed 1, and is 0.06."""
    rates = signal_rates(32, "truncated_linear")
    assert rates[1].item() == pytest.approx(1 - 0.013125)
    assert (rates[-1] / rates[-2]).item() == pytest.approx(1 - 0.635)
    short = signal_rates(20, "truncated_linear")
    assert (short[-1] / short[-2]).item() == pytest.approx(1 - 0.06)


def test_level_0_is_clean() -> None:
    clean, noise = torch.randn(2, 3, 8, dtype=torch.float64)
    torch.testing.assert_close(noised(clean, signal_rates(50, "cosine")[0], noise), clean)


def test_noised_vectors_keep_a_variance_of_one() -> None:
    torch.manual_seed(0)
    clean = torch.randn(4000, 16)
    for rate in signal_rates(10, "cosine").float():
        assert noised(clean, rate, torch.randn_like(clean)).var().item() == pytest.approx(1, abs=0.02)


def test_levels_of_a_sampler_are_evenly_spaced() -> None:
    assert sampler_levels(50, 5) == [50, 40, 30, 20, 10, 0]
    assert sampler_levels(7, 2) == [7, 4, 0]


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_with_a_perfect_denoiser_the_sampler_returns_the_clean_vector(eta: float) -> None:
    torch.manual_seed(0)
    rates, levels = signal_rates(50, "cosine"), sampler_levels(50, 5)
    clean, state = torch.randn(2, 3, 8, dtype=torch.float64)
    for level, after in pairwise(levels):
        mean, deviation = reverse_step(state, clean, rates[level], rates[after], eta)
        state = mean + deviation * torch.randn_like(mean)
    torch.testing.assert_close(state, clean)
    assert deviation == 0


def test_a_step_without_noise_keeps_its_noise() -> None:
    """η = 0 and a right prediction: x at the next level is the same mixture with the same noise."""
    clean, noise = torch.randn(2, 3, 8, dtype=torch.float64)
    rates = signal_rates(50, "cosine")
    state = noised(clean, rates[40], noise)
    step = reverse_step(state, clean, rates[40], rates[20], eta=0.0)
    torch.testing.assert_close(step.mean, noised(clean, rates[20], noise))
    assert step.deviation == 0


def test_steps_with_noise_have_the_right_spread() -> None:
    """η = 1: over many samples, x at the next level has the mean and variance of its level."""
    torch.manual_seed(0)
    clean = torch.full((200_000,), 0.7, dtype=torch.float64)
    rates = signal_rates(50, "cosine")
    state = noised(clean, rates[40], torch.randn_like(clean))
    mean, deviation = reverse_step(state, clean, rates[40], rates[20], eta=1.0)
    sample = mean + deviation * torch.randn_like(mean)
    assert sample.mean().item() == pytest.approx(0.7 * rates[20].sqrt().item(), abs=0.01)
    assert sample.var().item() == pytest.approx(1 - rates[20].item(), rel=0.02)
