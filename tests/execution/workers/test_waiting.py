"""Which order begins next."""

import threading
from pathlib import Path

import pytest
from small_data import order, trial_config

from lrbench.execution.trial import TrialOrder
from lrbench.execution.workers import waiting
from lrbench.execution.workers.waiting import WaitingOrders

FIRST = trial_config("lares", stages=("spt",))
BOTH = trial_config("lares")
OTHER = trial_config("sasrec")


def orders(*configs: object) -> list[TrialOrder]:
    return [order(config, Path("data"), Path("results")) for config in configs]  # type: ignore[arg-type]


def test_orders_begin_as_given_and_each_once() -> None:
    given = orders(OTHER, FIRST)
    queue = WaitingOrders(given)
    assert [queue.take(), queue.take(), queue.take()] == [*given, None]


def test_an_order_waits_for_the_one_that_trains_its_first_stage() -> None:
    first, both, other = orders(FIRST, BOTH, OTHER)
    queue = WaitingOrders([first, both, other])
    assert [queue.take(), queue.take()] == [first, other]
    taken: list[TrialOrder | None] = []
    slot = threading.Thread(target=lambda: taken.append(queue.take()))
    slot.start()
    slot.join(0.1)
    assert not taken
    queue.finish(first)
    slot.join(5)
    assert taken == [both]


def test_of_two_that_train_the_same_the_second_waits_for_the_first() -> None:
    noisy = BOTH.model_copy(update={"evaluation": BOTH.evaluation.model_copy(update={"latents": "noise"})})
    own, noise = orders(BOTH, noisy)
    queue = WaitingOrders([own, noise])
    assert queue.take() == own
    queue.finish(own)
    assert queue.take() == noise


def test_free_orders_come_before_those_of_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "RETRY_SECONDS", 0.05)
    busy, free = orders(OTHER, FIRST)
    queue = WaitingOrders([busy, free])
    assert queue.take() == busy
    assert queue.put_back(busy)  # it is said once
    assert queue.take() == free
    assert queue.take() == busy  # after a while it is tried again
    assert not queue.put_back(busy)
    assert len(queue) == 1


def test_what_is_closed_ends_those_that_wait() -> None:
    first, both = orders(FIRST, BOTH)
    queue = WaitingOrders([first, both])
    queue.take()
    taken: list[TrialOrder | None] = []
    slot = threading.Thread(target=lambda: taken.append(queue.take()))
    slot.start()
    queue.close()
    slot.join(5)
    assert taken == [None]
