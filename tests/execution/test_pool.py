"""Where trials run: how wishes become slots. Running them is tested with the command."""

import os

import pytest
import torch

from lrbench.errors import RequestError
from lrbench.execution.pool import choose_slots

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


def gpus_of(*wishes: object) -> list[str]:
    slots = choose_slots(*wishes, trials=9)  # type: ignore[arg-type]
    assert {slot.device for slot in slots} == {"cuda"}
    assert {slot.threads for slot in slots} == {max(1, CORES // len(slots))}
    return [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots]


@pytest.mark.usefixtures("four_gpus")
def test_every_gpu_has_a_worker() -> None:
    assert gpus_of([0, 1], None, None) == ["0", "1"]
    assert gpus_of([3, 3], None, None) == ["3"]
    assert gpus_of([], "cuda", None) == ["0"]


@pytest.mark.usefixtures("four_gpus")
def test_workers_are_dealt_out_over_gpus() -> None:
    assert gpus_of([0, 2], None, 5) == ["0", "2", "0", "2", "0"]
    assert gpus_of([0, 2], None, 1) == ["0"]


@pytest.mark.usefixtures("four_gpus")
def test_numbers_count_the_gpus_that_a_scheduler_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6,GPU-7f,7")
    assert gpus_of([0, 2], None, None) == ["4", "GPU-7f"]


def test_workers_share_the_cores() -> None:
    assert [slot.threads for slot in choose_slots([], None, 2 * CORES, trials=1)] == [1] * 2 * CORES
    assert [slot.threads for slot in choose_slots([], "cpu", 1, trials=5)] == [CORES]
    assert len(choose_slots([], None, None, trials=1)) == 1
    assert len(choose_slots([], None, None, trials=1000)) == CORES


@pytest.mark.usefixtures("four_gpus")
@pytest.mark.parametrize(
    ("wishes", "message"),
    [(([4], None, None), "There is no GPU 4"), (([0], "cpu", None), "contradict")],
)
def test_wishes_that_cannot_be(wishes: tuple[object, ...], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        choose_slots(*wishes, trials=1)  # type: ignore[arg-type]
