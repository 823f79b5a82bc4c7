"""Prompts that were read once, and tokens that continue them from the keys and values of the prompts.

A token sees only what is before it, so all continuations of a prompt share its keys and values. A
continuation is a latent and the answer after it, one of several latents, a beam of a search, or the trie of
all titles. The result is that of reading prompt and continuation together. Gradients flow through the keys
and values.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lrbench.arrays import Int64s

__all__ = ["Continuation", "LanguageNetwork", "padded_rows"]


def padded_rows(rows: Sequence[Sequence[int] | Int64s], device: torch.device) -> tuple[Tensor, Tensor]:
    """Pad rows of token numbers on the right.

    Returns:
        Tokens with 0 as padding, and which are real, (rows, length) each.
    """
    lengths = np.array([len(row) for row in rows])
    real = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.zeros(real.shape, dtype=np.int64)
    tokens[real] = np.concatenate([np.asarray(row) for row in rows])
    return torch.from_numpy(tokens).to(device), torch.from_numpy(real).to(device)


class LanguageNetwork(nn.Module):
    """A causal language model of transformers, called with keys and values to continue.

    Args:
        network: the model, with ``sdpa`` attention.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.prompt_tokens = 0
        """How many tokens of prompts it has read since it was built, without padding."""

    @property
    def width(self) -> int:
        """Length of states and of token embeddings."""
        return int(self.network.config.hidden_size)

    def embed(self, tokens: Tensor) -> Tensor:
        """Token embeddings, (…) → (…, width)."""
        return self.network.get_input_embeddings()(tokens)

    def logits(self, states: Tensor) -> Tensor:
        """Scores of all tokens, (…, width) → (…, vocabulary), in float32."""
        return self.network.get_output_embeddings()(states.to(self.network.dtype)).float()

    def read(self, rows: Sequence[Int64s], device: torch.device) -> "Continuation":
        """Read prompts in one pass.

        Args:
            rows: token numbers of each prompt.
            device: where the language model is.
        """
        from transformers import DynamicCache  # noqa: PLC0415 - heavy, and an extra

        tokens, real = padded_rows(rows, device)
        lengths = real.sum(1)
        self.prompt_tokens += sum(map(len, rows))
        cache = DynamicCache()
        positions = torch.arange(tokens.shape[1], device=device).expand_as(tokens)
        # Padding is on the right, where no real token sees it.
        states = self.states(self.embed(tokens), positions, None, cache)
        return Continuation(
            self, cache, states, real, lengths, torch.empty(0, dtype=torch.long, device=device)
        )

    def states(self, embedded: Tensor, positions: Tensor, seen: Tensor | None, cache: Any) -> Tensor:
        """Read new tokens and append their keys and values to the cache.

        Args:
            embedded: (rows, new, width).
            positions: (rows, new).
            seen: which tokens of the cache and which new ones each new token sees, (rows, new, cached + new);
                ``None``: itself and all before it.
            cache: keys and values, as transformers keeps them.

        Returns:
            States after the last layer, (rows, new, width), in float32.
        """
        mask = None if seen is None else seen.unsqueeze(1)
        inner = self.network.get_decoder()
        # The fourth argument changed its name between versions of transformers, so it has none here.
        done = inner(None, mask, positions, cache, embedded.to(self.network.dtype), use_cache=True)
        return done.last_hidden_state.float()


@dataclass(frozen=True)
class Continuation:
    """Prompts with what was appended to them, in branches that do not see each other."""

    network: LanguageNetwork
    cache: Any
    prompt_states: Tensor  # (rows, prompt, width)
    prompt_real: Tensor  # (rows, prompt) which tokens are no padding
    lengths: Tensor  # (rows,) tokens of each prompt
    branches: Tensor  # (appended,) the branch of each appended token
    branch_states: Tensor | None = None  # (rows, branches, branch_length, width) of the appended tokens

    @property
    def last_states(self) -> Tensor:
        """State of the last token of the prompt, or of each branch, (rows, branches, width)."""
        if self.branch_states is not None:
            return self.branch_states[:, :, -1]
        at = (self.lengths - 1)[:, None, None].expand(-1, 1, self.prompt_states.shape[-1])
        return self.prompt_states.gather(1, at)

    @property
    def branch_length(self) -> int:
        """Tokens that were appended to each branch."""
        return 0 if self.branch_states is None else self.branch_states.shape[2]

    def grown(self, embedded: Tensor) -> tuple["Continuation", Tensor]:
        """Append tokens to every branch.

        Args:
            embedded: (rows, branches, new, width). If there are no branches yet, this begins them.

        Returns:
            The longer continuation, and the states of the tokens, shaped as ``embedded``.
        """
        rows, count, new, width = embedded.shape
        branch = torch.arange(count, device=embedded.device).repeat_interleave(new)  # (branches · new,)
        step = torch.arange(new, device=embedded.device).repeat(count)
        positions = (self.lengths[:, None] + self.branch_length + step).expand(rows, -1)
        before = branch[:, None] == self.branches  # (branches · new, appended)
        within = (branch[:, None] == branch) & (step[:, None] >= step)
        states, cache = self.appended(embedded.flatten(1, 2), positions, torch.cat((before, within), 1))
        states = states.view(rows, count, new, width)
        longer = replace(
            self,
            cache=cache,
            branches=torch.cat((self.branches, branch)),
            branch_states=states
            if self.branch_states is None
            else torch.cat((self.branch_states, states), 2),
        )
        return longer, states

    def appended(self, embedded: Tensor, positions: Tensor, seen: Tensor) -> tuple[Tensor, Any]:
        """Append tokens that see the prompt and what ``seen`` says. This continuation stays as it is.

        Args:
            embedded: (rows, new, width).
            positions: (rows, new).
            seen: which appended and new tokens each new one sees, (new, appended + new), or the same for each
                row, (rows, new, appended + new).

        Returns:
            Their states, (rows, new, width), and the longer cache.
        """
        rows, new, _ = embedded.shape
        prompt = self.prompt_real[:, None].expand(-1, new, -1)
        whole = torch.cat((prompt, seen.expand(rows, -1, -1)), 2)
        cache = _shared(self.cache)
        return self.network.states(embedded, positions, whole, cache), cache


def _shared(cache: Any) -> Any:
    """Return a copy of a cache that shares its tensors. Appending to the copy leaves the cache as it is."""
    copied = copy.copy(cache)
    copied.layers = [copy.copy(layer) for layer in cache.layers]
    return copied
