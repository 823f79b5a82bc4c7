"""Operations per user equal those by hand and by torch's own counter, in any order of users."""

from typing import Any

import numpy as np
import pytest
import torch
from small_data import LARES, SASREC, leave_one_out
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lrbench.data.batches import evaluation_batches
from lrbench.data.sequences import EvaluationView, Sequences
from lrbench.evaluation.cost import encoder_flops, flops_per_user
from lrbench.models.base import Model
from lrbench.registry import MODELS

CPU = torch.device("cpu")
N_ITEMS = 30


def view_of(*lengths: int) -> EvaluationView:
    """Return users with test histories of these lengths."""
    offsets = np.concatenate([[0], np.cumsum([length + 1 for length in lengths])]).astype(np.int64)
    items = np.random.default_rng(0).integers(0, N_ITEMS, offsets[-1], dtype=np.int32)
    return leave_one_out(Sequences(items, offsets, None, N_ITEMS)).test


def model_of(name: str, max_length: int = 20, **params: Any) -> Model:
    kind = MODELS.load(name)
    return kind(kind.Config(**params), N_ITEMS, max_length)


def test_sasrec_of_one_block_by_hand() -> None:
    width, inner = SASREC["width"], SASREC["inner_width"]

    def encoding(length: int) -> int:
        projections = length * width * 3 * width
        attention = 2 * length * width  # of the last token alone: scores, and the mean of values
        return 2 * (projections + attention + width * width + 2 * width * inner)

    model = model_of("sasrec", **SASREC)
    assert encoder_flops(model, view_of(3), 0, CPU) == encoding(3)
    assert encoder_flops(model, view_of(7, 3, 3, 30), 0, CPU) == np.mean(
        [encoding(length) for length in (7, 3, 3, 20)]
    )
    scoring = 2 * width * N_ITEMS
    assert flops_per_user(model, view_of(3), 0, CPU) == encoding(3) + scoring


@pytest.mark.parametrize(
    ("name", "params", "depth"), [("sasrec", SASREC, 0), ("lares", LARES, 2), ("plr", {"width": 16}, 2)]
)
def test_as_counted_by_torch_where_nothing_is_padded(name: str, params: dict[str, Any], depth: int) -> None:
    model, view = model_of(name, **params).eval(), view_of(*[6] * 40)
    _, sequences = next(evaluation_batches(view, 20, len(view), CPU))
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.encode(sequences, (depth,), torch.Generator().manual_seed(0))
    assert encoder_flops(model, view, depth, CPU) == counter.get_total_flops() / len(view)


def test_the_first_users_count_no_more_than_others() -> None:
    model = model_of("lares", **LARES)
    lengths = [19] * 300 + [3] * 900
    first_long, first_short = (view_of(*order) for order in (lengths, lengths[::-1]))
    assert encoder_flops(model, first_long, 2, CPU) == encoder_flops(model, first_short, 2, CPU)
    of_long, of_short = (encoder_flops(model, view_of(length), 2, CPU) for length in (19, 3))
    assert encoder_flops(model, first_long, 2, CPU) == pytest.approx((of_long + 3 * of_short) / 4)
