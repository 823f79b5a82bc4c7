"""LatentR³'s reinforcement as the source computes it, for tests and benchmarks."""

from typing import Any

import torch
from torch import Tensor

from lrbench.models.language.latentr3.model import LatentR3


def one_pass_each(model: LatentR3, rows: list[Any], items: list[int]) -> tuple[Tensor, int]:
    """Mean log-probabilities as the source computes them: two passes over the prompt for each version."""
    prompt_tokens, logs = 0, []
    noise = torch.randn(len(rows), model.config.group, model.language.width) * model.config.noise
    noise[:, 0] = 0
    for row, item, added in zip(rows, items, noise, strict=True):
        for version in added:
            embedded = model.language.embed(torch.from_numpy(row))
            states = model.language.network.get_decoder()(inputs_embeds=embedded[None]).last_hidden_state
            real, at = torch.ones(states.shape[:2]).bool(), torch.arange(len(row))[None]
            latent = model.attention.over_padded(states, real, at, states[:, -1], at[:, -1]) + version
            answer = model.language.embed(torch.tensor(model.prompts.answers[item]))
            whole = torch.cat((embedded, latent, answer))[None]
            logits = model.language.network(inputs_embeds=whole).logits[0].log_softmax(-1)
            places = torch.arange(len(row), len(row) + len(answer))
            logs.append(logits[places, torch.tensor(model.prompts.answers[item])].mean())
            prompt_tokens += 2 * len(row)
    return torch.stack(logs).view(len(rows), -1), prompt_tokens
