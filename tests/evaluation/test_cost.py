"""Operations per user equal those by hand and by torch's own counter, in any order of users."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_data import LARES, SASREC, leave_one_out
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from lrbench.data.batches import evaluation_batches
from lrbench.data.packing import Packed
from lrbench.data.sequences import EvaluationView, Sequences
from lrbench.evaluation import cost
from lrbench.evaluation.cost import (
    count_parameters,
    encoder_flops,
    flops_per_user,
    latency,
    peak_memory,
)
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


def test_frozen_parameters_count() -> None:
    model = model_of("sasrec", **SASREC)
    whole = sum(parameter.numel() for parameter in model.parameters())
    assert count_parameters(model.requires_grad_(False)) == whole > 0


@pytest.mark.skipif(sys.platform != "linux", reason="it reads what Linux says of the process")
def test_peak_memory_is_in_bytes_and_at_least_what_the_process_holds() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    held = pages * os.sysconf("SC_PAGE_SIZE")
    assert 0.9 * held <= peak_memory(CPU) < 1000 * held


@pytest.mark.parametrize(("batch_size", "lengths"), [(4, [3, 4, 5, 6]), (100, [2, 3, 4, 5, 6, 7])])
def test_latency_is_the_median_of_five_runs_after_an_untimed_one(
    batch_size: int, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs take 90 seconds first, then 1, 50, 3, 2 and 4."""
    model, encoded = model_of("sasrec", **SASREC), []
    encode = model.encode

    def watched(sequences: Packed, *rest: Any) -> torch.Tensor:
        encoded.append(sorted(sequences.lengths.tolist()))
        return encode(sequences, *rest)

    clock = iter(np.cumsum([0, 90, 0, 1, 0, 50, 0, 3, 0, 2, 0, 4]).tolist())
    monkeypatch.setattr(cost, "_moment", lambda device: next(clock))
    monkeypatch.setattr(model, "encode", watched)
    seconds = latency(model, view_of(7, 2, 5, 4, 3, 6), 0, CPU, batch_size)
    assert seconds == 3 * 1000 / len(lengths)
    assert encoded == [lengths] * 6  # those nearest to the median length
