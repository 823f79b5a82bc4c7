"""Log-probabilities that are computed without waiting for the device equal the others."""

import pytest
import torch

from lrbench.objectives.score_chunks import log_softmax_at, log_softmax_without_waiting


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_waiting_even_vanishing_probabilities_are_right(dtype: torch.dtype) -> None:
    source = torch.Generator().manual_seed(0)
    sizes = torch.logspace(-1, 3, 40, dtype=dtype)[:, None]
    states = torch.randn(40, 6, generator=source, dtype=dtype) * sizes
    vectors = torch.randn(30, 6, generator=source, dtype=dtype)
    chosen = torch.randint(30, (40,), generator=source)
    scores = states @ vectors.T
    expected = scores.double().log_softmax(1).gather(1, chosen[:, None]).squeeze(1)
    assert (expected < -800).any()  # far below what either type holds as a probability
    branching, branchless = scores.clone(), scores.clone()
    again = log_softmax_at(branching, chosen, states, vectors)
    found = log_softmax_without_waiting(branchless, chosen, dtype)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(branchless, branching)  # both leave the softmax
    ordinary = expected > -80
    torch.testing.assert_close(found[ordinary], again[ordinary])
