"""The step samplers against what the authors' sampler was observed to draw."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from lrbench.models.latent.lares.step_samplers import draw_steps

OBSERVED = json.loads((Path(__file__).parents[3] / "parity" / "lares" / "step_counts.json").read_text())
DRAWS = 20_000


@pytest.mark.parametrize("sampler", OBSERVED["schemes"])
def test_frequencies(sampler: str) -> None:
    torch.manual_seed(0)
    mean = OBSERVED["mean_recurrence"]
    drawn = Counter(draw_steps(sampler, mean) for _ in range(DRAWS))
    reference = OBSERVED["schemes"][sampler]
    expected = Counter({int(steps): share for steps, share in reference["frequency"].items()})
    expected[1] += expected.pop(0, 0.0)  # a draw of 0, which the source cannot run, counts as 1
    for steps, share in expected.items():
        error = (share * (1 - share) * (1 / DRAWS + 1 / reference["draws"])) ** 0.5
        assert abs(drawn[steps] / DRAWS - share) <= 4.5 * error, steps
    rare = [steps for steps in drawn if steps not in expected]
    assert sum(drawn[steps] for steps in rare) / DRAWS < 1e-3


@pytest.mark.parametrize("sampler", OBSERVED["schemes"])
@pytest.mark.parametrize("mean", [1, 2, 8])
def test_bounds_hold_for_other_means(sampler: str, mean: int) -> None:
    torch.manual_seed(0)
    drawn = {draw_steps(sampler, mean) for _ in range(300)}
    most = {
        "poisson-lognormal": 3 * mean,
        "uniform": 2 * mean,
        "poisson-bounded": 2 * mean,
        "constant": mean,
    }
    assert min(drawn) >= 1
    assert max(drawn) <= most.get(sampler, 10 * mean)
