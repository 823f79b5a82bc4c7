"""The attention that makes latents, alone and in a small language model, against the authors' numbers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from parity.published import CPU, Published
from safetensors.torch import load_file
from torch import Tensor

from lrbench.data.packing import Packed, pack
from lrbench.models.layers.latent_attention import LatentAttention, rotate

NAMES = {r"(\w+\.\w+)": r"\1"}


@pytest.fixture(params=[torch.float64, torch.float32], ids=["float64", "float32"])
def published(request: pytest.FixtureRequest) -> Published:
    return Published("latentratt", request.param)


def attention(published: Published, reach: int | None = None) -> LatentAttention:
    module = LatentAttention(16, reach)
    published.load(module, NAMES)
    return module


def histories(published: Published, side: str, window: int | None = None) -> tuple[Packed, Tensor, Tensor]:
    """The tokens before each latent: packed, and their places in the source, (tokens,) twice.

    Padding within a ``window`` of places before the latent is a token like others.
    """
    places, stop = torch.arange(9), published.cases[f"in.thought_{side}"][:, None]
    mask = published.cases[f"in.mask_{side}"].bool()
    if window is not None:
        mask |= places >= stop - window
    mask &= places < stop
    row, column = torch.nonzero(mask, as_tuple=True)
    stops = np.cumsum(mask.sum(1).numpy())
    numbers = np.arange(len(row), dtype=np.int32)
    packed = pack(numbers, np.concatenate([[0], stops[:-1]]), stops, CPU)
    return packed, row[packed.items], column[packed.items]


@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("side", ["right", "left"])
def test_latents_and_gradients(published: Published, side: str, window: int | None, everywhere: bool) -> None:
    """Where padding on the left is in the window, the source sees it, so here it is given as states."""
    module = attention(published, window)
    sequences, row, column = histories(published, side, window)
    states = published.cases["in.hidden"].clone().requires_grad_()
    tokens = states[row, column]
    asking = tokens if everywhere else tokens[sequences.last]
    latents = module(tokens, asking, 0, sequences, everywhere)
    latents = latents[sequences.last] if everywhere else latents
    prefix = f"out.{side}.end_k{window or 'all'}"
    published.close(latents, f"{prefix}.output")
    loss = (latents * published.cases["in.grad_output"]).sum()
    published.close(loss, f"{prefix}.loss_total")
    loss.backward()
    published.close_gradients(module, prefix, NAMES)
    published.close(states.grad, f"{prefix}.hidden_gradient")


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("side", ["right", "left"])
def test_weights(published: Published, side: str, window: int | None) -> None:
    """With values that encode their position, the latents are the weights of attention."""
    module = attention(published, window)
    sequences, row, column = histories(published, side, window)
    module.value.register_forward_hook(lambda *_: F.one_hot(column, 9).to(published.dtype))
    tokens = published.cases["in.hidden"][row, column]
    weights = module(tokens, tokens[sequences.last], 0, sequences, False)
    published.close(weights.unsqueeze(1), f"out.{side}.end_k{window or 'all'}.attention_weights")


def test_window_over_states_alone_on_the_left(published: Published) -> None:
    """Without padding among the states, rows with as many states as the window are still the source's."""
    sequences, row, column = histories(published, "left")
    states = published.cases["in.hidden"].clone().requires_grad_()
    tokens = states[row, column]
    latents = attention(published, 3)(tokens, tokens[sequences.last], 0, sequences, False)
    enough = sequences.lengths >= 3
    assert enough.tolist() == [False, True, True, True, True, True]
    (latents * published.cases["in.grad_output"]).sum().backward()
    for actual, key in (latents, "output"), (states.grad, "hidden_gradient"):
        expected = published.cases[f"out.left.end_k3.{key}"]
        published.equal(actual[enough], expected[enough], key)
        assert not torch.isclose(actual[~enough], expected[~enough], rtol=0.01, atol=0).all()


