"""Both ways to draw truncated noise give the same distribution."""

import pytest
import torch
from scipy.stats import kstest, truncnorm

from lrbench.models.latent.lares.noise import by_inverse, truncated_normal


@pytest.mark.parametrize("fill", [truncated_normal, by_inverse])
def test_noise_is_normal_up_to_the_cut(fill: object) -> None:
    assert callable(fill)
    values = torch.empty(20_000)
    fill(values, 0.5, 3.0, torch.Generator().manual_seed(0))
    assert values.abs().max() <= 1.5
    assert kstest(values.numpy(), truncnorm(-3, 3, scale=0.5).cdf).pvalue > 0.01


def test_a_narrow_cut_is_kept_exactly() -> None:
    values = torch.empty(10_000)
    by_inverse(values, 2.0, 0.1, torch.Generator().manual_seed(0))
    assert values.abs().max() <= 0.2
    assert kstest(values.numpy(), truncnorm(-0.1, 0.1, scale=2.0).cdf).pvalue > 0.01
