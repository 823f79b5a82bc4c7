"""Which order begins next."""

from pathlib import Path

import pytest
from small_data import order, trial_config
from small_search import search

from lrbench.execution.order import TrialOrder
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
    assert queue.free() == given
    queue.begin(given[0])
    assert (queue.free(), len(queue)) == (given[1:], 1)


def test_the_longest_begins_first_and_the_unknown_before_it() -> None:
    given = orders(OTHER, FIRST, trial_config("sasrec", seed=2))
    seconds = dict(zip([order.config.id for order in given], (1.0, 5.0, None), strict=True))
    queue = WaitingOrders(given, lambda order: seconds[order.config.id])
    assert queue.free() == [given[2], given[1], given[0]]


def test_trials_begin_before_searches_even_if_they_are_shorter_or_were_added_later() -> None:
    long, unknown, trial = orders(search(seed=8), search(seed=9), OTHER)
    seconds = {long.config.id: 9.0, trial.config.id: 1.0}
    queue = WaitingOrders([long, unknown], lambda order: seconds.get(order.config.id))
    queue.add([trial])
    assert queue.free() == [trial, unknown, long]


def test_an_order_waits_for_the_one_that_trains_its_first_stage() -> None:
    first, both, other = orders(FIRST, BOTH, OTHER)
    queue = WaitingOrders([first, both, other])
    assert queue.free() == [first, other]
    queue.begin(first)
    assert queue.free() == [other]
    queue.finish(first)
    assert queue.free() == [both, other]


def test_of_two_that_train_the_same_the_second_waits_for_the_first() -> None:
    noisy = BOTH.model_copy(update={"evaluation": BOTH.evaluation.model_copy(update={"latents": "noise"})})
    own, noise = orders(BOTH, noisy)
    queue = WaitingOrders([own, noise])
    queue.begin(own)
    assert not queue.free()
    queue.finish(own)
    assert queue.free() == [noise]


def test_what_another_process_works_on_is_left_alone_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    busy, free = orders(OTHER, FIRST)
    queue = WaitingOrders([busy, free])
    queue.begin(busy)
    assert queue.put_back(busy, wait=True)  # only the first time is reported
    assert queue.free() == [free]
    now[0] += waiting.RETRY_SECONDS
    assert queue.free() == [busy, free]
    queue.begin(busy)
    assert not queue.put_back(busy, wait=True)
    assert len(queue) == 2


def test_what_is_put_back_without_waiting_may_begin_at_once() -> None:
    (only,) = orders(OTHER)
    queue = WaitingOrders([only])
    queue.begin(only)
    queue.put_back(only, wait=False)
    assert queue.free() == [only]


def test_what_is_closed_holds_nothing() -> None:
    queue = WaitingOrders(orders(FIRST, BOTH))
    queue.close()
    assert (queue.free(), len(queue)) == ([], 0)


def test_orders_that_are_added_come_after_those_that_wait_and_wait_for_stages_too() -> None:
    first, both, other = orders(FIRST, BOTH, OTHER)
    queue = WaitingOrders([other])
    queue.begin(other)
    queue.add([first, both])
    assert (queue.free(), len(queue)) == ([first], 2)
    queue.begin(first)
    queue.finish(first)
    assert queue.free() == [both]