def test_rotation(published: Published) -> None:
    module, hidden = attention(published), published.cases["in.hidden"]
    unit = (torch.arange(16) < 8).to(published.dtype).expand(1, 9, 16)  # turned, it is cosines and sines
    for half, name in zip(rotate(unit, torch.arange(9)).chunk(2, -1), ("cos", "sin"), strict=True):
        published.close(torch.cat((half, half), -1), f"out.rope_{name}")
    published.close(rotate(module.query(hidden), torch.arange(9)), "out.rotated_query")
    published.close(rotate(module.key(hidden), torch.arange(9)), "out.rotated_key")


class Qwen2:
    """The forward pass of the two-layer language model of the reference numbers."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights

    def norm(self, hidden: Tensor, name: str) -> Tensor:
        scale = (hidden.square().mean(-1, keepdim=True) + 1e-6).rsqrt()
        return hidden * scale * self.weights[f"{name}.weight"]

    def linear(self, hidden: Tensor, name: str) -> Tensor:
        return F.linear(hidden, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"))

    def rotated(self, part: Tensor) -> Tensor:
        """Rotary positions of base 10,000 over heads of 8, (batch, heads, length, 8)."""
        angles = torch.arange(part.shape[2])[:, None] * 10_000.0 ** (-torch.arange(4).to(part.dtype) / 4)
        cosine, sine = (torch.cat((form, form), -1) for form in (angles.cos(), angles.sin()))
        turned = torch.cat((-part[..., 4:], part[..., :4]), -1)
        return part * cosine + turned * sine

    def attend(self, hidden: Tensor, name: str) -> Tensor:
        def heads(part: str) -> Tensor:
            return self.linear(hidden, f"{name}.{part}_proj").unflatten(-1, (-1, 8)).transpose(1, 2)

        query, key, value = self.rotated(heads("q")), self.rotated(heads("k")), heads("v")
        mixed = F.scaled_dot_product_attention(
            query, key.expand_as(query), value.expand_as(query), is_causal=True
        )
        return self.linear(mixed.transpose(1, 2).flatten(2), f"{name}.o_proj")

    def hidden(self, embedded: Tensor) -> Tensor:
        for number in range(2):
            name = f"model.layers.{number}"
            embedded = embedded + self.attend(
                self.norm(embedded, f"{name}.input_layernorm"), f"{name}.self_attn"
            )
            inner = self.norm(embedded, f"{name}.post_attention_layernorm")
            gate = F.silu(self.linear(inner, f"{name}.mlp.gate_proj"))
            up = self.linear(inner, f"{name}.mlp.up_proj")
            embedded = embedded + self.linear(gate * up, f"{name}.mlp.down_proj")
        return self.norm(embedded, "model.norm")


def test_a_latent_in_a_language_model(published: Published) -> None:
    cases, module = published.cases, LatentAttention(16).to(published.dtype)
    stored = load_file(published.path / "weights_full_model.safetensors")
    weights = {name: value.to(published.dtype).requires_grad_() for name, value in stored.items()}
    module.load_state_dict({name: weights[f"attention.{name}"].detach() for name in module.state_dict()})
    model, ids = Qwen2(weights), cases["in.full_input_ids"]
    embedded = weights["model.embed_tokens.weight"][ids]
    first = model.hidden(embedded)
    real = cases["in.mask_right"].bool()
    published.equal(first[real], cases["out.full.pass1_last_hidden"][real], "first pass")

    sequences, row, column = histories(published, "right")
    tokens = first[row, column]
    latents = module(tokens, tokens[sequences.last], 0, sequences, False)
    published.close(latents, "out.full.latent_embedding")
    thought = F.one_hot(cases["in.thought_right"], 9).bool()
    injected = torch.where(thought.unsqueeze(-1), latents.unsqueeze(1), embedded)
    logits = model.linear(model.hidden(injected), "lm_head")
    published.equal(logits[real], cases["out.full.pass2_logits"][real], "second pass")
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), cases["in.full_labels"][:, 1:].flatten())
    published.close(loss, "out.full.loss_total")
    loss.backward()
    for name, parameter in module.named_parameters():
        weights[f"attention.{name}"].grad = parameter.grad
    for key in cases:
        if key.startswith("out.full.grad."):
            published.equal(weights[key.removeprefix("out.full.grad.")].grad, cases[key], key)
