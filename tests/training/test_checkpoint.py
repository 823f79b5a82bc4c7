"""What a checkpoint holds, and what writing and using it takes."""

from pathlib import Path

import pytest
import torch

from lrbench.training.checkpoint import Checkpoint, StageProgress, load_checkpoint


def checkpoint() -> Checkpoint:
    weights = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(())}
    return Checkpoint(
        trial="t",
        stage=1,
        progress=StageProgress(epoch=2, losses={"loss": 0.5}, tried={0.1: 0.2}),
        weights=weights,
        begin_weights=weights,
        best_weights=weights,
        optimiser={"means": [torch.ones(3)], "steps": [torch.ones(())]},
        random={"cpu": torch.get_rng_state(), "cuda": []},
        history=[{"stage": "a", "epoch": 1, "validation_metric": None}],
    )


def test_a_checkpoint_is_written_without_a_copy_of_its_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied(tensor: torch.Tensor, memo: object) -> None:
        raise AssertionError(f"a tensor of {tensor.numel()} numbers is copied")

    monkeypatch.setattr(torch.Tensor, "__deepcopy__", copied)
    kept, path = checkpoint(), tmp_path / "checkpoint.pt"
    kept.save(path)
    found = load_checkpoint(path, "t")
    assert found is not None
    assert (found.stage, found.progress, found.history) == (1, kept.progress, kept.history)
    assert torch.equal(found.weights["weight"], kept.weights["weight"])
    assert torch.equal(found.optimiser["means"][0], kept.optimiser["means"][0])
