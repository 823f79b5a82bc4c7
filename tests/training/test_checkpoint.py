"""What a checkpoint holds, and what writing and using it takes."""

from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from lrbench.training.checkpoint import (
    Checkpoint,
    StageProgress,
    load_checkpoint,
    random_state,
    restore_random_state,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


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


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    checkpoint().save(path)

    def full(values: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint().save(path)
    assert list(tmp_path.iterdir()) == [path]
    assert load_checkpoint(path, "t") is not None


class Generator:
    """The generator of a GPU."""

    def __init__(self, state: int) -> None:
        self.state = torch.tensor([state], dtype=torch.uint8)

    def get_state(self) -> torch.Tensor:
        return self.state

    def set_state(self, state: torch.Tensor) -> None:
        self.state = state


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> list[Generator]:
    """Two GPUs, of which only the generators exist."""
    generators = [Generator(1), Generator(2)]
    monkeypatch.setattr(torch.cuda, "default_generators", generators)
    monkeypatch.setattr(torch.cuda.random, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda.random, "device_count", lambda: len(generators))
    monkeypatch.setattr(torch.cuda.random, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch.cuda.random, "_lazy_call", lambda call, **_: call())
    return generators


def test_a_process_with_one_gpu_goes_on_from_the_state_of_one_that_sees_two(
    two_gpus: list[Generator],
) -> None:
    kept = random_state(CUDA)
    del two_gpus[1]
    two_gpus[0].state = torch.zeros(1, dtype=torch.uint8)
    restore_random_state(kept, CUDA)
    assert two_gpus[0].state.item() == 1


def test_a_state_that_earlier_versions_kept_for_two_gpus_can_be_restored_on_one(
    two_gpus: list[Generator],
) -> None:
    kept = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
    del two_gpus[1]
    two_gpus[0].state = torch.zeros(1, dtype=torch.uint8)
    restore_random_state(kept, CUDA)
    assert two_gpus[0].state.item() == 1


def test_a_trial_on_the_cpu_asks_no_gpu_for_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object) -> None:
        raise AssertionError("CUDA is started")

    monkeypatch.setattr(torch.cuda.random, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda.random, "_lazy_init", started)
    monkeypatch.setattr(torch.cuda.random, "_lazy_call", started)
    kept = random_state(CPU)
    drawn = torch.rand(3)
    restore_random_state(kept | {"cuda": [torch.zeros(1, dtype=torch.uint8)]}, CPU)
    assert torch.equal(torch.rand(3), drawn)
