"""Time LatentR³'s reinforcement with one pass over each prompt, and with two passes for each latent.

Times and prompt tokens are recorded and never asserted. Run ``pytest benchmarks/bench_latents.py``; it needs
``lrbench[llm]``. ``LRBENCH_BASE`` names a base model other than ``tiny``.
"""

import os
from typing import Any

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from lrbench.models.language.latentr3.model import LatentR3
from lrbench.models.language.latentr3.stages import LatentGRPO, baseline_advantages

CPU = torch.device("cpu")
N_ITEMS, LENGTH, PROMPTS = 500, 10, 4


@pytest.fixture(scope="module")
def model() -> LatentR3:
    pytest.importorskip("transformers", reason="needs lrbench[llm]")
    torch.manual_seed(0)
    config = LatentR3.Config(base=os.environ.get("LRBENCH_BASE", "tiny"))
    source = np.random.default_rng(0)
    words = ("Blue", "Night", "River", "Song", "Live", "Greatest", "Hits", "Return", "Gold", "Story")
    titles = [" ".join(source.choice(words, 4)) + f" {number}" for number in range(N_ITEMS)]
    made = LatentR3.on_catalogue(config, titles, LENGTH)
    made.train_base(False)
    return made.eval()


@pytest.fixture(scope="module")
def rows(model: LatentR3) -> tuple[list[Any], list[int]]:
    source = np.random.default_rng(1)
    histories = source.integers(N_ITEMS, size=(PROMPTS, LENGTH + 1))
    prompts = [model.prompts.of_items(history[:-1].tolist()) for history in histories]
    return prompts, histories[:, -1].tolist()


def step(model: LatentR3, logs: Tensor) -> None:
    rewards = -(-logs.detach()).exp()
    (-(baseline_advantages(rewards) * logs).mean()).backward()
    model.zero_grad()


def test_one_pass(benchmark: BenchmarkFixture, model: LatentR3, rows: Any) -> None:
    stage = LatentGRPO(model)
    benchmark.extra_info["prompt tokens"] = sum(map(len, rows[0]))
    benchmark.pedantic(lambda: step(model, stage.group_logs(*rows, CPU)), rounds=3)


def two_passes_each(model: LatentR3, prompts: list[Any], items: list[int]) -> Tensor:
    """Each version reads its prompt to make its latent, and again before it answers."""
    logs = []
    for prompt, item in zip(prompts, items, strict=True):
        for version in range(model.config.group):
            first = model.language.read([prompt], CPU)
            latent = model.latent(first)
            latent = latent + torch.randn_like(latent) * (model.config.noise if version else 0)
            end, _ = model.language.read([prompt], CPU).grown(latent.unsqueeze(2))
            logs.append(model.answer_logs(end, [item])[0, 0])
    return torch.stack(logs).view(len(prompts), -1)


def test_two_passes_for_each_latent(benchmark: BenchmarkFixture, model: LatentR3, rows: Any) -> None:
    benchmark.extra_info["prompt tokens"] = 2 * model.config.group * sum(map(len, rows[0]))
    benchmark.pedantic(lambda: step(model, two_passes_each(model, *rows)), rounds=3)
