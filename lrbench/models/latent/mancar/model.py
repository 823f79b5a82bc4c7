"""ManCAR: latent steps that stay near the neighbours of recent items in an item graph (arXiv 2602.20093).

Neighbours come from a Swing graph of items. They are used in two ways. *Context tokens*: neighbours of the
latest items are tokens before the history. *Teacher*: a probability distribution over the target and the
neighbours of the last item. The loss penalises the divergence of each thinking step from it. From step to
step the temperature of the teacher falls, and that of the step's own softmax rises. Only the last state is
ranked.

In the paper losses score the current item embeddings, as here by default. In the released code they score
those of the last evaluation, without gradient (``frozen_targets = "epoch"``). Item embeddings then learn only
as inputs.

Further points differ from the released code (FuCongResearchSquad/ManCAR @c4c967c):

* Its noise branch enters no loss and is left out.
* If an item has too few neighbours, item 0 fills the places there and receives probability. Here such places
  stay empty.
* If the target is a neighbour, the teacher there counts it at both ranks. Here it counts once.
* The teacher there is compared with softmaxes at temperature τ. Here each has the temperature of its step, as
  in the cross-entropy.
* Its graph multiplies weights by co-occurrence, and lacks the last training item of each user. Here weights
  are those of the Swing formula, and that item is used.
* Its blocks have RMSNorm after each residual sum; the paper's are normalised before. Here they are those of
  ReaRec, with LayerNorm after each sum.
* A thinking token there passes through the last block alone, and padding is not masked. Here it passes
  through all blocks, and there is no padding.
* The mean norm of the items, to which states are scaled, passes no gradient there. Here it does.
* Weights and biases there start with a standard deviation of 0.01. Here weights start with 0.02, and biases
  with 0.
"""

from typing import ClassVar

import torch
from torch import Tensor

from lrbench.data.batches import TrainingBatch, TrainingData
from lrbench.models.base import AuthorsTraining, GradientStage, Terms
from lrbench.models.latent.mancar.network import ManCARNetwork
from lrbench.models.next_item import at_temperature
from lrbench.objectives.cross_entropy import cross_entropy

__all__ = ["ManCAR", "NeighbourhoodGuided", "teacher_distribution"]


def teacher_distribution(targets: Tensor, neighbours: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return the candidates of each row and the teacher's probabilities, (rows, 1 + neighbours) each.

    The probability falls with the rank: ``q ∝ exp(−rank / γ)``. The target has rank 0, and its neighbours
    follow in their order. A neighbour that is missing, or that is the target, has probability 0 and no rank.

    Args:
        targets: (rows,) item numbers.
        neighbours: (rows, neighbours) item numbers, −1 where one is missing.
        temperature: γ.
    """
    candidates = torch.cat((targets.unsqueeze(1), neighbours), 1)
    real = (candidates >= 0) & (candidates != targets.unsqueeze(1))
    real[:, 0] = True
    ranks = real.cumsum(1) - 1
    scores = (-ranks.double() / temperature).masked_fill(~real, -torch.inf)
    return candidates.clamp(min=0), scores.softmax(1)


class NeighbourhoodGuided(GradientStage):
    """Cross-entropy of every step at its own temperature, plus its divergence from the teacher."""

    model: ManCARNetwork
    _frozen: Tensor | None = None

    def begin(self, data: TrainingData, device: torch.device) -> None:
        """Build the item graph."""
        self.model.read_training_part(data.view)

    def begin_epoch(self, epoch: int) -> None:
        """Copy the item embeddings if the losses score those of the epoch's start."""
        if self.model.config.frozen_targets == "epoch":
            self._frozen = self.model.embedding.items.weight.detach().clone()

    def losses(self, batch: TrainingBatch) -> Terms:
        """Return ``loss``, ``cross_entropy`` (mean over the states) and ``teacher`` (sum over the states)."""
        model, config = self.model, self.model.config
        states, _ = model.training_states(batch)  # (steps + 1, targets, width)
        scaled = states / self._temperatures(states)
        repeated = batch.targets.repeat(len(states))
        loss = cross_entropy(scaled.flatten(0, 1), self._items(), repeated, model.score_dtype)
        terms = {"cross_entropy": loss}
        if not config.teacher_weight:
            return {"loss": loss, **terms}
        terms["teacher"] = len(states) * loss + self._beyond_targets(scaled, batch)
        return {"loss": loss + config.teacher_weight * terms["teacher"], **terms}

    def _items(self) -> Tensor:
        """Return the item embeddings that losses score, divided by the temperature, (items, width)."""
        table = self.model.embedding.items.weight if self._frozen is None else self._frozen
        return at_temperature(table, self.model.config.temperature)

    def _temperatures(self, states: Tensor) -> Tensor:
        """Return the temperature of each step's softmax, (steps + 1, 1, 1)."""
        steps = torch.arange(1, len(states) + 1, device=states.device, dtype=states.dtype)
        match self.model.config.step_schedule:
            case "constant":
                steps = torch.ones_like(steps)
            case "reversed":
                steps = steps.flip(0)
        return steps.square()[:, None, None]

    def _teacher_temperatures(self, count: int) -> list[float]:
        match self.model.config.teacher_schedule:
            case "constant":
                return [1.0] * count
            case "reversed":
                return [float(step) for step in range(1, count + 1)]
            case _:
                return [float(step) for step in range(count, 0, -1)]

    def _beyond_targets(self, states: Tensor, batch: TrainingBatch) -> Tensor:
        """Return the term ``teacher`` minus the sum over the states of the targets' mean cross-entropy.

        The term is the sum over the states of the mean over targets of ``KL(q ‖ p) = Σ_c q(c)·log q(c) − Σ_c
        q(c)·log p(c)``. With scores s, ``log p(c) = log p(target) + s(c) − s(target)``, and q sums to 1. So
        beside ``−log p(target)`` only the scores of the candidates are needed.

        Args:
            states: divided by their temperatures, (steps + 1, targets, width).
            batch: of the targets.
        """
        model, items = self.model, self._items()
        sequences = batch.sequences
        last = sequences.items[sequences.last][sequences.sequence_of[batch.rows]]
        if not batch.ends_sequences:
            last = sequences.items[batch.rows]
        nearest = model.neighbours[last, : model.config.teacher_neighbours]
        temperatures = self._teacher_temperatures(len(states))
        candidates, masses = zip(
            *(teacher_distribution(batch.targets, nearest, temperature) for temperature in temperatures),
            strict=True,
        )
        mass = torch.stack(masses, -1).to(states.dtype)  # (targets, candidates, steps + 1)
        scores = items[candidates[0]] @ states.permute(1, 2, 0)  # likewise; all steps have these candidates
        gained = (mass * (scores - scores[:, :1])).sum(1)  # Σ_c q(c) · (s(c) − s(target))
        return (torch.special.xlogy(mass, mass).sum(1) - gained).mean(0).sum()


class ManCAR(ManCARNetwork):
    """Thinking steps guided by the item graph."""

    summary = "ManCAR: latent steps that stay near neighbours in an item graph (arXiv 2602.20093)."
    authors_training = AuthorsTraining({"batch_size": 512, "rows": "prefixes", "patience": 5})
    stages: ClassVar = {"supervised": NeighbourhoodGuided}
    default_stages = ("supervised",)
