"""Training steps of LARES as in the authors' code, on the RecBole encoder that LARES extends.

Source: BishopLiu/LARES @b09245d. Every prefix is a row, padded to the maximum length. A step encodes the
batch twice and other rows once. One pass scores all items after every step and takes the log-softmax. The
pretraining loss does not use them, but the authors' code computes them.

The authors draw the depth: a Poisson variable of mean 4, plus 1. This file always takes the mean depth, so
that a few steps predict the time of an epoch.

A reinforcement step encodes the batch four times under the policy and four times under the reference. It
keeps the scores of all items after every step.
"""

from typing import Any

import torch
import torch.nn.functional as F
from recbole.model.abstract_recommender import SequentialRecommender
from recbole.model.layers import TransformerEncoder
from torch import Tensor, nn

WIDTH, INNER, HEADS, DROPOUT, EPSILON = 64, 256, 2, 0.5, 1e-12
LAYERS_BEFORE, LAYERS_LOOPED = 2, 2
DEPTH, DEPTH_IN_RANKING = 5, 4
TEMPERATURE, WEIGHT = 0.07, 0.1
NOISE_SCALE = 3.0
ROLLOUTS, HIT_WITHIN = 4, 10


class LaresOnRecBole(SequentialRecommender):
    """Two blocks, then two more that are repeated. Scores are cosines."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.items = nn.Embedding(self.n_items, WIDTH, padding_idx=0)
        self.places = nn.Embedding(self.max_seq_length, WIDTH)
        self.norm_input, self.norm_state = (nn.LayerNorm(WIDTH, eps=EPSILON) for _ in range(2))
        self.dropout = nn.Dropout(DROPOUT)
        self.before, self.looped = (
            TransformerEncoder(layers, HEADS, WIDTH, INNER, DROPOUT, DROPOUT, "gelu", EPSILON)
            for layers in (LAYERS_BEFORE, LAYERS_LOOPED)
        )

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return the cross-entropy plus two alignments: of views, and with the state of a random step."""
        rows, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        table = F.normalize(self.items.weight, dim=-1)
        state = F.normalize(self._states(rows, lengths, DEPTH)[-1], dim=-1)
        loss = F.cross_entropy(state @ table.T / TEMPERATURE, interaction[self.POS_ITEM_ID])
        trajectory = self._states(rows, lengths, DEPTH)
        by_step = (torch.stack(trajectory, 1) @ self.items.weight.T).log_softmax(-1)  # (rows, depth, items)
        # Rows with the same target cost as much as other rows.
        other = self._states(rows.roll(1, 0), lengths.roll(1, 0), DEPTH)[-1]
        some_step = trajectory[int(torch.randint(DEPTH, ()))]
        loss = loss + WEIGHT * (agreement(trajectory[-1], other) + agreement(trajectory[-1], some_step))
        del by_step  # kept until here, as in the authors' code
        return loss

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Return the cosines with all items after the mean depth."""
        states = self._states(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN], DEPTH_IN_RANKING)
        return F.normalize(states[-1], dim=-1) @ F.normalize(self.items.weight, dim=-1).T / TEMPERATURE

    def _states(self, rows: Tensor, lengths: Tensor, depth: int) -> list[Tensor]:
        """Return the states of the last items after each step, (rows, width)."""
        mask = self.get_attention_mask(rows)
        hidden = self.items(rows) + self.places(torch.arange(rows.shape[1]))
        hidden = self.before(self.dropout(self.norm_input(hidden)), mask)[-1]
        state = NOISE_SCALE * nn.init.trunc_normal_(torch.empty_like(hidden), a=-3, b=3)
        states = []
        for _ in range(depth):
            state = self.looped(self.norm_state((state + hidden) / 2), mask)[-1]
            states.append(self.gather_indexes(state, lengths - 1))
        return states


class ReinforcedOnRecBole(LaresOnRecBole):
    """The second stage. A rollout earns a reward if it ranks the target among the first."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.reference = LaresOnRecBole(config, dataset).eval().requires_grad_(False)
        self.reference.load_state_dict(
            {name: value for name, value in self.state_dict().items() if "reference" not in name}
        )

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return the advantage-weighted loss of the target's log-probability at every step.

        The policy is penalised for differing from the reference.
        """
        rows, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        targets = interaction[self.POS_ITEM_ID]
        own, others, hits = [], [], []
        for _ in range(ROLLOUTS):
            scores = (
                torch.stack(self._states(rows, lengths, DEPTH), 1) @ self.items.weight.T
            )  # (rows, depth, items)
            target = targets.view(-1, 1, 1).expand(-1, DEPTH, 1)
            hits.append((scores[:, -1].topk(HIT_WITHIN).indices == targets.unsqueeze(1)).any(1).float())
            own.append(scores.log_softmax(-1).gather(2, target).squeeze(2))
            with torch.no_grad():
                states = torch.stack(self.reference._states(rows, lengths, DEPTH), 1)
                logs = (states @ self.reference.items.weight.T).log_softmax(-1)
                others.append(logs.gather(2, target).squeeze(2))
        reward = torch.stack(hits)  # (rollouts, rows)
        advantage = ((reward - reward.mean(0)) / (reward.std(0) + 1e-4)).unsqueeze(2)
        policy, reference = torch.stack(own), torch.stack(others)  # (rollouts, rows, depth)
        apart = (reference - policy).exp() - (reference - policy) - 1
        return (apart - (policy - policy.detach()).exp() * advantage).mean()


def agreement(first: Tensor, second: Tensor) -> Tensor:
    """Return the contrast of rows with each other, in both directions."""
    cosines = F.normalize(first, dim=-1) @ F.normalize(second, dim=-1).T / TEMPERATURE
    labels = torch.arange(len(cosines))
    return (F.cross_entropy(cosines, labels) + F.cross_entropy(cosines.T, labels)) / 2
