"""The stages of LatentR³: fine-tuning of everything, and reinforcement of the latents alone (LR-GRPO).

Reinforcement follows the released code. A prompt's latent has G versions, and the first has no noise. The
reward is minus the perplexity of the target title, ``s = −exp(−Σ log π / |y|)``. Two prompts (the option
``baseline_prompts``) share a baseline, the mean reward of their latents without noise. The advantage is ``A =
(s − baseline) / (‖s − baseline‖ + 1e-6)``, with the norm over all rewards of these prompts. The loss is
``−mean(A · mean log π)``. There is one update per batch, so clipping would have no effect. There is no
divergence from a reference, as in the code (β = 0).

The source reads each prompt twice for every version of its latent. Here it is read once: the language model
is frozen, and all versions continue from its keys and values.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.models.base import GradientStage, Terms
from lrbench.models.language import fine_tuning
from lrbench.models.language.accumulation import accumulated
from lrbench.models.language.latentr3.config import LatentR3Config
from lrbench.models.language.latentr3.network import LatentR3Network

__all__ = ["LatentFineTuning", "LatentGRPO", "baseline_advantages", "standardised_advantages"]


def baseline_advantages(rewards: Tensor) -> Tensor:
    """Rewards minus the mean reward without noise, over the norm of these differences, (prompts, group).

    Column 0 of the rewards is without noise.
    """
    differences = rewards - rewards[:, 0].mean()
    return differences / (differences.norm() + 1e-6)


def standardised_advantages(rewards: Tensor) -> Tensor:
    """Rewards minus their mean over each group, over its standard deviation, (prompts, group).

    Source: GRPO (arXiv 2402.03300), as trl 0.16.1 computes it.
    """
    deviation = rewards.std(1, keepdim=True)
    return (rewards - rewards.mean(1, keepdim=True)) / (deviation + 1e-4)


class LatentFineTuning(fine_tuning.FineTuning[LatentR3Config]):
    """Cross-entropy of the title after the latents. It trains what makes latents and the language model, or
    the adapters if there are some."""


class LatentGRPO(GradientStage[LatentR3Config]):
    """Policy gradient of perturbed latents. It trains what makes latents. The language model is frozen."""

    model: LatentR3Network

    @classmethod
    def refines(cls, config: LatentR3Config) -> bool:
        """Yes: the frozen language model must have been trained before."""
        return True

    def most_targets(self, available: int) -> int:
        """As many as ``few_shot`` says."""
        return fine_tuning.most_rows(available, self.model.config.few_shot)

    def begin(self, data: TrainingData, device: torch.device) -> NDArray[np.bool_] | None:
        """Freeze the language model, and draw which rows to use."""
        self.model.train_base(False)
        return fine_tuning.few_rows(data, self.model.config.few_shot)

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss``, and ``reward``, the mean reward of the latents without noise."""
        self.model.language.eval()  # each epoch sets all parts to training mode
        clean: list[Tensor] = []
        loss = accumulated(self._parts(batch, clean), list(self.model.parameters()))
        return {"loss": loss, "reward": torch.cat(clean).mean()}

    def _parts(self, batch: TrainingBatch, clean: list[Tensor]) -> Iterator[Callable[[], Tensor]]:
        """Yield, for each group of prompts with one baseline, what computes its share of the loss."""
        model, config = self.model, self.model.config
        rows, items = model.prompts.of(batch.sequences), batch.next_items.tolist()
        for start in range(0, len(rows), config.baseline_prompts):
            chosen = slice(start, start + config.baseline_prompts)

            def share(chosen: slice = chosen) -> Tensor:
                logs = self.group_logs(rows[chosen], items[chosen], batch.targets.device)
                rewards = -(-logs.detach()).exp()
                clean.append(rewards[:, 0])
                baseline = config.advantage == "baseline"
                advantages = baseline_advantages(rewards) if baseline else standardised_advantages(rewards)
                return -(advantages * logs).sum() / (config.group * len(rows))

            yield share

    def group_logs(self, rows: list[NDArray[np.int64]], items: list[int], device: torch.device) -> Tensor:
        """Mean log-probability of the target tokens with each version of a prompt's latents, (rows, group).

        Args:
            rows: token numbers of the prompts.
            items: the target of each.
            device: where the model is.
        """
        model, config = self.model, self.model.config
        with torch.no_grad():  # what is frozen needs no gradient, and prompts depend on nothing else
            context = model.language.read(rows, device)
        for number in range(config.latents):
            latent = model.latent(context)  # (rows, 1 or group, width)
            if number == 0:
                latent = latent.expand(-1, config.group, -1)
            noise = torch.randn_like(latent) * config.noise
            noise[:, 0] = 0
            context, _ = context.grown((latent + noise).unsqueeze(2))
        return model.answer_logs(context, items)
