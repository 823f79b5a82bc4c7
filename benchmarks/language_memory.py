"""Memory of a language model, computed from its sizes: the peak of training and of ranking.

The formula counts memory that is proportional to weights or tokens. It leaves out the interpreter and its
libraries, temporary results, and free memory that the allocator keeps.
"""

from dataclasses import dataclass

__all__ = ["QWEN", "SMOLLM2", "Sizes", "ranking", "training"]

GIB = 1 << 30


@dataclass(frozen=True)
class Sizes:
    """Sizes of a causal language model with grouped-query attention and a gated feed-forward part."""

    layers: int
    width: int
    inner_width: int
    key_heads: int
    head_width: int
    vocabulary: int
    parameters: int

    def cache(self, tokens: int, number_bytes: int) -> float:
        """Return the bytes of the keys and values of tokens."""
        return 2.0 * self.layers * self.key_heads * self.head_width * tokens * number_bytes

    def activations(self, tokens: int, number_bytes: int) -> float:
        """Return the bytes that the layers store of tokens for the gradient.

        Per token a layer stores twelve vectors of its width: two norms with three each, the input of the
        projections, queries, keys and values for all heads, the result of attention, and the residual. It
        stores four of the inner width: the gate, its activation, the other half, and their product.
        """
        return float(self.layers * (12 * self.width + 4 * self.inner_width) * tokens * number_bytes)

    def scores(self, tokens: int) -> float:
        """Return the bytes of scores at target positions, their log-softmax and its gradient, in float32."""
        return 3.0 * 4 * self.vocabulary * tokens


SMOLLM2 = Sizes(30, 576, 1536, 3, 64, 49_152, 134_515_008)
"""SmolLM2-135M; embeddings are shared with the output."""

QWEN = Sizes(28, 1536, 8960, 2, 128, 151_936, 1_543_714_304)
"""Qwen2.5-1.5B; embeddings are shared with the output."""


def training(
    sizes: Sizes, trained: int, prompt_tokens: int, target_tokens: int, weight_bytes: int, trained_bytes: int
) -> dict[str, float]:
    """Return the parts of the memory of a training step, in GiB.

    Args:
        sizes: of the model.
        trained: number of trained weights. Adam keeps two more numbers for each.
        prompt_tokens: prompt tokens of one part of a batch through which gradients flow.
        target_tokens: target tokens of one part of a batch.
        weight_bytes: bytes of a weight of the base model, and of a number of its activations.
        trained_bytes: bytes of a trained number.
    """
    tokens = prompt_tokens + target_tokens
    parts = {
        "weights": float(sizes.parameters * weight_bytes),
        "gradients": float(trained * trained_bytes),
        "optimiser": 2.0 * trained * trained_bytes,
        "activations": sizes.activations(tokens, weight_bytes) + sizes.scores(target_tokens),
        "keys and values": sizes.cache(tokens, weight_bytes),
    }
    return {name: size / GIB for name, size in parts.items()}


def ranking(sizes: Sizes, prompt_tokens: int, beam_tokens: int, weight_bytes: int) -> dict[str, float]:
    """Return the parts of the memory of a beam search, in GiB.

    Args:
        sizes: of the model.
        prompt_tokens: tokens of the prompts that are read at once.
        beam_tokens: tokens of all beams after them.
        weight_bytes: bytes of a weight.
    """
    parts = {
        "weights": float(sizes.parameters * weight_bytes),
        "keys and values": sizes.cache(prompt_tokens + beam_tokens, weight_bytes),
    }
    return {name: size / GIB for name, size in parts.items()}
