"""Training steps of ReaRec's ERL and PRL on RecBole's SASRec, as in the authors' code.

Source: TangJiakai/ReaRec @7f46432. Every prefix is a row, padded to the maximum length. Reasoning tokens pass
the same blocks. A cache holds the keys and values of earlier tokens. The scores of all items are kept for
every state at once. Each state's softmax is taken once, even if several divergences need it.
"""

from typing import Any

import torch
import torch.nn.functional as F
from recbole.model.layers import MultiHeadAttention
from recbole.model.sequential_recommender.sasrec import SASRec
from torch import Tensor, nn

STEPS, TEMPERATURE = 2, 1.0
DIVERGENCE_WEIGHT = 0.05
SHARPENING, NOISE = 5.0, 0.01
Cache = list[tuple[Tensor, Tensor]]


class Reasoning(SASRec):
    """SASRec that passes its last state through its blocks again, with the embedding of the step."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.steps = nn.Embedding(STEPS, self.hidden_size)

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """Return the scores of all items, (rows, items)."""
        states, _ = self.chain(interaction)
        return self.pooled(states) @ self.item_embedding.weight.T

    def pooled(self, states: list[Tensor]) -> Tensor:
        """Return the vectors that score items, (rows, width)."""
        raise NotImplementedError

    def scores(self, state: Tensor, temperature: float = TEMPERATURE) -> Tensor:
        """Return the scores, (rows, items)."""
        return state @ self.item_embedding.weight.T / temperature

    def chain(self, interaction: Any, noise: float = 0.0) -> tuple[list[Tensor], list[Tensor]]:
        """Return the states of the history and of each step, and those of noisy steps, (rows, width) each."""
        rows, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        places = torch.arange(rows.shape[1]).expand_as(rows)
        hidden = self.dropout(self.LayerNorm(self.item_embedding(rows) + self.position_embedding(places)))
        hidden, cache = self.blocks(hidden, self.get_attention_mask(rows), [])
        states, noisy, other = [self.gather_indexes(hidden, lengths - 1)], [], cache
        seen = F.pad(self.get_attention_mask(rows, bidirectional=True), (0, STEPS))
        for step in range(STEPS):
            mask = seen[..., : rows.shape[1] + step + 1]
            clean = states[-1] + self.steps.weight[step]
            token, cache = self.blocks(self.dropout(self.LayerNorm(clean)).unsqueeze(1), mask, cache)
            if noise:
                blurred = self.dropout(self.LayerNorm(clean + noise * torch.randn_like(clean)))
                copy, other = self.blocks(blurred.unsqueeze(1), mask, other)
                noisy.append(copy.squeeze(1))
            states.append(token.squeeze(1))
        return states, noisy

    def blocks(self, hidden: Tensor, mask: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """Pass tokens through all blocks and add their keys and values to each block's cache."""
        grown: Cache = []
        for number, block in enumerate(self.trm_encoder.layer):
            attention = block.multi_head_attention
            key, value = (by_head(attention, layer(hidden)) for layer in (attention.key, attention.value))
            if cache:
                key, value = (
                    torch.cat([old, new], 2) for old, new in zip(cache[number], (key, value), strict=True)
                )
            grown.append((key, value))
            query = by_head(attention, attention.query(hidden))
            weights = (query @ key.mT / attention.sqrt_attention_head_size + mask).softmax(-1)
            mixed = (attention.attn_dropout(weights) @ value).transpose(1, 2).flatten(2)
            mixed = attention.LayerNorm(attention.out_dropout(attention.dense(mixed)) + hidden)
            hidden = block.feed_forward(mixed)
        return hidden, grown


class ErlOnRecBole(Reasoning):
    """Trains the mean of all states and rewards states for disagreeing."""

    def pooled(self, states: list[Tensor]) -> Tensor:
        """Return the mean state."""
        return torch.stack(states).mean(0)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return the cross-entropy minus the divergence of every ordered pair of states."""
        states, _ = self.chain(interaction)
        loss = F.cross_entropy(self.scores(self.pooled(states)), interaction[self.POS_ITEM_ID])
        logs = [self.scores(state).log_softmax(-1) for state in states]
        divergences = [
            F.kl_div(other.detach(), own, reduction="batchmean", log_target=True)
            for own in logs
            for other in logs
            if own is not other
        ]
        return loss - DIVERGENCE_WEIGHT * torch.stack(divergences).mean()


class PrlOnRecBole(Reasoning):
    """Trains every state, earlier ones hotter, and contrasts each step with noisy copies."""

    def pooled(self, states: list[Tensor]) -> Tensor:
        """Return the last state."""
        return states[-1]

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Return the cross-entropies of all states plus the contrast of noisy with clean states."""
        states, noisy = self.chain(interaction, NOISE)
        targets = interaction[self.POS_ITEM_ID]
        heat = [TEMPERATURE * SHARPENING ** (STEPS - step) for step in range(STEPS + 1)]
        losses = [F.cross_entropy(self.scores(*pair), targets) for pair in zip(states, heat, strict=True)]
        own = torch.arange(len(targets))
        contrasts = [
            F.cross_entropy(blurred @ clean.T / TEMPERATURE, own)
            for blurred, clean in zip(noisy, states[1:], strict=True)
        ]
        return torch.stack(losses[:-1]).mean() + losses[-1] + torch.stack(contrasts).mean()


def by_head(attention: MultiHeadAttention, projected: Tensor) -> Tensor:
    """(rows, tokens, width) → (rows, heads, tokens, width / heads)."""
    return attention.transpose_for_scores(projected).transpose(1, 2)
